package secretstorage

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"walletd/internal/did"
	"walletd/internal/strictjson"
)

// Algorithm is the one algorithm of secret storage keys and the secrets under them.
const Algorithm = "m.secret_storage.v1.aes-hmac-sha2"

// IVSize is the length of a secret's IV, in bytes.
const IVSize = aes.BlockSize

// Sealed is one copy of a secret, sealed with one key (reference section 2.3). The MAC covers
// neither the IV nor the id of the key; the name it was sealed for is part of the keys.
type Sealed struct {
	IV         [IVSize]byte
	Ciphertext []byte // as long as the plaintext
	MAC        [sha256.Size]byte
}

// Seal seals a secret under its name, with a fresh IV. limit is the most plaintext it takes, in
// bytes: [MaxPlaintext] unless configured otherwise. It refuses what [CheckName] and [CheckValue]
// refuse, an empty secret (empty_secret), one over the limit (too_large), and no key (bad_key).
func Seal(key Key, name string, plaintext []byte, limit int) (Sealed, error) {
	if err := CheckName(name); err != nil {
		return Sealed{}, err
	}
	if len(plaintext) == 0 {
		return Sealed{}, did.Refuse("empty_secret", "a secret has at least one byte")
	}
	if len(plaintext) > limit {
		return Sealed{}, did.Refuse("too_large", "the secret is too large")
	}
	if err := CheckValue(name, plaintext); err != nil {
		return Sealed{}, err
	}
	return seal(key, name, newIV(), plaintext)
}

// Open gives the bytes that were sealed under that name, and bad_mac for another key, another name
// or anything changed but the IV: that it cannot tell, see [Secret.Open].
func Open(key Key, name string, s Sealed) ([]byte, error) {
	e, err := newEnvelope(key, name)
	if err != nil {
		return nil, err
	}
	defer e.wipe()
	if mac := e.mac(s.Ciphertext); !hmac.Equal(mac[:], s.MAC[:]) {
		return nil, did.Refuse("bad_mac", "the key, the name or the ciphertext is not the one it was sealed with")
	}
	return e.crypt(s.IV, s.Ciphertext)
}

// seal is the bare cipher of reference section 3. The IV must never have been used with this key
// and name: CTR would be a two-time pad.
func seal(key Key, name string, iv [IVSize]byte, plaintext []byte) (Sealed, error) {
	e, err := newEnvelope(key, name)
	if err != nil {
		return Sealed{}, err
	}
	defer e.wipe()
	ciphertext, err := e.crypt(iv, plaintext)
	if err != nil {
		return Sealed{}, err
	}
	return Sealed{IV: iv, Ciphertext: ciphertext, MAC: e.mac(ciphertext)}, nil
}

// newIV draws an IV. "Bit 63" of the block, counted from its low end, is the top bit of byte 8: it
// is clear so that counters of 64 and of 128 bits never differ.
func newIV() [IVSize]byte {
	var iv [IVSize]byte
	_, _ = rand.Read(iv[:]) // never fails
	iv[8] &= 0x7f
	return iv
}

// envelope holds the two keys of one key and name: 32 bytes for AES, 32 for HMAC.
type envelope struct{ okm []byte }

func newEnvelope(key Key, name string) (envelope, error) {
	if key.IsZero() {
		return envelope{}, did.Refuse("bad_key", "there is no key")
	}
	okm, err := expand(key.Reveal(), name, 2*KeySize)
	return envelope{okm}, err
}

func (e envelope) wipe() { clear(e.okm) }

func (e envelope) crypt(iv [IVSize]byte, in []byte) ([]byte, error) {
	block, err := aes.NewCipher(e.okm[:KeySize])
	if err != nil {
		return nil, fmt.Errorf("starting AES: %w", err)
	}
	out := make([]byte, len(in))
	cipher.NewCTR(block, iv[:]).XORKeyStream(out, in)
	return out, nil
}

func (e envelope) mac(ciphertext []byte) [sha256.Size]byte {
	h := hmac.New(sha256.New, e.okm[KeySize:])
	h.Write(ciphertext)
	var mac [sha256.Size]byte
	h.Sum(mac[:0])
	return mac
}

// sealedOf reads one entry of a secret's encrypted map. Members it does not know are ignored. It
// refuses as malformed, bad_base64, bad_iv (not 16 bytes), bad_mac (not 32), and too_large for a
// plaintext of more than limit bytes.
func sealedOf(o strictjson.Object, limit int) (Sealed, error) {
	iv, ivOK := o.Text("iv")
	ciphertext, ciphertextOK := o.Text("ciphertext")
	mac, macOK := o.Text("mac")
	if !ivOK || !ciphertextOK || !macOK {
		return Sealed{}, did.Refuse("malformed", "iv, ciphertext and mac must be text")
	}
	tooLarge := did.Refuse("too_large", "the secret is too large")
	if len(ciphertext) > base64.StdEncoding.EncodedLen(limit) {
		return Sealed{}, tooLarge
	}
	var s Sealed
	ivBytes, err := decodeBase64(iv)
	if err != nil {
		return Sealed{}, err
	}
	macBytes, err := decodeBase64(mac)
	if err != nil {
		return Sealed{}, err
	}
	if s.Ciphertext, err = decodeBase64(ciphertext); err != nil {
		return Sealed{}, err
	}
	switch {
	case len(ivBytes) != len(s.IV):
		return Sealed{}, did.Refuse("bad_iv", "an IV has 16 bytes")
	case len(macBytes) != len(s.MAC):
		return Sealed{}, did.Refuse("bad_mac", "a MAC has 32 bytes")
	case len(s.Ciphertext) > limit:
		return Sealed{}, tooLarge
	}
	copy(s.IV[:], ivBytes)
	copy(s.MAC[:], macBytes)
	return s, nil
}

// MarshalJSON writes an entry byte for byte as the SDK does.
func (s Sealed) MarshalJSON() ([]byte, error) {
	b := append([]byte(`{"iv":"`), paddedBase64(s.IV[:])...)
	b = base64.StdEncoding.AppendEncode(append(b, `","ciphertext":"`...), s.Ciphertext)
	b = append(append(b, `","mac":"`...), paddedBase64(s.MAC[:])...)
	return append(b, `"}`...), nil
}
