package claims_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"walletd/internal/approvals"
	"walletd/internal/did"
	"walletd/internal/wallettest/fixture"
)

const termsDigest = "z6WPwGDyeaY9F5KLnNJjJixmmcBcBS4mfZVjfhqQuSunD"

func TestAnAgreementIsRefused(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	f.SetPolicy(fixture.AllowAll)
	for name, c := range map[string]struct{ members, code string }{
		"without a digest":                  {`"uri":"https://dapp.example.test/terms"`, "blind_signature"},
		"of an empty digest":                {`"digest":"","hash":""`, "blind_signature"},
		"of a token":                        {`"digest":"eyJhbGciOiJFZDI1NTE5In0.eyJpc3MiOiJ4In0"`, "text_is_a_token"},
		"of a token that is called hash":    {`"hash":"eyJhbGciOiJFZDI1NTE5In0.eyJpc3MiOiJ4In0"`, "text_is_a_token"},
		"of a presentation":                 {`"digest":"{\"@context\":[],\"verifiableCredential\":[]}"`, "text_is_a_token"},
		"of what cannot be shown":           {`"digest":"\u0000\u0001\u0002\u0003\u0004\u0005\u0006\u0007"`, "blind_signature"},
		"of a digest that is no text":       {`"digest":7`, "request_malformed"},
		"of two digests":                    {`"digest":"` + termsDigest + `","hash":"A1B2C3D4E5F60718"`, "request_malformed"},
		"of a digest longer than is signed": {`"digest":"` + strings.Repeat("a", 4097) + `"`, "request_malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := f.Ask(token, `{"type":"agreement",`+c.members+`}`)
			fixture.WantCode(t, err, c.code)
		})
	}
}

// Applications write a digest in all these forms (reference p). The owner is shown it as it is, and its text is signed.
func TestAnAgreementIsSignedInEveryFormOfItsDigest(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	f.SetPolicy(fixture.AllowAll)
	sk, _ := fixture.Secret(t, fixture.Notes, did.AccountType())
	for name, c := range map[string]struct {
		member, digest string
		prose          bool
	}{
		"base58":                   {"digest", termsDigest, false},
		"hex":                      {"digest", "0x" + strings.Repeat("a1b2", 16), false},
		"bare hex":                 {"digest", strings.Repeat("A1B2", 16), false},
		"base64":                   {"digest", "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=", false},
		"prose":                    {"digest", "I agree to the terms of service, version 2", true},
		"a word":                   {"digest", "terms", true},
		"the member of older apps": {"hash", termsDigest, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := f.Pending(token, fmt.Sprintf(`{"type":"agreement","uri":"https://dapp.example.test/terms",%q:%q}`, c.member, c.digest))
			v := f.Approval(p.ID).Claims[0]
			want := &approvals.AgreementView{URI: "https://dapp.example.test/terms", Digest: c.digest, Method: "sha2"}
			if diff := cmp.Diff(want, v.Agreement); diff != "" {
				t.Error(diff)
			}
			if told := strings.Contains(strings.Join(v.Unusual, " "), "as it stands"); told != c.prose {
				t.Errorf("the owner is told %q", v.Unusual)
			}
			fixture.WantErr(t, f.Approve(p.ID, approvals.Choice{Remember: &approvals.Remember{Until: "withdrawn"}}), approvals.ErrChoice)
			out := f.ApproveAndCollect(token, p.ID)
			sig, err := did.DecodeBase58(fixture.Member(t, out.Answer, 0, "sig"), 64)
			if err != nil || !did.VerifyBytes(did.Ed25519, sk.Public(), did.SHA3.Sum([]byte(c.digest)), sig) {
				t.Errorf("the signature does not verify (%v)", err)
			}
		})
	}
}
