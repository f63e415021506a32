package did

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"walletd/internal/strictjson"
)

// MarshalStable encodes a Go value, in which json.RawMessage is kept, and gives
// the canonical text of [Stable].
func MarshalStable(v any) ([]byte, error) { return marshalStable(v, 1) }

// marshalStable is MarshalStable for a value that stands this deep.
func marshalStable(v any, depth int) ([]byte, error) {
	switch v := v.(type) {
	case string:
		if utf8.ValidString(v) {
			return strictjson.AppendText(make([]byte, 0, len(v)+2), v), nil
		}
	case []json.RawMessage:
		if out, ok := appendRaw(v, depth); ok {
			return out, nil
		}
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encoding JSON: %w", err)
	}
	return stable(buf.Bytes(), depth)
}

// appendRaw writes values that are JSON already, without encoding them again. It writes nothing where encoding would
// find fault, or would write null.
func appendRaw(values []json.RawMessage, depth int) ([]byte, bool) {
	size := 2
	for _, raw := range values {
		size += len(raw) + 1
		if strictjson.Check(raw, depth+1) != nil {
			return nil, false
		}
	}
	if values == nil || depth > strictjson.MaxDepth {
		return nil, false
	}
	out := append(make([]byte, 0, size), '[')
	for i, raw := range values {
		if i > 0 {
			out = append(out, ',')
		}
		var err error
		if out, err = appendStable(out, bytes.TrimSpace(raw)); err != nil {
			return nil, false
		}
	}
	return append(out, ']'), true
}

// Stable gives the canonical text of a JSON value (DID Connect reference b.2):
// names sorted by UTF-16 unit, no white space, numbers and strings exactly as
// JavaScript prints them. Duplicate names, nesting over 32 and numbers that
// JavaScript would read as infinite are refused.
func Stable(raw []byte) ([]byte, error) { return stable(raw, 1) }

func stable(raw []byte, depth int) ([]byte, error) {
	if err := strictjson.Check(raw, depth); err != nil {
		return nil, err
	}
	return appendStable(make([]byte, 0, len(raw)), bytes.TrimSpace(raw))
}

// appendStable writes a value that was checked.
func appendStable(out []byte, value json.RawMessage) ([]byte, error) {
	switch value[0] {
	case '{':
		members, err := strictjson.Entries(value)
		if err != nil {
			return nil, err
		}
		return appendMembers(out, members, appendStable)
	case '[':
		return appendArray(out, strictjson.Elements(value))
	case '"':
		return strictjson.AppendText(out, string(strictjson.Unquote(value))), nil
	case 't', 'f', 'n':
		return append(out, value...), nil
	}
	return appendNumber(out, value)
}

// appendMembers sorts members and writes them as an object; write writes a
// value.
func appendMembers(out []byte, members strictjson.Object, write func(out []byte, value json.RawMessage) ([]byte, error)) ([]byte, error) {
	slices.SortFunc(members, func(a, b strictjson.Member) int { return compareNames(a.Name, b.Name) })
	out = append(out, '{')
	for i, m := range members {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(strictjson.AppendText(out, m.Name), ':')
		var err error
		if out, err = write(out, m.Value); err != nil {
			return nil, err
		}
	}
	return append(out, '}'), nil
}

func appendArray(out []byte, elements []json.RawMessage) ([]byte, error) {
	out = append(out, '[')
	for i, value := range elements {
		if i > 0 {
			out = append(out, ',')
		}
		var err error
		if out, err = appendStable(out, value); err != nil {
			return nil, err
		}
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

// compareNames orders by UTF-16 unit, which in ASCII is the byte.
func compareNames(a, b string) int {
	same := 0
	for same < min(len(a), len(b)) && a[same] == b[same] {
		same++
	}
	switch {
	case same == len(a) || same == len(b):
		return cmp.Compare(len(a), len(b))
	case a[same] < utf8.RuneSelf && b[same] < utf8.RuneSelf:
		return cmp.Compare(a[same], b[same])
	}
	return slices.Compare(units(a), units(b))
}

// units gives the UTF-16 units of a decoded string.
func units(text string) []uint16 {
	out := make([]uint16, 0, len(text))
	for i := 0; i < len(text); {
		r, size := strictjson.DecodeUnit(text[i:])
		if utf16.IsSurrogate(r) {
			out = append(out, uint16(r))
		} else {
			out = utf16.AppendRune(out, r)
		}
		i += size
	}
	return out
}
