package push

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
)

// Lengths of RFC 8291 and RFC 8188, in bytes.
const (
	publicSize = 65   // an uncompressed point of P-256
	authSize   = 16   // the authentication secret
	saltSize   = 16   //
	recordSize = 4096 // which also bounds the body that push services must take (RFC 8030, section 7.2)
	// paddedSize is what each message is padded to, so that a push service does not learn from its length who asks.
	paddedSize = 2048
)

// errTooLong is returned for a message that has no room for its padding.
var errTooLong = errors.New("the message is too long to be pushed")

// encrypt encrypts a message for one browser as aes128gcm: with a key pair and a salt that are used once.
func encrypt(to Keys, message []byte) ([]byte, error) {
	once, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	salt := make([]byte, saltSize)
	rand.Read(salt) // never fails
	return seal(to, once, salt, message, paddedSize)
}

// seal is RFC 8291, section 3.4, in one record of RFC 8188, with the message padded to a size (which does not count the
// octet that ends the message).
func seal(to Keys, once *ecdh.PrivateKey, salt, message []byte, size int) ([]byte, error) {
	if len(message) > size {
		return nil, errTooLong
	}
	browser, err := ecdh.P256().NewPublicKey(to.P256DH)
	if err != nil {
		return nil, err
	}
	shared, err := once.ECDH(browser)
	if err != nil {
		return nil, err
	}
	defer clear(shared)
	ours := once.PublicKey().Bytes()
	ikm, err := hkdf.Key(sha256.New, shared, to.Auth, "WebPush: info\x00"+string(to.P256DH)+string(ours), 32)
	if err != nil {
		return nil, err
	}
	defer clear(ikm)
	key, err := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: aes128gcm\x00", 16)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	nonce, err := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: nonce\x00", 12)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	padded := make([]byte, size+1)
	padded[copy(padded, message)] = 2 // the last record, and zeros after it
	body := append([]byte(nil), salt...)
	body = binary.BigEndian.AppendUint32(body, recordSize)
	body = append(body, byte(len(ours)))
	body = append(body, ours...)
	return aead.Seal(body, nonce, padded, nil), nil
}
