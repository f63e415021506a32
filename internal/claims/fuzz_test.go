package claims_test

import (
	"testing"

	"walletd/internal/claims"
	"walletd/internal/did"
	"walletd/internal/show"
	"walletd/internal/wallets"
)

// Whatever the text, what is signed for an app can't be read as a token by the strict reader, and
// is shown whole.
func FuzzCheckText(f *testing.F) {
	for _, text := range []string{"hello", "a.b", "eyJhbGciOiJFZDI1NTE5In0.eyJpc3MiOiJ4In0", "{}", `{"@context":1}`, "\x00", "签名 ✍️"} {
		f.Add(text, "sha3")
		f.Add(text, "none")
	}
	f.Add("0123456789abcdef0123456789abcdef", "sha3")
	f.Add("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "sha2")
	f.Fuzz(func(t *testing.T, text, method string) {
		if claims.CheckDigest([]byte(text), method) == nil {
			// What signs without hashing must not sign a token of version 1.0.0, which is longer than any digest.
			if _, err := did.ReadToken(text + ".c2ln"); err == nil || len(text) > 128 || method == claims.MethodNone {
				t.Errorf("%q is signed as a digest of %s", text, method)
			}
		}
		if claims.CheckText(text, method) != nil {
			return
		}
		if _, err := did.ReadToken(text + ".c2ln"); err == nil || did.CodeOf(err) != "jwt_malformed" {
			t.Errorf("%q is signed, and is the beginning of a token", text)
		}
		if method == claims.MethodNone && len(text) == 32 {
			t.Errorf("%q is signed as it is", text)
		}
		if show.EscapeLines(text) == "" && text != "" {
			t.Errorf("%q is signed, and nothing is shown", text)
		}
	})
}

func FuzzReadFilters(f *testing.F) {
	f.Add([]byte(`{"filters":[{"type":["A"],"trustedIssuers":[{"did":"z1"}],"ownerDid":[]}]}`))
	f.Add([]byte(`{"item":["A"],"tag":"","target":"z1"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := did.ParseObject(data)
		if err != nil {
			return
		}
		filters, err := claims.ReadFilters(o, "item")
		if err != nil {
			return
		}
		for _, filter := range filters {
			claims.Fits(filter, wallets.Holding{Kind: wallets.KindCredential})
			for _, text := range append(claims.ShownFilter(filter).Types, claims.ShownFilter(filter).Tag) {
				if text != show.Plain(text, show.MaxName) {
					t.Errorf("%q is shown as it came", text)
				}
			}
		}
	})
}
