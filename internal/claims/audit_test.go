package claims

import (
	"bytes"
	"testing"

	"walletd/internal/keystore"
	"walletd/internal/ledger"
)

// Every head of a chain is signed with one key, whatever becomes of the root key.
func TestTheRecordFitsAfterTheRootKeyIsRotated(t *testing.T) {
	h := newHouse(t)
	h.policy(allowAll)
	token := h.appToken(notes)
	rotate := func() {
		t.Helper()
		secrets := []keystore.Secret{opener().identity}
		if err := h.keystore.Rotate(t.Context(), "token", secrets, false); err != nil {
			t.Fatal(err)
		}
	}
	const heads = 2 // of either chain, each under another root key
	for range heads {
		h.answer(token, keyClaim("diary"))
		if err := h.door.Ledger().SignHeads(t.Context()); err != nil {
			t.Fatal(err)
		}
		rotate()
	}
	fits := func(when, token string) {
		t.Helper()
		live, err := h.door.VerifyRecord(t.Context(), h.as(token))
		if err != nil || live.Bad != nil || live.Heads != heads {
			t.Errorf("%s, asking the service: %+v, %v, want %d heads that fit", when, live, err, heads)
		}
		var export bytes.Buffer
		if err := h.door.ExportRecord(t.Context(), h.as(token), &export); err != nil {
			t.Fatal(err)
		}
		offline, err := ledger.VerifyExport(&export, live.Head)
		if err != nil || offline.Bad != nil || offline.Heads != heads {
			t.Errorf("%s, offline: %+v, %v, want %d heads that fit", when, offline, err, heads)
		}
	}
	fits("rotated", h.owner)
	fits("rotated", h.operator)
	h.restart()
	fits("opened again", h.owner)
	fits("opened again", h.operator)
	if err := h.keystore.Lock(t.Context(), "token"); err != nil {
		t.Fatal(err)
	}
	fits("locked", h.operator)
}
