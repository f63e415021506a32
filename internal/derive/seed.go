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
)

// SeedSize is the length of a seed, in bytes.
const SeedSize = 64

// ErrSeedSize says that a seed is not SeedSize bytes long.
var ErrSeedSize = errors.New("a seed is exactly 64 bytes")

// Seed is a wallet's master secret: the BIP-39 seed of its words, or 64 bytes
// imported as they are. It never prints itself. Copies share the bytes, so
// Wipe empties all of them. The zero Seed holds none and derives nothing.
type Seed struct {
	hidden
	bytes func() []byte
}

// NewSeed copies b, which must be SeedSize bytes long (ErrSeedSize).
func NewSeed(b []byte) (Seed, error) {
	if len(b) != SeedSize {
		return Seed{}, ErrSeedSize
	}
	return Seed{bytes: enclose(bytes.Clone(b))}, nil
}

// Bytes gives the 64 bytes themselves, not a copy; nil for the zero Seed.
func (s Seed) Bytes() []byte {
	if s.bytes == nil {
		return nil
	}
	return s.bytes()
}

// Wipe overwrites the seed with zeros. A wiped seed derives nothing.
func (s Seed) Wipe() { clear(s.Bytes()) }

// usable says whether there is anything to derive from.
func (s Seed) usable() bool {
	var none [SeedSize]byte
	return s.bytes != nil && subtle.ConstantTimeCompare(s.Bytes(), none[:]) == 0
}
