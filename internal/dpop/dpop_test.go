package dpop_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"walletd/internal/dpop"
)

// The proofs of RFC 9449: section 4.1 for the token endpoint, section 7.1 for a protected resource, and the thumbprint
// of their key from section 6.1.
const (
	rfcHeader     = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19"
	rfcTokenProof = rfcHeader + ".eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ" +
		".2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
	rfcResourceProof = rfcHeader + ".eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9" +
		".2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
	rfcToken      = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
	rfcThumbprint = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
)

func TestTheProofsOfRFC9449(t *testing.T) {
	now := time.Unix(1562262620, 0)
	for name, c := range map[string]struct{ proof, method, target, token, id string }{
		"of section 4.1": {rfcTokenProof, "POST", "https://server.example.com/token", "", "-BwC3ESc6acc2lTc"},
		"of section 7.1": {rfcResourceProof, "GET", "https://resource.example.org/protectedresource", rfcToken, "e1j3V_bKic8-LAEB"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := dpop.Parse(c.proof, now)
			if err != nil {
				t.Fatal(err)
			}
			if p.Thumbprint != rfcThumbprint || p.ID != c.id {
				t.Errorf("got the thumbprint %s and the jti %s", p.Thumbprint, p.ID)
			}
			if err := p.For(c.method, c.target, c.token); err != nil {
				t.Error(err)
			}
		})
	}
}

type members = map[string]any

// maker makes proofs, good ones and others.
type maker struct {
	t      *testing.T
	key    *ecdsa.PrivateKey
	header members
	body   members
}

var now = time.Unix(1_800_000_000, 0)

const target = "https://wallet.example/v1/claims"

func newMaker(t *testing.T) *maker {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	m := &maker{t: t, key: key}
	m.header = members{"typ": "dpop+jwt", "alg": "ES256", "jwk": m.jwk()}
	sum := sha256.Sum256([]byte("token"))
	m.body = members{"jti": "one", "htm": "POST", "htu": target, "iat": now.Unix(), "ath": base64.RawURLEncoding.EncodeToString(sum[:])}
	return m
}

func (m *maker) jwk() members {
	point, err := m.key.PublicKey.Bytes()
	if err != nil {
		m.t.Fatal(err)
	}
	return members{"kty": "EC", "crv": "P-256", "x": base64.RawURLEncoding.EncodeToString(point[1:33]), "y": base64.RawURLEncoding.EncodeToString(point[33:])}
}

