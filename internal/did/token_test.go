package did

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type tokenVectors struct {
	Now   int64
	Valid []struct {
		Name, Sk, Pk, DID, Token, Strict string
		SignatureHex                     string
		Body                             map[string]any
	}
	Cases []struct {
		Name, Pk, Token, Strict string
		Now                     int64
	}
	Signing []struct {
		Signer, Token string
		Payload       map[string]any
	}
}

func TestVerifyTokenVectors(t *testing.T) {
	vectors := loadVectors[tokenVectors](t, "jwt.json")
	check := func(t *testing.T, token, pk string, now int64, strict string) {
		key, err := DecodePublicKey(pk)
		if err != nil {
			t.Fatal(err)
		}
		_, err = VerifyToken(token, Check{PublicKey: key, Now: time.Unix(now, 0)})
		if strict == "ok" {
			if err != nil {
				t.Errorf("got %v, want it to verify", err)
			}
			return
		}
		wantCode(t, err, strict)
	}
	for _, v := range some(t, vectors.Valid) {
		t.Run(v.Name, func(t *testing.T) { check(t, v.Token, v.Pk, vectors.Now, v.Strict) })
	}
	for _, v := range some(t, vectors.Cases) {
		t.Run(v.Name, func(t *testing.T) { check(t, v.Token, v.Pk, v.Now, v.Strict) })
	}
}

