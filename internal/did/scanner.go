package did

import (
	"encoding/json"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner walks over JSON that json.Valid has already accepted, so it needs to
// find boundaries but not to look for syntax errors.
type scanner struct {
	data []byte
	pos  int
}

// member is one member of an object: its name decoded by [unquote] and its
// value as written.
type member struct {
	name  string
	value json.RawMessage
}

func (s *scanner) skipSpace() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

// value passes one value, checking names and depth inside it. depth is that of
// the value itself, 1 at the top.
func (s *scanner) value(depth int) error {
	s.skipSpace()
	switch s.data[s.pos] {
	case '{':
		return s.object(depth, func(member) error { return nil })
	case '[':
		return s.array(depth, func(json.RawMessage) error { return nil })
	case '"':
		s.text()
	default:
		s.scalar()
	}
	return nil
}

// object passes an object and calls each for every member, in order, after the
// member's value has been checked. It fails with ErrDuplicateName or
// ErrTooDeep, or with what each returns.
func (s *scanner) object(depth int, each func(member) error) error {
	if depth > maxDepth {
		return ErrTooDeep
	}
	seen := map[string]bool{}
	s.pos++ // {
	for s.skipSpace(); s.data[s.pos] != '}'; s.skipSpace() {
		if s.data[s.pos] == ',' {
			s.pos++
			s.skipSpace()
		}
		name := unquote(s.text())
		if seen[name] {
			return ErrDuplicateName
		}
		seen[name] = true
		s.skipSpace()
		s.pos++ // :
		value, err := s.raw(depth + 1)
		if err != nil {
			return err
		}
		if err := each(member{name: name, value: value}); err != nil {
			return err
		}
	}
	s.pos++ // }
	return nil
}

// array passes an array and calls each for every element, in order.
func (s *scanner) array(depth int, each func(json.RawMessage) error) error {
	if depth > maxDepth {
		return ErrTooDeep
	}
	s.pos++ // [
	for s.skipSpace(); s.data[s.pos] != ']'; s.skipSpace() {
		if s.data[s.pos] == ',' {
			s.pos++
		}
		value, err := s.raw(depth + 1)
		if err != nil {
			return err
		}
		if err := each(value); err != nil {
			return err
		}
	}
	s.pos++ // ]
	return nil
}

// raw passes one value and gives it as written, without white space around it.
func (s *scanner) raw(depth int) (json.RawMessage, error) {
	s.skipSpace()
	start := s.pos
	if err := s.value(depth); err != nil {
		return nil, err
	}
	return json.RawMessage(s.data[start:s.pos:s.pos]), nil
}

// text passes a string and gives it with its quotes.
func (s *scanner) text() []byte {
	start := s.pos
	for s.pos++; s.data[s.pos] != '"'; s.pos++ {
		if s.data[s.pos] == '\\' {
			s.pos++
		}
	}
	s.pos++
	return s.data[start:s.pos]
}

// scalar passes a number, true, false or null.
func (s *scanner) scalar() []byte {
	start := s.pos
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ',', ']', '}', ' ', '\t', '\n', '\r':
			return s.data[start:s.pos]
		}
		s.pos++
	}
	return s.data[start:s.pos]
}

// unquote decodes a JSON string with its quotes. A lone surrogate, which has no
// UTF-8, comes out as the three bytes its number would have (WTF-8), so that
// different strings of JavaScript stay different.
func unquote(quoted []byte) string {
	in := quoted[1 : len(quoted)-1]
	out := make([]byte, 0, len(in))
	for i := 0; i < len(in); {
		if in[i] != '\\' {
			out = append(out, in[i])
			i++
			continue
		}
		if in[i+1] != 'u' {
			out = append(out, unescape(in[i+1]))
			i += 2
			continue
		}
		r := hex4(in[i+2:])
		i += 6
		if utf16.IsSurrogate(r) {
			if i+1 < len(in) && in[i] == '\\' && in[i+1] == 'u' {
				if pair := utf16.DecodeRune(r, hex4(in[i+2:])); pair != utf8.RuneError {
					out = utf8.AppendRune(out, pair)
					i += 6
					continue
				}
			}
			out = append(out, 0xe0|byte(r>>12), 0x80|byte(r>>6&0x3f), 0x80|byte(r&0x3f))
			continue
		}
		out = utf8.AppendRune(out, r)
	}
	return string(out)
}

func unescape(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c // " \ /
}

func hex4(digits []byte) rune {
	var r rune
	for _, c := range digits[:4] {
		switch {
		case c >= 'a':
			c -= 'a' - 10
		case c >= 'A':
			c -= 'A' - 10
		default:
			c -= '0'
		}
		r = r<<4 | rune(c)
	}
	return r
}
