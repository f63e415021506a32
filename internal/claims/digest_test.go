package claims_test

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"walletd/internal/approvals"
	"walletd/internal/did"
	"walletd/internal/wallettest/fixture"
)

func digestClaim(digest, method string) string {
	return fmt.Sprintf(`{"type":"signature","typeUrl":"mime:text/plain","origin":"","digest":%q,"method":%q}`, digest, method)
}

// A digest is signed as it is, once the owner has approved what nobody can see.
func TestADigestIsSignedAfterAWarning(t *testing.T) {
	text := []byte("a file that is published")
	for name, c := range map[string]struct {
		digest, method string
		signed         []byte
		account        did.Type
	}{
		"by sha3, in base58":     {did.EncodeBase58(did.SHA3.Sum(text)), "sha3", did.SHA3.Sum(text), did.AccountType()},
		"by sha3 unless said":    {did.EncodeBase58(did.SHA3.Sum(text)), "", did.SHA3.Sum(text), did.AccountType()},
		"by sha2, in hex":        {fmt.Sprintf("0x%x", did.SHA2.Sum(text)), "sha2", did.SHA2.Sum(text), did.AccountType()},
		"by keccak":              {did.EncodeBase58(did.Keccak.Sum(text)), "keccak", did.Keccak.Sum(text), did.AccountType()},
		"by a longer hash":       {did.EncodeBase58(did.SHA3_512.Sum(text)), "sha3_512", did.SHA3_512.Sum(text), did.AccountType()},
		"in hex that is text":    {hex.EncodeToString(did.SHA3.Sum(text)), "sha3", []byte(hex.EncodeToString(did.SHA3.Sum(text))), did.AccountType()},
		"in base64 that is text": {"n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=", "sha2", []byte("n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg="), did.AccountType()},
		"by a secp256k1 account": {did.EncodeBase58(did.SHA2.Sum(text)), "sha2", did.SHA2.Sum(text), did.Type{Role: did.RoleAccount, Key: did.Secp256k1, Hash: did.SHA3}},
		"by an Ethereum account": {did.EncodeBase58(did.Keccak.Sum(text)), "keccak", did.Keccak.Sum(text), did.EthereumType()},
	} {
		t.Run(name, func(t *testing.T) {
			f := fixture.New(t)
			token := f.AppToken(fixture.Notes)
			f.SetPolicy(fixture.AllowAll)
			sk, _ := fixture.Secret(t, fixture.Notes, c.account)
			p := f.Pending(token, `{"type":"authPrincipal","targetType":{"key":"`+c.account.Key.String()+`"}}`, digestClaim(c.digest, c.method))
			v := f.Approval(p.ID).Claims[1]
			if v.Text == nil || v.Text.Text != "" || v.Text.Digest != hex.EncodeToString(c.signed) {
				t.Errorf("shown is %+v", v.Text)
			}
			told := strings.Join(v.Unusual, "\n")
			for _, word := range []string{"sign blindly", "Neither you nor the wallet can see", "log in as you", "act for you", "pay"} {
				if !strings.Contains(told, word) {
					t.Errorf("the owner is not told %q: %s", word, told)
				}
			}
			for _, remember := range []approvals.Remember{{Times: 1}, {Seconds: 60}, {Until: "withdrawn"}} {
				fixture.WantErr(t, f.Approve(p.ID, approvals.Choice{Remember: &remember}), approvals.ErrChoice)
			}
			out := f.ApproveAndCollect(token, p.ID)
			sig, err := did.DecodeBase58(fixture.Member(t, out.Answer, 1, "sig"), 100)
			if err != nil || !did.VerifyBytes(c.account.Key, sk.Public(), c.signed, sig) {
				t.Errorf("the signature does not verify (%v)", err)
			}
			if out, err := f.Ask(token, `{"type":"authPrincipal","targetType":{"key":"`+c.account.Key.String()+`"}}`, digestClaim(c.digest, c.method)); err != nil || out.Pending == nil {
				t.Errorf("asked again, the wallet answers %v, %v", out, err)
			}
		})
	}
}