func TestSignTokenVectors(t *testing.T) {
	vectors := loadVectors[tokenVectors](t, "jwt.json")
	signed := 0
	for _, v := range some(t, vectors.Valid) {
		if v.Sk == "" || v.Body["version"] != "1.1.0" {
			continue
		}
		t.Run(v.Name, func(t *testing.T) {
			signer := mustParse(t, v.DID)
			key, err := NewSecretKey(signer.Type().Key, unhex(t, v.Sk))
			if err != nil {
				t.Fatal(err)
			}
			payload := map[string]any{"action": v.Body["action"], "challenge": v.Body["challenge"], "requestedClaims": []any{}}
			got, err := SignToken(key, signer, payload, vectorTime)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(v.Token, got); diff != "" {
				t.Error(diff)
			}
		})
		signed++
	}
	if signed < 3 {
		t.Errorf("signed %d vectors, want one of each key type", signed)
	}
	for i, v := range some(t, vectors.Signing) {
		t.Run(fmt.Sprintf("body rules %d", i), func(t *testing.T) {
			got, err := SignToken(keyOf(t, Ed25519, 0xb1), mustParse(t, v.Signer), v.Payload, vectorTime)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(v.Token, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSignTokenRefuses(t *testing.T) {
	key := keyOf(t, Ed25519, 0xb1)
	signer, err := FromPublicKey(key.Public(), AccountType())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		payload map[string]any
	}{
		{"another signer", map[string]any{"iss": "did:abt:z1eyFRQsE7qaCa4ZbUhcvGySrbd2Zjj15a8"}},
		{"no signer", map[string]any{"iss": ""}},
		{"another version", map[string]any{"version": "1.0.0"}},
		{"no version", map[string]any{"version": nil}},
		{"no exp", map[string]any{"exp": nil}},
		{"an exp in milliseconds", map[string]any{"exp": vectorTime.UnixMilli()}},
		{"an iat that is no time", map[string]any{"iat": "now"}},
		{"a name that differs from iss in case", map[string]any{"ISS": "x"}},
		{"a member that is no JSON", map[string]any{"x": func() {}}},
		{"a member with duplicate names", map[string]any{"x": json.RawMessage(`{"a":1,"a":2}`)}},
		{"a member nested 32 deep", map[string]any{"x": json.RawMessage(strings.Repeat("[", 32) + strings.Repeat("]", 32))}},
		{"two names that differ in case", map[string]any{"straße": 1, "STRAßE": 2}},
		{"a name that is not UTF-8", map[string]any{"\xff": 1}},
	} {
		t.Run("refuses "+c.name, func(t *testing.T) {
			if token, err := SignToken(key, signer, c.payload, vectorTime); err == nil {
				t.Errorf("signed %s", token)
			}
		})
	}
	_, err = SignToken(keyOf(t, Ed25519, 1), signer, nil, vectorTime)
	wantCode(t, err, "did_pk_mismatch")
	_, err = SignToken(keyOf(t, Ethereum, 1), signer, nil, vectorTime)
	wantCode(t, err, "jwt_alg_mismatch")
	_, err = SignToken(SecretKey{}, DID{}, nil, vectorTime)
	wantCode(t, err, "jwt_alg_mismatch")
}

// forge signs any header and body with key b1 of the vectors and gives the
// token and what to check it against.
func forge(t testing.TB, header, body string) (string, Check) {
	t.Helper()
	key := keyOf(t, Ed25519, 0xb1)
	unsigned := EncodeBase64URL([]byte(header)) + "." + EncodeBase64URL([]byte(body))
	sig, err := SignUnsigned(key, unsigned)
	if err != nil {
		t.Fatal(err)
	}
	return unsigned + "." + EncodeBase64URL(sig), Check{PublicKey: key.Public(), Now: vectorTime}
}

const (
	goodHeader = `{"alg":"Ed25519","type":"JWT"}`
	goodMember = `"iss":"z1Xpb7tzmHrF9FMr89jthqQNGCkacRXj2t6","version":"1.1.0"`
)

func TestVerifyTokenShape(t *testing.T) {
	const exp = `,"exp":1767225900`
	for _, c := range []struct{ name, header, body, code string }{
		{"takes a good token", goodHeader, `{` + goodMember + exp + `}`, ""},
		{"refuses iss and ISS", goodHeader, `{"ISS":"x",` + goodMember + exp + `}`, "jwt_malformed"},
		{"refuses exp and Exp", goodHeader, `{"Exp":"9",` + goodMember + exp + `}`, "jwt_malformed"},
		{"reads no other case of exp", goodHeader, `{` + goodMember + `,"EXP":1767225900}`, "jwt_no_exp"},
		{"reads no other case of iss", goodHeader, `{"Iss":"z1Xpb7tzmHrF9FMr89jthqQNGCkacRXj2t6"}`, "jwt_no_signer"},
		{"refuses duplicates deep in the body", goodHeader, `{` + goodMember + exp + `,"x":[{"y":{"z":1,"z":1}}]}`, "jwt_malformed"},
		{"refuses duplicates in the header", `{"alg":"none","alg":"Ed25519"}`, `{` + goodMember + exp + `}`, "jwt_malformed"},
		{"refuses two cases of alg", `{"alg":"Ed25519","ALG":"none"}`, `{` + goodMember + exp + `}`, "jwt_malformed"},
		{"refuses an alg that is no string", `{"alg":["Ed25519"]}`, `{` + goodMember + exp + `}`, "jwt_alg_mismatch"},
		{"refuses an alg of the library", `{"alg":"EdDSA"}`, `{` + goodMember + exp + `}`, "jwt_alg_mismatch"},
		{"refuses an alg with white space", `{"alg":"Ed25519 "}`, `{` + goodMember + exp + `}`, "jwt_alg_mismatch"},
		{"refuses a header that is an array", `[]`, `{` + goodMember + exp + `}`, "jwt_malformed"},
		{"refuses a body that is null", goodHeader, `null`, "jwt_malformed"},
		{"refuses a body that is not UTF-8", goodHeader, "{\"x\":\"\xff\"," + goodMember + exp + `}`, "jwt_malformed"},
		{"refuses a second body behind", goodHeader, `{` + goodMember + exp + `}{}`, "jwt_malformed"},
		{"refuses an iss that is a list", goodHeader, `{"iss":["z1Xpb7tzmHrF9FMr89jthqQNGCkacRXj2t6"]}`, "jwt_no_signer"},
		{"refuses a null iss", goodHeader, `{"iss":null}`, "jwt_no_signer"},
		{"refuses a number for a version", goodHeader, `{"iss":"z1Xpb7tzmHrF9FMr89jthqQNGCkacRXj2t6","version":1.1` + exp + `}`, "jwt_version"},
		{"refuses an empty version", goodHeader, `{"iss":"z1Xpb7tzmHrF9FMr89jthqQNGCkacRXj2t6","version":""` + exp + `}`, "jwt_version"},
		{"refuses a null version", goodHeader, `{"iss":"z1Xpb7tzmHrF9FMr89jthqQNGCkacRXj2t6","version":null` + exp + `}`, "jwt_version"},
	} {
		t.Run(c.name, func(t *testing.T) {
			token, check := forge(t, c.header, c.body)
			_, err := VerifyToken(token, check)
			if c.code == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantCode(t, err, c.code)
		})
	}
}

func TestVerifyTokenTimes(t *testing.T) {
	const now = 1767225600
	for _, c := range []struct{ name, times, code string }{
		{"takes a string", `"exp":"1767225900"`, ""},
		{"takes a fraction in a string", `"exp":"1767225900.5"`, ""},
		{"refuses a fraction past the tolerance", `"exp":1767225594.999`, "jwt_expired"},
		{"refuses milliseconds", `"exp":1767225900000`, "jwt_time_invalid"},
		{"refuses milliseconds in a string", `"exp":"1767225900000"`, "jwt_time_invalid"},
		{"refuses an iat in milliseconds", `"exp":1767225900,"iat":"1767225600000"`, "jwt_time_invalid"},
		{"takes the last second of 9999", `"exp":253402300799`, ""},
		{"refuses the year 10000", `"exp":253402300800`, "jwt_time_invalid"},
		{"refuses 1e999", `"exp":1e999`, "jwt_time_invalid"},
		{"refuses an exponent", `"exp":1.8e9`, "jwt_time_invalid"},
		{"refuses NaN in a string", `"exp":"NaN"`, "jwt_time_invalid"},
		{"refuses Infinity in a string", `"exp":"Infinity"`, "jwt_time_invalid"},
		{"refuses hex", `"exp":"0x7fffffff"`, "jwt_time_invalid"},
		{"refuses a sign", `"exp":"+1767225900"`, "jwt_time_invalid"},
		{"refuses a negative time", `"exp":-1`, "jwt_time_invalid"},
		{"refuses white space", `"exp":" 1767225900"`, "jwt_time_invalid"},
		{"refuses a dot at the end", `"exp":"1767225900."`, "jwt_time_invalid"},
		{"refuses two dots", `"exp":"1767225900.0.0"`, "jwt_time_invalid"},
		{"refuses other digits", `"exp":"１７６７２２５９００"`, "jwt_time_invalid"},
		{"refuses a number of a thousand digits", `"exp":1` + strings.Repeat("0", 1000), "jwt_time_invalid"},
		{"refuses the empty string", `"exp":""`, "jwt_time_invalid"},
		{"refuses null", `"exp":null`, "jwt_time_invalid"},
		{"refuses true", `"exp":true`, "jwt_time_invalid"},
		{"refuses a list", `"exp":[1767225900]`, "jwt_time_invalid"},
		{"refuses an exp of zero", `"exp":0`, "jwt_expired"},
		{"refuses an unreadable nbf", `"exp":1767225900,"nbf":"soon"`, "jwt_time_invalid"},
		{"says a missing exp before an unreadable iat", `"iat":"soon"`, "jwt_no_exp"},
	} {
		t.Run(c.name, func(t *testing.T) {
			token, check := forge(t, goodHeader, `{`+goodMember+`,`+c.times+`}`)
			_, err := VerifyToken(token, check)
			if c.code == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantCode(t, err, c.code)
		})
	}

	token, check := forge(t, goodHeader, `{`+goodMember+`,"iat":1767225700,"nbf":"1767225600.25","exp":1767225900}`)
	t.Run("gives the token beside a refusal for its time", func(t *testing.T) {
		got, err := VerifyToken(token, check)
		wantCode(t, err, "jwt_iat_future")
		if want := time.Unix(now+100, 0); !got.IssuedAt.Equal(want) {
			t.Errorf("got iat %v, want %v", got.IssuedAt, want)
		}
		if want := time.Unix(now, 25e7); !got.NotBefore.Equal(want) {
			t.Errorf("got nbf %v, want %v", got.NotBefore, want)
		}
	})
	t.Run("rounds now up", func(t *testing.T) {
		check := check
		check.Now = time.Unix(now+305, 0)
		if _, err := VerifyToken(token, check); err != nil {
			t.Error(err)
		}
		check.Now = check.Now.Add(time.Nanosecond)
		_, err := VerifyToken(token, check)
		wantCode(t, err, "jwt_expired")
	})
	t.Run("refuses to work without a time", func(t *testing.T) {
		token, check := forge(t, goodHeader, `{`+goodMember+`,"exp":1767225900}`)
		check.Now = time.Time{}
		if _, err := VerifyToken(token, check); err == nil {
			t.Error("it verifies")
		}
	})
	t.Run("says nothing of time before the signature holds", func(t *testing.T) {
		token, check := forge(t, goodHeader, `{`+goodMember+`,"exp":1}`)
		_, err := VerifyToken(token[:len(token)-4]+"AAAA", check)
		wantCode(t, err, "jwt_bad_signature")
	})
}

func TestVerifyTokenSegments(t *testing.T) {
	token, check := forge(t, goodHeader, `{`+goodMember+`,"exp":1767225900}`)
	parts := strings.Split(token, ".")
	padded := base64.URLEncoding.EncodeToString([]byte(goodHeader + " "))
	for _, c := range []struct{ name, token string }{
		{"no token", ""},
		{"two segments", parts[0] + "." + parts[1]},
		{"four segments", token + "."},
		{"white space in front", " " + token},
		{"a newline behind", token + "\n"},
		{"a newline inside", parts[0] + "\n." + parts[1] + "." + parts[2]},
		{"padding", padded + "." + parts[1] + "." + parts[2]},
		{"other trailing bits", token[:len(token)-1] + string(token[len(token)-1]+1)},
		{"an empty header", "." + parts[1] + "." + parts[2]},
		{"an empty body", parts[0] + ".." + parts[2]},
		{"more than 2 MiB", parts[0] + "." + parts[1] + "." + strings.Repeat("A", MaxToken)},
	} {
		t.Run("refuses "+c.name, func(t *testing.T) {
			_, err := VerifyToken(c.token, check)
			wantCode(t, err, "jwt_malformed")
			_, err = ReadToken(c.token)
			wantCode(t, err, "jwt_malformed")
		})
	}
}

func TestVerifyTokenSigner(t *testing.T) {
	token, check := forge(t, goodHeader, `{"iss":"z1eyFRQsE7qaCa4ZbUhcvGySrbd2Zjj15a8","agentDid":"did:abt:z1Xpb7tzmHrF9FMr89jthqQNGCkacRXj2t6","version":"1.1.0","exp":"1767225900"}`)
	_, err := VerifyToken(token, check)
	wantCode(t, err, "did_pk_mismatch")

	check.Signer = "agentDid"
	got, err := VerifyToken(token, check)
	if err != nil {
		t.Fatal(err)
	}
	if want := mustParse(t, "z1Xpb7tzmHrF9FMr89jthqQNGCkacRXj2t6"); got.Signer != want {
		t.Errorf("got signer %s, want %s", got.Signer, want)
	}
	check.Signer = "to"
	_, err = VerifyToken(token, check)
	wantCode(t, err, "jwt_no_signer")
}

func TestVerifyTokenOfADisguisedKey(t *testing.T) {
	key := keyOf(t, Secp256k1, 0xb3)
	pk := key.Public()
	disguised := derive(pk, AccountType())
	unsigned := EncodeBase64URL([]byte(goodHeader)) + "." + EncodeBase64URL([]byte(`{"iss":"`+disguised.Address()+`","version":"1.1.0","exp":"1767225900"}`))
	sig, err := SignUnsigned(key, unsigned)
	if err != nil {
		t.Fatal(err)
	}
	_, err = VerifyToken(unsigned+"."+EncodeBase64URL(sig), Check{PublicKey: pk, Now: vectorTime})
	wantCode(t, err, "pk_malformed")
}

func TestVerifyFinalToken(t *testing.T) {
	for _, v := range loadVectors[tokenVectors](t, "jwt.json").Valid {
		check := Check{PublicKey: unhex(t, v.Pk), Now: vectorTime, Final: true}
		got, err := VerifyToken(v.Token, check)
		if v.Strict == "jwt_unhashed_ecdsa" {
			wantCode(t, err, "final_unauthenticated")
			if got.Signer != mustParse(t, v.DID) {
				t.Errorf("got signer %s beside the refusal, want %s", got.Signer, v.DID)
			}
		} else if err != nil {
			t.Errorf("%s: %v", v.Name, err)
		}
		check.PublicKey = keyOf(t, Ed25519, 9).Public()
		_, err = VerifyToken(v.Token, check)
		wantCode(t, err, "did_pk_mismatch")
	}
}

func TestReadToken(t *testing.T) {
	token, _ := forge(t, goodHeader, `{`+goodMember+`,"exp":1}`)
	got, err := ReadToken(token[:strings.LastIndexByte(token, '.')+1]) // no signature at all
	if err != nil {
		t.Fatal(err)
	}
	if got.Signer.Address() != "z1Xpb7tzmHrF9FMr89jthqQNGCkacRXj2t6" || got.Version != "1.1.0" || !got.Expires.IsZero() {
		t.Errorf("got %+v", got)
	}
}
