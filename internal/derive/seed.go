// Package derive turns a wallet's seed into everything that hangs on it: words
// into the seed, seed and app into the key of an account, account key and salt
// into an encryption key.
//
//	words --BIP-39--> seed --BIP-32, path of the app--> account key
//	                                                     account key + salt --SHA3-256--> encryption key
//
// All of it is pure: the same input gives the same bytes as the packages' own
// fromAppDid and hasher (DID Connect reference f.10 and h; design section 5),
// for ever, because a key that changed would be a backup that cannot be opened.
// Only NewWords draws from crypto/rand.
package derive

import (
	"bytes"
	"crypto/subtle"
	"errors"

	"walletd/internal/secret"
)

// SeedSize is the length of a seed, in bytes.
const SeedSize = 64

// ErrSeedSize says that a seed is not SeedSize bytes long.
var ErrSeedSize = errors.New("a seed is exactly 64 bytes")

// Seed is a wallet's master secret: the BIP-39 seed of its words, or 64 bytes
// imported as they are. A zero Seed and a wiped one derive nothing.
type Seed struct{ secret.Bytes }

// NewSeed copies b, which must be SeedSize bytes long (ErrSeedSize).
func NewSeed(b []byte) (Seed, error) {
	if len(b) != SeedSize {
		return Seed{}, ErrSeedSize
	}
	return Seed{secret.New(bytes.Clone(b))}, nil
}

// usable says whether there is anything to derive from.
func (s Seed) usable() bool {
	var none [SeedSize]byte
	return !s.IsZero() && subtle.ConstantTimeCompare(s.Reveal(), none[:]) == 0
}
