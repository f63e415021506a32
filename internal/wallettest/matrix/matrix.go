// Package matrix plays the part of a Matrix client in tests.
package matrix

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
)

// Description returns what a client publishes of a secret storage key of 32 bytes: the algorithm, the
// key's name if it has one, and a check by which the key is known again, 32 bytes of zero that are
// sealed with it (Matrix specification, m.secret_storage.v1.aes-hmac-sha2).
func Description(key []byte, name string) json.RawMessage {
	okm, err := hkdf.Key(sha256.New, key, make([]byte, 32), "", 64)
	if err != nil {
		panic(err)
	}
	block, err := aes.NewCipher(okm[:32])
	if err != nil {
		panic(err)
	}
	iv := make([]byte, aes.BlockSize)
	rand.Read(iv)
	iv[8] &= 0x7f // as the specification has it, for clients that count with 64 bits
	check := make([]byte, 32)
	cipher.NewCTR(block, iv).XORKeyStream(check, check)
	mac := hmac.New(sha256.New, okm[32:])
	mac.Write(check)
	text, err := json.Marshal(struct {
		Algorithm string `json:"algorithm"`
		Name      string `json:"name,omitempty"`
		IV        []byte `json:"iv"`
		MAC       []byte `json:"mac"`
	}{"m.secret_storage.v1.aes-hmac-sha2", name, iv, mac.Sum(nil)})
	if err != nil {
		panic(err)
	}
	return text
}
