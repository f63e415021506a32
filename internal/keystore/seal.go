package keystore

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"golang.org/x/crypto/chacha20poly1305"

	"walletd/internal/secret"
)

const (
	keySize = 32
	macSize = sha256.Size

	// sealVersion is the first byte of everything sealed.
	sealVersion = 0x01
	// sealOverhead is what sealing adds: version, nonce and tag.
	sealOverhead = 1 + chacha20poly1305.NonceSizeX + chacha20poly1305.Overhead
)

// errUnsealed says that bytes do not open under a key with given associated
// data. Callers turn it into an error that names the row.
var errUnsealed = errors.New("does not open")

// seal gives 0x01 ‖ nonce (24) ‖ ciphertext and tag: XChaCha20-Poly1305 with a
// random nonce, which 24 bytes make safe for any number of messages.
//
// The cipher is made where it is used, because it keeps a copy of the key that
// nobody can wipe.
func seal(key *[keySize]byte, ad, plaintext []byte) []byte {
	out := make([]byte, 1+chacha20poly1305.NonceSizeX, sealOverhead+len(plaintext))
	out[0] = sealVersion
	rand.Read(out[1:]) // never fails
	secret.Do(func() {
		aead, err := chacha20poly1305.NewX(key[:])
		if err != nil {
			panic(err) // the key has the right length by its type
		}
		out = aead.Seal(out, out[1:], plaintext, ad)
	})
	return out
}

// open is the reverse of seal. The caller wipes the plaintext if it is secret.
func open(key *[keySize]byte, ad, sealed []byte) (plaintext []byte, err error) {
	if len(sealed) < sealOverhead || sealed[0] != sealVersion {
		return nil, errUnsealed
	}
	nonce, ciphertext := sealed[1:1+chacha20poly1305.NonceSizeX], sealed[1+chacha20poly1305.NonceSizeX:]
	secret.Do(func() {
		aead, e := chacha20poly1305.NewX(key[:])
		if e != nil {
			panic(e) // as above
		}
		plaintext, err = aead.Open(nil, nonce, ciphertext, ad)
	})
	if err != nil {
		return nil, errUnsealed
	}
	return plaintext, nil
}

// subkey derives the key for one use from a key that is itself random
// (HKDF-SHA256, RFC 5869; section 3.3 lets such a key skip the extract step).
// A key has the length of one block, so expanding it is one HMAC.
func subkey(key *[keySize]byte, use string) *[keySize]byte {
	var info [64]byte
	out := new([keySize]byte)
	secret.Do(func() { *out = hmacSHA256(key, append(append(info[:0], use...), 1)) })
	return out
}

// mac is HMAC-SHA-256.
func mac(key *[keySize]byte, message []byte) []byte {
	sum := hmacSHA256(key, message)
	return sum[:]
}

// hmacSHA256 is HMAC-SHA-256 (RFC 2104) with one hash, which is wiped.
// crypto/hmac makes several for each key, which cost more than to hash a row
// does, and which nobody can wipe.
func hmacSHA256(key *[keySize]byte, message []byte) (sum [macSize]byte) {
	const inner, outer = 0x36, 0x5c
	var pad [sha256.BlockSize]byte
	defer clear(pad[:])
	fill := func(with byte) {
		for i := range pad {
			pad[i] = with
		}
		for i, b := range key {
			pad[i] ^= b
		}
	}
	h := sha256.New()
	defer h.Reset() // clears what it holds
	fill(inner)
	h.Write(pad[:])
	h.Write(message)
	h.Sum(sum[:0])
	h.Reset()
	fill(outer)
	h.Write(pad[:])
	h.Write(sum[:])
	h.Sum(sum[:0])
	return sum
}

// appendParts appends texts, each after its length (8 bytes, big endian), so
// that no two lists of texts give the same bytes.
func appendParts(b []byte, parts ...string) []byte {
	for _, p := range parts {
		b = binary.BigEndian.AppendUint64(b, uint64(len(p)))
		b = append(b, p...)
	}
	return b
}

// randomKey draws a key.
func randomKey() *[keySize]byte {
	key := new([keySize]byte)
	rand.Read(key[:]) // never fails
	return key
}
