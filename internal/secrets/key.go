package secrets

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"walletd/internal/auth"
	"walletd/internal/consent"
	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/ledger"
	"walletd/internal/policy"
	"walletd/internal/secretstorage"
	"walletd/internal/show"
	"walletd/internal/store"
)

// DefaultSalt is the salt of an app's secret storage key where the app names none: the key is the
// app's encryptionKey for this text, for good.
const DefaultSalt = "m.secret_storage"

// Limits of secret storage (design section 10).
const (
	MaxKeys    = 100 // salts that an app may have made a key for
	maxOffered = 16  // descriptions in one question
	maxNoted   = 32  // ids, or tokens, remembered of a key; the oldest is forgotten
	maxKeyName = 255
)

// ErrNoKey: none of the app's keys fits any of the descriptions offered.
var ErrNoKey = errors.New("no key of this app fits what was offered")

// Types are the claim types of secret storage. Each has routes of its own.
func Types() []consent.Type {
	return []consent.Type{secretStorageKey(), secretRead(), secretWrite()}
}

// secretStorageKey is the claim for a secret storage key. The key is the app's encryptionKey for
// a salt, as it is: so what holds of a salt there holds here.
func secretStorageKey() consent.Type {
	return consent.Type{
		Name:        "secretStorageKey",
		Description: "Please give the key of the secret storage.",
		OwnRoute:    true,
		Reuse:       true,
		Parse: func(asked did.Object) (consent.Parsed, error) {
			r, err := parseStored[keyRequest](asked)
			return r.parsed(), err
		},
	}
}

// parseStored reads a request as an approval keeps it.
func parseStored[R any](asked did.Object) (r R, err error) {
	raw, err := json.Marshal(asked)
	if err == nil {
		err = json.Unmarshal(raw, &r)
	}
	if err != nil {
		return r, fmt.Errorf("reading the question: %w", err)
	}
	return r, nil
}

// keyRequest asks for the key for a salt. Make asks for the key of a new storage; otherwise KeyID and
// KeyInfo are what the key was found to fit.
type keyRequest struct {
	Type    string          `json:"type"`
	Salt    string          `json:"salt"`
	Name    string          `json:"name"` // of the key that is made, or of the secret that is wanted
	Make    bool            `json:"make,omitempty"`
	KeyID   string          `json:"keyId,omitempty"`
	KeyInfo json.RawMessage `json:"keyInfo,omitempty"`
}

func (r keyRequest) parsed() consent.Parsed {
	return consent.Parsed{Stored: r, Salt: &r.Salt, Read: r.read}
}

func (r keyRequest) read(ctx context.Context, req *consent.Request, c *consent.Claim) error {
	c.Identity = map[string]string{"type": r.Type, "salt": hex.EncodeToString(c.Salt())}
	if r.Make {
		c.Description = "Please give the key for a new secret storage, " + show.Escape(r.Name) + "."
	} else if r.Name != "" {
		c.Description = "Please give the key of the secret storage, for the secret " + show.Escape(r.Name) + "."
	}
	if err := req.CheckSalt(ctx, c); err != nil {
		return err
	}
	k, err := rowsOf(req).secretKey(ctx, r.Salt)
	if err != nil {
		return err
	}
	c.Prepare = func(ctx context.Context, _ string) ([]store.Write, error) {
		if !r.Make {
			return prepareFound(req, c, k, r)
		}
		w, err := rowsOf(req).recordMaker(ctx, k, r.Name)
		return []store.Write{w}, err
	}
	c.Body = func(receipt store.Receipt, w *keystore.Wallet) (any, string, error) {
		key, err := storageKey(receipt, w, c.Account, c.Salt())
		if err != nil {
			return nil, "", err
		}
		defer key.Wipe()
		encoded := base64.StdEncoding.EncodeToString(key.Reveal())
		if !r.Make {
			return map[string]string{"keyId": r.KeyID, "key": encoded}, "", nil
		}
		recovery := key.RecoveryKey()
		defer clear(recovery)
		return map[string]string{"key": encoded, "name": r.Name, "recoveryKey": string(recovery)}, "", nil
	}
	return nil
}

