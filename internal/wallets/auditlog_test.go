package wallets_test

import (
	"bytes"
	"testing"

	"walletd/internal/keystore"
	"walletd/internal/ledger"
	"walletd/internal/wallettest/fixture"
)

// Every head of a chain is signed with one key, whatever becomes of the root key.
func TestTheAuditLogVerifiesAfterTheRootKeyIsRotated(t *testing.T) {
	f := fixture.New(t)
	f.SetPolicy(fixture.AllowAll)
	token := f.AppToken(fixture.Notes)
	rotate := func() {
		t.Helper()
		secrets := []keystore.Secret{fixture.RecoveryIdentity().Identity}
		if err := f.Keystore.Rotate(t.Context(), "token", secrets, false); err != nil {
			t.Fatal(err)
		}
	}
	const heads = 2 // of either chain, each under another root key
	for range heads {
		f.Answer(token, fixture.KeyClaim("diary"))
		if err := f.Ledger.SignHeads(t.Context()); err != nil {
			t.Fatal(err)
		}
		rotate()
	}
	fits := func(when, token string) {
		t.Helper()
		live, err := f.Wallets.VerifyAuditLog(t.Context(), f.As(token))
		if err != nil || live.Bad != nil || live.Heads != heads {
			t.Errorf("%s, asking the service: %+v, %v, want %d heads that fit", when, live, err, heads)
		}
		var export bytes.Buffer
		if err := f.Wallets.ExportAuditLog(t.Context(), f.As(token), &export); err != nil {
			t.Fatal(err)
		}
		offline, err := ledger.VerifyExport(bytes.NewReader(export.Bytes()), live.Head)
		if err != nil || offline.Bad != nil || offline.Heads != heads {
			t.Errorf("%s, offline: %+v, %v, want %d heads that fit", when, offline, err, heads)
		}
	}
	fits("rotated", f.Owner)
	fits("rotated", f.Operator)
	f.Restart()
	fits("opened again", f.Owner)
	fits("opened again", f.Operator)
	if err := f.Keystore.Lock(t.Context(), "token"); err != nil {
		t.Fatal(err)
	}
	fits("locked", f.Operator)
}
