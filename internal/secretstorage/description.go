package secretstorage

import (
	"crypto/hmac"
	"fmt"

	"walletd/internal/did"
	"walletd/internal/strictjson"
)

// maxDescription bounds the JSON of a description, in bytes.
const maxDescription = 16 << 10

// Description is what a homeserver knows of a secret storage key of [Algorithm]: perhaps a value to
// check it by and how to get it from a passphrase, never the key (reference section 2.2). Methods
// never change it. The zero Description fits no key.
type Description struct {
	object strictjson.Object
	iv     [IVSize]byte
	mac    []byte // nil: there is nothing to check a key by
}

// CheckResult says whether a key fits a description.
type CheckResult int

const (
	// NoMatch: it is not the key.
	NoMatch CheckResult = iota
	// Match: it is the key.
	Match
	// Unknown: the description has nothing to check a key by. Clients must take any key for the
	// right one, so nothing protects the user: such an id is answered only with the key that was
	// noted for it when it was made (reference section 5).
	Unknown
)

// String gives the words of reference section 5: no_match, match, unknown.
func (r CheckResult) String() string {
	switch r {
	case Match:
		return "match"
	case Unknown:
		return "unknown"
	}
	return "no_match"
}

// ParseDescription reads a description of at most 16 KiB (too_large). Another algorithm or none, as
// in the {} of one that was removed, is unknown_algorithm; a MAC without IV or members of the wrong
// type are malformed; an unreadable check is bad_base64 or bad_iv. What is wrong with a passphrase
// member does not spoil the description: [Description.Passphrase] tells.
func ParseDescription(raw []byte) (Description, error) {
	if len(raw) > maxDescription {
		return Description{}, did.Refuse("too_large", "the description is larger than 16 KiB")
	}
	o, err := parse(raw)
	if err != nil {
		return Description{}, err
	}
	if algorithm, _ := o.Text("algorithm"); algorithm != Algorithm {
		return Description{}, did.Refuse("unknown_algorithm", "the key is not of a known algorithm")
	}
	var texts [3]string
	for i, name := range []string{"name", "iv", "mac"} {
		var ok bool
		if texts[i], ok = o.Text(name); o.Has(name) && !ok {
			return Description{}, did.Refuse("malformed", "name, iv and mac must be text")
		}
	}
	d := Description{object: o}
	iv, mac := texts[1], texts[2]
	if mac == "" {
		return d, nil
	}
	if iv == "" {
		return Description{}, did.Refuse("malformed", "the description has a mac but no iv")
	}
	ivBytes, err := decodeBase64(iv)
	if err != nil {
		return Description{}, err
	}
	if d.mac, err = decodeBase64(mac); err != nil {
		return Description{}, err
	}
	// Old versions of nheko wrote twice as much, of which the first half was used.
	if len(ivBytes) != len(d.iv) && len(ivBytes) != 2*len(d.iv) {
		return Description{}, did.Refuse("bad_iv", "an IV has 16 bytes")
	}
	copy(d.iv[:], ivBytes[:len(d.iv)])
	return d, nil
}

// Check says whether key is the one described (reference section 5). A zero or wiped key is not.
func (d Description) Check(key Key) CheckResult {
	if d.object == nil || key.IsZero() {
		return NoMatch
	}
	if d.mac == nil {
		return Unknown
	}
	check, err := keyCheck(key, d.iv)
	if err != nil || !hmac.Equal(check.MAC[:], d.mac) {
		return NoMatch
	}
	return Match
}

// keyCheck seals 32 zero bytes for no name; a description holds its IV and MAC.
func keyCheck(key Key, iv [IVSize]byte) (Sealed, error) {
	check, err := seal(key, "", iv, make([]byte, KeySize))
	if err != nil {
		return Sealed{}, fmt.Errorf("making a key check: %w", err)
	}
	return check, nil
}

// Name gives the key's name for people, as somebody else wrote it, "" if it has none.
func (d Description) Name() string {
	name, _ := d.object.Text("name")
	return name
}

// KeyFromText finds the key in what a person typed: with a passphrase member the text is tried as a
// passphrase first, then as a recovery key, without one as a recovery key alone. The first that
// [Description.Check] does not deny is given, with what it said. If neither will do, the error is
// the first one's; a key that does not fit is no_match (reference section 6).
//
// It takes as long as the description's iterations say: seconds at most.
func (d Description) KeyFromText(text []byte) (Key, CheckResult, error) {
	key, result, first := d.fromPassphrase(text)
	if first == nil {
		return key, result, nil
	}
	key, err := DecodeRecoveryKey(text)
	if err == nil {
		if result := d.Check(key); result != NoMatch {
			return key, result, nil
		}
		key.Wipe()
		err = did.Refuse("no_match", "the key does not fit the description")
	}
	if d.object.Has("passphrase") {
		err = first
	}
	return Key{}, NoMatch, err
}

// fromPassphrase derives a key and checks it.
func (d Description) fromPassphrase(text []byte) (Key, CheckResult, error) {
	info, err := d.Passphrase()
	if err != nil {
		return Key{}, NoMatch, err
	}
	key, err := info.DeriveKey(text)
	if err != nil {
		return Key{}, NoMatch, err
	}
	result := d.Check(key)
	if result == NoMatch {
		key.Wipe()
		return Key{}, NoMatch, did.Refuse("no_match", "the passphrase is not that of the key")
	}
	return key, result, nil
}

// MarshalJSON writes the description as it was read, but for white space.
func (d Description) MarshalJSON() ([]byte, error) { return d.object.JSON(), nil }
