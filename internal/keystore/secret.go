package keystore

import (
	"bytes"
	"crypto/subtle"
	"fmt"

	"filippo.io/age"
)

// maxSecret bounds a passphrase or identity file, in bytes.
const maxSecret = 16 << 10

// Secret is what opens a slot: a passphrase, or the text of an age identity
// file. It never prints itself. Copies share the bytes, so Wipe empties all of
// them. The zero Secret opens nothing.
type Secret struct {
	hidden
	kind string   // of the slots it can open: store.SlotPassphrase or store.SlotAge
	b    **[]byte // two: see hidden
}

// Passphrase makes the Secret of a passphrase. It takes a copy and changes
// nothing about it: a line's end is the caller's to cut.
func Passphrase(text []byte) Secret {
	return newSecret(slotPassphrase, bytes.Clone(text))
}

// ParseIdentity makes the Secret of an age identity file: one identity a line
// (X25519, hybrid, or of a plugin), empty lines and comments aside. Errors are
// ErrIdentity and never quote the text.
//
// A plugin is the program age-plugin-NAME in PATH, started when the Secret is
// used; there is nobody to answer its questions, so it must do without.
func ParseIdentity(text string) (Secret, error) {
	if _, err := parseIdentities([]byte(text)); err != nil {
		return Secret{}, err
	}
	return newSecret(slotAge, []byte(text)), nil
}

// GenerateRecovery makes an age identity to be printed once and kept on paper,
// and the recipient that seals to it. It is a hybrid one, so that a copy of the
// database taken today stays closed to a quantum computer.
func GenerateRecovery() (identity Secret, recipient string, err error) {
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		return Secret{}, "", fmt.Errorf("making a recovery identity: %w", err)
	}
	return newSecret(slotAge, []byte(id.String())), id.Recipient().String(), nil
}

func newSecret(kind string, b []byte) Secret {
	p := &b
	return Secret{kind: kind, b: &p}
}

// Reveal gives the secret's bytes themselves, not a copy: for showing a
// recovery identity to the person, once.
func (s Secret) Reveal() []byte {
	if s.b == nil {
		return nil
	}
	return **s.b
}

// IsZero tells whether s is the zero Secret.
func (s Secret) IsZero() bool { return s.b == nil }

// Wipe overwrites the secret with zeros and empties it.
func (s Secret) Wipe() {
	if s.b != nil {
		clear(**s.b)
		**s.b = nil
	}
}

// equal compares in constant time.
func (s Secret) equal(other Secret) bool {
	return s.kind == other.kind && subtle.ConstantTimeCompare(s.Reveal(), other.Reveal()) == 1
}

// usable tells whether there is anything to try.
func (s Secret) usable() bool {
	n := len(s.Reveal())
	return n > 0 && n <= maxSecret
}
