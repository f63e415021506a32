package derive

import (
	"crypto/hmac"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"walletd/internal/did"
)

var (
	// ErrNoSeed says that the seed is empty or was wiped.
	ErrNoSeed = errors.New("there is no seed to derive from")
	// ErrPath says that a path is not one that this package makes.
	ErrPath = errors.New("not the path of an account")
	// errNoChild is BIP-32's case of a scalar out of range. It has a chance of
	// one in 2^127 and then the account does not exist.
	errNoChild = errors.New("this path leads to no key")
)

// Child walks the path from the seed (BIP-32 on secp256k1) and gives the
// private key at its end: 32 bytes, left padded, the same for every key type
// (DID Connect reference h). The caller wipes it. Errors are ErrNoSeed and
// ErrPath.
//
// The last level is not hardened: one such key and the parent's extended public
// key together reveal all siblings, so extended keys of any level stay in here.
func Child(seed Seed, p Path) ([]byte, error) {
	if !seed.usable() {
		return nil, ErrNoSeed
	}
	if p[0] != purposeBIP44 || p[4]&hardened != 0 {
		return nil, ErrPath
	}
	return walk(seed.Reveal(), p[:])
}

// Account derives the account at the end of the path: its key in the packages'
// form (64 bytes for ed25519, 32 for secp256k1 and ethereum) and its DID. Role
// and hash of t change the DID, not the key. The caller wipes the key.
func Account(seed Seed, p Path, t did.Type) (did.SecretKey, did.DID, error) {
	child, err := Child(seed, p)
	if err != nil {
		return did.SecretKey{}, did.DID{}, fmt.Errorf("deriving an account: %w", err)
	}
	defer clear(child)
	key, err := did.SecretKeyFromSeed(t.Key, child)
	if err != nil {
		return did.SecretKey{}, did.DID{}, fmt.Errorf("making the account's key: %w", err)
	}
	address, err := did.FromPublicKey(key.Public(), t)
	if err != nil {
		key.Wipe()
		return did.SecretKey{}, did.DID{}, fmt.Errorf("naming the account: %w", err)
	}
	return key, address, nil
}

// walk is BIP-32's CKDpriv along a path of any length, from a seed of any
// length. Every intermediate key is wiped.
func walk(seed []byte, path []uint32) ([]byte, error) {
	node := mac([]byte("Bitcoin seed"), seed)
	defer clear(node)
	var key secp256k1.ModNScalar
	defer key.Zero()
	if key.SetByteSlice(node[:32]) || key.IsZero() {
		return nil, errNoChild
	}
	// A hardened child hashes 0 ‖ private key ‖ level, another the compressed
	// public key ‖ level: 37 bytes both.
	data := make([]byte, 37)
	defer clear(data)
	var step secp256k1.ModNScalar
	defer step.Zero()
	for _, level := range path {
		if level&hardened != 0 {
			data[0] = 0
			key.PutBytesUnchecked(data[1:33])
		} else {
			parent := secp256k1.NewPrivateKey(&key)
			copy(data, parent.PubKey().SerializeCompressed())
			parent.Zero()
		}
		binary.BigEndian.PutUint32(data[33:], level)
		next := mac(node[32:], data)
		copy(node, next)
		clear(next)
		if step.SetByteSlice(node[:32]) || key.Add(&step).IsZero() {
			return nil, errNoChild
		}
	}
	child := make([]byte, 32)
	key.PutBytesUnchecked(child)
	return child, nil
}

// mac is HMAC-SHA512: key material on the left, chain code on the right.
func mac(key, data []byte) []byte {
	h := hmac.New(sha512.New, key)
	h.Write(data)
	return h.Sum(nil)
}
