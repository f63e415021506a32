package did

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"testing"
)

// TestVerifyAssertion signs assertions with the P-256 key of the vectors, so
// that each is authentic and only the rule named is broken.
func TestVerifyAssertion(t *testing.T) {
	secret, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), unhex(t, "c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1"))
	if err != nil {
		t.Fatal(err)
	}
	pk := unhex(t, loadVectors[didVectors](t, "did.json").Passkey.Pk)
	challenge := SHA3.Sum([]byte("header.body"))
	good := `{"type":"webauthn.get","challenge":"` + EncodeBase64URL(challenge) + `","origin":"https://dapp.example.test"}`
	flags := func(f byte) []byte { return append(append(make([]byte, 32), f), 0, 0, 0, 7) }

	for _, c := range []struct {
		name, client  string
		authenticator []byte
		valid         bool
	}{
		{"takes a present and verified user", good, flags(0x05), true},
		{"takes further flags and data", good, append(flags(0xdd), 1, 2, 3), true},
		{"refuses a user who is not verified", good, flags(0x01), false},
		{"refuses a user who is not present", good, flags(0x04), false},
		{"refuses data of 36 bytes", good, flags(0x05)[:36], false},
		{"refuses no data", good, nil, false},
		{"refuses the create ceremony", `{"type":"webauthn.create","challenge":"` + EncodeBase64URL(challenge) + `"}`, flags(5), false},
		{"refuses another challenge", `{"type":"webauthn.get","challenge":"` + EncodeBase64URL(challenge[1:]) + `"}`, flags(5), false},
		{"refuses a padded challenge", `{"type":"webauthn.get","challenge":"` + EncodeBase64URL(challenge) + `="}`, flags(5), false},
		{"refuses two types", `{"type":"webauthn.get","Type":"webauthn.create","challenge":"` + EncodeBase64URL(challenge) + `"}`, flags(5), false},
		{"refuses client data that is no object", `[]`, flags(5), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := SHA2.Sum([]byte(c.client))
			sig, err := ecdsa.SignASN1(rand.Reader, secret, SHA2.Sum(c.authenticator, client))
			if err != nil {
				t.Fatal(err)
			}
			assertion, err := json.Marshal(map[string]string{
				"authenticatorData": EncodeBase64URL(c.authenticator),
				"clientDataJSON":    EncodeBase64URL([]byte(c.client)),
				"signature":         EncodeBase64URL(sig),
			})
			if err != nil {
				t.Fatal(err)
			}
			if got := VerifyBytes(Passkey, pk, challenge, assertion); got != c.valid {
				t.Errorf("got %t, want %t", got, c.valid)
			}
			if c.valid && VerifyBytes(Passkey, pk, challenge, append(assertion, ' ', '{', '}')) {
				t.Error("verifies with an object behind")
			}
		})
	}
	for _, assertion := range []string{``, `{}`, `null`, `{"authenticatorData":1,"clientDataJSON":2,"signature":3}`, `{"authenticatorData":"","clientDataJSON":"","signature":""}`} {
		if VerifyBytes(Passkey, pk, challenge, []byte(assertion)) {
			t.Errorf("verifies %s", assertion)
		}
	}
}
