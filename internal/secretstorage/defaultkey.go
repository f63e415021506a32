package secretstorage

import (
	"strings"

	"walletd/internal/did"
	"walletd/internal/strictjson"
)

// Types of the events that hold keys in account data (reference section 2).
const (
	DefaultKeyEvent = "m.secret_storage.default_key"
	keyEventPrefix  = "m.secret_storage.key."
)

// KeyEvent gives the type of the event that describes the key of that id.
func KeyEvent(keyID string) string { return keyEventPrefix + keyID }

// KeyIDOf gives the id of the key that an event of that type describes, false for other types. An
// id may hold dots.
func KeyIDOf(eventType string) (string, bool) {
	id, ok := strings.CutPrefix(eventType, keyEventPrefix)
	return id, ok && CheckKeyID(id) == nil
}

// DefaultKey is the content of [DefaultKeyEvent]: it names a key, which nobody says exists. Methods
// never change it.
type DefaultKey struct{ object strictjson.Object }

// ParseDefaultKey reads it, at most 16 KiB (too_large). {} and no or an empty id are
// no_default_key.
func ParseDefaultKey(raw []byte) (DefaultKey, error) {
	if len(raw) > maxDescription {
		return DefaultKey{}, did.Refuse("too_large", "the default key's event is larger than 16 KiB")
	}
	o, err := parse(raw)
	if err != nil {
		return DefaultKey{}, err
	}
	id, ok := o.Text("key")
	if o.Has("key") && !ok {
		return DefaultKey{}, did.Refuse("malformed", "key must be text")
	}
	if id == "" {
		return DefaultKey{}, did.Refuse("no_default_key", "there is no default key")
	}
	if err := CheckKeyID(id); err != nil {
		return DefaultKey{}, err
	}
	return DefaultKey{o}, nil
}

// KeyID gives the id, "" for the zero DefaultKey.
func (d DefaultKey) KeyID() string {
	id, _ := d.object.Text("key")
	return id
}

// With gives one that names another key, refused as [CheckKeyID] does.
func (d DefaultKey) With(keyID string) (DefaultKey, error) {
	if err := CheckKeyID(keyID); err != nil {
		return DefaultKey{}, err
	}
	return DefaultKey{d.object.With("key", quote(keyID))}, nil
}

// MarshalJSON writes the content as it was read, but for white space.
func (d DefaultKey) MarshalJSON() ([]byte, error) { return d.object.JSON(), nil }
