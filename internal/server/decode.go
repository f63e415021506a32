package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"walletd/api"
	"walletd/internal/did"
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
// field, and null is no value. A field is required unless it is a pointer or says omitempty or
// omitzero; the tags min, max and form are those of package api. A field of type json.RawMessage
// takes any value, read by whoever asks for it.
//
// encoding/json would match names without regard to case and let the last duplicate win.
func decode(raw []byte, into any) error {
	object, err := strictjson.Parse(raw)
	if err != nil {
		return err
	}
	return decodeObject("", object, reflect.ValueOf(into).Elem())
}

// decodeQuery reads the query of a request as decode reads a body; nil takes none.
func decodeQuery(r *http.Request, into any) error {
	if into == nil {
		if r.URL.RawQuery != "" {
			return &memberError{"the query", "must be empty"}
		}
		return nil
	}
	if r.URL.RawQuery == "" && reflect.TypeOf(into).Elem().NumField() == 0 {
		return nil
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return &memberError{"the query", "must be percent-encoded"}
	}
	object := map[string]json.RawMessage{}
	numbers := numbersOf(reflect.TypeOf(into).Elem())
	for name, values := range query {
		if len(values) != 1 {
			return &memberError{"the query", "must hold each name once"}
		}
		if numbers[name] {
			if _, err := strconv.ParseUint(values[0], 10, 53); err != nil {
				return &memberError{name, "must be a whole number"}
			}
			object[name] = json.RawMessage(values[0])
			continue
		}
		if !utf8.ValidString(values[0]) {
			return &memberError{name, "must be UTF-8"}
		}
		if object[name], err = json.Marshal(values[0]); err != nil {
			return fmt.Errorf("reading the query: %w", err)
		}
	}
	whole, err := json.Marshal(object)
	if err != nil {
		return fmt.Errorf("reading the query: %w", err)
	}
	return decode(whole, into)
}

// numbersOf names the members of a query that are numbers.
func numbersOf(query reflect.Type) map[string]bool {
	numbers := map[string]bool{}
	for f := range query.Fields() {
		if f.Type.Kind() == reflect.Int || f.Type.Kind() == reflect.Int64 {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			numbers[name] = true
		}
	}
	return numbers
}

func decodeObject(path string, object strictjson.Object, into reflect.Value) error {
	known := 0
	for f, field := range into.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		raw := object.Get(name)
		if raw == nil {
			if f.Type.Kind() == reflect.Pointer || options != "" {
				continue
			}
			return &memberError{join(path, name), "is missing"}
		}
		known++
		if err := decodeValue(join(path, name), raw, field, f.Tag); err != nil {
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
	switch into := into.Addr().Interface().(type) {
	case *json.RawMessage:
		*into = raw
		return nil
	case *api.SecretText:
		err := into.UnmarshalJSON(raw)
		if errors.Is(err, api.ErrNotText) {
			return err
		}
		if err != nil {
			return &memberError{path, "must be a string"}
		}
		return checkBounds(path, int64(len(into.Reveal())), "bytes", bounds)
	case *time.Time:
		text, ok := strictjson.Text(raw)
		t, err := time.Parse(time.RFC3339, text)
		if !ok || err != nil {
			return &memberError{path, "must be a time, as in 2026-01-31T12:00:00Z"}
		}
		*into = t
		return nil
	}
	switch into.Kind() {
	case reflect.String:
		text, whole := strictjson.WholeText(raw)
		if !whole {
			if _, ok := strictjson.Text(raw); !ok {
				return &memberError{path, "must be a string"}
			}
			return &memberError{path, "must not hold half of a surrogate pair"}
		}
		into.SetString(text)
		if bounds.Get("form") == "name" && !isName(into.String()) {
			return &memberError{path, "must be 1 to 100 characters that can be seen"}
		}
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

// isName reports whether a text is a name for people: 1 to 100 characters, none of which is a
// control or otherwise invisible.
func isName(text string) bool {
	runes := 0
	for _, r := range text {
		if runes++; !unicode.IsPrint(r) || runes > 100 {
			return false
		}
	}
	return runes > 0
}

// didOf reads a member that is a DID, in any form that is read; "" is none.
func didOf(member, text string) (did.DID, error) {
	if text == "" {
		return did.DID{}, nil
	}
	d, err := did.Parse(text)
	if err != nil {
		return did.DID{}, &memberError{member, "must be a DID, as in did:abt:zNK…"}
	}
	return d, nil
}

// holdsSecret reports whether values of a type hold a secret.
func holdsSecret(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice:
		return holdsSecret(t.Elem())
	case reflect.Struct:
		if t == reflect.TypeFor[api.SecretText]() {
			return true
		}
		for f := range t.Fields() {
			if f.IsExported() && holdsSecret(f.Type) {
				return true
			}
		}
	}
	return false
}

// wipe empties the secrets of a request or an answer, and the JSON that may hold some.
func wipe(v any) {
	if v != nil {
		wipeValue(reflect.ValueOf(v))
	}
}

func wipeValue(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			wipeValue(v.Elem())
		}
	case reflect.Struct:
		if secret, ok := v.Interface().(api.SecretText); ok {
			secret.Wipe()
			return
		}
		for _, field := range v.Fields() {
			if field.CanInterface() {
				wipeValue(field)
			}
		}
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[json.RawMessage]() {
			clear(v.Bytes())
			return
		}
		for i := range v.Len() {
			wipeValue(v.Index(i))
		}
	}
}
