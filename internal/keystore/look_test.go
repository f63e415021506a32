package keystore

import (
	"crypto/rand"
	"errors"
	"testing"

	"walletd/internal/derive"
	"walletd/internal/store"
)

// addMany makes and stores more wallets than an unlock looks at.
func (h *house) addMany(n int) (rows []store.Wallet) {
	h.t.Helper()
	var writes []store.Write
	for range n {
		random := make([]byte, 64)
		rand.Read(random)
		seed, err := derive.NewSeed(random)
		if err != nil {
			h.t.Fatal(err)
		}
		row, account, w, err := h.NewWallet(seed, Content{Name: "alice", Rounds: 1}, 7)
		if err != nil {
			h.t.Fatal(err)
		}
		w.Close()
		rows = append(rows, row)
		writes = append(writes, store.InsertWallet(row), store.InsertAccount(account))
	}
	h.write(writes...)
	return rows
}

func TestOfManyWalletsAnUnlockLooksAtSome(t *testing.T) {
	h := newHouse(t)
	h.mustUnlock(firstPass)
	rows := h.addMany(2 * allUpTo)
	slot, row := h.slots()[0], h.row()
	// damage puts the key of another wallet in the place of a wallet's own.
	damage := func(rows []store.Wallet, key []byte) {
		var writes []store.Write
		for _, w := range rows {
			writes = append(writes, store.RotateWallet(w.ID, h.wallet(w.ID).Generation, h.wallet(w.ID).Generation, key))
		}
		h.write(writes...)
	}
	unlocked := func() (queued bool) {
		t.Helper()
		h.restart()
		h.mustUnlock(firstPass)
		select {
		case <-h.unlooked:
			return true
		default:
			return false
		}
	}
	damaged := func() (n int) {
		for _, e := range h.events() {
			if e.Event == "damaged" {
				n++
			}
		}
		return n
	}

	t.Run("and Run looks at all: nothing is amiss", func(t *testing.T) {
		if !unlocked() {
			t.Fatal("Run is not told")
		}
		before := len(h.events())
		if err := h.lookAtAll(t.Context()); err != nil || len(h.events()) != before {
			t.Errorf("looking at all: %v, and %d entries", err, len(h.events())-before)
		}
	})
	t.Run("and Run puts those that do not open on record", func(t *testing.T) {
		damage(rows[:3], rows[3].SealedKey)
		if !unlocked() || damaged() != 0 {
			t.Fatal("Run is not told, or needs not be")
		}
		if err := h.lookAtAll(t.Context()); err != nil || damaged() != 3 {
			t.Errorf("looking at all: %v, and %d on record", err, damaged())
		}
		h.opens(rows[3].ID)
	})
	t.Run("and a wallet that is sealed anew meanwhile is not amiss", func(t *testing.T) {
		before := h.wallet(rows[9].ID)
		if err := h.Rotate(t.Context(), "token", []Secret{Passphrase([]byte(firstPass))}, false); err != nil {
			t.Fatal(err)
		}
		h.forgetOld(2)
		if opens, err := h.opensWallet(t.Context(), before); err != nil || !opens {
			t.Errorf("as it was read before: %t, %v", opens, err)
		}
	})
	t.Run("and a lock ends Run's round", func(t *testing.T) {
		if err := h.Lock(t.Context(), "token"); err != nil {
			t.Fatal(err)
		}
		if err := h.lookAtAll(t.Context()); !errors.Is(err, ErrLocked) {
			t.Errorf("while locked: %v", err)
		}
	})
	t.Run("and an earlier root key is noticed at once", func(t *testing.T) {
		now, current := h.row(), h.slots()[0]
		old := row
		old.Epoch = now.Epoch
		h.write(store.PutSlot(slot), store.UpdateKeystore(now, old))
		if err := h.Unlock(t.Context(), "walletd", Passphrase([]byte(firstPass))); !errors.Is(err, ErrForeignRoot) {
			t.Errorf("Unlock: %v, want ErrForeignRoot", err)
		}
		h.write(store.PutSlot(current), store.UpdateKeystore(old, now))
	})
	t.Run("and Run locks a keystore whose wallets are another's", func(t *testing.T) {
		h.mustUnlock(firstPass)
		damage(rows[:allUpTo+10], h.wallet(rows[len(rows)-1].ID).SealedKey)
		if err := h.lookAtAll(t.Context()); !errors.Is(err, ErrForeignRoot) {
			t.Errorf("looking at all: %v, want ErrForeignRoot", err)
		}
		if h.Unlocked(h.epoch()) || !h.recorded("foreign root") {
			t.Error("it is not locked, or it is not on record")
		}
	})
}
