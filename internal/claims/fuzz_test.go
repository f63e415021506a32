package claims

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"walletd/internal/did"
	"walletd/internal/show"
)

// Whatever the text, what is signed for an app can't be read as a token by the strict reader, and
// is shown whole.
func FuzzCheckText(f *testing.F) {
	for _, text := range []string{"hello", "a.b", "eyJhbGciOiJFZDI1NTE5In0.eyJpc3MiOiJ4In0", "{}", `{"@context":1}`, "\x00", "签名 ✍️"} {
		f.Add(text, "sha3")
		f.Add(text, "none")
	}
	f.Fuzz(func(t *testing.T, text, method string) {
		if checkText(text, method) != nil {
			return
		}
		if _, err := did.ReadToken(text + ".c2ln"); err == nil || did.CodeOf(err) != "jwt_malformed" {
			t.Errorf("%q is signed, and is the beginning of a token", text)
		}
		if method == methodNone && len(text) == 32 {
			t.Errorf("%q is signed as it is", text)
		}
		if show.EscapeLines(text) == "" && text != "" {
			t.Errorf("%q is signed, and nothing is shown", text)
		}
	})
}

// A credential that is accepted is accepted again in the form it is kept in.
func FuzzReadCredential(f *testing.F) {
	var v struct{ Credential json.RawMessage }
	vectors(f, "presentation", &v)
	if len(v.Credential) == 0 {
		f.Fatal("no credential to begin with")
	}
	f.Add([]byte(v.Credential))
	f.Add([]byte(`{"id":"z1","type":"x","issuer":{},"proof":{}}`))
	now := time.Unix(1767225600, 0)
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := readCredential(data, now)
		if err != nil {
			if did.CodeOf(err) != "credential_invalid" {
				t.Errorf("refused with %v", err)
			}
			return
		}
		again, err := readCredential(h.Data, now)
		if diff := cmp.Diff(h, again); err != nil || diff != "" {
			t.Errorf("kept as %s: %v %s", h.Data, err, diff)
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
		filters, err := readFilters(o, "item")
		if err != nil {
			return
		}
		for _, filter := range filters {
			fits(filter, holding{Kind: kindCredential})
			for _, text := range append(shownFilter(filter).Types, shownFilter(filter).Tag) {
				if text != show.Plain(text, show.MaxName) {
					t.Errorf("%q is shown as it came", text)
				}
			}
		}
	})
}
