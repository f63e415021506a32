package store

import (
	"context"
	"encoding/hex"
)

// Secret is a secret that the wallet keeps for an app. Its Tag, of the caller's
// making, stands for app and name without saying the name.
type Secret struct {
	Wallet   string
	App      string
	Tag      []byte // 32 bytes
	Revision string // another one with each write; NewID's
	Sealed   []byte
	Created  int64
	Updated  int64
}

func (s *Secret) columns() []column {
	return []column{
		plain("wallet", &s.Wallet),
		plain("app", &s.App),
		plain("tag", &s.Tag),
		plain("revision", &s.Revision),
		plain("sealed", &s.Sealed),
		plain("created", &s.Created),
		plain("updated", &s.Updated),
	}
}

func (Secret) Table() string { return "secrets" }
func (s Secret) Key() string { return s.App + " " + hex.EncodeToString(s.Tag) + " " + s.Revision }

// Content is the sealed field of the row, and its name in the associated data.
func (s Secret) Content() (field string, sealed []byte) { return "content", s.Sealed }

func (s Secret) position() position { return position{s.Created, string(s.Tag)} }

var (
	getSecret     = reads[Secret]("secret")
	listSecrets   = reads[Secret]("secrets")
	secretsOfApp  = reads[Secret]("secrets of app")
	insertSecret  = writes[Secret]("insert secret")
	updateSecret  = updates[Secret]("update secret")
	deleteSecret  = writes[Secret]("delete secret")
	roomForSecret = statement("room for secret")
)

// Secret reads the secret with that tag, or ErrNotFound.
func (s *Store) Secret(ctx context.Context, wallet string, tag []byte) (Secret, error) {
	return one(ctx, s, getSecret, wallet, tag)
}

// Secrets lists the wallet's secrets: those of an app, or with "" all.
func (s *Store) Secrets(ctx context.Context, wallet, app string, p Page) (rows []Secret, next string, err error) {
	return paged(p, Secret.position, func(after position, limit int) ([]Secret, error) {
		if app == "" {
			return many(ctx, s, listSecrets, wallet, after.at, []byte(after.id), limit)
		}
		return many(ctx, s, secretsOfApp, wallet, app, after.at, []byte(after.id), limit)
	})
}

// InsertSecret adds a secret. ErrTooMany if the app has most secrets already,
// ErrExists. The Change is on the wallet's chain.
func InsertSecret(s Secret, most int64) Write {
	return Write{chain: s.Wallet, steps: []step{
		roomForSecret.step(ErrTooMany, s.Wallet, s.App, most),
		insertSecret.row(s, ErrExists),
	}}
}

// PutRestoredSecret adds a secret, whatever room there is: each costs a count
// elsewhere. ErrExists.
func PutRestoredSecret(s Secret) Write {
	return Write{steps: []step{insertSecret.row(s, ErrExists)}}
}

// UpdateSecret replaces old's revision, content and time; ErrChanged if it no
// longer has old's revision.
func UpdateSecret(old, updated Secret) Write {
	return Write{steps: []step{updateSecret.change(old, updated, ErrChanged)}}
}

// DeleteSecret removes a secret; ErrChanged if it no longer has old's revision.
func DeleteSecret(old Secret) Write {
	return Write{steps: []step{deleteSecret.row(old, ErrChanged)}}
}
