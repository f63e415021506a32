package secretstorage

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"

	"walletd/internal/did"
	"walletd/internal/strictjson"
)

// maxCopies bounds, with the limit of a plaintext, the JSON of a secret.
const maxCopies = 16

// maxKeyID is the longest id of a key that is taken, in bytes.
const maxKeyID = 255

// Secret is the content of a secret's account-data event: the same secret under one or more keys,
// by their ids (reference section 2.3). Methods never change it. The zero Secret holds nothing and
// is where a new one starts: Secret{}.With(id, sealed).
type Secret struct {
	top    strictjson.Object
	copies strictjson.Object // the member encrypted of top
	limit  int
}

// ParseSecret reads account data. limit bounds the plaintext of each copy, in bytes; what is larger
// than 16 copies of that size can be is too_large before it is read. Content that is {} was removed
// (not_found); without the map of copies it is not_encrypted. Copies are not looked at here: one
// that cannot be used must not spoil the others.
func ParseSecret(raw []byte, limit int) (Secret, error) {
	if len(raw) > maxCopies*(base64.StdEncoding.EncodedLen(limit)+1024) {
		return Secret{}, did.Refuse("too_large", "the secret is too large")
	}
	top, err := parse(raw)
	if err != nil {
		return Secret{}, err
	}
	if len(top) == 0 {
		return Secret{}, did.Refuse("not_found", "the secret was removed")
	}
	copies, err := strictjson.Entries(top.Get("encrypted"))
	if err != nil {
		return Secret{}, did.Refuse("not_encrypted", "the content is not encrypted")
	}
	return Secret{top: top, copies: copies, limit: limit}, nil
}

// KeyIDs gives the ids of the keys under which there is a copy that clients would try, in the order
// they were written: iv, ciphertext and mac are there and not empty. Others stay as they are.
func (s Secret) KeyIDs() []string {
	var ids []string
	for _, c := range s.copies {
		entry, err := nested(c.Value)
		if err != nil {
			continue
		}
		iv, _ := entry.Text("iv")
		ciphertext, _ := entry.Text("ciphertext")
		mac, _ := entry.Text("mac")
		if iv != "" && ciphertext != "" && mac != "" {
			ids = append(ids, c.Name)
		}
	}
	return ids
}

// Copy gives the copy under the key of that id. It fails with no_usable_copy if there is none, and
// with malformed, bad_base64, bad_iv, bad_mac or too_large if it is of another form.
func (s Secret) Copy(keyID string) (Sealed, error) {
	value := s.copies.Get(keyID)
	if value == nil {
		return Sealed{}, did.Refuse("no_usable_copy", "the secret has no copy under this key")
	}
	entry, err := nested(value)
	if err != nil {
		return Sealed{}, err
	}
	return sealedOf(entry, s.limit)
}

// Open opens the copy under the key of that id: Copy, then the function [Open], then [CheckValue],
// which is all there is to find a changed IV. name is the secret's. The caller wipes the plaintext.
func (s Secret) Open(name, keyID string, key Key) ([]byte, error) {
	sealed, err := s.Copy(keyID)
	if err != nil {
		return nil, err
	}
	plaintext, err := Open(key, name, sealed)
	if err != nil {
		return nil, err
	}
	if err := CheckValue(name, plaintext); err != nil {
		clear(plaintext)
		return nil, err
	}
	return plaintext, nil
}

// With gives the Secret with that copy under the key of that id. Copies under other keys stay: they
// hold what was sealed before, so whoever stores a new value starts from Secret{}, or seals it
// under each key. Ids of 1 to 255 bytes of text are taken, others refused as malformed.
func (s Secret) With(keyID string, sealed Sealed) (Secret, error) {
	if err := CheckKeyID(keyID); err != nil {
		return Secret{}, err
	}
	entry, err := sealed.MarshalJSON()
	if err != nil {
		return Secret{}, err
	}
	return s.withCopies(s.copies.With(keyID, entry), max(s.limit, len(sealed.Ciphertext))), nil
}

func (s Secret) withCopies(copies strictjson.Object, limit int) Secret {
	return Secret{top: s.top.With("encrypted", copies.JSON()), copies: copies, limit: limit}
}

// MarshalJSON writes the content of the event. Members and copies that are not known here are as
// they were read.
func (s Secret) MarshalJSON() ([]byte, error) { return s.top.JSON(), nil }

// CheckKeyID refuses, as malformed, what no key is called here: an id is opaque text of 1 to 255
// bytes, without U+FFFD, which stands for what was not text (see parse).
func CheckKeyID(id string) error {
	if id == "" || len(id) > maxKeyID || !utf8.ValidString(id) || strings.Contains(id, "\ufffd") {
		return did.Refuse("malformed", "a key's id is text of 1 to 255 bytes")
	}
	return nil
}
