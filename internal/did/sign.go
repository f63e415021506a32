package did

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"walletd/internal/strictjson"
)

// ErrPayload is returned by [SignToken] for a payload it would be wrong to
// sign: another signer or version, or a time that no verifier takes.
var ErrPayload = errors.New("the payload cannot be signed")

// lifetime is how long a token of ours is valid unless its payload says
// otherwise.
const lifetime = 300 * time.Second

// SignToken makes a token of version 1.1.0, byte for byte as the packages do
// (DID Connect reference c.2 to c.4). The payload's members overwrite the
// defaults: iat and nbf now, exp now + 300 s, iss the signer, version 1.1.0.
// Top-level members that are "" or null are dropped, which is how the wire says
// "absent". The payload must keep signer, version, an exp and readable times,
// or [ErrPayload] is returned; key must be the signer's, or a refusal.
func SignToken(key SecretKey, signer DID, payload map[string]any, now time.Time) (string, error) {
	if signer.Type().Key != key.Type() {
		return "", Refuse("jwt_alg_mismatch", "the key is of another type than the signer's")
	}
	if err := signer.checkDerivation(key.Public()); err != nil {
		return "", err
	}
	body, err := tokenBody(signer, payload, now)
	if err != nil {
		return "", err
	}
	header := `{"alg":"` + methodName(key.Type()) + `","type":"JWT"}`
	const signature = 100 // characters, of the longest
	token := make([]byte, 0, base64.RawURLEncoding.EncodedLen(len(header)+len(body))+2+signature)
	token = append(base64.RawURLEncoding.AppendEncode(token, []byte(header)), '.')
	token = base64.RawURLEncoding.AppendEncode(token, body)
	sig, err := SignUnsigned(key, string(token))
	if err != nil {
		return "", err
	}
	token = append(token, '.')
	return string(base64.RawURLEncoding.AppendEncode(token, sig)), nil
}

// SignUnsigned signs header64.body64 as version 1.1.0 asks, over its SHA3-256,
// and gives the bytes of the third segment. What the text says, and that its
// header fits the key, is for the caller to have checked.
func SignUnsigned(key SecretKey, unsigned string) ([]byte, error) {
	sig, err := signingMethod(methodName(key.Type())).Sign(unsigned, key)
	if err != nil {
		return nil, fmt.Errorf("signing a token: %w", err)
	}
	return sig, nil
}

// tokenBody merges defaults and payload into canonical JSON.
func tokenBody(signer DID, payload map[string]any, now time.Time) ([]byte, error) {
	text := func(s string) json.RawMessage { return strictjson.AppendText(make([]byte, 0, len(s)+2), s) }
	seconds := func(t time.Time) json.RawMessage { return text(strconv.FormatInt(t.Unix(), 10)) }
	issued := seconds(now)
	body := append(make(strictjson.Object, 0, 5+len(payload)),
		strictjson.Member{Name: "iss", Value: text(signer.String())},
		strictjson.Member{Name: "iat", Value: issued},
		strictjson.Member{Name: "nbf", Value: issued},
		strictjson.Member{Name: "exp", Value: seconds(now.Add(lifetime))},
		strictjson.Member{Name: "version", Value: text("1.1.0")})
	defaults := true // of what a verifier checks
	for name, value := range payload {
		raw, err := marshalStable(value, 2)
		if err != nil {
			return nil, fmt.Errorf("encoding the payload: %w", err)
		}
		if body.Has(name) {
			defaults = false
			body = body.Without(name)
		}
		if string(raw) != `""` && string(raw) != "null" {
			body = append(body, strictjson.Member{Name: name, Value: raw})
		}
	}
	for _, m := range body {
		if !utf8.ValidString(m.Name) {
			return nil, fmt.Errorf("%w: %w", ErrPayload, strictjson.ErrNotJSON)
		}
	}
	if err := body.Exact(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPayload, err)
	}
	if !defaults {
		if err := checkBody(Object{body}, signer); err != nil {
			return nil, err
		}
	}
	size := 2
	for _, m := range body {
		size += len(m.Name) + len(m.Value) + 4
	}
	return appendMembers(make([]byte, 0, size), body, func(out []byte, value json.RawMessage) ([]byte, error) { return append(out, value...), nil })
}

// checkBody checks a body as a verifier will: its signer, its version and its
// times. The values are canonical.
func checkBody(body Object, signer DID) error {
	name, _ := body.Text("iss")
	if named, err := Parse(name); err != nil || named != signer {
		return fmt.Errorf("%w: it names another signer", ErrPayload)
	}
	if version, _ := body.Text("version"); version != "1.1.0" {
		return fmt.Errorf("%w: its version is not 1.1.0", ErrPayload)
	}
	if err := (&Token{Body: body}).readTimes(); err != nil {
		return fmt.Errorf("%w: %w", ErrPayload, err)
	}
	return nil
}
