package keystore

import (
	"crypto/hkdf"
	"crypto/hmac"
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
func subkey(key *[keySize]byte, use string) *[keySize]byte {
	out := new([keySize]byte)
	secret.Do(func() {
		b, err := hkdf.Expand(sha256.New, key[:], use, keySize)
		if err != nil {
			panic(err) // 32 bytes are never too many
		}
		copy(out[:], b)
		clear(b)
	})
	return out
}

// mac is HMAC-SHA-256.
func mac(key *[keySize]byte, message []byte) []byte {
	h := hmac.New(sha256.New, key[:])
	h.Write(message)
	return h.Sum(nil)
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
