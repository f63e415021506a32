package api

import (
	"encoding/json"
	"errors"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"walletd/internal/secret"
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

// UnmarshalJSON reads a JSON string into a new buffer, and makes no other copy of it. It returns
// ErrNotText for what encoding/json would replace by U+FFFD.
func (s *SecretText) UnmarshalJSON(raw []byte) error {
	if len(raw) < 2 || raw[0] != '"' || raw[len(raw)-1] != '"' {
		return errNotString
	}
	raw = raw[1 : len(raw)-1]
	text := make([]byte, 0, len(raw)) // an escape is never shorter than what it stands for
	for len(raw) > 0 {
		c := raw[0]
		if c != '\\' {
			text, raw = append(text, c), raw[1:]
			continue
		}
		plain, length, err := unescape(raw)
		if err != nil {
			clear(text)
			return err
		}
		text, raw = utf8.AppendRune(text, plain), raw[length:]
	}
	if !utf8.Valid(text) {
		clear(text)
		return ErrNotText
	}
	s.Bytes = secret.New(text)
	return nil
}

// unescape reads the escape that a text begins with, and returns its length in bytes.
func unescape(raw []byte) (r rune, length int, err error) {
	if len(raw) < 2 {
		return 0, 0, errNotString
	}
	switch raw[1] {
	case '"', '\\', '/':
		return rune(raw[1]), 2, nil
	case 'b':
		return '\b', 2, nil
	case 'f':
		return '\f', 2, nil
	case 'n':
		return '\n', 2, nil
	case 'r':
		return '\r', 2, nil
	case 't':
		return '\t', 2, nil
	case 'u':
	default:
		return 0, 0, errNotString
	}
	first, err := codeUnit(raw)
	if err != nil || !utf16.IsSurrogate(first) {
		return first, 6, err
	}
	second, err := codeUnit(raw[6:])
	if err != nil {
		return 0, 0, ErrNotText
	}
	if r = utf16.DecodeRune(first, second); r == utf8.RuneError {
		return 0, 0, ErrNotText
	}
	return r, 12, nil
}

// codeUnit reads \u and four digits.
func codeUnit(raw []byte) (rune, error) {
	if len(raw) < 6 || raw[0] != '\\' || raw[1] != 'u' {
		return 0, errNotString
	}
	n, err := strconv.ParseUint(string(raw[2:6]), 16, 16)
	if err != nil {
		return 0, errNotString
	}
	return rune(n), nil
}

var (
	_ json.Marshaler   = SecretText{}
	_ json.Unmarshaler = (*SecretText)(nil)
)
