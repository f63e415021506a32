package did

import (
	"bytes"
	"errors"
	"fmt"

	"walletd/internal/strictjson"
)

// ErrNumber is returned for a number that no float64 can hold.
var ErrNumber = errors.New("JSON number is out of range")

// Object is a JSON object with exact names and members as they were written.
// It exists because encoding/json matches members of structs without regard to
// case and lets the last duplicate win (DID Connect reference k). The zero value
// has no members.
type Object struct{ strictjson.Object }

// ParseObject reads one JSON object as [strictjson.Parse] does. The members alias
// raw. Callers bound the size.
func ParseObject(raw []byte) (Object, error) {
	members, err := strictjson.Parse(raw)
	return Object{members}, err
}

// OptionalText gives the string member of that name; absent, null and "" are the
// same (DID Connect reference c.2). It refuses with request_malformed what is no
// string, is longer than limit bytes, or holds half of a surrogate pair, which
// has no UTF-8: replaced, two texts would become one name or one key. The
// official toBuffer refuses it too (b.1).
func (o Object) OptionalText(name string, limit int) (string, error) {
	text, err := o.DisplayText(name, limit)
	if err != nil || text == "" {
		return "", err
	}
	if _, whole := o.WholeText(name); !whole {
		return "", Malformed(name+" holds half of a surrogate pair, which is no text", nil)
	}
	return text, nil
}

// DisplayText is OptionalText for a text that is only shown: half of a surrogate
// pair, as a cut emoji leaves it, becomes U+FFFD.
func (o Object) DisplayText(name string, limit int) (string, error) {
	raw := o.Get(name)
	if raw == nil || bytes.Equal(raw, []byte("null")) {
		return "", nil
	}
	text, ok := o.Text(name)
	if !ok {
		return "", Malformed(name+" must be a text", nil)
	}
	if len(text) > limit {
		return "", Malformed(fmt.Sprintf("%s is longer than %d bytes", name, limit), nil)
	}
	return text, nil
}
