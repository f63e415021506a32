package secretstorage

import (
	"encoding/json"

	"walletd/internal/did"
	"walletd/internal/strictjson"
)

// parse reads one JSON object that is to be written again as it was but for white space, and refuses
// as malformed what [strictjson.ParseCompact] does. Callers bound raw, which is not kept.
func parse(raw []byte) (strictjson.Object, error) { return read(strictjson.ParseCompact(raw)) }

// nested reads a member that must be an object.
func nested(value json.RawMessage) (strictjson.Object, error) { return read(strictjson.Nested(value)) }

// read makes a refusal of what is wrong with an object.
func read(o strictjson.Object, err error) (strictjson.Object, error) {
	if err != nil {
		return nil, did.Refuse("malformed", err.Error())
	}
	return o, nil
}

// quote writes a JSON string as JavaScript does.
func quote(text string) json.RawMessage { return strictjson.AppendText(nil, text) }
