package keystore

import (
	"bytes"
	"errors"
	"testing"

	"walletd/internal/did"
)

func TestANewKeyPair(t *testing.T) {
	h := newHouse(t)
	h.mustUnlock(firstPass)
	row, _ := h.addWallet(1)
	w := h.opens(row.ID)
	for _, typ := range []did.Type{
		{Role: did.RoleApplication, Key: did.Ed25519, Hash: did.SHA3},
		{Role: did.RoleApplication, Key: did.Secp256k1, Hash: did.SHA3},
		{Role: did.RoleAccount, Key: did.Ethereum, Hash: did.Keccak},
	} {
		t.Run(typ.String(), func(t *testing.T) {
			a, err := w.NewKeyPair("label", typ, 5)
			if err != nil {
				t.Fatal(err)
			}
			if a.App != a.Address || a.Path != "" || a.Type != typ.String() {
				t.Errorf("it does not belong to the application it is: %+v", a)
			}
			again, err := w.NewKeyPair("label", typ, 6)
			if err != nil || again.Address != a.Address {
				t.Errorf("the same label gives %s (%v), then %s", a.Address, err, again.Address)
			}
			other, err := w.NewKeyPair("another", typ, 5)
			if err != nil || other.Address == a.Address {
				t.Errorf("another label gives the same key (%v)", err)
			}
			secret, err := w.Secret(releases(t, row.ID), a)
			if err != nil {
				t.Fatal(err)
			}
			sk, err := did.NewSecretKey(typ.Key, secret)
			if err != nil {
				t.Fatal(err)
			}
			digest := bytes.Repeat([]byte{7}, 32)
			sig, err := w.SignBytes(releases(t, row.ID), a, digest)
			if err != nil || !did.VerifyBytes(typ.Key, sk.Public(), digest, sig) {
				t.Errorf("its signature does not verify under the secret that was given (%v)", err)
			}
		})
	}
	if _, err := w.NewKeyPair("label", did.Type{Key: did.Passkey}, 5); !errors.Is(err, ErrKeyType) {
		t.Errorf("a passkey: %v", err)
	}
}

func TestSignBytesRefusesARowOfAnotherPlace(t *testing.T) {
	h := newHouse(t)
	h.mustUnlock(firstPass)
	row, own := h.addWallet(1)
	w := h.opens(row.ID)
	moved := own
	moved.App = "somebody else"
	_, err := w.SignBytes(releases(t, row.ID), moved, []byte("text"))
	wantDamaged(t, err, "accounts", own.Address)
	_, err = w.Secret(releases(t, row.ID), moved)
	wantDamaged(t, err, "accounts", own.Address)
}
