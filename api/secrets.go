package api

import (
	"encoding/json"
	"time"
)

// OfApp is the query by which an owner says whose secrets are meant. An app may leave it out.
type OfApp struct {
	App string `json:"app,omitempty" min:"1" max:"80"`
}

// MakeStorageKey asks for the key of a new secret storage.
type MakeStorageKey struct {
	Salt *string `json:"salt,omitempty" max:"1024"` // nil: m.secret_storage, or m.secret_storage:<user>
	Name *string `json:"name,omitempty" max:"255"`  // what the storage is to be called; nil: walletd
	User string  `json:"user,omitempty" max:"255"`  // the Matrix user whose storage it is, as in @alice:example.org
}

// MadeStorageKey is the key of a new secret storage.
type MadeStorageKey struct {
	Key         SecretText `json:"key"` // 32 bytes in padded standard base64
	Name        string     `json:"name"`
	RecoveryKey SecretText `json:"recoveryKey"` // the same key for people, 12 groups of 4 characters
}

// FindStorageKey asks which of some descriptions the app has the key of.
type FindStorageKey struct {
	// Keys is a JSON object of 1 to 16 KeyDescriptions by their ids.
	Keys json.RawMessage `json:"keys"`
	// Name is that of the secret that the key is wanted for, for people.
	Name string `json:"name,omitempty" max:"4000"`
	// DefaultKeyID is the key of m.secret_storage.default_key, which goes before others.
	DefaultKeyID string `json:"defaultKeyId,omitempty" max:"255"`
	// Salt is that of the client's key, if the client knows it.
	Salt *string `json:"salt,omitempty" max:"1024"`
	// User is the Matrix user whose storage it is: no key that was made for another one is answered.
	User string `json:"user,omitempty" max:"255"`
}

// FoundStorageKey is the key of one of the descriptions that were offered.
type FoundStorageKey struct {
	KeyID string     `json:"keyId"`
	Key   SecretText `json:"key"` // 32 bytes in padded standard base64
}

// NoteStorageKey says which id a client gave a key. With one of RecoveryKey and Passphrase it brings in a
// key that was made elsewhere.
type NoteStorageKey struct {
	KeyInfo     json.RawMessage `json:"keyInfo"` // a KeyDescription
	RecoveryKey SecretText      `json:"recoveryKey,omitzero" min:"1" max:"1024"`
	Passphrase  SecretText      `json:"passphrase,omitzero" min:"1" max:"16384"`
	User        string          `json:"user,omitempty" max:"255"` // the Matrix user whose key is brought in
}

// KeyDescription is the content of m.secret_storage.key.<id>. Others may have more members, which
// are kept and ignored.
type KeyDescription struct {
	Algorithm string `json:"algorithm"` // m.secret_storage.v1.aes-hmac-sha2
	Name      string `json:"name,omitempty"`
	IV        string `json:"iv,omitempty"`  // base64, of the check
	MAC       string `json:"mac,omitempty"` // base64, of the check
}

// SecretsQuery is the query of a list of secrets.
type SecretsQuery struct {
	App    string `json:"app,omitempty" min:"1" max:"80"`
	Limit  int    `json:"limit,omitempty" min:"1" max:"200"`
	Cursor string `json:"cursor,omitempty" max:"512"`
}

// SecretSummary is a secret without its value.
type SecretSummary struct {
	Name      string    `json:"name"`
	App       string    `json:"app"`
	ETag      string    `json:"etag"` // as in the header ETag, without its quotes
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
}

// SecretQuery is the query of one secret.
type SecretQuery struct {
	App string `json:"app,omitempty" min:"1" max:"80"`
	// Raw, if it is there, asks for the account data; it has no value.
	Raw *string `json:"raw,omitempty" max:"0"`
}

// Secret is a secret with its value.
type Secret struct {
	Name  string     `json:"name"`
	Value SecretText `json:"value"`
	ETag  string     `json:"etag"`
}

// SecretData is a secret as account data of Matrix: its copies by the id of the key they are
// sealed with.
type SecretData struct {
	Encrypted map[string]SealedCopy `json:"encrypted"`
}

// SealedCopy is m.secret_storage.v1.aes-hmac-sha2 of a secret; its members are base64.
type SealedCopy struct {
	IV         string `json:"iv"`
	Ciphertext string `json:"ciphertext"`
	MAC        string `json:"mac"`
}

// NewSecret is a secret to be stored: it has Value, or Raw.
type NewSecret struct {
	Value SecretText      `json:"value,omitzero"` // 1 byte to 64 KiB of text
	Raw   json.RawMessage `json:"raw,omitempty"`  // a SecretData
}

// WrittenSecret names a secret of which a write was collected.
type WrittenSecret struct {
	Name string `json:"name"`
	ETag string `json:"etag,omitempty"` // "" of one that was deleted
}

// StoredSecret names a secret that was stored.
type StoredSecret struct {
	Name string `json:"name"`
	ETag string `json:"etag"`
}
