// Package strictjson reads JSON from people who may not wish well.
//
// encoding/json matches names without regard to case, lets the last of two members of one name win,
// and turns what is not UTF-8 into U+FFFD, so that two programs can read one text differently. Here a
// name is exact, and a text of which that could be true is refused. What is read keeps its order, the
// members nobody knows, and the spelling of every value.
//
//	Parse, ParseCompact, Check     text of anybody ──► checked whole, at every depth
//	Object, Entries, Elements      a value of what was checked ──► its members or elements
//
// Callers bound the length of a text. All else costs no more than its length.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"
)

// MaxDepth is how deep JSON may be nested.
const MaxDepth = 32

var (
	// ErrNotObject is returned for bytes that are not one JSON object in UTF-8 with nothing but white
	// space around it.
	ErrNotObject = errors.New("not a JSON object")
	// ErrNotJSON is returned for bytes that are not one JSON value in UTF-8.
	ErrNotJSON = errors.New("not JSON")
	// ErrDuplicateName is returned when an object, at any depth, has two members of one name.
	ErrDuplicateName = errors.New("JSON object has two members of one name")
	// ErrCaseVariant is returned when two names differ only in case: readers that fold case would
	// take either.
	ErrCaseVariant = errors.New("JSON object has names that differ only in case")
	// ErrTooDeep is returned for JSON nested more than MaxDepth deep.
	ErrTooDeep = errors.New("JSON is nested too deep")
	// ErrName is returned by ParseCompact for a name that is not text.
	ErrName = errors.New("JSON object has a name that is not text")
)

// Parse reads one object. It refuses duplicate names at any depth, and among the names of the object
// itself those that differ only in case. The values alias raw.
func Parse(raw []byte) (Object, error) {
	if !utf8.Valid(raw) {
		return nil, ErrNotObject
	}
	return parse(reader{data: raw})
}

// ParseCompact is Parse for an object that is to be changed and written again. The values are copies
// without white space, so that Object.JSON gives raw back but for white space. ErrName refuses a
// name, at any depth, that holds U+FFFD or half of a surrogate pair: no caller could ask for it.
func ParseCompact(raw []byte) (Object, error) {
	var compact bytes.Buffer
	if !utf8.Valid(raw) || json.Compact(&compact, raw) != nil {
		return nil, ErrNotObject
	}
	return parse(reader{data: compact.Bytes(), text: true})
}

func parse(r reader) (Object, error) {
	if r.space(); r.next() != '{' {
		return nil, ErrNotObject
	}
	o := make(Object, 0, 8)
	err := r.object(1, &o)
	if err == nil {
		err = r.end()
	}
	if err = r.refusal(err, ErrNotObject); err != nil {
		return nil, err
	}
	return o, nil
}

// Check reads one value of any kind, whose outermost brackets are depth deep, and refuses what Parse
// refuses but for names that differ in case.
func Check(raw []byte, depth int) error {
	if !utf8.Valid(raw) {
		return ErrNotJSON
	}
	r := reader{data: raw}
	err := r.value(depth)
	if err == nil {
		err = r.end()
	}
	return r.refusal(err, ErrNotJSON)
}

// refusal returns err of a text that is JSON, and notJSON of another: that comes before all else, and the reader may
// have met something else before it.
func (r *reader) refusal(err, notJSON error) error {
	if err != nil && (errors.Is(err, errGrammar) || !json.Valid(r.data)) {
		return notJSON
	}
	return err
}
