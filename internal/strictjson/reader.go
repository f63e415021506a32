package strictjson

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math/bits"
	"strings"
	"unicode"
	"unicode/utf8"
)

// reader passes a text once and checks it on the way: the grammar, the depth, and the names of every object. That the
// text is UTF-8 was checked before.
//
// Its errors are errGrammar and what it refuses in JSON. After the latter the rest of the text was not looked at.
type reader struct {
	data []byte
	pos  int
	text bool // refuse names that are not text
}

// errGrammar says that a text is not JSON.
var errGrammar = errors.New("not JSON")

// next returns the byte at pos, and 0, with which nothing begins or goes on, at the end.
func (r *reader) next() byte {
	if r.pos < len(r.data) {
		return r.data[r.pos]
	}
	return 0
}

// value passes one value, which is depth deep, and white space before it.
func (r *reader) value(depth int) error {
	r.space()
	switch r.next() {
	case '{':
		return r.object(depth, nil)
	case '[':
		return r.array(depth)
	case '"':
		_, err := r.str()
		return err
	}
	return r.literal()
}

// object passes an object. If into is not nil, it collects the members there and refuses names that differ only in
// case.
func (r *reader) object(depth int, into *Object) error {
	if depth > MaxDepth {
		return ErrTooDeep
	}
	var seen names
	var folded map[string]bool
	r.pos++ // {
	if r.space(); r.next() == '}' {
		r.pos++
		return nil
	}
	for {
		r.space()
		spelled, err := r.str()
		if err != nil {
			return err
		}
		name := Unquote(spelled)
		if r.text && (!utf8.Valid(name) || bytes.ContainsRune(name, utf8.RuneError)) {
			return ErrName
		}
		if !seen.add(name) {
			return ErrDuplicateName
		}
		if r.space(); r.next() != ':' {
			return errGrammar
		}
		r.pos++
		r.space()
		start := r.pos
		if err := r.value(depth + 1); err != nil {
			return err
		}
		if into != nil {
			m := member(spelled, name, r.data[start:r.pos:r.pos])
			if into.hasVariant(m.Name, &folded) {
				return ErrCaseVariant
			}
			*into = append(*into, m)
		}
		if more, err := r.more('}'); !more {
			return err
		}
	}
}

// more passes what follows a member or an element, and reports whether that is a comma.
func (r *reader) more(closes byte) (bool, error) {
	r.space()
	switch c := r.next(); {
	case c == ',':
		r.pos++
		return true, nil
	case c == closes:
		r.pos++
		return false, nil
	}
	return false, errGrammar
}

func (r *reader) array(depth int) error {
	if depth > MaxDepth {
		return ErrTooDeep
	}
	r.pos++ // [
	if r.space(); r.next() == ']' {
		r.pos++
		return nil
	}
	for {
		if err := r.value(depth + 1); err != nil {
			return err
		}
		if more, err := r.more(']'); !more {
			return err
		}
	}
}

// str passes a string and returns it with its quotes.
func (r *reader) str() ([]byte, error) {
	if r.next() != '"' {
		return nil, errGrammar
	}
	start := r.pos
	for r.pos++; ; {
		r.pos += plain(r.data[r.pos:])
		switch r.next() {
		case '"':
			r.pos++
			return r.data[start:r.pos:r.pos], nil
		case '\\':
			r.pos++
			if err := r.escape(); err != nil {
				return nil, err
			}
		default: // a control character, or the end
			return nil, errGrammar
		}
	}
}

// escape passes what follows a backslash.
func (r *reader) escape() error {
	c := r.next()
	r.pos++
	switch c {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return nil
	case 'u':
		for range 4 {
			if !isHex(r.next()) {
				return errGrammar
			}
			r.pos++
		}
		return nil
	}
	return errGrammar
}

// plain returns how many bytes come before the first quote, backslash or control character, eight at a time.
func plain(text []byte) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	n := 0
	for ; len(text)-n >= 8; n += 8 {
		// A byte below 0x80 from which more is taken than it is borrows, which sets its high bit. Only bytes above
		// one that did so can be wrong.
		x := binary.LittleEndian.Uint64(text[n:])
		if found := ((x - ' '*ones) | (x ^ '"'*ones - ones) | (x ^ '\\'*ones - ones)) & ^x & highs; found != 0 {
			return n + bits.TrailingZeros64(found)/8
		}
	}
	for ; n < len(text) && !special[text[n]]; n++ {
	}
	return n
}

// literal passes a number, true, false or null.
func (r *reader) literal() error {
	for _, word := range []string{"true", "false", "null"} {
		if r.next() == word[0] {
			if !bytes.HasPrefix(r.data[r.pos:], []byte(word)) {
				return errGrammar
			}
			r.pos += len(word)
			return nil
		}
	}
	return r.number()
}

// number passes a number (RFC 8259, section 6).
func (r *reader) number() error {
	if r.next() == '-' {
		r.pos++
	}
	if r.next() == '0' {
		r.pos++
	} else if !r.digits() {
		return errGrammar
	}
	if r.next() == '.' {
		if r.pos++; !r.digits() {
			return errGrammar
		}
	}
	if c := r.next(); c == 'e' || c == 'E' {
		r.pos++
		if c := r.next(); c == '+' || c == '-' {
			r.pos++
		}
		if !r.digits() {
			return errGrammar
		}
	}
	return nil
}

// digits passes digits and reports whether there was one.
func (r *reader) digits() bool {
	start := r.pos
	for '0' <= r.next() && r.next() <= '9' {
		r.pos++
	}
	return r.pos > start
}