func TestADigestIsNotSigned(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	f.SetPolicy(fixture.AllowAll)
	f.Account(fixture.Notes, did.AccountType())
	theirs := f.AccountAddress(fixture.Another)
	nobody := fixture.NewPeer(t, 9).DID.Address()
	sum := did.SHA3.Sum([]byte("hello"))
	digest := did.EncodeBase58(sum)
	target := func(address string) string { return `{"type":"authPrincipal","target":"` + address + `"}` }
	ofKey := func(key string) string { return `{"type":"authPrincipal","targetType":{"key":"` + key + `"}}` }
	change := func(old, new string) string { return strings.Replace(digestClaim(digest, "sha3"), old, new, 1) }
	for name, c := range map[string]struct {
		claims []string
		code   string
	}{
		"by another app's account":              {[]string{target(theirs), digestClaim(digest, "sha3")}, "blind_signature"},
		"by an account that is not here":        {[]string{target(nobody), digestClaim(digest, "sha3")}, "blind_signature"},
		"of 32 bytes under none":                {[]string{digestClaim(digest, "none")}, "blind_signature"},
		"of letters under none":                 {[]string{digestClaim(hex.EncodeToString(sum), "none")}, "blind_signature"},
		"of a hash function that nobody knows":  {[]string{digestClaim(digest, "md5")}, "claim_unsupported"},
		"that is too short":                     {[]string{digestClaim(did.EncodeBase58(sum[:20]), "sha3")}, "blind_signature"},
		"that is too long":                      {[]string{digestClaim(did.EncodeBase58(append(sum, sum...)), "sha3")}, "blind_signature"},
		"that is another function's":            {[]string{digestClaim(digest, "sha3_512")}, "blind_signature"},
		"that is a token":                       {[]string{digestClaim("e30.e30", "sha3")}, "text_is_a_token"},
		"that is a sentence":                    {[]string{digestClaim("I owe you a million, truly.", "sha3")}, "blind_signature"},
		"that is longer than any":               {[]string{digestClaim(strings.Repeat("a", 300), "sha3")}, "request_malformed"},
		"that is no text":                       {[]string{change(`"`+digest+`"`, `["x"]`)}, "request_malformed"},
		"that is half a character":              {[]string{change(digest, `\ud800`)}, "request_malformed"},
		"of a delegation":                       {[]string{change("mime:text/plain", "fg:x:delegation")}, "blind_signature"},
		"of a transaction":                      {[]string{change("mime:text/plain", "fg:t:transaction")}, "claim_unsupported"},
		"of an Ethereum transaction":            {[]string{change("mime:text/plain", "eth:transaction")}, "claim_unsupported"},
		"of letters by an account of secp256k1": {[]string{ofKey("secp256k1"), digestClaim(hex.EncodeToString(sum), "sha3")}, "blind_signature"},
		"that is not there, without a text":     {[]string{digestClaim("", "sha3")}, "blind_signature"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := f.Ask(token, c.claims...)
			fixture.WantCode(t, err, c.code)
		})
	}
	t.Run("nor by an account that the owner chooses", func(t *testing.T) {
		p := f.Pending(token, `{"type":"authPrincipal"}`, digestClaim(digest, "sha3"))
		fixture.WantCode(t, f.Approve(p.ID, approvals.Choice{Account: theirs}), "blind_signature")
	})
}

// The signatures of an application's own key are its requests and certificates, so that key signs nothing blindly,
// although the application owns that account.
func TestAnApplicationsOwnKeySignsNoDigest(t *testing.T) {
	f := fixture.New(t)
	p := fixture.NewPeer(t, 7)
	f.ImportKey(fmt.Sprintf("%x", p.Key.Reveal()), p.DID.Address())
	token := f.AppToken(p.DID.Address())
	principal := `{"type":"authPrincipal","target":"` + p.DID.Address() + `"}`
	_, err := f.Ask(token, principal, digestClaim(did.EncodeBase58(did.SHA3.Sum([]byte("hello"))), "sha3"))
	fixture.WantCode(t, err, "blind_signature")
	if _, err := f.Ask(token, principal, fixture.TextClaim("hello", "sha3")); err != nil {
		t.Errorf("it signs no text either: %v", err)
	}
}

// A text that comes with a digest is what is signed, and what is shown.
func TestATextIsSignedAndNotTheDigestBesideIt(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	f.SetPolicy(fixture.AllowAll)
	sk, _ := fixture.Secret(t, fixture.Notes, did.AccountType())
	claim := strings.Replace(fixture.TextClaim("hello", "sha3"), "{", `{"digest":"`+did.EncodeBase58(did.SHA3.Sum([]byte("other")))+`",`, 1)
	sig, err := did.DecodeBase58(fixture.Member(t, f.Answer(token, claim), 0, "sig"), 64)
	if err != nil || !did.VerifyBytes(did.Ed25519, sk.Public(), did.SHA3.Sum([]byte("hello")), sig) {
		t.Errorf("the signature does not verify (%v)", err)
	}
}
