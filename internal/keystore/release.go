package keystore

import (
	"errors"
	"fmt"

	"golang.org/x/crypto/sha3"

	"walletd/internal/secretstorage"
	"walletd/internal/store"
)

// The operations of a Wallet are of two sorts (design section 2).
//
// Those whose result can leave the process, a key, a signature, an account's secret or the plaintext
// of a secret, take the store.Receipt of the entry that says why. They refuse, with ErrReceipt, the zero
// receipt, one of another chain than the wallet's, and one whose entry does not release.
//
// All others take none and return ciphertext, MACs, public keys, verdicts and the contents of rows,
// whose types are named for it. A test holds every exported method to this.

// ErrReceipt: the operation lets something secret leave the wallet, and the receipt is not that of an
// entry of the wallet's chain which says so. Nothing was derived.
var ErrReceipt = errors.New("nothing leaves a wallet without the receipt of the entry that allows it")

// Signature is what an account signed: 64 bytes for ed25519, DER or 65 bytes for the others (DID
// Connect reference c.4).
type Signature []byte

// Sealed is ciphertext: 0x01 ‖ nonce (24 bytes) ‖ XChaCha20-Poly1305.
type Sealed []byte

// MAC is HMAC-SHA-256 under the wallet's key, 32 bytes.
type MAC []byte

// PublicKey is a public key in the form that identifiers hash.
type PublicKey []byte

// RowContent is the plaintext of a row's sealed field. Seeds and accounts are in none.
type RowContent []byte

// allows checks the receipt of an operation whose result leaves.
func (w *Wallet) allows(r store.Receipt) error {
	switch {
	case r == store.Receipt{}:
		return fmt.Errorf("%w: there is none", ErrReceipt)
	case r.Chain() != w.id:
		return fmt.Errorf("%w: it is of another chain", ErrReceipt)
	case !r.Releases():
		return fmt.Errorf("%w: entry %d releases nothing", ErrReceipt, r.Seq())
	}
	return nil
}

// A secret kept for an app is sealed in the format of Matrix secret storage with the app's
// encryptionKey for a salt (Matrix secret storage reference, section 2.3).

// SealSecret seals a secret with the key of an account for a salt. Errors are *DamagedError, what
// CheckSalt says, and secretstorage's.
func (w *Wallet) SealSecret(a store.Account, salt []byte, name string, plaintext []byte) (sealed secretstorage.Sealed, err error) {
	err = w.withStorageKey(a, salt, func(key secretstorage.Key) (err error) {
		sealed, err = secretstorage.Seal(key, name, plaintext, secretstorage.MaxPlaintext)
		return err
	})
	return sealed, err
}

// FitsDescriptions says, for each description of a secret storage key, whether it is of the key of an
// account for a salt. Errors are *DamagedError and what CheckSalt says.
func (w *Wallet) FitsDescriptions(a store.Account, salt []byte, ds []secretstorage.Description) ([]secretstorage.CheckResult, error) {
	results := make([]secretstorage.CheckResult, len(ds))
	err := w.withStorageKey(a, salt, func(key secretstorage.Key) error {
		for i, d := range ds {
			results[i] = d.Check(key)
		}
		return nil
	})
	return results, err
}

// SealedKeyFits is FitsDescriptions for a key of secret storage that was made elsewhere and is kept as a
// secret: the copy under a key id, sealed with the key of an account for a salt. Errors are those of
// SecretMAC, and bad_secret if what is sealed is no key.
func (w *Wallet) SealedKeyFits(a store.Account, salt []byte, s secretstorage.Secret, name, keyID string, ds []secretstorage.Description) ([]secretstorage.CheckResult, error) {
	results := make([]secretstorage.CheckResult, len(ds))
	err := w.withStorageKey(a, salt, func(key secretstorage.Key) error {
		text, err := s.Open(name, keyID, key)
		if err != nil {
			return err
		}
		defer clear(text)
		kept, err := secretstorage.ParseValue(text)
		if err != nil {
			return err
		}
		defer kept.Wipe()
		for i, d := range ds {
			results[i] = d.Check(kept)
		}
		return nil
	})
	return results, err
}

// SecretMAC opens the copy of a secret under a key id with the key of an account for a salt, and gives
// the ValueMAC of what is in it. Errors are *DamagedError, what CheckSalt says, and secretstorage's:
// bad_mac if the copy is of another key.
func (w *Wallet) SecretMAC(a store.Account, salt []byte, s secretstorage.Secret, name, keyID string) (sum MAC, err error) {
	err = w.withStorageKey(a, salt, func(key secretstorage.Key) error {
		plain, err := s.Open(name, keyID, key)
		if err != nil {
			return err
		}
		defer clear(plain)
		sum = w.ValueMAC(name, plain)
		return nil
	})
	return sum, err
}

// ValueMAC names the plaintext of a secret so that the same one is known again, and nobody without the
// wallet's key can guess it.
func (w *Wallet) ValueMAC(name string, plaintext []byte) MAC {
	sum := sha3.New256()
	defer sum.Reset() // the sponge holds the plaintext
	sum.Write([]byte(name))
	sum.Write([]byte{0})
	sum.Write(plaintext)
	return w.MAC(append([]byte("walletd secret value v1\x00"), sum.Sum(nil)...))
}

// OpenSecret gives the plaintext of the copy of a secret under a key id, for an entry that releases it.
// The caller clears it. Errors are ErrReceipt and those of SecretMAC.
func (w *Wallet) OpenSecret(r store.Receipt, a store.Account, salt []byte, s secretstorage.Secret, name, keyID string) (plain []byte, err error) {
	if err := w.allows(r); err != nil {
		return nil, err
	}
	err = w.withStorageKey(a, salt, func(key secretstorage.Key) (err error) {
		plain, err = s.Open(name, keyID, key)
		return err
	})
	return plain, err
}

// withStorageKey runs f with the encryptionKey of an account as a key of secret storage, which is wiped
// after it.
func (w *Wallet) withStorageKey(a store.Account, salt []byte, f func(secretstorage.Key) error) error {
	raw, err := w.encryptionKey(a, salt)
	if err != nil {
		return err
	}
	defer raw.Wipe()
	key, err := secretstorage.NewKey(raw.Reveal())
	if err != nil {
		return fmt.Errorf("making a key of secret storage: %w", err)
	}
	defer key.Wipe()
	return f(key)
}
