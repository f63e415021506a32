// Package secret keeps bytes that must not be shown: keys, passphrases, the words of a wallet.
//
// A type whose secret may be read embeds [Bytes]. A type that only works with its secret embeds
// [Redacted] and has a Bytes in an unexported field.
package secret

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// Redaction is what stands wherever a secret is printed, encoded or logged.
const Redaction = "[secret]"

// Redacted, embedded in a struct, makes its values print as [Redaction]: with every verb of fmt, in
// JSON and in text encodings, in the lines of slog and of zerolog. Such values cannot be compared
// with ==, which would say whether they are copies of each other and not whether they are equal.
//
// fmt calls no methods on an unexported field of somebody else's struct and prints the fields of
// what it finds there. The secret itself therefore belongs in a [Bytes].
type Redacted struct{ _ [0]func() }

// String returns Redaction.
func (Redacted) String() string { return Redaction }

// GoString returns Redaction.
func (Redacted) GoString() string { return Redaction }

// Format writes Redaction, whatever the verb.
func (Redacted) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Redaction) }

// MarshalText returns Redaction.
func (Redacted) MarshalText() ([]byte, error) { return []byte(Redaction), nil }

// MarshalJSON returns Redaction as a JSON string.
func (Redacted) MarshalJSON() ([]byte, error) { return []byte(`"` + Redaction + `"`), nil }

// LogValue returns Redaction.
func (Redacted) LogValue() slog.Value { return slog.StringValue(Redaction) }

// Bytes holds a secret of any length. It does not print itself, not even as a field of a struct that
// does. Copies share the bytes: Wipe empties all of them. The zero Bytes holds nothing. Several
// goroutines may read at once, but none while another wipes.
type Bytes struct {
	Redacted
	// In an unexported field fmt prints the address of a pointer, but follows the pointer one step
	// for a verb that does not fit pointers, as %s. It does not follow a second one.
	p **held
}

type held struct {
	self *held // the second pointer, kept here because it then costs no allocation
	b    []byte
}

// New makes a Bytes of b itself, not of a copy: Wipe overwrites b. Of nil it makes one that holds
// nothing.
func New(b []byte) Bytes {
	h := &held{b: b}
	h.self = h
	return Bytes{p: &h.self}
}

// Reveal returns the secret itself, not a copy, and nil if there is none or no more. Callers neither
// change it nor keep it.
func (b Bytes) Reveal() []byte {
	if b.p == nil {
		return nil
	}
	return (*b.p).b
}

// IsZero reports whether b holds nothing: it never did, or it was wiped.
func (b Bytes) IsZero() bool { return b.Reveal() == nil }

// Equal compares the bytes, in a time that depends on nothing but their lengths.
func (b Bytes) Equal(other Bytes) bool {
	return subtle.ConstantTimeCompare(b.Reveal(), other.Reveal()) == 1
}

// Wipe overwrites the bytes with zeros, and leaves b and all copies of it without any.
func (b Bytes) Wipe() {
	if b.p != nil {
		clear((*b.p).b)
		(*b.p).b = nil
	}
}
