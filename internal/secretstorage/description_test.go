package secretstorage

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"walletd/internal/did"
	"walletd/internal/wallettest/matrix"
)

type checkVectors struct {
	Known []struct {
		KeyHex      string `json:"key_hex"`
		IVHex       string `json:"iv_hex"`
		IV, MAC     string
		Ciphertext  string `json:"ciphertext_thrown_away"`
		Description json.RawMessage
	}
	Cases []struct {
		ID      string
		KeyHex  string `json:"key_hex"`
		Info    json.RawMessage
		Walletd want
	}
}

func TestKnownKeyChecks(t *testing.T) {
	known := some(t, loadVectors[checkVectors](t, "key-check.json").Known)
	for i, v := range known {
		key := mustKey(t, v.KeyHex)
		check, err := keyCheck(key, [IVSize]byte(unhex(t, v.IVHex)))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(paddedBase64(check.MAC[:])); got != v.MAC || string(paddedBase64(check.Ciphertext)) != v.Ciphertext {
			t.Errorf("%d: the mac is %s, want %s", i, got, v.MAC)
		}
		d, err := ParseDescription(v.Description)
		if err != nil {
			t.Fatal(err)
		}
		// Every key of the file against every description: each fits its own alone.
		for _, other := range known {
			want := NoMatch
			if other.KeyHex == v.KeyHex {
				want = Match
			}
			if got := d.Check(mustKey(t, other.KeyHex)); got != want {
				t.Errorf("%d: key %s is said to be %s", i, other.KeyHex, got)
			}
		}
	}
}

func TestCheck(t *testing.T) {
	for _, v := range some(t, loadVectors[checkVectors](t, "key-check.json").Cases) {
		t.Run(v.ID, func(t *testing.T) {
			d, err := ParseDescription(v.Info)
			code, result := v.Walletd.Error, v.Walletd.Result
			if result == "malformed" {
				code = result
			}
			if code != "" {
				wantCode(t, err, code)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := d.Check(mustKey(t, v.KeyHex)).String(); got != result {
				t.Errorf("got %s, want %s", got, result)
			}
			var compact strings.Builder
			if err := json.NewEncoder(&compact).Encode(v.Info); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.TrimSpace(compact.String()), string(mustMarshal(t, d))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCheckKnowsWhatAClientDescribes(t *testing.T) {
	key, other := mustKey(t, strings.Repeat("a5", KeySize)), mustKey(t, strings.Repeat("a4", KeySize))
	for _, name := range []string{"<my> key", ""} {
		raw := matrix.Description(key.Reveal(), name)
		d, err := ParseDescription(raw)
		if err != nil {
			t.Fatal(err)
		}
		if d.Check(key) != Match || d.Check(other) != NoMatch || d.Name() != name || string(mustMarshal(t, d)) != string(raw) {
			t.Errorf("%s does not describe the key", mustMarshal(t, d))
		}
	}
}

// Old versions of nheko wrote IVs of 32 bytes into descriptions, of which they used the first 16, as mautrix reads
// them; the SDK refuses them.
func TestCheckReadsTheIVOfOldNheko(t *testing.T) {
	known := some(t, loadVectors[checkVectors](t, "key-check.json").Known)
	for i, v := range known {
		iv := string(paddedBase64(append(unhex(t, v.IVHex), "which nobody used"[:16]...)))
		d, err := ParseDescription([]byte(`{"algorithm":"m.secret_storage.v1.aes-hmac-sha2","iv":"` + iv + `","mac":"` + v.MAC + `"}`))
		if err != nil {
			t.Fatal(err)
		}
		if got := d.Check(mustKey(t, v.KeyHex)); got != Match {
			t.Errorf("%d: %v", i, got)
		}
	}
	for _, n := range []int{15, 17, 31, 33, 48} {
		iv := string(paddedBase64(make([]byte, n)))
		if _, err := ParseDescription([]byte(`{"algorithm":"m.secret_storage.v1.aes-hmac-sha2","iv":"` + iv + `","mac":"AAAA"}`)); did.CodeOf(err) != "bad_iv" {
			t.Errorf("an IV of %d bytes: %v", n, err)
		}
	}
}

func TestCheckFitsNothingWithoutAKey(t *testing.T) {
	unknown, err := ParseDescription([]byte(`{"algorithm":"` + Algorithm + `"}`))
	if err != nil {
		t.Fatal(err)
	}
	key := mustKey(t, strings.Repeat("a5", KeySize))
	if got := unknown.Check(key); got != Unknown {
		t.Errorf("got %s", got)
	}
	if got := (Description{}).Check(key); got != NoMatch {
		t.Errorf("nothing is said to describe it: %s", got)
	}
	key.Wipe()
	if got := unknown.Check(key); got != NoMatch {
		t.Errorf("a wiped key is said to fit: %s", got)
	}
}

func TestParseDescription(t *testing.T) {
	const start = `{"algorithm":"` + Algorithm + `"`
	tests := []struct {
		it, raw, code string
	}{
		{"keeps members it does not know", start + `,"x":{"y":[1.0,"é\u00e9"]},"name":"n"}`, ""},
		{"drops white space", " " + start + " ,\n\"x\" : [ 1 , 2 ] } ", ""},
		{"leaves a bad passphrase member alone", start + `,"passphrase":7}`, ""},
		{"refuses another algorithm", `{"algorithm":"m.pbkdf2"}`, "unknown_algorithm"},
		{"refuses an algorithm that is no text", `{"algorithm":1}`, "unknown_algorithm"},
		{"refuses one that was removed", `{}`, "unknown_algorithm"},
		{"refuses a member twice", start + `,"iv":"","iv":""}`, "malformed"},
		{"refuses a member twice, spelled otherwise", start + `,"iv":"","\u0069v":""}`, "malformed"},
		{"refuses a member twice within another", start + `,"x":[{"a":1,"a":1}]}`, "malformed"},
		{"refuses names that differ in case", start + `,"ALGORITHM":"x"}`, "malformed"},
		{"refuses names that differ in a case beyond ASCII", start + `,"paſſphrase":1,"passphrase":2}`, "malformed"},
		{"refuses a name that is no text", start + `,"\ud800":1}`, "malformed"},
		{"refuses an iv that is no text", start + `,"iv":5}`, "malformed"},
		{"refuses a mac that is null", start + `,"mac":null}`, "malformed"},
		{"refuses a name that is no text", start + `,"name":[]}`, "malformed"},
		{"refuses deep nesting", start + `,"x":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`, "malformed"},
		{"refuses more after it", start + `}{}`, "malformed"},
		{"refuses what is no object", `[]`, "malformed"},
		{"refuses nothing", ``, "malformed"},
		{"refuses bytes that are no text", start + ",\"x\":\"\xff\"}", "malformed"},
		{"refuses more than 16 KiB", start + `,"x":"` + strings.Repeat("x", 16<<10) + `"}`, "too_large"},
	}
	for _, test := range tests {
		t.Run(test.it, func(t *testing.T) {
			d, err := ParseDescription([]byte(test.raw))
			if test.code != "" {
				wantCode(t, err, test.code)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := strings.NewReplacer(" ", "", "\n", "").Replace(test.raw)
			if got := string(mustMarshal(t, d)); got != want {
				t.Errorf("it is written %s", got)
			}
		})
	}
}
