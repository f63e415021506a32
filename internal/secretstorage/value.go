package secretstorage

import (
	"encoding/base64"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"walletd/internal/did"
)

// MaxPlaintext is how long a secret may be unless configured otherwise, in bytes. The protocol has
// no limit (reference section 3).
const MaxPlaintext = 64 << 10

// MaxName is how long a secret's name may be, in bytes. The SDK has no limit, and a homeserver takes as much as this
// (reference section 3).
const MaxName = 4000

// Names of the secrets whose values are keys: 32 bytes in base64 (reference section 8).
const (
	NameMaster      = "m.cross_signing.master"
	NameSelfSigning = "m.cross_signing.self_signing"
	NameUserSigning = "m.cross_signing.user_signing"
	NameBackup      = "m.megolm_backup.v1"
	NameDehydrated  = "org.matrix.msc3814"
)

// nameDehydratedStable would be the name of NameDehydrated once it is in the specification.
const nameDehydratedStable = "m.dehydrated_device"

// CheckName says whether a secret may have that name: 1 to 4000 bytes of UTF-8 without control
// characters, and not the name of other account data, which the secret would overwrite on a
// homeserver. Names are compared byte by byte, never folded or normalised. Refused with bad_name.
func CheckName(name string) error {
	switch {
	case name == "" || len(name) > MaxName:
		return did.Refuse("bad_name", "a secret's name has 1 to 4000 bytes")
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return did.Refuse("bad_name", "a secret's name is UTF-8 without control characters")
	case strings.HasPrefix(name, "m.secret_storage.") || slices.Contains([]string{
		"m.push_rules", "m.fully_read", "m.direct", "m.ignored_user_list",
		"m.key_backup", "m.org.matrix.custom.backup_disabled", // look like secrets, are settings
	}, name):
		return did.Refuse("bad_name", "this is the name of other account data")
	}
	return nil
}

// CheckValue says whether plaintext can be the secret of that name: UTF-8 (not_utf8), and for the
// names above 32 bytes in base64 (bad_secret). It is what finds a changed IV.
func CheckValue(name string, plaintext []byte) error {
	if !utf8.Valid(plaintext) {
		return did.Refuse("not_utf8", "the secret is not UTF-8")
	}
	switch name {
	case NameMaster, NameSelfSigning, NameUserSigning, NameBackup:
		key, err := ParseValue(plaintext)
		key.Wipe()
		return err
	case NameDehydrated, nameDehydratedStable:
		// Its reader is JavaScript's decoder, which takes other spellings too.
		key, err := parseKeyText(plaintext, true)
		key.Wipe()
		return err
	}
	return nil
}

// ParseValue reads the value of a secret that holds a key: standard base64 of 32 bytes, its padding
// optional, in the one spelling that the strictest of the clients takes. Refused with bad_secret.
func ParseValue(text []byte) (Key, error) { return parseKeyText(text, false) }

// parseKeyText reads 32 bytes of base64; lenient, it takes the URL-safe alphabet and bits after the
// last byte.
func parseKeyText(text []byte, lenient bool) (Key, error) {
	bad := did.Refuse("bad_secret", "the secret is not base64 of 32 bytes, which one of this name must be")
	if len(text) != 43 && (len(text) != 44 || text[43] != '=') {
		return Key{}, bad
	}
	var letters [43]byte
	var b [KeySize]byte
	defer clear(letters[:])
	defer clear(b[:])
	copy(letters[:], text)
	encoding := base64.RawStdEncoding.Strict()
	if lenient {
		encoding = base64.RawStdEncoding
		for i, c := range letters {
			switch c {
			case '-':
				letters[i] = '+'
			case '_':
				letters[i] = '/'
			}
		}
	}
	// The decoder skips newlines; then there are fewer than 32 bytes.
	if n, err := encoding.Decode(b[:], letters[:]); err != nil || n != KeySize {
		return Key{}, bad
	}
	return NewKey(b[:])
}
