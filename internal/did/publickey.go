package did

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"math/big"
	"slices"
	"strings"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	secp256k1ecdsa "github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
)

// Lengths of public keys in bytes, as they are hashed into an identifier.
const (
	ed25519Length   = 32
	secp256k1Length = 65
	ethereumLength  = 64
	passkeyLength   = 77
)

// publicKey is a sound public key, ready to verify with. Exactly one member is
// set.
type publicKey struct {
	ed25519   ed25519.PublicKey
	secp256k1 *secp256k1.PublicKey // of Secp256k1 and Ethereum
	passkey   *ecdsa.PublicKey
}

// parseKey reads a public key in the form that identifiers hash. It refuses
// with pk_malformed what is not a sound key of type t: another length, another
// format, a point that is not on the curve, or one for which anybody can make
// signatures. That an ed25519 key is on its curve is left to [checkKey]: to
// look costs a third of a verification, and a key off the curve verifies
// nothing.
func parseKey(t KeyType, pk []byte) (publicKey, error) {
	switch t {
	case Ed25519:
		if len(pk) == ed25519Length && isCanonicalEd25519(pk) {
			return publicKey{ed25519: slices.Clone(pk)}, nil
		}
	case Secp256k1, Ethereum:
		if key := parseSecp256k1(t, pk); key != nil {
			return publicKey{secp256k1: key}, nil
		}
	case Passkey:
		if key := parsePasskey(pk); key != nil {
			return publicKey{passkey: key}, nil
		}
	}
	return publicKey{}, errKey()
}

// checkKey refuses with pk_malformed what is not a sound public key of type t.
func checkKey(t KeyType, pk []byte) error {
	key, err := parseKey(t, pk)
	if err == nil && key.ed25519 != nil && !isOnEd25519(pk) {
		err = errKey()
	}
	return err
}

func errKey() error {
	return Refuse("pk_malformed", "the public key is not a sound key of its type")
}

// verify tells whether sig is a signature over msg; see [VerifyBytes].
func (k publicKey) verify(msg, sig []byte) bool {
	switch {
	case k.ed25519 != nil:
		return ed25519.Verify(k.ed25519, msg, sig)
	case k.secp256k1 != nil:
		return len(msg) == digestLength && verifyDER(k.secp256k1, msg, sig)
	case k.passkey != nil:
		return len(msg) == digestLength && verifyAssertion(k.passkey, msg, sig)
	}
	return false
}

// verifyDER verifies an ECDSA signature in its only accepted spelling.
// Serialize writes minimal DER with low S, so comparing with it refuses high S
// along with every slack encoding; zero and too large numbers do not parse.
func verifyDER(key *secp256k1.PublicKey, digest, sig []byte) bool {
	parsed, err := secp256k1ecdsa.ParseDERSignature(sig)
	return err == nil && bytes.Equal(parsed.Serialize(), sig) && parsed.Verify(digest, key)
}

// parseSecp256k1 reads the uncompressed forms that identifiers use; nil if pk
// is not one. The library would take compressed and hybrid keys too.
func parseSecp256k1(t KeyType, pk []byte) *secp256k1.PublicKey {
	switch {
	case t == Ethereum && len(pk) == ethereumLength:
		pk = append([]byte{4}, pk...)
	case t == Secp256k1 && len(pk) == secp256k1Length && pk[0] == 4:
	default:
		return nil
	}
	key, err := secp256k1.ParsePubKey(pk)
	if err != nil {
		return nil
	}
	return key
}

// parsePasskey reads a COSE_Key of curve P-256 in the one spelling that
// authenticators use (DID Connect reference a.1); nil if pk is not one.
func parsePasskey(pk []byte) *ecdsa.PublicKey {
	const (
		head   = "\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20" // EC2, ES256, P-256, x
		middle = "\x22\x58\x20"                             // y
	)
	rest, ok := strings.CutPrefix(string(pk), head)
	if !ok || len(pk) != passkeyLength || rest[32:35] != middle {
		return nil
	}
	point := "\x04" + rest[:32] + rest[35:]
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), []byte(point))
	if err != nil {
		return nil
	}
	return key
}

// smallOrderY are the y of the eight points of the curve whose order is small,
// little-endian. Under such a key one signature can fit any message.
const smallOrderY = "" +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" + // order 4
	"\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" + // order 1
	"\xec\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f" + // order 2
	"\x26\xe8\x95\x8f\xc2\xb2\x27\xb0\x45\xc3\xf4\x89\xf2\xef\x98\xf0\xd5\xdf\xac\x05\xd3\xc6\x33\x39\xb1\x38\x02\x88\x6d\x53\xfc\x05" + // order 8
	"\xc7\x17\x6a\x70\x3d\x4d\xd8\x4f\xba\x3c\x0b\x76\x0d\x10\x67\x0f\x2a\x20\x53\xfa\x2c\x39\xcc\xc6\x4e\xc7\xfd\x77\x92\xac\x03\x7a" //  order 8

// isCanonicalEd25519 tells whether 32 bytes encode y < p, and not that of a
// point of small order. crypto/ed25519 leaves both to its caller.
func isCanonicalEd25519(pk []byte) bool {
	y := [ed25519Length]byte(pk)
	y[31] &= 0x7f // the sign of x
	for i := 0; i < len(smallOrderY); i += len(y) {
		if smallOrderY[i:i+len(y)] == string(y[:]) {
			return false
		}
	}
	// p = 2^255 − 19 is ed, thirty times ff, 7f.
	if y[0] < 0xed || y[31] != 0x7f {
		return true
	}
	return slices.ContainsFunc(y[1:31], func(b byte) bool { return b != 0xff })
}

// isOnEd25519 tells whether there is a point with that y on the curve.
func isOnEd25519(pk []byte) bool {
	p, _ := new(big.Int).SetString("7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed", 16)
	d, _ := new(big.Int).SetString("52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3", 16)
	encoded := slices.Clone(pk)
	encoded[31] &= 0x7f
	slices.Reverse(encoded)
	y := new(big.Int).SetBytes(encoded)

	// x² = (y² − 1) / (d·y² + 1) has a root exactly if the product of both
	// sides of the fraction is a square. It is zero for y = ±1 alone, whose
	// order is small.
	one := big.NewInt(1)
	yy := new(big.Int).Mul(y, y)
	u := new(big.Int).Sub(yy, one)
	v := new(big.Int).Mul(yy, d)
	v.Add(v, one)
	return big.Jacobi(u.Mul(u, v).Mod(u, p), p) == 1
}
