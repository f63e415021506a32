package keystore

import (
	"walletd/internal/derive"
	"walletd/internal/did"
)

// Key is a key on its way to whoever asked for it: 32 bytes. It never prints
// itself. Copies share the bytes, so Wipe empties all of them. The zero Key
// holds none.
type Key struct {
	hidden
	b **[32]byte // two: see hidden
}

// Base58 gives the key as it is answered: z and base58btc (DID Connect
// reference b, f.10); "" for the zero Key.
func (k Key) Base58() string {
	if k.b == nil {
		return ""
	}
	return did.EncodeBase58(k.Bytes())
}

// Bytes gives the 32 bytes themselves, not a copy; nil for the zero Key.
func (k Key) Bytes() []byte {
	if k.b == nil {
		return nil
	}
	return (*k.b)[:]
}

// Wipe overwrites the key with zeros.
func (k Key) Wipe() { clear(k.Bytes()) }

// newKey is the encryption key of a secret (DID Connect reference f.10).
func newKey(secret, salt []byte, rounds int) Key {
	b := new([32]byte)
	*b = derive.EncryptionKey(secret, salt, rounds)
	return Key{b: &b}
}
