package strictjson

import (
	"bytes"
	"errors"
	"io"
	"unicode/utf8"
)

// Scanner reads one JSON value from a stream, a part at a time, and holds no more of it than its window. It checks
// the grammar of all that it passes, and neither that names are unique nor that texts are UTF-8: for both it is used
// by who knows the members that it looks for. A value that is not JSON, or is cut off, is ErrNotJSON; MaxDepth holds;
// other errors are those of the stream.
type Scanner struct {
	from     io.Reader
	window   []byte
	pos, end int       // of what is in the window and was not passed yet
	before   int64     // bytes of the stream before the window
	copies   io.Writer // gets what is passed, or nil
	copied   int       // up to where the window was copied
	depth    int
}

// scanWindow is the size of a Scanner's window, in bytes.
const scanWindow = 64 << 10

// NewScanner returns a Scanner of a stream, which it reads ahead of.
func NewScanner(from io.Reader) *Scanner {
	return &Scanner{from: from, window: make([]byte, scanWindow)}
}

// Wipe overwrites what is in the window.
func (s *Scanner) Wipe() { clear(s.window) }

// Offset is how many bytes of the stream were passed.
func (s *Scanner) Offset() int64 { return s.before + int64(s.pos) }

// fill sees that there is a byte in the window. io.EOF says that the stream has ended.
func (s *Scanner) fill() error {
	for s.pos == s.end {
		if err := s.flush(); err != nil {
			return err
		}
		s.before += int64(s.end)
		s.pos, s.end, s.copied = 0, 0, 0
		n, err := s.from.Read(s.window)
		s.end = n
		if n == 0 && err != nil {
			return err
		}
	}
	return nil
}

// flush copies what was passed.
func (s *Scanner) flush() error {
	if s.copies != nil && s.pos > s.copied {
		if _, err := s.copies.Write(s.window[s.copied:s.pos]); err != nil {
			return err
		}
	}
	s.copied = s.pos
	return nil
}

// cut is an error of the stream, and ErrNotJSON where it ended too soon.
func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return ErrNotJSON
	}
	return err
}

// Peek returns the first byte of what is next, after white space.
func (s *Scanner) Peek() (byte, error) {
	for {
		if err := s.fill(); err != nil {
			return 0, cut(err)
		}
		switch c := s.window[s.pos]; c {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return c, nil
		}
	}
}

