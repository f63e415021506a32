package wallets_test

import (
	"encoding/json"
	"os"
	"testing"
	"time"
	"walletd/internal/did"
	"walletd/internal/wallets"
	"walletd/internal/wallettest/fixture"

	"github.com/google/go-cmp/cmp"
)

// A credential that is accepted is accepted again in the form it is kept in.
func FuzzReadCredential(f *testing.F) {
	var v struct{ Credential json.RawMessage }
	fixture.Vectors(f, "presentation", &v)
	if len(v.Credential) == 0 {
		f.Fatal("no credential to begin with")
	}
	f.Add([]byte(v.Credential))
	file, err := os.ReadFile("testdata/credentials.json")
	var all map[string]json.RawMessage
	if err != nil || json.Unmarshal(file, &all) != nil || len(all) < 4 {
		f.Fatal("no credentials of the official package to begin with", err)
	}
	for _, one := range all {
		f.Add([]byte(one))
	}
	f.Add([]byte(`{"id":"z1","type":"x","issuer":{},"proof":{}}`))
	now := time.Unix(1767225600, 0)
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := wallets.ReadCredential(data, now)
		if err != nil {
			if did.CodeOf(err) != "credential_invalid" {
				t.Errorf("refused with %v", err)
			}
			return
		}
		again, err := wallets.ReadCredential(h.Data, now)
		if diff := cmp.Diff(h, again); err != nil || diff != "" {
			t.Errorf("kept as %s: %v %s", h.Data, err, diff)
		}
	})
}
