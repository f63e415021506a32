package wallets_test

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"walletd/internal/wallettest/fixture"
)

// Names of credentials in testdata/credentials.json.
const (
	oldCredential     = "vc 1.25.6: no proof.signer, no proof.pk"
	taggedCredential  = "current vc, with a tag"
	counterCredential = "current vc, counter-signed: proof is an array"
)

// arcblock returns what versions of @arcblock/vc wrote, by name, and a wallet that holds the account that they are
// about.
func arcblock(t *testing.T) (*fixture.Fixture, map[string]json.RawMessage) {
	t.Helper()
	file, err := os.ReadFile("testdata/credentials.json")
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(file, &all); err != nil {
		t.Fatal(err)
	}
	var subject struct{ Address, SecretKey string }
	if err := json.Unmarshal(all["subject"], &subject); err != nil {
		t.Fatal(err)
	}
	delete(all, "about")
	delete(all, "subject")
	f := fixture.NewAt(t, time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC))
	f.ImportKey(subject.SecretKey, subject.Address)
	return f, all
}

func TestCredentialsOfAllVersionsOfTheOfficialPackageAreKept(t *testing.T) {
	f, all := arcblock(t)
	for _, name := range []string{oldCredential, taggedCredential, counterCredential} {
		t.Run(name, func(t *testing.T) {
			v, err := f.Wallets.PutCredential(t.Context(), f.As(f.Owner), all[name], "")
			if err != nil {
				t.Fatal(err)
			}
			var is struct {
				Issuer            struct{ ID, Name string }
				CredentialSubject struct{ Passport struct{ Name, Title string } }
			}
			if err := json.Unmarshal(all[name], &is); err != nil {
				t.Fatal(err)
			}
			passport := is.CredentialSubject.Passport
			if v.Issuer != is.Issuer.ID || v.IssuerName != is.Issuer.Name || v.Title != passport.Title || v.Role != passport.Name || v.Tag != "kyc-tag" {
				t.Errorf("kept is %+v", v)
			}
		})
	}
}

func TestAProofThatIsNotTheIssuersIsNone(t *testing.T) {
	f, all := arcblock(t)
	proofs := func(c map[string]any) []any { return c["proof"].([]any) }
	for name, test := range map[string]struct {
		from   string
		change func(c map[string]any)
	}{
		"an old credential under another issuer's name": {oldCredential, func(c map[string]any) {
			var other struct{ Issuer map[string]any }
			if err := json.Unmarshal(all[taggedCredential], &other); err != nil {
				t.Fatal(err)
			}
			c["issuer"] = other.Issuer
		}},
		"an old credential that was changed":      {oldCredential, func(c map[string]any) { c["tag"] = "other" }},
		"an old credential with another's signer": {oldCredential, func(c map[string]any) { c["proof"].(map[string]any)["signer"] = fixture.Another }},
		"a signer that is no text":                {taggedCredential, func(c map[string]any) { c["proof"].(map[string]any)["signer"] = 1 }},
		"proofs without the issuer's":             {counterCredential, func(c map[string]any) { c["proof"] = proofs(c)[1:] }},
		"a list of no proofs":                     {counterCredential, func(c map[string]any) { c["proof"] = []any{} }},
		"a list that holds a text":                {counterCredential, func(c map[string]any) { c["proof"] = []any{proofs(c)[0], "x"} }},
		"a list of very many proofs": {counterCredential, func(c map[string]any) {
			many := []any{}
			for range 17 {
				many = append(many, proofs(c)[0])
			}
			c["proof"] = many
		}},
		"the issuer's proof with another's signature": {counterCredential, func(c map[string]any) {
			proofs(c)[0].(map[string]any)["jws"] = proofs(c)[1].(map[string]any)["jws"]
		}},
	} {
		t.Run("refuses "+name, func(t *testing.T) {
			var c map[string]any
			if err := json.Unmarshal(all[test.from], &c); err != nil {
				t.Fatal(err)
			}
			test.change(c)
			data, err := json.Marshal(c)
			if err != nil {
				t.Fatal(err)
			}
			_, err = f.Wallets.PutCredential(t.Context(), f.As(f.Owner), data, "")
			fixture.WantCode(t, err, "credential_invalid")
		})
	}
}

func TestACredentialsOwnTagCounts(t *testing.T) {
	f, all := arcblock(t)
	put := func(name, tag string) {
		t.Helper()
		v, err := f.Wallets.PutCredential(t.Context(), f.As(f.Owner), all[name], tag)
		if err != nil {
			t.Fatal(err)
		}
		if tag == "" {
			tag = "kyc-tag"
		}
		if v.Tag != tag {
			t.Errorf("listed with the tag %q, want %q", v.Tag, tag)
		}
	}
	put(oldCredential, "")
	put(taggedCredential, "work")
	for filter, title := range map[string]string{
		`"tag":"work"`: "Member",
		`"filters":[{"tag":"kyc-tag","trustedIssuers":["zNKkP8NazmNz8mfpCrM7MyQ2HAcrSJkeSjUe"]}]`: "Owner",
		`"filters":[{"tag":"kyc-tag","trustedIssuers":["zNKayBzpztx2G9hLroegAc5vLdCaviwgYdeT"]}]`: "Member", // by its own tag, although it has the owner's too
		`"tag":"other"`: "",
	} {
		t.Run(filter, func(t *testing.T) {
			p := f.Pending(f.AppToken(fixture.Notes), `{"type":"verifiableCredential","challenge":"A1B2C3D4E5F60718",`+filter+`}`)
			got := ""
			if presents := f.Approval(p.ID).Claims[0].Presents; presents != nil {
				got = presents.Title
			}
			if got != title {
				t.Errorf("presents %q, want %q", got, title)
			}
		})
	}
}
