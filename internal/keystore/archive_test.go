package keystore

import (
	"bytes"
	"errors"
	"testing"

	"walletd/internal/derive"
	"walletd/internal/store"
)

func TestAnArchivedEntryOpensWithTheWordsAlone(t *testing.T) {
	h := newHouse(t)
	h.mustUnlock(firstPass)
	seed, err := derive.NewSeed(bytes.Repeat([]byte{7}, 64))
	if err != nil {
		t.Fatal(err)
	}
	row, _ := h.addWalletOf(seed)
	w := h.opens(row.ID)
	r := store.Record{Chain: row.ID, Seq: 5, ID: "id", Hash: bytes.Repeat([]byte{1}, 32)}
	content := []byte(`{"by":"owner"}`)
	sealed, err := w.SealArchived(r, content)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := OpenArchived(seed, r, sealed); err != nil || !bytes.Equal(plain, content) {
		t.Errorf("it opens to %q, %v", plain, err)
	}
	if fits, err := w.FitsArchived(r, sealed, content); err != nil || !fits {
		t.Errorf("it does not fit: %v", err)
	}
	if _, err := w.Open(Place{Table: "records", Row: r.ID, Field: "content", Version: 1}, sealed); err == nil {
		t.Error("the wallet's own key opens it")
	}
	second, _ := h.addWallet(2)
	if fits, err := h.opens(second.ID).FitsArchived(r, sealed, content); err != nil || fits {
		t.Errorf("it fits another wallet: %v", err)
	}
	other, err := derive.NewSeed(bytes.Repeat([]byte{8}, 64))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenArchived(other, r, sealed); !errors.Is(err, ErrArchived) {
		t.Errorf("other words: %v", err)
	}
	for name, change := range map[string]func(r *store.Record, sealed []byte){
		"another number": func(r *store.Record, _ []byte) { r.Seq++ },
		"another chain":  func(r *store.Record, _ []byte) { r.Chain += "x" },
		"another hash":   func(r *store.Record, _ []byte) { r.Hash = bytes.Repeat([]byte{2}, 32) },
		"a changed bit":  func(_ *store.Record, sealed []byte) { sealed[len(sealed)-1] ^= 1 },
	} {
		moved, changed := r, bytes.Clone(sealed)
		change(&moved, changed)
		if _, err := OpenArchived(seed, moved, changed); !errors.Is(err, ErrArchived) {
			t.Errorf("with %s: %v", name, err)
		}
		if fits, err := w.FitsArchived(moved, changed, content); err != nil || fits {
			t.Errorf("with %s it fits: %v", name, err)
		}
	}
	if fits, err := w.FitsArchived(r, sealed, []byte("other")); err != nil || fits {
		t.Errorf("it fits another content: %v", err)
	}
}

func TestAStatementAboutAnArchiveIsSignedWithTheKeyOfHeads(t *testing.T) {
	h := newHouse(t)
	if _, err := h.SignArchive([]byte("statement")); !errors.Is(err, ErrLocked) {
		t.Errorf("while locked: %v", err)
	}
	h.mustUnlock(firstPass)
	s, err := h.SignArchive([]byte("statement"))
	if err != nil || !VerifyArchive([]byte("statement"), s) || !bytes.Equal(s.PublicKey, h.headKey()) {
		t.Errorf("%x, %v", s, err)
	}
	if VerifyArchive([]byte("another"), s) || VerifyArchive([]byte("statement"), ArchiveSignature{PublicKey: s.PublicKey[1:], Signature: s.Signature}) {
		t.Error("it verifies for another statement, or with another key")
	}
	// Nothing that is signed for another use passes for a statement, and no statement for that.
	root, heads, err := h.Keystore.SignHeads([]store.End{{Chain: "w", Seq: 1, Hash: make([]byte, 32)}}, 5)
	if err != nil {
		t.Fatal(err)
	}
	if VerifyArchive(root.message(), ArchiveSignature{root.PublicKey, root.Signature}) {
		t.Error("a root passes for a statement")
	}
	head := heads[0]
	head.Signature = s.Signature
	if VerifyHead(head) {
		t.Error("a statement passes for a head")
	}
}
