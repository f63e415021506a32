package did

import (
	"crypto/aes"

	"walletd/internal/pkcs7"
)

// sealECB is AES-256-ECB with PKCS#7 padding. key has 32 bytes.
func sealECB(key, plaintext []byte) []byte {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("did: AES key of wrong length") // the callers hash it
	}
	out := pkcs7.Append(nil, plaintext)
	for b := out; len(b) > 0; b = b[aes.BlockSize:] {
		block.Encrypt(b, b[:aes.BlockSize])
	}
	return out
}

// openECB undoes sealECB. It refuses with sealed_reply_unreadable.
func openECB(key, sealed []byte) ([]byte, error) {
	unreadable := Refuse("sealed_reply_unreadable", "the sealed text does not open")
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("did: AES key of wrong length") // the callers hash it
	}
	if len(sealed) == 0 || len(sealed)%aes.BlockSize != 0 {
		return nil, unreadable
	}
	out := make([]byte, len(sealed))
	for i := 0; i < len(sealed); i += aes.BlockSize {
		block.Decrypt(out[i:], sealed[i:i+aes.BlockSize])
	}
	plaintext, ok := pkcs7.Cut(out)
	if !ok {
		return nil, unreadable
	}
	return plaintext, nil
}
