package server

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode"

	"walletd/internal/secret"
	"walletd/internal/strictjson"
)

// memberError says which member of a request cannot be used, and what it must be. Its text is
// made of our own names only.
type memberError struct {
	path string // as in requestedClaims[0].salt
	must string // as in "must be a string"
}

func (e *memberError) Error() string { return e.path + " " + e.must }

// unknownError is a member that the request does not have. The name is the sender's own and is
// not repeated.
type unknownError struct{ in string }

func (e *unknownError) Error() string {
	if e.in == "" {
		return "the request has a member that is not known here"
	}
	return e.in + " has a member that is not known here"
}

// decode reads one JSON object into a struct, strictly: names match exactly, duplicates, case
// variants and unknown members are refused at every depth, each member has the type of its
// field, and null is no value. A field is required unless it is a pointer or says omitempty. The
// tags min and max bound a number, the length of a list, or the bytes of a text. A field of a
// type that reads its own text (encoding.TextUnmarshaler) takes a JSON string; one of type
// json.RawMessage takes any value, read by whoever asks for it.
//
// encoding/json would match names without regard to case and let the last duplicate win.
func decode(raw []byte, into any) error {
	object, err := strictjson.Parse(raw)
	if err != nil {
		return err
	}
	return decodeObject("", object, reflect.ValueOf(into).Elem())
}

func decodeObject(path string, object strictjson.Object, into reflect.Value) error {
	t := into.Type()
	known := 0
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" {
			continue // not of the wire
		}
		raw := object.Get(name)
		if raw == nil {
			if f.Type.Kind() == reflect.Pointer || options == "omitempty" {
				continue
			}
			return &memberError{join(path, name), "is missing"}
		}
		known++
		if err := decodeValue(join(path, name), raw, into.Field(i), f.Tag); err != nil {
			return err
		}
	}
	if known != len(object) {
		return &unknownError{path}
	}
	return nil
}

// decodeValue reads a value that was checked as part of the whole.
func decodeValue(path string, raw json.RawMessage, into reflect.Value, bounds reflect.StructTag) error {
	if into.Kind() == reflect.Pointer {
		into.Set(reflect.New(into.Type().Elem()))
		into = into.Elem()
	}
	if text, ok := into.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if raw[0] != '"' {
			return &memberError{path, "must be a string"}
		}
		if err := json.Unmarshal(raw, text); err != nil {
			if own, ok := errors.AsType[*memberError](err); ok {
				return &memberError{path, own.must}
			}
			return &memberError{path, "must be a valid string"}
		}
		if into.Kind() == reflect.Int {
			return checkBounds(path, into.Int(), "", bounds)
		}
		return nil
	}
	if into.Type() == reflect.TypeFor[json.RawMessage]() {
		into.SetBytes(raw)
		return nil
	}
	switch into.Kind() {
	case reflect.String:
		text, ok := strictjson.Text(raw)
		if !ok {
			return &memberError{path, "must be a string"}
		}
		into.SetString(text)
		return checkBounds(path, int64(into.Len()), "bytes", bounds)
	case reflect.Bool:
		switch string(raw) {
		case "true", "false":
			into.SetBool(raw[0] == 't')
			return nil
		}
		return &memberError{path, "must be true or false"}
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(string(raw), 10, 64)
		if err != nil {
			return &memberError{path, "must be a whole number"}
		}
		into.SetInt(n)
		return checkBounds(path, n, "", bounds)
	case reflect.Slice:
		return decodeList(path, raw, into, bounds)
	case reflect.Struct:
		object, err := strictjson.Nested(raw)
		if errors.Is(err, strictjson.ErrCaseVariant) {
			return err
		}
		if err != nil {
			return &memberError{path, "must be an object"}
		}
		return decodeObject(path, object, into)
	default:
		panic(fmt.Sprintf("server: no request has members of type %s", into.Type()))
	}
}

func decodeList(path string, raw json.RawMessage, into reflect.Value, bounds reflect.StructTag) error {
	items := strictjson.Elements(raw)
	if items == nil {
		return &memberError{path, "must be a list"}
	}
	if err := checkBounds(path, int64(len(items)), "items", bounds); err != nil {
		return err
	}
	list := reflect.MakeSlice(into.Type(), len(items), len(items))
	for i, item := range items {
		if err := decodeValue(fmt.Sprintf("%s[%d]", path, i), item, list.Index(i), ""); err != nil {
			return err
		}
	}
	into.Set(list)
	return nil
}

func checkBounds(path string, n int64, unit string, bounds reflect.StructTag) error {
	if unit != "" {
		unit = " " + unit
	}
	if least, ok := bounds.Lookup("min"); ok {
		if limit, _ := strconv.ParseInt(least, 10, 64); n < limit {
			return &memberError{path, "must be at least " + least + unit}
		}
	}
	if most, ok := bounds.Lookup("max"); ok {
		if limit, _ := strconv.ParseInt(most, 10, 64); n > limit {
			return &memberError{path, "must be at most " + most + unit}
		}
	}
	return nil
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// number is a whole number in a query, where all is text.
type number int

// UnmarshalText refuses what is not one.
func (n *number) UnmarshalText(text []byte) error {
	v, err := strconv.ParseUint(string(text), 10, 53)
	if err != nil {
		return &memberError{"", "must be a whole number"}
	}
	*n = number(v)
	return nil
}

// label is a name for people: 1 to 100 characters, none of which is a control or otherwise
// invisible.
type label string

// UnmarshalText refuses what is not a label.
func (l *label) UnmarshalText(text []byte) error {
	runes := 0
	for _, r := range string(text) {
		runes++
		if !unicode.IsPrint(r) || runes > 100 {
			runes = 0
			break
		}
	}
	if runes == 0 {
		return &memberError{"", "must be 1 to 100 characters that can be seen"}
	}
	*l = label(text)
	return nil
}

// secretText is a text that is wiped after use and does not print itself: 1 byte to 16 KiB, or none
// where the request says omitempty.
type secretText struct{ secret.Bytes }

// UnmarshalText copies the text.
func (s *secretText) UnmarshalText(text []byte) error {
	if len(text) == 0 || len(text) > 16<<10 {
		return &memberError{"", "must be 1 to 16384 bytes"}
	}
	s.Bytes = secret.New(bytes.Clone(text))
	return nil
}