// prepareFound looks once more whether the key fits, for it may be a while since it was found. A
// key that is given is in use here, also if its row was not (a wallet restored from its words).
func prepareFound(req *consent.Request, c *consent.Claim, k appKey, r keyRequest) ([]store.Write, error) {
	description, err := secretstorage.ParseDescription(r.KeyInfo)
	if err != nil {
		return nil, err
	}
	fits, err := req.Caller.Wallet.Keys().FitsDescriptions(c.Account, c.Salt(), []secretstorage.Description{description})
	if err != nil {
		return nil, err
	}
	if fits := fits[0]; fits == secretstorage.NoMatch || fits == secretstorage.Unknown && !k.noted(r.KeyID) {
		return nil, noKey()
	}
	if k.row.Tag != nil {
		return nil, nil
	}
	w, err := rowsOf(req).putKey(k)
	return []store.Write{w}, err
}

func noKey() error {
	return fmt.Errorf("%w: %w", ErrNoKey, did.Refuse("no_match", "no key of this app fits what was offered"))
}

// storageKey is the encryptionKey of an account for a salt, as a key of secret storage. The
// caller wipes it.
func storageKey(r store.Receipt, w *keystore.Wallet, account store.Account, salt []byte) (secretstorage.Key, error) {
	key, err := w.EncryptionKey(r, account, salt)
	if err != nil {
		return secretstorage.Key{}, fmt.Errorf("deriving the key: %w", err)
	}
	defer key.Wipe()
	return secretstorage.NewKey(key.Reveal())
}

// appKey is a key that an app may have: one it made, or the default one. The zero row says that
// it is not in use here yet.
type appKey struct {
	row     store.SecretKey
	content KeyContent
	salt    []byte
}

// KeyContent is the sealed part of a key's row. The key itself is derived each time.
type KeyContent struct {
	Salt string `json:"salt"` // its text
	Name string `json:"name,omitempty"`
	// Makers are the tokens that had the key made, each with a number that grows.
	Makers map[string]int64 `json:"makers,omitempty"`
	// IDs are those that clients gave the key, the newest last.
	IDs []string `json:"ids,omitempty"`
}

func (k appKey) isDefault() bool { return bytes.Equal(k.salt, did.LooseBytes(DefaultSalt)) }

func (k appKey) noted(id string) bool { return slices.Contains(k.content.IDs, id) }

// rows are the secrets and the keys of the caller's app.
type rows struct {
	store  *store.Store
	caller *auth.Caller
}

func rowsOf(req *consent.Request) rows { return rows{req.Store, req.Caller} }

func (r rows) app() string { return r.caller.App.Address() }

// tag names a row by what must not stand in the clear. No row's canonical form begins with text.
func tag(c *auth.Caller, what, app string, name []byte) []byte {
	return c.Wallet.Keys().MAC(append([]byte("walletd "+what+" v1\x00"+app+"\x00"), name...))
}

// KeyTag names the row of an app's key for a salt.
func KeyTag(c *auth.Caller, app string, salt []byte) []byte { return tag(c, "secret key", app, salt) }

// Tag names the row of an app's secret.
func Tag(c *auth.Caller, app, name string) []byte { return tag(c, "secret", app, []byte(name)) }

// secretKey returns an app's key for a salt; without a row if it is not in use here.
func (r rows) secretKey(ctx context.Context, salt string) (appKey, error) {
	k := appKey{content: KeyContent{Salt: salt}, salt: did.LooseBytes(salt)}
	row, err := r.store.SecretKey(ctx, r.caller.WalletID, KeyTag(r.caller, r.app(), k.salt))
	if errors.Is(err, store.ErrNotFound) {
		return k, nil
	}
	if err != nil {
		return k, fmt.Errorf("looking for the key: %w", err)
	}
	return openKey(ctx, r.caller, row)
}

func openKey(ctx context.Context, c *auth.Caller, row store.SecretKey) (appKey, error) {
	k := appKey{row: row}
	opened, err := ledger.Open[KeyContent](ctx, c.Wallet, row)
	if err != nil {
		return k, err
	}
	k.content = opened.Content()
	k.salt = did.LooseBytes(k.content.Salt)
	return k, nil
}

