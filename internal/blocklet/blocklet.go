// Package blocklet is the encryption of the secret values in Blocklet Server's backups, which is
// what that server asks a wallet's encryptionKey for (DID Connect reference i).
//
//	encryptionKey ── PBKDF2-HMAC-SHA512, salt: the app's address as text, 256 rounds ──► passphrase, 64 hex digits
//	passphrase ── EVP_BytesToKey(MD5) with 8 random bytes ──► AES-256-CBC ──► base64 of "Salted__" ‖ 8 bytes ‖ ciphertext
//
// It is pure, but for the salt of Seal. The format is the server's and weak: nothing in it
// authenticates, so a wrong key or a changed value is mostly found by its padding or as text that
// is none, and sometimes not at all. Nothing of walletd's own is kept in it.
package blocklet

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/md5" // the format's own
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"walletd/internal/pkcs7"
	"walletd/internal/secret"
)

const (
	// KeySize is the length of an encryptionKey, in bytes.
	KeySize = 32
	// MaxValue bounds a value in the clear, in bytes.
	MaxValue = 1 << 20

	rounds   = 256 // of PBKDF2
	saltSize = 8
	magic    = "Salted__"
	// maxText bounds a sealed value, in bytes.
	maxText = (len(magic) + saltSize + MaxValue + aes.BlockSize + 2) / 3 * 4
)

var (
	// ErrKey: the key has not 32 bytes, or there is no app.
	ErrKey = errors.New("an encryption key has 32 bytes, and belongs to an app")
	// ErrValue: the text is not a value of a backup.
	ErrValue = errors.New("not an encrypted value of a Blocklet Server backup")
	// ErrOpen: the value does not open. The format cannot tell a wrong key from a changed value.
	ErrOpen = errors.New("the value does not open: it is of another key or app, or was changed")
	// ErrPlain: the value to be sealed is not text, or too long.
	ErrPlain = errors.New("a value is text of at most 1 MiB in UTF-8")
)

// Key opens and seals the values of one app's backups. It never prints itself. Copies share the
// bytes, so Wipe empties all of them. The zero Key and a wiped one open and seal nothing.
type Key struct {
	secret.Redacted
	passphrase secret.Bytes
}

// NewKey makes the Key of an app's backups from the answer to its encryptionKey claim, 32 bytes,
// and the app's address as blocklet.json has it in appDid. The only error is ErrKey.
func NewKey(encryptionKey []byte, appDID string) (Key, error) {
	if len(encryptionKey) != KeySize || appDID == "" || len(appDID) > 256 {
		return Key{}, ErrKey
	}
	// The salt is the text, not its bytes; and the passphrase is the text of the result.
	derived, err := pbkdf2.Key(sha512.New, string(encryptionKey), []byte(appDID), rounds, KeySize)
	if err != nil { // only where FIPS 140 is enforced
		return Key{}, fmt.Errorf("deriving the passphrase: %w", err)
	}
	defer clear(derived)
	text := make([]byte, hex.EncodedLen(len(derived)))
	hex.Encode(text, derived)
	return Key{passphrase: secret.New(text)}, nil
}

// Wipe overwrites the key with zeros.
func (k Key) Wipe() { k.passphrase.Wipe() }

// Seal encrypts a value, with a fresh salt. Errors are ErrPlain and ErrKey.
func (k Key) Seal(plain []byte) (string, error) {
	var salt [saltSize]byte
	_, _ = rand.Read(salt[:]) // never fails
	return k.seal(plain, salt)
}

func (k Key) seal(plain []byte, salt [saltSize]byte) (string, error) {
	if len(plain) > MaxValue || !utf8.Valid(plain) {
		return "", ErrPlain
	}
	block, iv, err := k.cipher(salt[:])
	if err != nil {
		return "", err
	}
	out := append([]byte(magic), salt[:]...)
	at := len(out)
	out = pkcs7.Append(out, plain)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(out[at:], out[at:])
	return base64.StdEncoding.EncodeToString(out), nil
}

// Open decrypts a value. The caller wipes it. Errors are ErrValue, ErrOpen and ErrKey.
func (k Key) Open(text string) ([]byte, error) {
	if len(text) > maxText || strings.ContainsAny(text, "\r\n") {
		return nil, ErrValue
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, ErrValue
	}
	body, salted := strings.CutPrefix(string(raw), magic)
	if !salted || len(body) < saltSize+aes.BlockSize || (len(body)-saltSize)%aes.BlockSize != 0 {
		return nil, ErrValue
	}
	block, iv, err := k.cipher([]byte(body[:saltSize]))
	if err != nil {
		return nil, err
	}
	plain := raw[len(magic)+saltSize:]
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, plain)
	value, padded := pkcs7.Cut(plain)
	if !padded || !utf8.Valid(value) {
		clear(plain)
		return nil, ErrOpen
	}
	return value, nil
}

// cipher gives the block cipher and the IV of a salt: EVP_BytesToKey of OpenSSL with MD5 and one
// round, 32 bytes of key and 16 of IV.
func (k Key) cipher(salt []byte) (cipher.Block, []byte, error) {
	if k.passphrase.IsZero() {
		return nil, nil, ErrKey
	}
	var okm, last []byte
	for len(okm) < KeySize+aes.BlockSize {
		h := md5.New()
		h.Write(last)
		h.Write(k.passphrase.Reveal())
		h.Write(salt)
		last = h.Sum(nil)
		okm = append(okm, last...)
	}
	defer clear(okm[:KeySize])
	block, err := aes.NewCipher(okm[:KeySize])
	if err != nil {
		return nil, nil, fmt.Errorf("starting AES: %w", err)
	}
	return block, okm[KeySize : KeySize+aes.BlockSize], nil
}
