package keystore

import (
	"walletd/internal/derive"
	"walletd/internal/did"
	"walletd/internal/secret"
)

// Key is a key on its way to whoever asked for it: 32 bytes. It is wiped by
// whoever was handed it. The zero Key holds none.
type Key struct{ secret.Bytes }

// Base58 gives the key as it is answered: z and base58btc (DID Connect
// reference b, f.10); "" if there is none.
func (k Key) Base58() string {
	if k.IsZero() {
		return ""
	}
	return did.EncodeBase58(k.Reveal())
}

// newKey is the encryption key of an account's secret or of a seed (DID Connect
// reference f.10).
func newKey(master, salt []byte, rounds int) Key {
	b := derive.EncryptionKey(master, salt, rounds)
	return Key{secret.New(b[:])}
}
