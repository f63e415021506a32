package did

import (
	"encoding/json"
	"errors"

	"walletd/internal/strictjson"
)

// ErrNumber is returned for a number that no float64 can hold.
var ErrNumber = errors.New("JSON number is out of range")

// Object is a JSON object with exact names and members as they were written.
// It exists because encoding/json matches members of structs without regard to
// case and lets the last duplicate win (DID Connect reference k).
type Object map[string]json.RawMessage

// ParseObject reads one JSON object as [strictjson.Parse] does. The members alias
// raw. Callers bound the size.
func ParseObject(raw []byte) (Object, error) {
	members, err := strictjson.Parse(raw)
	if err != nil {
		return nil, err
	}
	o := make(Object, len(members))
	for _, m := range members {
		o[m.Name] = m.Value
	}
	return o, nil
}

// Text gives the string member of that name; false if there is none or it is
// not a string. Lone surrogates come out as U+FFFD, as they do in JavaScript's
// UTF-8.
func (o Object) Text(name string) (string, bool) { return strictjson.Text(o[name]) }
