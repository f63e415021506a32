package keystore

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"walletd/internal/store"
)

// forge makes a slot as somebody who can write to the database would: with a
// root key of their own.
func forge(t *testing.T, h *house, n NewSlot) (store.Slot, *keyring) {
	t.Helper()
	root := newKeyring(rootKeys, randomKey())
	s, err := h.makeSlot(h.row(), root, n)
	if err != nil {
		t.Fatal(err)
	}
	return s, root
}

func TestThief(t *testing.T) {
	first, theirs := Passphrase([]byte(firstPass)), Passphrase([]byte("the thief's own"))

	t.Run("adds a slot: it opens nothing, and is recorded", func(t *testing.T) {
		h := newHouse(t)
		s, _ := forge(t, h, NewSlot{Name: "thief", Passphrase: theirs})
		h.write(store.PutSlot(s))
		// The slot and the keystore's row contradict each other; the row is named.
		wantForged(t, h.Unlock(t.Context(), "walletd", theirs), "keystore", h.row().ID)
		if h.Unlocked(h.epoch()) {
			t.Fatal("unlocked")
		}
		h.mustUnlock(firstPass)
		if !h.recorded("forged") {
			t.Error("not on record")
		}
		if i := slices.IndexFunc(h.status().Slots, func(s SlotStatus) bool { return s.Forged }); i < 0 || h.status().Slots[i].ID != s.ID {
			t.Errorf("Status does not show it: %+v", h.status().Slots)
		}
	})
	t.Run("adds a slot: it is not the one that lets the last be removed", func(t *testing.T) {
		h := newHouse(t)
		id := h.slots()[0].ID
		s, _ := forge(t, h, NewSlot{Name: "thief", Passphrase: theirs})
		h.write(store.PutSlot(s))
		h.mustUnlock(firstPass)
		if err := h.RemoveSlot(t.Context(), "token", first, id); !errors.Is(err, store.ErrLastSlot) {
			t.Errorf("RemoveSlot: %v, want ErrLastSlot", err)
		}
		if err := h.RemoveSlot(t.Context(), "token", first, s.ID); err != nil {
			t.Errorf("removing the forged slot: %v", err)
		}
	})
	t.Run("adds a slot: a rotation removes it", func(t *testing.T) {
		h := newHouse(t)
		s, _ := forge(t, h, NewSlot{Name: "thief", Passphrase: theirs})
		h.write(store.PutSlot(s))
		h.mustUnlock(firstPass)
		if err := h.Rotate(t.Context(), "token", []Secret{first}, false); err != nil {
			t.Fatal(err)
		}
		if slots := h.slots(); len(slots) != 1 || slots[0].ID == s.ID {
			t.Errorf("slots after the rotation: %d", len(slots))
		}
	})
	t.Run("changes what a slot costs: it opens no more, and nothing cheaper is made", func(t *testing.T) {
		for name, params := range map[string]slotParams{
			"within bounds": {MemoryKiB: 8 << 10, Time: 1, Threads: 1},
			"none":          {},
			"too cheap":     {MemoryKiB: 64, Time: 1, Threads: 1},
			"too dear":      {MemoryKiB: 1 << 30, Time: 1 << 30, Threads: 255},
		} {
			h := newHouse(t)
			s := h.slots()[0]
			old, _ := parseSlot(s)
			params.Salt = old.Salt
			s.Params = params.encode()
			h.write(store.PutSlot(s))
			if err := h.Unlock(t.Context(), "walletd", first); !errors.Is(err, ErrWrongSecret) {
				t.Errorf("%s: %v, want ErrWrongSecret", name, err)
			}
		}
	})
	t.Run("adds a slot with a MAC that is not even its own: it is named", func(t *testing.T) {
		h := newHouse(t)
		s, _ := forge(t, h, NewSlot{Name: "thief", Passphrase: theirs})
		s.MAC = h.slots()[0].MAC
		h.write(store.PutSlot(s))
		wantForged(t, h.Unlock(t.Context(), "walletd", theirs), "slots", s.ID)
	})
	t.Run("renames a slot: it is forged", func(t *testing.T) {
		h := newHouse(t)
		s := h.slots()[0]
		s.Name = "root"
		h.write(store.PutSlot(s))
		wantForged(t, h.Unlock(t.Context(), "walletd", first), "slots", s.ID)
	})
	t.Run("deletes a slot: it is recorded", func(t *testing.T) {
		h := newHouse(t, NewSlot{Name: "a", Passphrase: first}, NewSlot{Name: "b", Passphrase: theirs})
		h.write(store.DeleteSlot(h.slot("b").ID))
		h.mustUnlock(firstPass)
		if !h.recorded("slots changed") {
			t.Error("not on record")
		}
	})
	t.Run("puts a removed slot back: it is recorded", func(t *testing.T) {
		h := newHouse(t, NewSlot{Name: "a", Passphrase: first}, NewSlot{Name: "b", Passphrase: theirs})
		h.mustUnlock(firstPass)
		b := h.slot("b")
		if err := h.RemoveSlot(t.Context(), "token", first, b.ID); err != nil {
			t.Fatal(err)
		}
		h.write(store.PutSlot(b))
		h.mustUnlock(firstPass)
		if !h.recorded("slots changed") {
			t.Error("not on record")
		}
	})
	t.Run("puts a removed slot back before another is added: it is recorded", func(t *testing.T) {
		h := newHouse(t, NewSlot{Name: "a", Passphrase: first}, NewSlot{Name: "b", Passphrase: theirs})
		h.mustUnlock(firstPass)
		b := h.slot("b")
		if err := h.RemoveSlot(t.Context(), "token", first, b.ID); err != nil {
			t.Fatal(err)
		}
		h.write(store.PutSlot(b))
		if _, err := h.AddSlot(t.Context(), "token", first, NewSlot{Name: "c", Passphrase: theirs}); err != nil {
			t.Fatal(err)
		}
		if !h.recorded("slots changed") {
			t.Error("not on record")
		}
	})
	t.Run("puts the slots of an earlier root key back: they open nothing", func(t *testing.T) {
		h := newHouse(t)
		h.mustUnlock(firstPass)
		h.addWallet(1)
		slot, row := h.slots()[0], h.row()
		if err := h.Rotate(t.Context(), "token", []Secret{first}, false); err != nil {
			t.Fatal(err)
		}
		now := h.row()
		h.write(store.PutSlot(slot))
		wantForged(t, h.Unlock(t.Context(), "walletd", first), "slots", slot.ID)

		// With the keystore's row, too, it is a root key of no wallet.
		row.Epoch = now.Epoch
		h.write(store.UpdateKeystore(now, row))
		if err := h.Unlock(t.Context(), "walletd", first); !errors.Is(err, ErrForeignRoot) {
			t.Errorf("Unlock: %v, want ErrForeignRoot", err)
		}
		if !h.recorded("foreign root") {
			t.Error("not on record")
		}
	})
	t.Run("puts an earlier root key back with a wallet of its time: the others do not open", func(t *testing.T) {
		h := newHouse(t)
		h.mustUnlock(firstPass)
		old, _ := h.addWallet(1)
		h.addWallet(2)
		h.addWallet(3)
		slot, row := h.slots()[0], h.row()
		if err := h.Rotate(t.Context(), "token", []Secret{first}, false); err != nil {
			t.Fatal(err)
		}
		after := h.row()
		row.Epoch = after.Epoch
		h.write(store.PutSlot(slot), store.UpdateKeystore(after, row), store.RotateWallet(old.ID, 2, 1, old.SealedKey))
		if err := h.Unlock(t.Context(), "walletd", first); !errors.Is(err, ErrForeignRoot) {
			t.Errorf("Unlock: %v, want ErrForeignRoot", err)
		}
	})
	t.Run("damages a wallet: the others open, and it is recorded", func(t *testing.T) {
		h := newHouse(t)
		h.mustUnlock(firstPass)
		good, _ := h.addWallet(1)
		bad, _ := h.addWallet(2)
		h.write(store.RotateWallet(bad.ID, 1, 1, good.SealedKey))
		h.restart()
		h.mustUnlock(firstPass)
		h.opens(good.ID)
		if e := h.events(); e[len(e)-1].Event != "damaged" || e[len(e)-1].Row != bad.ID {
			t.Errorf("not on record: %+v", e[len(e)-1])
		}
	})
	t.Run("seals a root key to the operator's recipient: the wallets do not open with it", func(t *testing.T) {
		identity, recipient, _ := GenerateRecovery()
		h := newHouse(t, NewSlot{Name: "paper", Recipient: recipient})
		if err := h.Unlock(t.Context(), "walletd", identity); err != nil {
			t.Fatal(err)
		}
		h.addWallet(1)
		// The recipient is not in the database; suppose it is known all the same.
		s, root := forge(t, h, NewSlot{Name: "paper", Recipient: recipient})
		old := h.slots()[0]
		row := h.row()
		updated := row
		updated.SealedService = sealService(root, row, newKeyring(serviceKeys, randomKey()))
		updated.Check = checkOf(root, updated, []store.Slot{s})
		h.write(store.PutSlot(s), store.DeleteSlot(old.ID), store.UpdateKeystore(row, updated))
		h.restart()
		if err := h.Unlock(t.Context(), "walletd", identity); !errors.Is(err, ErrForeignRoot) {
			t.Fatalf("Unlock: %v, want ErrForeignRoot", err)
		}
		if h.Unlocked(h.epoch()) {
			t.Error("unlocked")
		}
	})
	t.Run("changes the keystore's row: it is forged", func(t *testing.T) {
		for name, change := range map[string]func(*store.Keystore){
			"old root":       func(k *store.Keystore) { k.SealedOldRoot = bytes.Repeat([]byte{1}, 80) },
			"service key":    func(k *store.Keystore) { k.SealedService[40] ^= 1 },
			"no service key": func(k *store.Keystore) { k.SealedService = []byte{} },
			"check":          func(k *store.Keystore) { k.Check[0] ^= 1 },
			"no check":       func(k *store.Keystore) { k.Check = []byte{} },
			"generation":     func(k *store.Keystore) { k.Generation++ },
		} {
			h := newHouse(t)
			row := h.row()
			updated := row
			updated.Check, updated.SealedService = bytes.Clone(row.Check), bytes.Clone(row.SealedService)
			change(&updated)
			h.write(store.UpdateKeystore(row, updated))
			var forged *ForgedError
			if err := h.Unlock(t.Context(), "walletd", first); !errors.As(err, &forged) {
				t.Errorf("%s: %v, want a ForgedError", name, err)
			}
			if !h.recorded("forged") {
				t.Errorf("%s: not on record", name)
			}
		}
	})
	t.Run("adds slots without end: ours is tried first", func(t *testing.T) {
		h := newHouse(t)
		s := h.slots()[0]
		p, _ := parseSlot(s)
		p.MemoryKiB, p.Time = maxMemoryKiB, maxPasses
		s.Params = p.encode()
		for range 100 {
			s.ID = store.NewID()
			h.write(store.PutSlot(s))
		}
		h.mustUnlock(firstPass)
		if got := len(h.events()); got > 200 {
			t.Errorf("%d events", got)
		}
	})
}

