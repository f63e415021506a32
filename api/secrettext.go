package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"

	"walletd/internal/secret"
	"walletd/internal/strictjson"
)

// SecretText is a text that must not be seen: a passphrase, a token, words, a key. It is a JSON
// string on the wire and prints itself nowhere else; Reveal returns its bytes, in UTF-8. The zero
// SecretText is none, which is another thing than an empty text. Whoever holds one calls Wipe when
// done.
type SecretText struct{ secret.Bytes }

// NewSecretText makes a SecretText of the bytes themselves, not of a copy: Wipe overwrites them.
func NewSecretText(text []byte) SecretText { return SecretText{secret.New(text)} }

// ErrNotText is returned for a secret that no JSON string can carry without changing it: bytes
// that are not UTF-8, or an escape of half a surrogate pair.
var ErrNotText = errors.New("the text is not UTF-8")

// errNotString is returned for JSON that is no string.
var errNotString = errors.New("a secret must be a JSON string")

// MarshalJSON writes the text itself, for the wire. It returns ErrNotText for bytes that are not
// UTF-8, which encoding/json would replace.
func (s SecretText) MarshalJSON() ([]byte, error) {
	text := s.Reveal()
	if !utf8.Valid(text) {
		return nil, ErrNotText
	}
	const hex = "0123456789abcdef"
	out := make([]byte, 0, 6*len(text)+2) // not grown, so that no copy stays behind
	out = append(out, '"')
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			out = append(out, '\\', c)
		case c < ' ':
			out = append(out, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			out = append(out, c)
		}
	}
	return append(out, '"'), nil
}

// UnmarshalJSON reads a JSON string into a new buffer, and makes no other copy of it. Raw is the
// string alone, without the space that may be around it, as encoding/json hands it in. It returns
// ErrNotText for half of a surrogate pair, which encoding/json would replace by U+FFFD.
func (s *SecretText) UnmarshalJSON(raw []byte) error {
	if len(raw) < 2 || raw[0] != '"' || raw[len(raw)-1] != '"' {
		return errNotString
	}
	text := strictjson.Unquote(raw)
	if len(text) == len(raw)-2 { // without an escape it is the value's own
		text = bytes.Clone(text)
	}
	if !utf8.Valid(text) {
		clear(text)
		return ErrNotText
	}
	*s = NewSecretText(text)
	return nil
}

var (
	_ json.Marshaler   = SecretText{}
	_ json.Unmarshaler = (*SecretText)(nil)
)
