package derive

import (
	"golang.org/x/crypto/sha3"
)

// EncryptionKey answers an encryptionKey claim: SHA3-256(masterKey ‖ salt),
// applied rounds times to its own result (DID Connect reference f.10).
//
// masterKey is the account's secret key in the packages' form; the 32-byte seed
// of an ed25519 account gives another key. salt is the salt's bytes, after the
// loose rule of b.1. All known apps take one round. Fewer than one is a mistake
// of the caller and panics, for it would hand out the secret itself.
func EncryptionKey(masterKey, salt []byte, rounds int) [32]byte {
	if rounds < 1 {
		panic("derive: an encryption key takes at least one round")
	}
	h := sha3.New256()
	h.Write(masterKey)
	h.Write(salt)
	var key [32]byte
	h.Sum(key[:0])
	h.Reset() // the sponge held the key
	for range rounds - 1 {
		key = sha3.Sum256(key[:])
	}
	return key
}
