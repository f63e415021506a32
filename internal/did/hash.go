package did

import (
	"bytes"
	"crypto/sha256"
	"hash"
	"strconv"

	"golang.org/x/crypto/sha3"
)

// HashType is the hash of an identifier: the five hash bits of its type (DID
// Connect reference a.1).
type HashType uint8

// The hashes. SHA3 is NIST SHA3-256, Keccak the older padding that Ethereum
// uses, SHA2 a single SHA-256.
const (
	Keccak    HashType = 0
	SHA3      HashType = 1
	Keccak384 HashType = 2
	SHA3_384  HashType = 3
	Keccak512 HashType = 4
	SHA3_512  HashType = 5
	SHA2      HashType = 6
)

// String gives the lower-case name as targetType members write it: "keccak",
// "sha3", "keccak_384", "sha3_384", "keccak_512", "sha3_512", "sha2".
func (h HashType) String() string {
	switch h {
	case Keccak:
		return "keccak"
	case SHA3:
		return "sha3"
	case Keccak384:
		return "keccak_384"
	case SHA3_384:
		return "sha3_384"
	case Keccak512:
		return "keccak_512"
	case SHA3_512:
		return "sha3_512"
	case SHA2:
		return "sha2"
	}
	return "hash" + strconv.Itoa(int(h))
}

// ParseHashType reads the name that [HashType.String] gives to a known hash. It
// refuses with did_invalid.
func ParseHashType(name string) (HashType, error) {
	for h := Keccak; h <= SHA2; h++ {
		if h.String() == name {
			return h, nil
		}
	}
	return 0, Refuse("did_invalid", "the hash is not known")
}

// digest is the Sum of public bytes, with nothing on the heap for the hashes
// that tokens and most identifiers use. What the hash does not fill is zero.
func (h HashType) digest(b []byte) (sum [64]byte) {
	switch h {
	case SHA3:
		d := sha3.Sum256(b)
		copy(sum[:], d[:])
	case SHA2:
		d := sha256.Sum256(b)
		copy(sum[:], d[:])
	default:
		copy(sum[:], h.Sum(bytes.Clone(b)))
	}
	return sum
}

// Sum hashes the parts one after the other, once: 32, 48 or 64 bytes. An
// unknown hash gives nil.
func (h HashType) Sum(parts ...[]byte) []byte {
	state := h.state()
	if state == nil {
		return nil
	}
	for _, part := range parts {
		state.Write(part)
	}
	return state.Sum(nil)
}

func (h HashType) state() hash.Hash {
	switch h {
	case Keccak:
		return sha3.NewLegacyKeccak256()
	case SHA3:
		return sha3.New256()
	case Keccak384:
		return newKeccak(48)
	case SHA3_384:
		return sha3.New384()
	case Keccak512:
		return sha3.NewLegacyKeccak512()
	case SHA3_512:
		return sha3.New512()
	case SHA2:
		return sha256.New()
	}
	return nil
}
