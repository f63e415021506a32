package did

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"

	"walletd/internal/secret"
)

var (
	// ErrSecretKey is returned for bytes that are not a secret key of the type
	// asked for.
	ErrSecretKey = errors.New("not a secret key of its type")
	// ErrDigest is returned when a key that signs 32-byte digests only is given
	// something else.
	ErrDigest = errors.New("this key signs digests of 32 bytes only")
)

// digestLength is what ECDSA keys sign, in bytes. The packages cut longer
// messages short, which makes one signature fit many texts (DID Connect
// reference c.7).
const digestLength = 32

// SecretKey is a secret key in the form the packages hold it: 64 bytes (seed ‖
// public key) for ed25519, 32 bytes for secp256k1 and ethereum. A zero key and a
// wiped one sign nothing.
type SecretKey struct {
	secret.Bytes
	typ    KeyType
	public []byte // as Public gives it
}

// NewSecretKey takes a copy of a secret key in the packages' form. It checks
// that both halves of an ed25519 key belong together, and that an ECDSA scalar
// is in range. Anything else fails with [ErrSecretKey].
func NewSecretKey(t KeyType, raw []byte) (SecretKey, error) {
	switch t {
	case Ed25519:
		if len(raw) != ed25519.PrivateKeySize {
			return SecretKey{}, ErrSecretKey
		}
		key, err := SecretKeyFromSeed(t, raw[:ed25519.SeedSize])
		if err != nil {
			return SecretKey{}, err
		}
		// A foreign public half would turn signatures into leaks of the seed.
		if !bytes.Equal(key.public, raw[ed25519.SeedSize:]) {
			key.Wipe()
			return SecretKey{}, ErrSecretKey
		}
		return key, nil
	case Secp256k1, Ethereum:
		return SecretKeyFromSeed(t, raw)
	}
	return SecretKey{}, ErrSecretKey
}

// RestoreSecretKey takes a copy of what [SecretKey.Reveal] and
// [SecretKey.Public] gave, from where nobody could change it meanwhile: to make
// the public key of a secret costs as much as a signature. That the two belong
// together is not worked out, and a foreign public half would turn signatures
// into leaks of the seed: bytes from anywhere else are for [NewSecretKey]. What
// cannot be such a pair fails with [ErrSecretKey].
func RestoreSecretKey(t KeyType, raw, public []byte) (SecretKey, error) {
	switch t {
	case Ed25519:
		if len(raw) != ed25519.PrivateKeySize || !bytes.Equal(raw[ed25519.SeedSize:], public) {
			return SecretKey{}, ErrSecretKey
		}
	case Secp256k1, Ethereum:
		if !isScalar(raw) {
			return SecretKey{}, ErrSecretKey
		}
	default:
		return SecretKey{}, ErrSecretKey
	}
	if _, err := parseKey(t, public); err != nil {
		return SecretKey{}, ErrSecretKey
	}
	return SecretKey{secret.New(slices.Clone(raw)), t, slices.Clone(public)}, nil
}

// isScalar tells whether 32 bytes are a secret of secp256k1: neither zero nor
// too large.
func isScalar(secret []byte) bool {
	var scalar secp256k1.ModNScalar
	defer scalar.Zero()
	return len(secret) == 32 && !scalar.SetByteSlice(secret) && !scalar.IsZero()
}

// SecretKeyFromSeed makes the key of 32 bytes, such as a BIP-32 child: the seed
// of an ed25519 key, the scalar of the others. It fails with [ErrSecretKey].
func SecretKeyFromSeed(t KeyType, seed []byte) (SecretKey, error) {
	if len(seed) != 32 {
		return SecretKey{}, ErrSecretKey
	}
	switch t {
	case Ed25519:
		key := ed25519.NewKeyFromSeed(seed)
		public := slices.Clone(key[ed25519.SeedSize:])
		return SecretKey{secret.New(key), t, public}, nil
	case Secp256k1, Ethereum:
		if !isScalar(seed) {
			return SecretKey{}, ErrSecretKey
		}
		private := secp256k1.PrivKeyFromBytes(seed)
		defer private.Zero()
		public := private.PubKey().SerializeUncompressed()
		if t == Ethereum {
			public = public[1:]
		}
		return SecretKey{secret.New(slices.Clone(seed)), t, public}, nil
	}
	return SecretKey{}, ErrSecretKey
}

// Type gives the type of the key.
func (k SecretKey) Type() KeyType { return k.typ }

// Public gives a copy of the public key as identifiers hash it: 32 bytes for
// ed25519, 65 for secp256k1, 64 for ethereum.
func (k SecretKey) Public() []byte { return slices.Clone(k.public) }

// SignBytes signs with the bare algorithm (DID Connect reference c.4): ed25519
// over the whole message, 64 bytes; ECDSA over a digest of exactly 32 bytes
// (else [ErrDigest]), RFC 6979, ASN.1 DER with low S. A wiped key fails with
// [ErrSecretKey].
func (k SecretKey) SignBytes(msg []byte) ([]byte, error) {
	if k.IsZero() {
		return nil, fmt.Errorf("signing: %w", ErrSecretKey)
	}
	if k.typ == Ed25519 {
		return ed25519.Sign(k.Reveal(), msg), nil
	}
	if len(msg) != digestLength {
		return nil, ErrDigest
	}
	private := secp256k1.PrivKeyFromBytes(k.Reveal())
	defer private.Zero()
	return ecdsa.Sign(private, msg).Serialize(), nil
}

// VerifyBytes tells whether sig is a signature over msg by the public key, as
// [SecretKey.SignBytes] makes them. ECDSA takes digests of 32 bytes and the one
// DER spelling with low S. For a passkey, msg is the 32-byte challenge and sig
// the JSON of the assertion (DID Connect reference c.5). A public key that is
// not sound verifies nothing.
func VerifyBytes(t KeyType, pk, msg, sig []byte) bool {
	key, err := parseKey(t, pk)
	return err == nil && key.verify(msg, sig)
}
