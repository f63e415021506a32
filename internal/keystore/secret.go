package keystore

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"filippo.io/age"

	"walletd/internal/secret"
)

// maxSecret bounds a passphrase or identity file, in bytes.
const maxSecret = 16 << 10

// Secret is what opens a slot: a passphrase, or the text of an age identity
// file. The zero Secret opens nothing.
type Secret struct {
	secret.Bytes
	kind string // of the slots it can open: slotPassphrase or slotAge
}

// Passphrase makes the Secret of a passphrase. It takes a copy and changes
// nothing about it: a line's end is the caller's to cut.
func Passphrase(text []byte) Secret {
	return Secret{secret.New(bytes.Clone(text)), slotPassphrase}
}

// What a new passphrase measures, in characters.
const (
	fewestCharacters = 8
	enoughCharacters = 12
)

// CheckPassphrase says whether a new slot may be made of a passphrase:
// ErrPassphraseTooShort, or ErrPassphraseShort unless somebody was warned and
// accepted it. What opens a slot that exists may be of any length.
func CheckPassphrase(text []byte, accepted bool) error {
	switch n := utf8.RuneCount(text); {
	case n < fewestCharacters:
		return ErrPassphraseTooShort
	case n < enoughCharacters && !accepted:
		return ErrPassphraseShort
	}
	return nil
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
	return Secret{secret.New([]byte(text)), slotAge}, nil
}

// GenerateRecovery makes an age identity to be printed once and kept on paper,
// and the recipient that seals to it. It is a hybrid one, so that a copy of the
// database taken today stays closed to a quantum computer.
func GenerateRecovery() (identity Secret, recipient string, err error) {
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		return Secret{}, "", fmt.Errorf("making a recovery identity: %w", err)
	}
	return Secret{secret.New([]byte(id.String())), slotAge}, id.Recipient().String(), nil
}

// equal compares in constant time.
func (s Secret) equal(other Secret) bool {
	return s.kind == other.kind && s.Equal(other.Bytes)
}

// usable tells whether there is anything to try.
func (s Secret) usable() bool {
	n := len(s.Reveal())
	return n > 0 && n <= maxSecret
}
