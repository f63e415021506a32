package pages

import (
	"bytes"
	"io"
	"mime"
	"net/http"
	"slices"

	"walletd/internal/auth"
)

// maxFields bounds the fields of a form.
const maxFields = 512

// form holds the fields of a form that was sent. The values are parts of the body, which wipe clears: none becomes a
// string unless text makes one.
type form struct {
	body   []byte
	fields []field
}

type field struct {
	name  string
	value []byte
}

// readForm reads a form as browsers send it (application/x-www-form-urlencoded). The body is bounded before.
func readForm(r *http.Request) (form, error) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/x-www-form-urlencoded" {
		return form{}, auth.Invalid("a form is sent as application/x-www-form-urlencoded")
	}
	whole := bytes.NewBuffer(make([]byte, 0, max(min(r.ContentLength, 64<<10), 0)+bytes.MinRead)) // not grown, so that no copy stays behind
	_, err := whole.ReadFrom(r.Body)
	f := form{body: whole.Bytes()}
	if err != nil {
		f.wipe()
		if err == io.ErrUnexpectedEOF {
			return form{}, auth.Invalid("the form was cut off")
		}
		return form{}, auth.Invalid("the form is too long, or was cut off")
	}
	for rest := f.body; len(rest) > 0; {
		var part []byte
		part, rest, _ = bytes.Cut(rest, []byte{'&'})
		name, value, _ := bytes.Cut(part, []byte{'='})
		name, okName := unescape(name)
		value, okValue := unescape(value)
		if !okName || !okValue || len(f.fields) == maxFields {
			f.wipe()
			return form{}, auth.Invalid("the form cannot be read")
		}
		if len(name) > 0 {
			f.fields = append(f.fields, field{string(name), value})
		}
	}
	return f, nil
}

// unescape decodes a name or a value in its place.
func unescape(b []byte) ([]byte, bool) {
	out := b[:0]
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '+':
			out = append(out, ' ')
		case '%':
			if i+2 >= len(b) {
				return nil, false
			}
			high, low := digit(b[i+1]), digit(b[i+2])
			if high < 0 || low < 0 {
				return nil, false
			}
			out = append(out, byte(high<<4|low))
			i += 2
		default:
			out = append(out, b[i])
		}
	}
	return out, true
}

func digit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// bytes returns the first value of a field, which wipe clears; nil if there is none.
func (f form) bytes(name string) []byte {
	i := slices.IndexFunc(f.fields, func(f field) bool { return f.name == name })
	if i < 0 {
		return nil
	}
	return f.fields[i].value
}

// text returns the first value of a field as a string, "" if there is none.
func (f form) text(name string) string { return string(f.bytes(name)) }

// all returns every value of a field.
func (f form) all(name string) []string {
	var all []string
	for _, one := range f.fields {
		if one.name == name {
			all = append(all, string(one.value))
		}
	}
	return all
}

// wipe clears all that was sent.
func (f form) wipe() { clear(f.body) }
