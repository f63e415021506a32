package keystore

import (
	"bytes"
	"errors"
	"testing"

	"walletd/internal/store"
)

func TestHeads(t *testing.T) {
	h := newHouse(t)
	h.mustUnlock(firstPass)
	row, _ := h.addWallet(1)
	w := h.opens(row.ID)
	// signed gives a head of either chain.
	signed := func(t *testing.T, chain string) store.Head {
		t.Helper()
		end := store.End{Chain: chain, Seq: 3, Hash: bytes.Repeat([]byte{1}, 32), Time: 4}
		if chain != store.ServiceChain {
			return w.SignHead(end, 5)
		}
		head, err := h.SignServiceHead(end, 5)
		if err != nil {
			t.Fatal(err)
		}
		return head
	}
	for _, chain := range []string{row.ID, store.ServiceChain} {
		t.Run("can be checked by anybody, of "+chain, func(t *testing.T) {
			head := signed(t, chain)
			if !VerifyHead(head) {
				t.Error("does not verify")
			}
			for name, change := range map[string]func(*store.Head){
				"entry": func(h *store.Head) { h.Seq++ },
				"hash":  func(h *store.Head) { h.Hash = bytes.Repeat([]byte{2}, 32) },
				"time":  func(h *store.Head) { h.Time++ },
				"chain": func(h *store.Head) { h.Chain += "x" },
				"key":   func(h *store.Head) { h.PublicKey = h.PublicKey[1:] },
			} {
				other := head
				change(&other)
				if VerifyHead(other) {
					t.Errorf("verifies with another %s", name)
				}
			}
		})
	}
	t.Run("are signed with the key that is said beforehand", func(t *testing.T) {
		if !bytes.Equal(w.HeadKey(), signed(t, row.ID).PublicKey) {
			t.Error("the wallet's is another")
		}
		if !bytes.Equal(h.headKey(), signed(t, store.ServiceChain).PublicKey) {
			t.Error("the service's is another")
		}
	})
	t.Run("have a key of each wallet, and of each service", func(t *testing.T) {
		second, _ := h.addWallet(2)
		other := newHouse(t)
		other.mustUnlock(firstPass)
		keys := [][]byte{w.HeadKey(), h.opens(second.ID).HeadKey(), h.headKey(), other.headKey()}
		for i, key := range keys {
			for _, before := range keys[:i] {
				if bytes.Equal(key, before) {
					t.Error("two have the same")
				}
			}
		}
	})
	t.Run("keep their key when the root key is rotated", func(t *testing.T) {
		before, ofWallet, sealed := h.headKey(), w.HeadKey(), h.row().SealedService
		for generation := int64(2); generation < 4; generation++ {
			if err := h.Rotate(t.Context(), "token", []Secret{Passphrase([]byte(firstPass))}, false); err != nil {
				t.Fatal(err)
			}
			if bytes.Equal(h.row().SealedService, sealed) {
				t.Error("the service's key is still under the old root key")
			}
			for _, when := range []string{"at once", "after a restart"} {
				if h.status().Generation != generation || !bytes.Equal(h.headKey(), before) || !bytes.Equal(h.opens(row.ID).HeadKey(), ofWallet) {
					t.Errorf("%s: a key changed", when)
				}
				h.restart()
				h.mustUnlock(firstPass)
			}
		}
	})
	t.Run("cannot be signed while locked, and the key is wiped", func(t *testing.T) {
		service := h.open.service
		if err := h.Lock(t.Context(), "token"); err != nil {
			t.Fatal(err)
		}
		if _, err := h.ServiceHeadKey(); !errors.Is(err, ErrLocked) {
			t.Errorf("ServiceHeadKey: %v, want ErrLocked", err)
		}
		if _, err := h.SignServiceHead(store.End{Chain: store.ServiceChain, Seq: 1}, 1); !errors.Is(err, ErrLocked) {
			t.Errorf("SignServiceHead: %v, want ErrLocked", err)
		}
		for _, key := range []*[keySize]byte{service.base, service.seal, service.mac} {
			if *key != [keySize]byte{} {
				t.Error("the service's key is still in memory")
			}
		}
	})
}
