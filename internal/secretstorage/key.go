package secretstorage

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"

	"walletd/internal/did"
	"walletd/internal/secret"
)

// KeySize is the length of every key here, in bytes.
const KeySize = 32

// Key is a secret storage key: 32 bytes, for walletd the encryptionKey of an app and a salt as it
// is (reference section 1). The zero Key and a wiped one fit nothing and open nothing.
type Key struct{ secret.Bytes }

// NewKey makes a Key of a copy of b. It refuses other lengths than 32 with bad_key: the SDK takes
// any (reference section 3).
func NewKey(b []byte) (Key, error) {
	if len(b) != KeySize {
		return Key{}, did.Refuse("bad_key", "a key has 32 bytes")
	}
	return Key{secret.New(bytes.Clone(b))}, nil
}

// Value gives the key as secrets hold keys: 43 bytes of unpadded base64 (reference section 8).
func (k Key) Value() []byte {
	if k.IsZero() {
		return nil
	}
	return unpaddedBase64(k.Reveal())
}

// expand gives HKDF-SHA-256 of ikm, with a salt of zeros. HMAC pads its key with zeros, so
// this is the specification's salt of 32 zero bytes, and the SDK's of 8, too.
func expand(ikm []byte, info string, length int) ([]byte, error) {
	okm, err := hkdf.Key(sha256.New, ikm, make([]byte, sha256.Size), info, length)
	if err != nil {
		return nil, fmt.Errorf("deriving keys: %w", err)
	}
	return okm, nil
}
