package keystore

import (
	"bytes"
	"fmt"
	"unicode"
	"unicode/utf8"

	"filippo.io/age"
	"golang.org/x/text/unicode/norm"

	"walletd/internal/secret"
)

// maxSecret bounds a passphrase or identity file, in bytes.
const maxSecret = 16 << 10

// Secret is what opens a slot: a passphrase, or the text of an age identity
// file. The zero Secret opens nothing.
type Secret struct {
	secret.Bytes              // of a passphrase its normal form, which new slots are made of
	given        secret.Bytes // a passphrase as it came, where that is something else
	kind         string       // of the slots it can open: slotPassphrase or slotAge
	unfit        error        // why the passphrase has no normal form; Bytes is then as it came
}

// Passphrase makes the Secret of a passphrase, of which it takes copies.
//
// The same passphrase comes in many bytes: with a line's end or a byte order
// mark, and an é as one character or as two. So slots are made of its normal
// form, that of OpaqueString (RFC 8265, section 4.2) without what secret.Line
// leaves out. Builds before that made slots of the bytes as they came: those are
// tried where the normal form does not open.
func Passphrase(text []byte) Secret {
	s := Secret{kind: slotPassphrase}
	normal, err := normalise(text)
	switch {
	case err != nil || len(normal) == 0:
		s.Bytes, s.unfit = secret.New(bytes.Clone(text)), err
	default:
		s.Bytes = secret.New(normal)
		if !bytes.Equal(normal, text) {
			s.given = secret.New(bytes.Clone(text))
		}
	}
	return s
}

// normalise gives a copy of a passphrase in its normal form. Errors are those of
// secret.Line.
func normalise(text []byte) ([]byte, error) {
	line, err := secret.Line(text)
	if err != nil {
		return nil, err
	}
	mapped := make([]byte, 0, len(line))
	for len(line) > 0 {
		r, size := utf8.DecodeRune(line)
		if unicode.Is(unicode.Zs, r) {
			r = ' '
		}
		mapped, line = utf8.AppendRune(mapped, r), line[size:]
	}
	if norm.NFC.IsNormal(mapped) {
		return mapped, nil
	}
	defer clear(mapped)
	return norm.NFC.Append(make([]byte, 0, 3*len(mapped)), mapped...), nil // it never grows to more
}

// Wipe overwrites the secret in whichever form it is held, also in copies.
func (s Secret) Wipe() {
	s.Bytes.Wipe()
	s.given.Wipe()
}

// What a new passphrase measures, in characters.
const (
	fewestCharacters = 8
	enoughCharacters = 12
)

// CheckPassphrase says whether a new slot may be made of a passphrase:
// ErrPassphrase, ErrPassphraseTooShort, or ErrPassphraseShort unless somebody was
// warned and accepted it. What opens a slot that exists may be anything.
func CheckPassphrase(text []byte, accepted bool) error {
	normal, err := normalise(text)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrPassphrase, err)
	}
	defer clear(normal)
	switch n := utf8.RuneCount(normal); {
	case n < fewestCharacters:
		return ErrPassphraseTooShort
	case n < enoughCharacters && !accepted:
		return ErrPassphraseShort
	}
	return nil
}

// ParseIdentity makes the Secret of an age identity file: one identity a line
// (X25519, hybrid, or of a plugin), empty lines and comments aside. It takes a
// copy. Errors are ErrIdentity, say what is wrong where that is known, and never
// quote the text.
//
// A plugin is the program age-plugin-NAME in PATH, started when the Secret is
// used; there is nobody to answer its questions, so it must do without.
func ParseIdentity(text []byte) (Secret, error) {
	if _, err := parseIdentities(text); err != nil {
		return Secret{}, err
	}
	return Secret{Bytes: secret.New(bytes.Clone(text)), kind: slotAge}, nil
}

// GenerateRecovery makes an age identity to be printed once and kept on paper,
// and the recipient that seals to it. It is a hybrid one, so that a copy of the
// database taken today stays closed to a quantum computer.
func GenerateRecovery() (identity Secret, recipient string, err error) {
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		return Secret{}, "", fmt.Errorf("making a recovery identity: %w", err)
	}
	return Secret{Bytes: secret.New([]byte(id.String())), kind: slotAge}, id.Recipient().String(), nil
}

// equal compares in constant time.
func (s Secret) equal(other Secret) bool {
	return s.kind == other.kind && s.Equal(other.Bytes) && s.given.Equal(other.given)
}

// wrong is ErrWrongSecret, and why this secret is none that a slot is made of.
func (s Secret) wrong() error {
	if s.unfit != nil {
		return fmt.Errorf("%w: %w", ErrWrongSecret, s.unfit)
	}
	return ErrWrongSecret
}

// usable tells whether there is anything to try.
func (s Secret) usable() bool {
	n := len(s.Reveal())
	return n > 0 && n <= maxSecret
}