func TestDatabaseHoldsNoRecipient(t *testing.T) {
	_, recipient, _ := GenerateRecovery()
	h := newHouse(t, NewSlot{Name: "paper", Recipient: recipient})
	all, err := json.Marshal(h.slots())
	if err != nil {
		t.Fatal(err)
	}
	if s := h.slots()[0]; strings.Contains(string(s.Params), recipient[:40]) || bytes.Contains(s.Sealed, []byte(recipient[:40])) || strings.Contains(string(all), recipient[:40]) {
		t.Error("the recipient stands in the slot")
	}
}

func wantForged(t *testing.T, err error, table, row string) {
	t.Helper()
	var forged *ForgedError
	if !errors.As(err, &forged) || forged.Table != table || forged.Row != row {
		t.Errorf("got %v, want a ForgedError of %s %s", err, table, row)
	}
}

// FuzzSlot gives anybody's slot to what reads them: it never panics, and
// nothing that is not a genuine slot opens.
func FuzzSlot(f *testing.F) {
	root := newKeyring(rootKeys, &[keySize]byte{1}) // the same in every worker
	ks := store.Keystore{ID: "ks", Generation: 1}
	k := New(nil, Options{Argon2: &Argon2Params{MemoryKiB: minMemoryKiB, Time: 1, Threads: 1}, Now: func() time.Time { return now }})
	identity, recipient, _ := GenerateRecovery()
	passphrase := Passphrase([]byte(firstPass))
	byPass, err := k.makeSlot(ks, root, NewSlot{Name: "n", Passphrase: passphrase})
	if err != nil {
		f.Fatal(err)
	}
	byAge, err := k.makeSlot(ks, root, NewSlot{Name: "n", Recipient: recipient})
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []store.Slot{byPass, byAge} {
		f.Add(s.ID, s.Kind, s.Params, s.Sealed, s.Generation)
		f.Add(s.ID, s.Kind, s.Params, s.Sealed[:len(s.Sealed)-1], s.Generation)
		f.Add("", s.Kind, []byte(`{}`), []byte{}, int64(0))
	}
	f.Fuzz(func(t *testing.T, id, kind string, params, sealed []byte, generation int64) {
		s := store.Slot{ID: id, Kind: kind, Params: params, Sealed: sealed, Generation: generation}
		p, ok := parseSlot(s)
		if ok && !bytes.Equal(p.encode(), params) {
			t.Error("two spellings of one slot")
		}
		if ok && kind == slotPassphrase && p.argon2() != k.argon2() {
			return // slow, and it opens nothing
		}
		for _, secret := range []Secret{passphrase, identity} {
			if key, _, ok := openSlot(ks, s, secret); ok && *key != *root.base {
				t.Error("a slot opened to another key")
			}
		}
		recipientOf(ks, root, s)
	})
}
