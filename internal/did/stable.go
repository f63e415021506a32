package did

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// MarshalStable encodes a Go value, in which json.RawMessage is kept, and gives
// the canonical text of [Stable].
func MarshalStable(v any) ([]byte, error) { return marshalStable(v, 1) }

// marshalStable is MarshalStable for a value that stands this deep.
func marshalStable(v any, depth int) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encoding JSON: %w", err)
	}
	return stable(buf.Bytes(), depth)
}

// Stable gives the canonical text of a JSON value (DID Connect reference b.2):
// names sorted by UTF-16 unit, no white space, numbers and strings exactly as
// JavaScript prints them. Duplicate names, nesting over 32 and numbers that
// JavaScript would read as infinite are refused.
func Stable(raw []byte) ([]byte, error) { return stable(raw, 1) }

func stable(raw []byte, depth int) ([]byte, error) {
	if !utf8.Valid(raw) || !json.Valid(raw) {
		return nil, ErrNotJSON
	}
	return appendStable(make([]byte, 0, len(raw)), raw, depth)
}

func appendStable(out, raw []byte, depth int) ([]byte, error) {
	s := &scanner{data: raw}
	s.skipSpace()
	switch raw[s.pos] {
	case '{':
		return appendObject(out, s, depth)
	case '[':
		return appendArray(out, s, depth)
	case '"':
		return appendText(out, unquote(s.text())), nil
	case 't', 'f', 'n':
		return append(out, s.scalar()...), nil
	}
	return appendNumber(out, s.scalar())
}

func appendObject(out []byte, s *scanner, depth int) ([]byte, error) {
	var members []member
	err := s.object(depth, func(m member) error {
		members = append(members, m)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return appendMembers(out, members, func(out []byte, value json.RawMessage) ([]byte, error) { return appendStable(out, value, depth+1) })
}

// appendMembers sorts members and writes them as an object; write writes a
// value.
func appendMembers(out []byte, members []member, write func(out []byte, value json.RawMessage) ([]byte, error)) ([]byte, error) {
	slices.SortFunc(members, func(a, b member) int { return compareNames(a.name, b.name) })
	out = append(out, '{')
	for i, m := range members {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(appendText(out, m.name), ':')
		var err error
		if out, err = write(out, m.value); err != nil {
			return nil, err
		}
	}
	return append(out, '}'), nil
}

func appendArray(out []byte, s *scanner, depth int) ([]byte, error) {
	out = append(out, '[')
	first := true
	err := s.array(depth, func(value json.RawMessage) (err error) {
		if !first {
			out = append(out, ',')
		}
		first = false
		out, err = appendStable(out, value, depth+1)
		return err
	})
	if err != nil {
		return nil, err
	}
	return append(out, ']'), nil
}

// appendNumber writes a number as Number.prototype.toString of ECMAScript does:
// the shortest digits, plain from 1e-6 up to but not including 1e21.
func appendNumber(out, digits []byte) ([]byte, error) {
	f, err := strconv.ParseFloat(string(digits), 64)
	if err != nil {
		return nil, ErrNumber
	}
	if f == 0 {
		return append(out, '0'), nil // -0 too
	}
	if abs := math.Abs(f); abs >= 1e-6 && abs < 1e21 {
		return strconv.AppendFloat(out, f, 'f', -1, 64), nil
	}
	text := strconv.AppendFloat(nil, f, 'e', -1, 64)
	// Go writes at least two digits of exponent: 1e-07.
	if n := len(text); text[n-2] == '0' && (text[n-3] == '-' || text[n-3] == '+') {
		text = append(text[:n-2], text[n-1])
	}
	return append(out, text...), nil
}

// appendText writes a decoded string as JSON.stringify does, which escapes
// quotes, backslashes, control characters and lone surrogates alone.
func appendText(out []byte, text string) []byte {
	out = append(out, '"')
	for i := 0; i < len(text); {
		r, size := decodeUnit(text[i:])
		switch {
		case r == '"' || r == '\\':
			out = append(out, '\\', byte(r))
		case r == '\b':
			out = append(out, `\b`...)
		case r == '\f':
			out = append(out, `\f`...)
		case r == '\n':
			out = append(out, `\n`...)
		case r == '\r':
			out = append(out, `\r`...)
		case r == '\t':
			out = append(out, `\t`...)
		case r < ' ', utf16.IsSurrogate(r):
			out = fmt.Appendf(out, `\u%04x`, r)
		default:
			out = append(out, text[i:i+size]...)
		}
		i += size
	}
	return append(out, '"')
}

// compareNames orders by UTF-16 unit, which in ASCII is the byte.
func compareNames(a, b string) int {
	if isASCII(a) && isASCII(b) {
		return strings.Compare(a, b)
	}
	return slices.Compare(units(a), units(b))
}

func isASCII(text string) bool {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// units gives the UTF-16 units of a decoded string.
func units(text string) []uint16 {
	out := make([]uint16, 0, len(text))
	for i := 0; i < len(text); {
		r, size := decodeUnit(text[i:])
		if utf16.IsSurrogate(r) {
			out = append(out, uint16(r))
		} else {
			out = utf16.AppendRune(out, r)
		}
		i += size
	}
	return out
}

// decodeUnit reads the first character, or the lone surrogate that [unquote]
// wrote as three bytes.
func decodeUnit(text string) (rune, int) {
	r, size := utf8.DecodeRuneInString(text)
	if r == utf8.RuneError && size == 1 && len(text) >= 3 {
		return rune(text[0]&0x0f)<<12 | rune(text[1]&0x3f)<<6 | rune(text[2]&0x3f), 3
	}
	return r, size
}
