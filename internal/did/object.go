package did

import (
	"encoding/json"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxDepth is how deep JSON of the other side may nest.
const maxDepth = 32

var (
	// ErrNotObject is returned for bytes that are not one JSON object in UTF-8
	// with nothing after it.
	ErrNotObject = errors.New("not a JSON object")
	// ErrNotJSON is returned for bytes that are not one JSON value in UTF-8.
	ErrNotJSON = errors.New("not JSON")
	// ErrDuplicateName is returned when an object, at any depth, has two
	// members of one name.
	ErrDuplicateName = errors.New("JSON object has two members of one name")
	// ErrCaseVariant is returned when two names at the top differ only in case:
	// readers that fold case would take either.
	ErrCaseVariant = errors.New("JSON object has names that differ only in case")
	// ErrTooDeep is returned for JSON nested more than 32 deep.
	ErrTooDeep = errors.New("JSON is nested too deep")
	// ErrNumber is returned for a number that no float64 can hold.
	ErrNumber = errors.New("JSON number is out of range")
)

// Object is a JSON object with exact names and members as they were written.
// It exists because encoding/json matches members of structs without regard to
// case and lets the last duplicate win (DID Connect reference k).
type Object map[string]json.RawMessage

// ParseObject reads one JSON object with nothing but white space after it. Two
// members of one name, at any depth, and two names at the top that differ only
// in case are refused. The members alias raw. Callers bound the size.
func ParseObject(raw []byte) (Object, error) {
	if !utf8.Valid(raw) || !json.Valid(raw) {
		return nil, ErrNotObject
	}
	s := &scanner{data: raw}
	if s.skipSpace(); s.data[s.pos] != '{' {
		return nil, ErrNotObject
	}
	object := Object{}
	folded := map[string]bool{}
	err := s.object(1, func(m member) error {
		fold := foldName(m.name)
		if folded[fold] {
			return ErrCaseVariant
		}
		folded[fold] = true
		object[m.name] = m.value
		return nil
	})
	if err != nil {
		return nil, err
	}
	return object, nil
}

// Text gives the string member of that name; false if there is none or it is
// not a string. Lone surrogates come out as U+FFFD, as they do in JavaScript's
// UTF-8.
func (o Object) Text(name string) (string, bool) {
	raw, ok := o[name]
	if !ok || len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return "", false
	}
	return text, true
}

// foldName maps names that are equal under simple case folding, which is what
// encoding/json matches by, to one text.
func foldName(name string) string {
	if isASCII(name) {
		return strings.ToUpper(name) // the least of an ASCII letter's forms
	}
	return strings.Map(func(r rune) rune {
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		return least
	}, name)
}
