package did

import (
	"bytes"
	"crypto/aes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strings"

	"walletd/internal/secret"
)

// Bounds of the channel, in bytes.
const (
	maxOpened  = 64 << 10 // a token; base58 takes time quadratic in the length
	maxSealed  = maxOpened + aes.BlockSize
	maxWrapped = 512  // RSA of 4096 bits
	maxPEM     = 1024 // SPKI of 4096 bits is 799 bytes of PEM
)

// ChannelKey is the key of an encrypted channel (DID Connect reference e): 32
// upper-case hex characters, used as text. It never prints itself. The zero
// value is no key, and using it panics; make one with [NewChannelKey] or
// [ParseChannelKey].
type ChannelKey struct {
	secret.Redacted
	text secret.Bytes
}

// NewChannelKey draws a key.
func NewChannelKey() ChannelKey {
	var random [16]byte
	rand.Read(random[:]) // never fails
	defer clear(random[:])
	const digits = "0123456789ABCDEF"
	text := make([]byte, 0, 32)
	for _, b := range random {
		text = append(text, digits[b>>4], digits[b&15])
	}
	return ChannelKey{text: secret.New(text)}
}

// ParseChannelKey takes a copy of the 32 characters that a wrapped key opens
// to. It refuses with shared_key_unreadable.
func ParseChannelKey(b []byte) (ChannelKey, error) {
	if len(b) != 32 || strings.Trim(string(b), "0123456789ABCDEF") != "" {
		return ChannelKey{}, Refuse("shared_key_unreadable", "the key of the channel is not 32 upper-case hex characters")
	}
	return ChannelKey{text: secret.New(slices.Clone(b))}, nil
}

// Wipe overwrites the key and every copy of it. It must not be used afterwards.
func (k ChannelKey) Wipe() { k.text.Wipe() }

// bytes gives the characters of the key. A key that was never made or is wiped
// would seal to a key everybody knows, so using one panics.
func (k ChannelKey) bytes() []byte {
	if k.text.IsZero() {
		panic("did: a channel key that does not exist")
	}
	return k.text.Reveal()
}

// Seal encrypts and writes as base58. The protocol prescribes AES in ECB mode,
// so equal blocks show and nothing is authenticated; what is inside is a signed
// token. It takes time quadratic in the length, which the caller bounds.
func (k ChannelKey) Seal(plaintext []byte) string {
	key := k.aesKey()
	defer clear(key)
	return EncodeBase58(sealECB(key, plaintext))
}

// Open reads what [ChannelKey.Seal] writes, up to 64 KiB of plaintext. It
// refuses with sealed_reply_unreadable. That it opens proves nothing.
func (k ChannelKey) Open(text string) ([]byte, error) {
	sealed, err := DecodeBase58(text, maxSealed)
	if err != nil {
		return nil, Refuse("sealed_reply_unreadable", "the sealed text is not base58")
	}
	key := k.aesKey()
	defer clear(key)
	return openECB(key, sealed)
}

func (k ChannelKey) aesKey() []byte { return SHA3.Sum(k.bytes()) }

// WrapChannelKey seals a channel key for the RSA public key in an _ek_ text. It
// refuses with request_malformed what is not base58 of a PEM public key (SPKI)
// of 1024 to 4096 bits. The protocol prescribes SHA-1, whose collisions do not
// weaken OAEP.
func WrapChannelKey(ek string, k ChannelKey) (sharedKey string, err error) {
	text, err := DecodeBase58(ek, maxPEM)
	if err != nil {
		return "", Refuse("request_malformed", "the encryption key _ek_ is not base58")
	}
	pub, err := parseChannelPublicKey(text)
	if err != nil {
		return "", err
	}
	sealed, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, pub, k.bytes(), nil)
	if err != nil {
		return "", Refuse("request_malformed", "the encryption key _ek_ cannot be used")
	}
	return EncodeBase58(sealed), nil
}

func parseChannelPublicKey(text []byte) (*rsa.PublicKey, error) {
	malformed := Refuse("request_malformed", "the encryption key _ek_ is not an RSA public key of 1024 to 4096 bits")
	block, rest := pem.Decode(text)
	// The decoder would skip anything before the first line of the PEM.
	if block == nil || !bytes.HasPrefix(text, []byte("-----BEGIN ")) || block.Type != "PUBLIC KEY" || len(block.Headers) != 0 || len(bytes.TrimSpace(rest)) != 0 {
		return nil, malformed
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, malformed
	}
	pub, ok := parsed.(*rsa.PublicKey)
	if !ok || pub.N.BitLen() < 1024 || pub.N.BitLen() > 4096 {
		return nil, malformed
	}
	return pub, nil
}

// UnwrapChannelKey opens a shared key with the private key whose public half
// was sent as _ek_. It refuses with shared_key_unreadable.
func UnwrapChannelKey(sharedKey string, priv *rsa.PrivateKey) (ChannelKey, error) {
	sealed, err := DecodeBase58(sharedKey, maxWrapped)
	if err != nil {
		return ChannelKey{}, Refuse("shared_key_unreadable", "the key of the channel is not base58")
	}
	text, err := rsa.DecryptOAEP(sha1.New(), nil, priv, sealed, nil)
	if err != nil {
		return ChannelKey{}, Refuse("shared_key_unreadable", "the key of the channel does not open")
	}
	defer clear(text)
	return ParseChannelKey(text)
}

// EncodeChannelPublicKey gives the _ek_ text of a public key: base58 of its PEM
// text with 64-character lines and a final newline.
func EncodeChannelPublicKey(pub *rsa.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		panic("did: an RSA public key without numbers")
	}
	return EncodeBase58(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}