func segment(t *testing.T, v any) string {
	t.Helper()
	text, raw := v.(string)
	if !raw {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		text = string(b)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

// sign signs a header and a body, which may be JSON text as it is.
func (m *maker) sign(header, body any) string {
	m.t.Helper()
	unsigned := segment(m.t, header) + "." + segment(m.t, body)
	sig, err := jwt.SigningMethodES256.Sign(unsigned, m.key)
	if err != nil {
		m.t.Fatal(err)
	}
	return unsigned + "." + base64.RawURLEncoding.EncodeToString(sig)
}

func (m *maker) proof() string { return m.sign(m.header, m.body) }

// with is a copy with a member changed, or without it where the value is nil.
func with(o members, name string, value any) members {
	changed := members{}
	for k, v := range o {
		changed[k] = v
	}
	if changed[name] = value; value == nil {
		delete(changed, name)
	}
	return changed
}

// Each check of section 4.3 refuses what it is for, and nothing else is wrong with the proof. Check 1, more than one
// header, is the server's; 10 and 11 are of the nonces; 12 b of who reads the token's row.
func TestEachCheckOfSection43(t *testing.T) {
	m := newMaker(t)
	text := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	inHeader := func(name string, value any) string { return m.sign(with(m.header, name, value), m.body) }
	inJWK := func(name string, value any) string { return inHeader("jwk", with(m.jwk(), name, value)) }
	inBody := func(name string, value any) string { return m.sign(m.header, with(m.body, name, value)) }
	good := m.proof()
	parts := strings.Split(good, ".")
	other := newMaker(t)
	none := segment(t, with(m.header, "alg", "none")) + "." + parts[1] + "."
	symmetric := func() string {
		unsigned := segment(t, with(m.header, "alg", "HS256")) + "." + parts[1]
		point, _ := m.key.PublicKey.Bytes()
		mac := hmac.New(sha256.New, point)
		mac.Write([]byte(unsigned))
		return unsigned + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}()
	der, err := ecdsa.SignASN1(rand.Reader, m.key, func() []byte { h := sha256.Sum256([]byte(parts[0] + "." + parts[1])); return h[:] }())
	if err != nil {
		t.Fatal(err)
	}

	for name, proof := range map[string]string{
		"2: no text":                              "",
		"2: two segments":                         parts[0] + "." + parts[1],
		"2: four segments":                        good + ".x",
		"2: padded":                               parts[0] + "." + parts[1] + "." + parts[2] + "==",
		"2: two proofs in one header":             good + ", " + good,
		"2: a header that is no object":           m.sign("[]", m.body),
		"2: a body that is no object":             m.sign(m.header, `"text"`),
		"2: a member of the header twice":         m.sign(strings.Replace(text(m.header), `{`, `{"typ":"dpop+jwt",`, 1), m.body),
		"2: a member of the body twice":           m.sign(m.header, strings.Replace(text(m.body), `{`, `{"htm":"POST",`, 1)),
		"2: a member in another case":             m.sign(m.header, strings.Replace(text(m.body), `{`, `{"HTM":"GET",`, 1)),
		"2: a critical extension":                 inHeader("crit", []string{"exp"}),
		"2: too long":                             inBody("more", strings.Repeat("x", 4096)),
		"3: without jti":                          inBody("jti", nil),
		"3: without htm":                          inBody("htm", nil),
		"3: without htu":                          inBody("htu", nil),
		"3: without iat":                          inBody("iat", nil),
		"3: an empty jti":                         inBody("jti", ""),
		"3: a jti that is a number":               inBody("jti", 1),
		"3: a jti that is too long":               inBody("jti", strings.Repeat("j", 129)),
		"3: a jti that cannot be stored":          inBody("jti", "a\x00b"),
		"3: an iat that is a text":                inBody("iat", "1800000000"),
		"3: a nonce that is a number":             inBody("nonce", 1),
		"3: an ath that is null":                  m.sign(m.header, strings.Replace(text(with(m.body, "ath", nil)), `{`, `{"ath":null,`, 1)),
		"4: without typ":                          inHeader("typ", nil),
		"4: another typ":                          inHeader("typ", "JWT"),
		"5: without alg":                          inHeader("alg", nil),
		"5: alg none":                             none,
		"5: a symmetric alg":                      symmetric,
		"5: another alg than is accepted":         inHeader("alg", "ES384"),
		"6: without jwk":                          inHeader("jwk", nil),
		"6: another key's signature":              segment(t, with(m.header, "jwk", other.jwk())) + "." + parts[1] + "." + parts[2],
		"6: another body":                         parts[0] + "." + segment(t, with(m.body, "jti", "two")) + "." + parts[2],
		"6: a signature in DER":                   parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(der),
		"6: a signature of nothing":               parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 64)),
		"6: a key of another curve":               inJWK("crv", "P-384"),
		"6: a key of another kind":                inJWK("kty", "OKP"),
		"6: a point that is not on the curve":     inJWK("y", base64.RawURLEncoding.EncodeToString(make([]byte, 32))),
		"6: a coordinate that is too short":       inJWK("x", "AAAA"),
		"6: a key that is a text":                 inHeader("jwk", "key"),
		"7: a private key":                        inJWK("d", base64.RawURLEncoding.EncodeToString(make([]byte, 32))),
		"7: a symmetric key":                      inJWK("k", "AAAA"),
		"8: another method":                       inBody("htm", "GET"),
		"8: the method in another case":           inBody("htm", "post"),
		"9: another path":                         inBody("htu", target+"/1"),
		"9: another host":                         inBody("htu", "https://other.example/v1/claims"),
		"9: another scheme":                       inBody("htu", "http://wallet.example/v1/claims"),
		"9: another port":                         inBody("htu", "https://wallet.example:8443/v1/claims"),
		"9: a user in it":                         inBody("htu", "https://a@wallet.example/v1/claims"),
		"9: the path alone":                       inBody("htu", "/v1/claims"),
		"9: an escape that says something else":   inBody("htu", "https://wallet.example/v1%2Fclaims"),
		"11: made long ago":                       inBody("iat", now.Unix()-86_401),
		"11: made in the future":                  inBody("iat", now.Unix()+86_401),
		"11: in milliseconds":                     inBody("iat", now.UnixMilli()),
		"12: without ath":                         inBody("ath", nil),
		"12: ath of another token":                inBody("ath", base64.RawURLEncoding.EncodeToString(make([]byte, 32))),
		"12: ath in hex, which is no base64 hash": inBody("ath", strings.Repeat("0", 64)),
	} {
		t.Run(name, func(t *testing.T) {
			p, err := dpop.Parse(proof, now)
			if err == nil {
				err = p.For("POST", target, "token")
			}
			if !errors.Is(err, dpop.ErrProof) {
				t.Errorf("got %v", err)
			}
		})
	}

	for name, proof := range map[string]string{
		"a proof as it should be":              good,
		"members that nobody knows":            inBody("https://client.example/more", members{"a": 1}),
		"a key with what WebCrypto writes":     inJWK("key_ops", []string{"verify"}),
		"a query and a fragment in htu":        inBody("htu", target+"?wait=30#top"),
		"htu with the port that goes unsaid":   inBody("htu", "HTTPS://Wallet.Example:443/v1/claims"),
		"htu with an escape that needs none":   inBody("htu", "https://wallet.example/v1/%63laims"),
		"a clock that is 23 hours behind":      inBody("iat", now.Unix()-23*3600),
		"a clock that is 23 hours ahead":       inBody("iat", now.Unix()+23*3600),
		"an iat with a fraction of the second": inBody("iat", float64(now.Unix())+0.25),
	} {
		t.Run("accepts "+name, func(t *testing.T) {
			p, err := dpop.Parse(proof, now)
			if err == nil {
				err = p.For("POST", target, "token")
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestANonceIsForOneKeyAndForSomeMinutes(t *testing.T) {
	key := []byte("of the service")
	nonces := func(at time.Time) dpop.Nonces {
		return dpop.Nonces{Now: at, MAC: func(message []byte) ([]byte, error) {
			h := hmac.New(sha256.New, key)
			h.Write(message)
			return h.Sum(nil), nil
		}}
	}
	m := newMaker(t)
	parse := func(m *maker, nonce any) dpop.Proof {
		t.Helper()
		p, err := dpop.Parse(m.sign(m.header, with(m.body, "nonce", nonce)), now)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	bare := parse(m, nil)
	nonce, err := nonces(now).For(bare.Thumbprint)
	if err != nil {
		t.Fatal(err)
	}
	of := func(m *maker, nonce string) dpop.Proof { return parse(m, nonce) }
	b, err := base64.RawURLEncoding.DecodeString(nonce)
	if err != nil {
		t.Fatal(err)
	}
	b[7]++
	younger := base64.RawURLEncoding.EncodeToString(b)

	for name, c := range map[string]struct {
		proof dpop.Proof
		at    time.Time
		good  bool
		renew bool
	}{
		"serves at once":                                 {of(m, nonce), now, true, false},
		"is renewed after a minute":                      {of(m, nonce), now.Add(time.Minute), true, true},
		"serves for nearly five minutes":                 {of(m, nonce), now.Add(5*time.Minute - time.Second), true, true},
		"has an end":                                     {of(m, nonce), now.Add(5 * time.Minute), false, true},
		"serves where a replica's clock is a bit behind": {of(m, nonce), now.Add(-time.Minute), true, false},
		"is not of the future":                           {of(m, nonce), now.Add(-2 * time.Minute), false, true},
		"is wanted":                                      {bare, now, false, true},
		"is not what is no nonce":                        {of(m, "nonce"), now, false, true},
		"is not of another key":                          {of(newMaker(t), nonce), now, false, true},
		"cannot be made younger":                         {of(m, younger), now, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			renew, err := nonces(c.at).Check(c.proof)
			if (err == nil) != c.good || err != nil && !errors.Is(err, dpop.ErrNonce) || renew != c.renew {
				t.Errorf("got %v, %v", renew, err)
			}
		})
	}
	key = []byte("of another service")
	if _, err := nonces(now).Check(of(m, nonce)); !errors.Is(err, dpop.ErrNonce) {
		t.Errorf("a nonce of another service: got %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(rfcTokenProof)
	f.Add(rfcResourceProof)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := dpop.Parse(text, time.Unix(1562262620, 0))
		if err != nil && !errors.Is(err, dpop.ErrProof) {
			t.Errorf("got %v", err)
		}
		if err == nil && (len(p.Thumbprint) != 43 || p.ID == "") {
			t.Errorf("a proof without a key or a jti: %+v", p)
		}
	})
}