// end passes white space and refuses what follows it.
func (r *reader) end() error {
	if r.space(); r.pos < len(r.data) {
		return errGrammar
	}
	return nil
}

func (r *reader) space() { r.pos = space(r.data, r.pos) }

// member returns the member with that name, as it is spelled and as it is decoded.
func member(spelled, name, value []byte) Member {
	m := Member{Name: string(name), Value: value}
	if len(name) != len(spelled)-2 { // an escape is longer than what it stands for
		m.spelled = string(spelled)
	}
	return m
}

// walker goes over JSON that was checked before: it looks for ends, not for mistakes.
type walker struct {
	data []byte
	pos  int
}

// skip passes one value that was checked before.
func (w *walker) skip() {
	for depth := 0; ; {
		switch w.data[w.pos] {
		case '"':
			w.quoted()
		case '{', '[':
			depth++
			w.pos++
		case '}', ']':
			depth--
			w.pos++
		case ',', ':', ' ', '\t', '\n', '\r':
			w.pos++
			continue // between values; and no value begins so
		default:
			w.literal()
		}
		if depth == 0 {
			return
		}
	}
}

func (w *walker) space() { w.pos = space(w.data, w.pos) }

// space returns where the white space from pos on ends.
func space(data []byte, pos int) int {
	for pos < len(data) {
		switch data[pos] {
		case ' ', '\t', '\n', '\r':
			pos++
		default:
			return pos
		}
	}
	return pos
}

// quoted passes a string and returns it with its quotes. It ends at the first quote with an even
// number of backslashes before it.
func (w *walker) quoted() []byte {
	start := w.pos
	for w.pos++; ; {
		w.pos += bytes.IndexByte(w.data[w.pos:], '"') + 1
		backslashes := 0
		for w.data[w.pos-2-backslashes] == '\\' {
			backslashes++
		}
		if backslashes%2 == 0 {
			return w.data[start:w.pos:w.pos]
		}
	}
}

// literal passes a number, true, false or null.
func (w *walker) literal() {
	for w.pos < len(w.data) {
		switch w.data[w.pos] {
		case ',', ']', '}', ' ', '\t', '\n', '\r':
			return
		}
		w.pos++
	}
}

// few is up to how many names are compared each with each; more are put into a map, so that an object
// costs no more than its length.
const few = 16

// names are the decoded names of an object so far.
type names struct {
	list [few][]byte
	n    int
	many map[string]bool
}

// add returns false if the name is there already.
func (s *names) add(name []byte) bool {
	if s.many == nil {
		for _, other := range s.list[:s.n] {
			if bytes.Equal(other, name) {
				return false
			}
		}
		if s.n < few {
			s.list[s.n] = name
			s.n++
			return true
		}
		s.many = make(map[string]bool, 4*few)
		for _, other := range s.list {
			s.many[string(other)] = true
		}
	}
	if s.many[string(name)] {
		return false
	}
	s.many[string(name)] = true
	return true
}

// hasVariant reports whether a member has a name that is name but for case. The map is kept for the
// next call.
func (o Object) hasVariant(name string, folded *map[string]bool) bool {
	if len(o) < few {
		for i := range o {
			if strings.EqualFold(o[i].Name, name) {
				return true
			}
		}
		return false
	}
	if *folded == nil {
		*folded = make(map[string]bool, 4*few)
		for i := range o {
			(*folded)[fold(o[i].Name)] = true
		}
	}
	name = fold(name)
	variant := (*folded)[name]
	(*folded)[name] = true
	return variant
}

// fold maps names that are equal under simple case folding, by which encoding/json matches, to one
// text.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		return least
	}, name)
}

// Nested returns the members of a value that is an object. It refuses another value, or none, with
// ErrNotObject, and names that differ only in case with ErrCaseVariant. The value is one that this
// package gave or checked: for the text of a stranger there is Parse.
func Nested(value json.RawMessage) (Object, error) {
	o, err := Entries(value)
	if err != nil {
		return nil, err
	}
	if err := o.Exact(); err != nil {
		return nil, err
	}
	return o, nil
}

// Entries is Nested for an object whose names are not the protocol's but ids or other people's: they
// may differ only in case.
func Entries(value json.RawMessage) (Object, error) {
	w := walker{data: value}
	if w.space(); w.pos == len(w.data) || w.data[w.pos] != '{' {
		return nil, ErrNotObject
	}
	o := Object{}
	w.pos++ // {
	for w.space(); w.data[w.pos] != '}'; w.space() {
		if w.data[w.pos] == ',' {
			w.pos++
			w.space()
		}
		spelled := w.quoted()
		w.space()
		w.pos++ // :
		w.space()
		start := w.pos
		w.skip()
		o = append(o, member(spelled, Unquote(spelled), w.data[start:w.pos:w.pos]))
	}
	return o, nil
}

// Elements returns the elements of a value that is an array, and nil for another. The value is one
// that this package gave or checked.
func Elements(value json.RawMessage) []json.RawMessage {
	w := walker{data: value}
	if w.space(); w.pos == len(w.data) || w.data[w.pos] != '[' {
		return nil
	}
	list := []json.RawMessage{}
	w.pos++ // [
	for w.space(); w.data[w.pos] != ']'; w.space() {
		if w.data[w.pos] == ',' {
			w.pos++
			w.space()
		}
		start := w.pos
		w.skip()
		list = append(list, w.data[start:w.pos:w.pos])
	}
	return list
}
