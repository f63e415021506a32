package keystore

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"

	"walletd/internal/did"
	"walletd/internal/secret"
	"walletd/internal/store"
)

// SignBytes signs a message with the account's bare algorithm (DID Connect
// reference c.4, did.SecretKey.SignBytes): ed25519 any message, ECDSA a digest
// of 32 bytes, else did.ErrDigest. The receipt is of the entry that releases
// the signature; whoever calls it has made sure of what the message means. The
// other errors are ErrReceipt and *DamagedError.
func (w *Wallet) SignBytes(r store.Receipt, a store.Account, message []byte) (signature Signature, err error) {
	if err := w.allows(r); err != nil {
		return nil, err
	}
	err = w.withKey(a, func(sk did.SecretKey) (err error) {
		signature, err = sk.SignBytes(message)
		return err
	})
	return signature, err
}

// Secret gives the account's secret key in the packages' form, which is what a
// keyPair claim hands out (DID Connect reference f.9), for an entry that
// releases it: 64 bytes for ed25519, 32 for the others. The caller clears it.
// Errors are ErrReceipt and *DamagedError.
func (w *Wallet) Secret(r store.Receipt, a store.Account) ([]byte, error) {
	if err := w.allows(r); err != nil {
		return nil, err
	}
	s, err := w.openAccount(a)
	if err != nil {
		return nil, err
	}
	return bytes.Clone(s.secret), nil
}

// NewKeyPair gives the row of an account with a new key, which belongs to the
// application it is. The same label gives the same key, so that what is given
// twice for one yes is one key; labels are random, or nobody's to choose. Its
// Path is "": no path leads from an app to it. Nothing is stored. Errors are
// ErrKeyType, *DamagedError and did's.
func (w *Wallet) NewKeyPair(label string, t did.Type, now int64) (account store.Account, err error) {
	if !canSign(t.Key) {
		return store.Account{}, ErrKeyType
	}
	secret.Do(func() {
		seed, e := w.seed()
		if err = e; err != nil {
			return
		}
		defer seed.Wipe()
		secret, e := hkdf.Key(sha256.New, seed.Reveal(), nil, labelKeyPair+"\x00"+t.Key.String()+"\x00"+label, keySize)
		if e != nil {
			panic(e) // 32 bytes are never too many
		}
		defer clear(secret)
		sk, e := did.SecretKeyFromSeed(t.Key, secret)
		if e != nil {
			err = fmt.Errorf("making a key pair: %w", e)
			return
		}
		defer sk.Wipe()
		account, err = w.ImportAccount(sk, t, now)
	})
	return account, err
}

// withKey runs f with the account's key, which is wiped after it.
func (w *Wallet) withKey(a store.Account, f func(did.SecretKey) error) (err error) {
	signer, err := did.Parse(a.Address)
	if err != nil {
		return &DamagedError{Table: tableAccounts, Row: a.Address}
	}
	secret.Do(func() {
		var s accountSecret
		if s, err = w.openAccount(a); err != nil {
			return
		}
		var sk did.SecretKey
		// The row was sealed with a key that was made whole, and opens nowhere else.
		if sk, err = did.RestoreSecretKey(signer.Type().Key, s.secret, s.public); err != nil {
			err = &DamagedError{Table: tableAccounts, Row: a.Address}
			return
		}
		defer sk.Wipe()
		err = f(sk)
	})
	return err
}
