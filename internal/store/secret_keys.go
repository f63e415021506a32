package store

import (
	"context"
	"encoding/hex"
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

func (k *SecretKey) columns() []column {
	return []column{
		plain("wallet", &k.Wallet),
		plain("app", &k.App),
		plain("tag", &k.Tag),
		plain("sealed", &k.Sealed),
		plain("created", &k.Created),
	}
}

func (SecretKey) Table() string { return "secret_keys" }
func (k SecretKey) Key() string { return k.App + " " + hex.EncodeToString(k.Tag) }

// Content is the sealed field of the row, and its name in the associated data.
func (k SecretKey) Content() (field string, sealed []byte) { return "content", k.Sealed }

var (
	getSecretKey     = reads[SecretKey]("secret key")
	secretKeysOfApp  = reads[SecretKey]("secret keys")
	walletSecretKeys = reads[SecretKey]("wallet's secret keys")
	insertSecretKey  = writes[SecretKey]("insert secret key")
	updateSecretKey  = updates[SecretKey]("update secret key")
	roomForSecretKey = statement("room for secret key")
)

// maxSecretKeys bounds what SecretKeys reads.
const maxSecretKeys = 200

// SecretKey reads the key with that tag, or ErrNotFound.
func (s *Store) SecretKey(ctx context.Context, wallet string, tag []byte) (SecretKey, error) {
	return one(ctx, s, getSecretKey, wallet, tag)
}

// SecretKeys reads the keys of an app, the newest 200.
func (s *Store) SecretKeys(ctx context.Context, wallet, app string) ([]SecretKey, error) {
	return many(ctx, s, secretKeysOfApp, wallet, app, maxSecretKeys)
}

// WalletSecretKeys reads the keys for secret storage of all apps of a wallet, up
// to 200 after a tag (nil: from the first), by their tags.
func (s *Store) WalletSecretKeys(ctx context.Context, wallet string, after []byte) ([]SecretKey, error) {
	return many(ctx, s, walletSecretKeys, wallet, after, maxSecretKeys)
}

// InsertSecretKey adds a key. ErrTooMany if the app has most keys already,
// ErrExists. The Change is on the wallet's chain.
func InsertSecretKey(k SecretKey, most int64) Write {
	return Write{chain: k.Wallet, steps: []step{
		roomForSecretKey.step(ErrTooMany, k.Wallet, k.App, most),
		insertSecretKey.row(k, ErrExists),
	}}
}

// UpdateSecretKey replaces what is sealed in old by updated's; ErrChanged if it
// is no longer as old was.
func UpdateSecretKey(old, updated SecretKey) Write {
	return Write{steps: []step{updateSecretKey.change(old, updated, ErrChanged)}}
}
