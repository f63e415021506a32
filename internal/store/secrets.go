package store

import (
	"context"
	"errors"
	"strings"
)

// SecretKey is a key for secret storage that an app of the wallet was given or
// may be. Its Tag, of the caller's making, names it without saying its salt.
type SecretKey struct {
	Wallet  string
	App     string
	Tag     []byte // 32 bytes
	Sealed  []byte
	Created int64
}

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

func (k *SecretKey) fields() []any {
	return []any{&k.Wallet, &k.App, &k.Tag, &k.Sealed, &k.Created}
}

func (s *Secret) fields() []any {
	return []any{&s.Wallet, &s.App, &s.Tag, &s.Revision, &s.Sealed, &s.Created, &s.Updated}
}

// maxSecretKeys bounds what SecretKeys reads.
const maxSecretKeys = 200

// SecretKey reads the key with that tag, or ErrNotFound.
func (s *Store) SecretKey(ctx context.Context, wallet string, tag []byte) (SecretKey, error) {
	return one[SecretKey](ctx, s, "secret key", wallet, tag)
}

// SecretKeys reads the keys of an app, the newest 200.
func (s *Store) SecretKeys(ctx context.Context, wallet, app string) ([]SecretKey, error) {
	return many[SecretKey](ctx, s, "secret keys", wallet, app, maxSecretKeys)
}

// Secret reads the secret with that tag, or ErrNotFound.
func (s *Store) Secret(ctx context.Context, wallet string, tag []byte) (Secret, error) {
	return one[Secret](ctx, s, "secret", wallet, tag)
}

// Secrets lists the wallet's secrets: those of an app, or with "" all.
func (s *Store) Secrets(ctx context.Context, wallet, app string, p Page) (rows []Secret, next string, err error) {
	return paged(p, func(r Secret) position { return position{r.Created, string(r.Tag)} },
		func(after position, limit int) ([]Secret, error) {
			if app == "" {
				return many[Secret](ctx, s, "secrets", wallet, after.at, []byte(after.id), limit)
			}
			return many[Secret](ctx, s, "secrets of app", wallet, app, after.at, []byte(after.id), limit)
		})
}

// InsertSecretKey adds a key. ErrTooMany if the app has most keys already,
// ErrExists. The Change is on the wallet's chain.
func InsertSecretKey(k SecretKey, most int64) Write {
	return Write{chain: k.Wallet, steps: []step{
		{"room for secret key", []any{k.Wallet, k.App, most}, ErrTooMany},
		{"insert secret key", values(k.fields()), ErrExists},
	}}
}

// UpdateSecretKey replaces what is sealed in old by updated's; ErrChanged if it
// is no longer as old was.
func UpdateSecretKey(old, updated SecretKey) Write {
	return Write{steps: []step{{"update secret key", []any{updated.Sealed, old.Wallet, old.Tag, old.Sealed}, ErrChanged}}}
}

// InsertSecret adds a secret. ErrTooMany if the app has most secrets already,
// ErrExists. The Change is on the wallet's chain.
func InsertSecret(s Secret, most int64) Write {
	return Write{chain: s.Wallet, steps: []step{
		{"room for secret", []any{s.Wallet, s.App, most}, ErrTooMany},
		{"insert secret", values(s.fields()), ErrExists},
	}}
}

// UpdateSecret replaces old's revision, content and time; ErrChanged if it no
// longer has old's revision.
func UpdateSecret(old, updated Secret) Write {
	return Write{steps: []step{{"update secret",
		[]any{updated.Revision, updated.Sealed, updated.Updated, old.Wallet, old.Tag, old.Revision}, ErrChanged}}}
}

// DeleteSecret removes a secret; ErrChanged if it no longer has old's revision.
func DeleteSecret(old Secret) Write {
	return Write{steps: []step{{"delete secret", []any{old.Wallet, old.Tag, old.Revision}, ErrChanged}}}
}

// OriginListed reports whether a token that lives at the time now (unix
// seconds) lists the origin of a page. No key is needed, so a MAC is not checked:
// this says which pages get an answer to a browser's question in advance, and
// nothing more.
func (s *Store) OriginListed(ctx context.Context, origin string, now int64) (bool, error) {
	if origin != strings.ToLower(origin) {
		return false, nil // SQLite's like knows no case
	}
	pattern := strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(origin)
	var one int64
	err := s.scalars(ctx, "origin listed", []any{"% " + pattern + " %", now}, &one)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
