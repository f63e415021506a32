package strictjson

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode"
	"unicode/utf8"
)

// reader walks over JSON that encoding/json has accepted: it looks for ends, not for mistakes.
type reader struct {
	data []byte
	pos  int
	text bool // refuse names that are not text
}

// value passes one value, which is depth deep, and checks all objects in it.
func (r *reader) value(depth int) error {
	r.space()
	switch r.data[r.pos] {
	case '{':
		return r.object(depth, nil)
	case '[':
		return r.array(depth)
	case '"':
		r.quoted()
	default:
		r.literal()
	}
	return nil
}

// object passes an object and checks it. If into is not nil, it collects the members there and
// refuses names that differ only in case.
func (r *reader) object(depth int, into *Object) error {
	if depth > MaxDepth {
		return ErrTooDeep
	}
	var seen names
	var folded map[string]bool
	r.pos++ // {
	for r.space(); r.data[r.pos] != '}'; r.space() {
		if r.data[r.pos] == ',' {
			r.pos++
			r.space()
		}
		spelled := r.quoted()
		name := Unquote(spelled)
		if r.text && (!utf8.Valid(name) || bytes.ContainsRune(name, utf8.RuneError)) {
			return ErrName
		}
		if !seen.add(name) {
			return ErrDuplicateName
		}
		r.space()
		r.pos++ // :
		r.space()
		start := r.pos
		if err := r.value(depth + 1); err != nil {
			return err
		}
		if into == nil {
			continue
		}
		m := member(spelled, name, r.data[start:r.pos:r.pos])
		if into.hasVariant(m.Name, &folded) {
			return ErrCaseVariant
		}
		*into = append(*into, m)
	}
	r.pos++ // }
	return nil
}

// member returns the member with that name, as it is spelled and as it is decoded.
func member(spelled, name, value []byte) Member {
	m := Member{Name: string(name), Value: value}
	if len(name) != len(spelled)-2 { // an escape is longer than what it stands for
		m.spelled = string(spelled)
	}
	return m
}

func (r *reader) array(depth int) error {
	if depth > MaxDepth {
		return ErrTooDeep
	}
	r.pos++ // [
	for r.space(); r.data[r.pos] != ']'; r.space() {
		if r.data[r.pos] == ',' {
			r.pos++
		}
		if err := r.value(depth + 1); err != nil {
			return err
		}
	}
	r.pos++ // ]
	return nil
}

// skip passes one value that was checked before.
func (r *reader) skip() {
	for depth := 0; ; {
		switch r.data[r.pos] {
		case '"':
			r.quoted()
		case '{', '[':
			depth++
			r.pos++
		case '}', ']':
			depth--
			r.pos++
		case ',', ':', ' ', '\t', '\n', '\r':
			r.pos++
			continue // between values; and no value begins so
		default:
			r.literal()
		}
		if depth == 0 {
			return
		}
	}
}

func (r *reader) space() {
	for r.pos < len(r.data) {
		switch r.data[r.pos] {
		case ' ', '\t', '\n', '\r':
			r.pos++
		default:
			return
		}
	}
}

// quoted passes a string and returns it with its quotes. It ends at the first quote with an even
// number of backslashes before it.
func (r *reader) quoted() []byte {
	start := r.pos
	for r.pos++; ; {
		r.pos += bytes.IndexByte(r.data[r.pos:], '"') + 1
		backslashes := 0
		for r.data[r.pos-2-backslashes] == '\\' {
			backslashes++
		}
		if backslashes%2 == 0 {
			return r.data[start:r.pos:r.pos]
		}
	}
}

// literal passes a number, true, false or null.
func (r *reader) literal() {
	for r.pos < len(r.data) {
		switch r.data[r.pos] {
		case ',', ']', '}', ' ', '\t', '\n', '\r':
			return
		}
		r.pos++
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
	r := reader{data: value}
	if r.space(); r.pos == len(r.data) || r.data[r.pos] != '{' {
		return nil, ErrNotObject
	}
	o := Object{}
	r.pos++ // {
	for r.space(); r.data[r.pos] != '}'; r.space() {
		if r.data[r.pos] == ',' {
			r.pos++
			r.space()
		}
		spelled := r.quoted()
		r.space()
		r.pos++ // :
		r.space()
		start := r.pos
		r.skip()
		o = append(o, member(spelled, Unquote(spelled), r.data[start:r.pos:r.pos]))
	}
	return o, nil
}

// Elements returns the elements of a value that is an array, and nil for another. The value is one
// that this package gave or checked.
func Elements(value json.RawMessage) []json.RawMessage {
	r := reader{data: value}
	if r.space(); r.pos == len(r.data) || r.data[r.pos] != '[' {
		return nil
	}
	list := []json.RawMessage{}
	r.pos++ // [
	for r.space(); r.data[r.pos] != ']'; r.space() {
		if r.data[r.pos] == ',' {
			r.pos++
			r.space()
		}
		start := r.pos
		r.skip()
		list = append(list, r.data[start:r.pos:r.pos])
	}
	return list
}
