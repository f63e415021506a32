package strictjson

import (
	"encoding/json"
	"slices"
)

// Object is a JSON object with its members in the order they were written. Methods never change it.
type Object []Member

// Member is one member of an object.
type Member struct {
	Name    string          // decoded by Unquote
	Value   json.RawMessage // as written, without white space around it
	spelled string          // the name as written, with its quotes, if it has escapes
}

// Get returns the value of a member, nil if there is none.
func (o Object) Get(name string) json.RawMessage {
	for i := range o {
		if o[i].Name == name {
			return o[i].Value
		}
	}
	return nil
}

// Has reports whether there is such a member.
func (o Object) Has(name string) bool { return o.Get(name) != nil }

// Text returns a member that is a string, false if there is none or it is something else. Half of a
// surrogate pair becomes U+FFFD, as it does in the UTF-8 that JavaScript writes.
func (o Object) Text(name string) (string, bool) { return Text(o.Get(name)) }

// WholeText is Text, and false for half of a surrogate pair.
func (o Object) WholeText(name string) (string, bool) { return WholeText(o.Get(name)) }

// Object returns a member that is an object. It refuses another value or none with ErrNotObject and
// names that differ only in case with ErrCaseVariant.
func (o Object) Object(name string) (Object, error) { return Nested(o.Get(name)) }

// Exact refuses names that differ only in case with ErrCaseVariant.
func (o Object) Exact() error {
	var folded map[string]bool
	for i := range o {
		if o[:i].hasVariant(o[i].Name, &folded) {
			return ErrCaseVariant
		}
	}
	return nil
}

// With returns a copy that has the member, in its old place if there was one. The value is JSON
// without white space.
func (o Object) With(name string, value []byte) Object {
	o = slices.Clone(o)
	if i := slices.IndexFunc(o, func(m Member) bool { return m.Name == name }); i >= 0 {
		o[i].Value = value
		return o
	}
	return append(o, Member{Name: name, Value: value})
}

// Without returns a copy that lacks the member.
func (o Object) Without(name string) Object {
	return slices.DeleteFunc(slices.Clone(o), func(m Member) bool { return m.Name == name })
}

// JSON writes the object, each name as it was spelled.
func (o Object) JSON() []byte {
	size := 2
	for i := range o {
		size += len(o[i].Name) + len(o[i].spelled) + len(o[i].Value) + 4
	}
	out := append(make([]byte, 0, size), '{')
	for i, m := range o {
		if i > 0 {
			out = append(out, ',')
		}
		if m.spelled == "" {
			out = AppendText(out, m.Name)
		} else {
			out = append(out, m.spelled...)
		}
		out = append(append(out, ':'), m.Value...)
	}
	return append(out, '}')
}

// MarshalJSON returns JSON. json.Marshal escapes <, > and & in it.
func (o Object) MarshalJSON() ([]byte, error) { return o.JSON(), nil }
