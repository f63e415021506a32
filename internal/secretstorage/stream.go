package secretstorage

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"hash"
)

// Stream is the cipher of one copy of a secret that is too long to be held: what [Seal] and [Open] do, a part at a
// time. Nobody may act on a part of what was opened before all of the ciphertext was authenticated, and what opens
// it has a way of its own to find a changed IV, as for [Open].
type Stream struct {
	okm envelope
	ctr cipher.Stream
	mac hash.Hash
}

// NewIV draws an IV for a copy that is sealed with a Stream.
func NewIV() [IVSize]byte { return newIV() }

// NewStream begins at the first byte of a copy that has that IV. It refuses what [CheckName] refuses, and no key
// (bad_key).
func NewStream(key Key, name string, iv [IVSize]byte) (*Stream, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	e, err := newEnvelope(key, name)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(e.okm[:KeySize])
	if err != nil {
		return nil, fmt.Errorf("starting AES: %w", err)
	}
	return &Stream{okm: e, ctr: cipher.NewCTR(block, iv[:]), mac: hmac.New(sha256.New, e.okm[KeySize:])}, nil
}

// Crypt seals or opens the next part, into out, which may be the same bytes.
func (s *Stream) Crypt(out, in []byte) { s.ctr.XORKeyStream(out, in) }

// Write authenticates the next part of the ciphertext. It never fails.
func (s *Stream) Write(ciphertext []byte) (int, error) { return s.mac.Write(ciphertext) }

// MAC returns the MAC of the ciphertext that was written.
func (s *Stream) MAC() (mac [sha256.Size]byte) {
	s.mac.Sum(mac[:0])
	return mac
}

// Fits says whether the ciphertext that was written has that MAC.
func (s *Stream) Fits(mac []byte) bool {
	is := s.MAC()
	return hmac.Equal(is[:], mac)
}

// Wipe overwrites the keys that the Stream was made of.
func (s *Stream) Wipe() { s.okm.wipe() }