// secretKeys returns all keys of an app, the default one first, whether it is in use or not.
func (r rows) secretKeys(ctx context.Context) ([]appKey, error) {
	list, err := r.store.SecretKeys(ctx, r.caller.WalletID, r.app())
	if err != nil {
		return nil, fmt.Errorf("reading the app's keys: %w", err)
	}
	keys := []appKey{{content: KeyContent{Salt: DefaultSalt}, salt: did.LooseBytes(DefaultSalt)}}
	for _, row := range list {
		k, err := openKey(ctx, r.caller, row)
		switch {
		case errors.Is(err, ledger.ErrForged):
			continue
		case err != nil:
			return nil, err
		case k.isDefault():
			keys[0] = k
		default:
			keys = append(keys, k)
		}
	}
	return keys, nil
}

// putKey returns the write that puts a key's content down.
func (r rows) putKey(k appKey) (store.Write, error) {
	row := k.row
	if row.Tag == nil {
		row = store.SecretKey{
			Wallet: r.caller.WalletID, App: r.app(), Tag: KeyTag(r.caller, r.app(), k.salt), Created: r.store.Now().Unix(),
		}
	}
	var err error
	if row.Sealed, err = r.caller.Wallet.Seal(row, k.content); err != nil {
		return store.Write{}, err
	}
	if k.row.Tag == nil {
		return store.InsertSecretKey(row, MaxKeys), nil
	}
	return store.UpdateSecretKey(k.row, row), nil
}

// recordMaker returns the write that says that the caller's token had this key made just now.
func (r rows) recordMaker(ctx context.Context, k appKey, name string) (store.Write, error) {
	keys, err := r.secretKeys(ctx)
	if err != nil {
		return store.Write{}, err
	}
	last := int64(0)
	for _, other := range keys {
		for _, n := range other.content.Makers {
			last = max(last, n)
		}
	}
	makers := maps.Clone(k.content.Makers)
	if makers == nil {
		makers = map[string]int64{}
	}
	makers[r.caller.Token] = last + 1
	for len(makers) > maxNoted {
		oldest := slices.MinFunc(slices.Collect(maps.Keys(makers)), func(a, b string) int { return cmp.Compare(makers[a], makers[b]) })
		delete(makers, oldest)
	}
	k.content.Makers, k.content.Name = makers, name
	return r.putKey(k)
}

// MakeKey gives the key for a new secret storage: the app's encryptionKey for a salt, nil for
// DefaultSalt. name is what the storage is to be called. The answer is {"key","name","recoveryKey"},
// the key in base64. An owner says which app. Errors are those of Answer.
func (s *Secrets) MakeKey(ctx context.Context, c *auth.Caller, app did.DID, salt *string, name string) (consent.Outcome, error) {
	c, err := asApp(c, app)
	if err != nil {
		return consent.Outcome{}, err
	}
	r := keyRequest{Type: secretStorageKey().Name, Salt: DefaultSalt, Name: name, Make: true}
	if salt != nil {
		r.Salt = *salt
	}
	if len(r.Salt) > policy.MaxSalt {
		return consent.Outcome{}, auth.Invalid("the salt is longer than %d bytes", policy.MaxSalt)
	}
	if len(name) > maxKeyName || !utf8.ValidString(name) {
		return consent.Outcome{}, auth.Invalid("a key's name has at most %d bytes of text", maxKeyName)
	}
	return s.answer(ctx, c, secretStorageKey(), r.parsed())
}

// KeyInUse tells the person that an encryptionKey that is asked for is the key of a secret storage.
func KeyInUse(ctx context.Context, req *consent.Request, c *consent.Claim) (string, error) {
	if c.Account.Type != did.AccountType().String() {
		return "", nil
	}
	_, err := req.Store.SecretKey(ctx, req.Caller.WalletID, KeyTag(req.Caller, c.Account.App, c.Salt()))
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("looking for the key: %w", err)
	}
	return "With this salt it is the key of a secret storage: it opens all secrets in it.", nil
}
