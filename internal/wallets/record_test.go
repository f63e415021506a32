package wallets_test

import (
	"bytes"
	"testing"

	"walletd/internal/keystore"
	"walletd/internal/ledger"
	"walletd/internal/wallettest/fixture"
)

// Every head of a chain is signed with one key, whatever becomes of the root key.
func TestTheRecordFitsAfterTheRootKeyIsRotated(t *testing.T) {
	h := fixture.New(t)
	h.Policy(fixture.AllowAll)
	token := h.AppToken(fixture.Notes)
	rotate := func() {
		t.Helper()
		secrets := []keystore.Secret{fixture.Opener().Identity}
		if err := h.Keystore.Rotate(t.Context(), "token", secrets, false); err != nil {
			t.Fatal(err)
		}
	}
	const heads = 2 // of either chain, each under another root key
	for range heads {
		h.Answer(token, fixture.KeyClaim("diary"))
		if err := h.Ledger.SignHeads(t.Context()); err != nil {
			t.Fatal(err)
		}
		rotate()
	}
	fits := func(when, token string) {
		t.Helper()
		live, err := h.Wallets.VerifyRecord(t.Context(), h.As(token))
		if err != nil || live.Bad != nil || live.Heads != heads {
			t.Errorf("%s, asking the service: %+v, %v, want %d heads that fit", when, live, err, heads)
		}
		var export bytes.Buffer
		if err := h.Wallets.ExportRecord(t.Context(), h.As(token), &export); err != nil {
			t.Fatal(err)
		}
		offline, err := ledger.VerifyExport(&export, live.Head)
		if err != nil || offline.Bad != nil || offline.Heads != heads {
			t.Errorf("%s, offline: %+v, %v, want %d heads that fit", when, offline, err, heads)
		}
	}
	fits("rotated", h.Owner)
	fits("rotated", h.Operator)
	h.Restart()
	fits("opened again", h.Owner)
	fits("opened again", h.Operator)
	if err := h.Keystore.Lock(t.Context(), "token"); err != nil {
		t.Fatal(err)
	}
	fits("locked", h.Operator)
}