// End refuses a stream that has more than white space left.
func (s *Scanner) End() error {
	for {
		if err := s.fill(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		switch s.window[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return ErrNotJSON
		}
	}
}

func (s *Scanner) expect(c byte) error {
	if next, err := s.Peek(); err != nil {
		return err
	} else if next != c {
		return ErrNotJSON
	}
	s.pos++
	return nil
}

// maxScannedName bounds a name in an object that is scanned, as it is spelled, in bytes.
const maxScannedName = 2048

// Object passes an object. It calls member with each name, as it is spelled, with its quotes; member passes the
// value. Another value is ErrNotObject.
func (s *Scanner) Object(member func(spelled []byte) error) error {
	if next, err := s.Peek(); err != nil {
		return err
	} else if next != '{' {
		return ErrNotObject
	}
	return s.list('{', '}', func() error {
		name, err := s.Text(maxScannedName)
		if err != nil {
			return err
		}
		if err := s.expect(':'); err != nil {
			return err
		}
		return member(name)
	})
}

// Array passes an array. It calls element for each element, which passes it.
func (s *Scanner) Array(element func() error) error { return s.list('[', ']', element) }

func (s *Scanner) list(opens, closes byte, one func() error) error {
	if err := s.expect(opens); err != nil {
		return err
	}
	if s.depth++; s.depth > MaxDepth {
		return ErrTooDeep
	}
	defer func() { s.depth-- }()
	next, err := s.Peek()
	if err != nil {
		return err
	}
	if next == closes {
		s.pos++
		return nil
	}
	for {
		if err := one(); err != nil {
			return err
		}
		next, err := s.Peek()
		if err != nil {
			return err
		}
		switch s.pos++; next {
		case closes:
			return nil
		case ',':
		default:
			return ErrNotJSON
		}
	}
}

// Element passes the next element of an array of strings, and what is behind it, and says whether it was the last
// one. first says that the array is yet to begin. An array without elements is ErrNotJSON. The result takes the room
// of into.
func (s *Scanner) Element(into []byte, first bool, limit int) (spelled []byte, last bool, err error) {
	if first {
		if err := s.expect('['); err != nil {
			return nil, false, err
		}
	}
	if spelled, err = s.appendText(into[:0], limit); err != nil {
		return nil, false, err
	}
	next, err := s.Peek()
	if err != nil {
		return nil, false, err
	}
	s.pos++
	if next != ',' && next != ']' {
		return nil, false, ErrNotJSON
	}
	return spelled, next == ']', nil
}

// Text passes a string of up to limit bytes and returns it as it is spelled, with its quotes; a longer one is
// ErrNotJSON.
func (s *Scanner) Text(limit int) ([]byte, error) { return s.appendText(nil, limit) }

func (s *Scanner) appendText(to []byte, limit int) ([]byte, error) {
	err := s.text(func(part []byte) error {
		if len(to)+len(part) > limit {
			return ErrNotJSON
		}
		to = append(to, part...)
		return nil
	})
	return to, err
}

// text passes a string, and gives each part of it to part, with the quotes.
func (s *Scanner) text(part func([]byte) error) error {
	if next, err := s.Peek(); err != nil {
		return err
	} else if next != '"' {
		return ErrNotJSON
	}
	const (
		begins = iota
		plain
		escape
		hex // and three more
	)
	for state := begins; ; {
		if err := s.fill(); err != nil {
			return cut(err)
		}
		at, ended := s.pos, false
		for ; at < s.end && !ended; at++ {
			if state == plain {
				for at < s.end && !special[s.window[at]] {
					at++
				}
				if at == s.end {
					break
				}
			}
			c := s.window[at]
			switch {
			case state == begins:
				state = plain
			case state == plain && c == '"':
				ended = true
			case state == plain && c == '\\':
				state = escape
			case state == escape && c == 'u':
				state = hex
			case state == escape && bytes.IndexByte([]byte(`"\/bfnrt`), c) >= 0:
				state = plain
			case state >= hex && isHex(c):
				if state++; state == hex+4 {
					state = plain
				}
			default:
				return ErrNotJSON
			}
		}
		passed := s.window[s.pos:at]
		s.pos = at
		if part != nil {
			if err := part(passed); err != nil {
				return err
			}
		}
		if ended {
			return nil
		}
	}
}

// special are the bytes that end a part of a string: a quote, a backslash, and those that are refused.
var special = func() (table [256]bool) {
	for c := range ' ' {
		table[c] = true
	}
	table['"'], table['\\'] = true, true
	return table
}()

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// maxScannedLiteral bounds a number, in bytes.
const maxScannedLiteral = 64

// Skip passes a value.
func (s *Scanner) Skip() error {
	next, err := s.Peek()
	if err != nil {
		return err
	}
	switch next {
	case '{':
		return s.Object(func([]byte) error { return s.Skip() })
	case '[':
		return s.Array(s.Skip)
	case '"':
		return s.text(nil)
	}
	return s.literal()
}

// literal passes a number, true, false or null.
func (s *Scanner) literal() error {
	var text []byte
	for {
		err := s.fill()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		c := s.window[s.pos]
		if bytes.IndexByte([]byte(",]} \t\n\r"), c) >= 0 {
			break
		}
		if len(text) == maxScannedLiteral {
			return ErrNotJSON
		}
		text = append(text, c)
		s.pos++
	}
	return Check(text, 1)
}

// Copy passes a value and writes it as it is spelled.
func (s *Scanner) Copy(to io.Writer) error {
	if _, err := s.Peek(); err != nil {
		return err
	}
	if err := s.flush(); err != nil {
		return err
	}
	s.copies = to
	err := s.Skip()
	if e := s.flush(); err == nil {
		err = e
	}
	s.copies = nil
	return err
}

// Base64 returns what a string consists of as text of the standard base64 alphabet, without its padding, and passes
// the string as it is read to the end. URL-safe spellings become standard ones, escapes are read as what they stand
// for, and anything that is not base64 is ErrNotJSON.
func (s *Scanner) Base64() io.Reader { return &base64Text{s: s} }

type base64Text struct {
	s        *Scanner
	begun    bool
	ended    bool
	count    int64 // of characters
	padding  int
	leftover []byte // standard characters that were read and not returned yet
}

func (t *base64Text) Read(to []byte) (int, error) {
	for len(t.leftover) == 0 {
		if t.ended {
			return 0, io.EOF
		}
		if err := t.more(); err != nil {
			return 0, err
		}
	}
	n := copy(to, t.leftover)
	t.leftover = t.leftover[n:]
	return n, nil
}

// more reads what is in the window.
func (t *base64Text) more() error {
	s := t.s
	if !t.begun {
		if err := s.expect('"'); err != nil {
			return err
		}
		t.begun = true
	}
	if err := s.fill(); err != nil {
		return cut(err)
	}
	from := s.pos
	if t.padding == 0 {
		for s.pos < s.end && standard[s.window[s.pos]] != 0 {
			s.window[s.pos] = standard[s.window[s.pos]]
			s.pos++
		}
	}
	if s.pos > from {
		t.leftover = s.window[from:s.pos]
		t.count += int64(len(t.leftover))
		return nil
	}
	c := s.window[s.pos]
	s.pos++
	if c == '\\' {
		var err error
		if c, err = t.escaped(); err != nil {
			return err
		}
	} else if c == '"' {
		t.ended = true
		if t.padding > 0 && (t.count+int64(t.padding))%4 != 0 {
			return ErrNotJSON
		}
		return nil
	}
	switch {
	case c == '=' && t.padding < 2:
		t.padding++
	case standard[c] != 0 && t.padding == 0:
		t.leftover = []byte{standard[c]}
		t.count++
	default:
		return ErrNotJSON
	}
	return nil
}

// escaped reads the rest of an escape of one character.
func (t *base64Text) escaped() (byte, error) {
	spelled := []byte{'"', '\\'}
	for length := 3; len(spelled) < length; {
		if err := t.s.fill(); err != nil {
			return 0, cut(err)
		}
		c := t.s.window[t.s.pos]
		t.s.pos++
		if spelled = append(spelled, c); len(spelled) == 3 && c == 'u' {
			length = 7
		}
	}
	if spelled = append(spelled, '"'); Check(spelled, 1) != nil {
		return 0, ErrNotJSON
	}
	text := Unquote(spelled)
	if len(text) != 1 || text[0] >= utf8.RuneSelf {
		return 0, ErrNotJSON
	}
	return text[0], nil
}

// standard gives the character of the standard alphabet for one of either alphabet of base64, and 0 for another.
var standard = func() (table [256]byte) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") {
		table[c] = c
	}
	table['-'], table['_'] = '+', '/'
	return table
}()
