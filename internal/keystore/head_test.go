package keystore

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"testing"

	"walletd/internal/store"
)

// signAlone signs a head by itself, as earlier versions did.
func signAlone(k *keyring, end store.End, time int64) store.Head {
	h := store.Head{Chain: end.Chain, Seq: end.Seq, Hash: end.Hash, Time: time}
	k.withHeadKey(func(sk ed25519.PrivateKey) {
		h.PublicKey = append(h.PublicKey, sk[ed25519.SeedSize:]...)
		h.Signature = ed25519.Sign(sk, headMessage(h.Chain, h.Seq, h.Hash, h.Time))
	})
	return h
}

func TestHeads(t *testing.T) {
	h := newHouse(t)
	h.mustUnlock(firstPass)
	row, _ := h.addWallet(1)
	w := h.opens(row.ID)
	end := func(chain string) store.End {
		return store.End{Chain: chain, Seq: 3, Hash: bytes.Repeat([]byte{1}, 32), Time: 4}
	}
	// inTree gives a head of the chain as one of size leaves.
	inTree := func(t *testing.T, chain string, size int) (SignedRoot, store.Head) {
		t.Helper()
		ends := make([]store.End, size)
		for i := range ends {
			ends[i] = end(fmt.Sprint("another ", i))
		}
		ends[size/2] = end(chain)
		root, heads, err := h.SignHeads(ends, 5)
		if err != nil {
			t.Fatal(err)
		}
		return root, heads[size/2]
	}
	for name, head := range map[string]func(*testing.T) store.Head{
		"by itself, as earlier versions signed": func(*testing.T) store.Head { return signAlone(w.keys, end(row.ID), 5) },
		"in a tree of its own": func(t *testing.T) store.Head {
			_, head := inTree(t, row.ID, 1)
			return head
		},
		"in a tree of seven": func(t *testing.T) store.Head {
			_, head := inTree(t, row.ID, 7)
			return head
		},
		"of the service": func(t *testing.T) store.Head {
			_, head := inTree(t, store.ServiceChain, 2)
			return head
		},
	} {
		t.Run("can be checked by anybody, "+name, func(t *testing.T) {
			head := head(t)
			if !VerifyHead(head) {
				t.Error("does not verify")
			}
			for name, change := range map[string]func(*store.Head){
				"entry": func(h *store.Head) { h.Seq++ },
				"hash":  func(h *store.Head) { h.Hash = bytes.Repeat([]byte{2}, 32) },
				"time":  func(h *store.Head) { h.Time++ },
				"chain": func(h *store.Head) { h.Chain += "x" },
				"key":   func(h *store.Head) { h.PublicKey = h.PublicKey[1:] },
				"signature": func(h *store.Head) {
					h.Signature = bytes.Clone(h.Signature)
					h.Signature[0] ^= 1
				},
				"way to the root": func(h *store.Head) {
					h.Signature = bytes.Clone(h.Signature)
					h.Signature[len(h.Signature)-1] ^= 1
				},
				"longer way":      func(h *store.Head) { h.Signature = append(bytes.Clone(h.Signature), make([]byte, 32)...) },
				"shorter way":     func(h *store.Head) { h.Signature = h.Signature[:len(h.Signature)-16] },
				"signature alone": func(h *store.Head) { h.Signature = append(bytes.Clone(h.Signature[:64]), h.Signature[64:]...)[:63] },
			} {
				other := head
				change(&other)
				if VerifyHead(other) {
					t.Errorf("verifies with another %s", name)
				}
			}
		})
	}
	t.Run("lead to the root of their tree, and to no other", func(t *testing.T) {
		root, head := inTree(t, row.ID, 5)
		if !VerifyRoot(root) || !IsUnder(head, root) {
			t.Error("the head is not under its root")
		}
		other, _ := inTree(t, row.ID, 6)
		if IsUnder(head, other) || IsUnder(signAlone(w.keys, end(row.ID), 5), root) {
			t.Error("a head is under the root of a tree that it is not in")
		}
		larger := root
		larger.Size++
		if VerifyRoot(larger) {
			t.Error("a root verifies with another size")
		}
	})
	t.Run("are signed with the key that is said beforehand", func(t *testing.T) {
		if !bytes.Equal(w.HeadKey(), signAlone(w.keys, end(row.ID), 5).PublicKey) {
			t.Error("the wallet's is another")
		}
		if _, head := inTree(t, row.ID, 3); !bytes.Equal(h.headKey(), head.PublicKey) {
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
		if _, _, err := h.SignHeads([]store.End{{Chain: store.ServiceChain, Seq: 1}}, 1); !errors.Is(err, ErrLocked) {
			t.Errorf("SignHeads: %v, want ErrLocked", err)
		}
		for _, key := range []*[keySize]byte{service.base, service.seal, service.mac} {
			if *key != [keySize]byte{} {
				t.Error("the service's key is still in memory")
			}
		}
	})
}
