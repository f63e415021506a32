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
	"walletd/internal/secretstorage"
	"walletd/internal/show"
	"walletd/internal/store"
)

// DefaultSalt is the salt of an app's secret storage key if the app names none. It can never change: the key is the
// app's encryptionKey for this text.
const DefaultSalt = "m.secret_storage"

// Limits of secret storage (design section 10).
const (
	MaxKeys    = 100 // salts for which an app may have a key
	maxOffered = 16  // descriptions in one request
	maxNoted   = 32  // ids, and tokens, stored for a key; the oldest is dropped
	maxKeyName = 255
)

// ErrNoKey: none of the app's keys matches any of the descriptions in the request.
var ErrNoKey = errors.New("no key of this app matches a description in the request")

// Types returns the claim types of secret storage. Each has routes of its own.
func Types() []consent.Type {
	return []consent.Type{secretStorageKey(), secretRead(), secretWrite()}
}

// secretStorageKey is the claim for a secret storage key. The key is the app's encryptionKey for a salt, so the
// rules for the salts of encryptionKey apply.
func secretStorageKey() consent.Type {
	return consent.Type{
		Name:        "secretStorageKey",
		Description: keyRequest{}.describe(),
		OwnRoute:    true,
		Reuse:       true,
		Parse: func(asked did.Object) (consent.Parsed, error) {
			r, err := parseStored[keyRequest](asked)
			return r.parsed(), err
		},
	}
}

// parseStored parses a claim that an approval stores.
func parseStored[R any](asked did.Object) (r R, err error) {
	if err := json.Unmarshal(asked.JSON(), &r); err != nil {
		return r, fmt.Errorf("reading the stored request: %w", err)
	}
	return r, nil
}

// keyRequest is a request for the key for a salt. With Make it is for the key of a new storage; otherwise KeyID and
// KeyInfo are the description that the key matches.
type keyRequest struct {
	Type    string          `json:"type"`
	Salt    string          `json:"salt"`
	Name    string          `json:"name"`           // of the new key, or of the secret that the key is for
	User    string          `json:"user,omitempty"` // the Matrix user, as the app says
	App     string          `json:"app,omitempty"`  // address of another app, whose key it is (findLost)
	Make    bool            `json:"make,omitempty"`
	KeyID   string          `json:"keyId,omitempty"`
	KeyInfo json.RawMessage `json:"keyInfo,omitempty"`
}

func (r keyRequest) parsed() consent.Parsed {
	return consent.Parsed{Stored: r, Salt: &r.Salt, Read: r.read}
}

func (r keyRequest) read(ctx context.Context, req *consent.Request, c *consent.Claim) error {
	identity := map[string]string{"type": r.Type, "salt": hex.EncodeToString(c.Salt())}
	if r.App != "" {
		identity["app"] = r.App
		if err := r.actFor(ctx, req, c); err != nil {
			return err
		}
	}
	c.Identity = identity
	c.Description = r.describe()
	if err := req.CheckSalt(ctx, c); err != nil {
		return err
	}
	k := appKey{salt: c.Salt()} // another app's has no row
	if r.App == "" {
		var err error
		if k, err = rowsOf(req).secretKey(ctx, r.Salt); err != nil {
			return err
		}
	}
	if r.Make && k.content.Imported != nil {
		return did.Refuse("salt_mismatch", "the salt is that of a key which was made elsewhere; nothing is derived for it")
	}
	if r.Make && k.isInUse() {
		// One approval serves the flow that begins here, whose other requests do not say so.
		c.NoteUntilApproved("A storage with this key is in use already. The key opens everything that is kept there.", "")
	}
	c.Prepare = func(ctx context.Context, _ string) ([]store.Write, error) {
		if !r.Make {
			return prepareFound(req, c, k, r)
		}
		w, err := rowsOf(req).recordMaker(ctx, k, r.Name)
		return []store.Write{w}, err
	}
	c.Body = func(receipt store.Receipt, w *keystore.Wallet) (any, string, error) {
		key, err := k.key(receipt, w, c.Account)
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
		name := origin{req.Caller.App, r.Salt}.publish(r.Name)
		return map[string]string{"key": encoded, "name": name, "recoveryKey": string(recovery)}, "", nil
	}
	return nil
}

// describe says what the owner gives away, whatever the app calls it, and then what the app says.
func (r keyRequest) describe() string {
	text := "Please disclose the key of a secret storage. It opens everything that is kept there: the account's identity, the keys of all its messages, every other secret."
	if r.Make {
		text = "Please disclose the key of a new secret storage. It opens everything that will be kept there: the account's identity, the keys of all its messages, every other secret."
	}
	if r.User != "" {
		text += " The app says that the storage is that of the Matrix user " + show.Exact(r.User) + "."
	}
	switch {
	case r.Name == "":
		return text
	case r.Make:
		return text + " The app calls it " + show.Exact(r.Name) + "."
	}
	return text + " The app says that it wants the secret " + show.Exact(r.Name) + "."
}

// prepareFound checks once more that the key matches, because the request may be minutes old. It returns the write
// that stores the key's row if there is none, as in a wallet that was restored from its words.
func prepareFound(req *consent.Request, c *consent.Claim, k appKey, r keyRequest) ([]store.Write, error) {
	description, err := secretstorage.ParseDescription(r.KeyInfo)
	if err != nil {
		return nil, err
	}
	fits, err := k.fits(req.Caller.Wallet.Keys(), c.Account, []secretstorage.Description{description})
	if err != nil {
		return nil, err
	}
	if fits := fits[0]; fits == secretstorage.NoMatch || fits == secretstorage.Unknown && !k.noted(r.KeyID) {
		return nil, noKey()
	}
	if k.row.Tag != nil || r.App != "" {
		return nil, nil
	}
	w, err := rowsOf(req).putKey(k)
	return []store.Write{w}, err
}

func noKey() error {
	return fmt.Errorf("%w: %w", ErrNoKey, did.Refuse("no_match", "no key of this app matches a description in the request"))
}

// storageKey returns the encryptionKey of an account for a salt as a key of secret storage. The caller wipes it.
func storageKey(r store.Receipt, w *keystore.Wallet, account store.Account, salt []byte) (secretstorage.Key, error) {
	key, err := w.EncryptionKey(r, account, salt)
	if err != nil {
		return secretstorage.Key{}, fmt.Errorf("deriving the key: %w", err)
	}
	defer key.Wipe()
	return secretstorage.NewKey(key.Reveal())
}

// appKey is a key that an app may have: one that it created, or the default key. The row is zero if the key is not
// stored as in use.
type appKey struct {
	row     store.SecretKey
	content KeyContent
	salt    []byte
}

// KeyContent is the sealed content of a key's row. The key itself is not stored, but derived each time, unless it was
// made elsewhere.
type KeyContent struct {
	Salt string `json:"salt"` // the salt's text
	Name string `json:"name,omitempty"`
	// Makers holds the ids of the tokens that requested the key, each with a number that grows.
	Makers map[string]int64 `json:"makers,omitempty"`
	// IDs are the ids that clients gave the key, the newest last.
	IDs []string `json:"ids,omitempty"`
	// Imported is the key, if it was made elsewhere: a secret in Matrix format, sealed with a key of the app's account.
	Imported json.RawMessage `json:"imported,omitempty"`
}

func (k appKey) isDefault() bool { return bytes.Equal(k.salt, did.LooseBytes(DefaultSalt)) }

// isInUse reports whether something is known to be stored with the key: a client has published a description of it, or
// it was found by one, or a secret is stored here with it.
func (k appKey) isInUse() bool {
	return k.row.Tag != nil && (len(k.content.IDs) > 0 || len(k.content.Makers) == 0)
}

func (k appKey) noted(id string) bool { return slices.Contains(k.content.IDs, id) }

// rows reads and writes the rows of the secrets and keys of the caller's app.
type rows struct {
	store  *store.Store
	caller *auth.Caller
}

func rowsOf(req *consent.Request) rows { return rows{req.Store, req.Caller} }

func (r rows) app() string { return r.caller.App.Address() }

// tag returns the key of a row: a MAC, because the name must not be stored in the clear. No row's canonical form
// begins with this text, so that a tag is never the MAC of a row.
func tag(c *auth.Caller, what, app string, name []byte) []byte {
	return c.Wallet.Keys().MAC(append([]byte("walletd "+what+" v1\x00"+app+"\x00"), name...))
}

// KeyTag returns the tag of the row of an app's key for a salt.
func KeyTag(c *auth.Caller, app string, salt []byte) []byte { return tag(c, "secret key", app, salt) }

// Tag returns the tag of the row of an app's secret.
func Tag(c *auth.Caller, app, name string) []byte { return tag(c, "secret", app, []byte(name)) }

// secretKey returns an app's key for a salt, with a zero row if none is stored.
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

// secretKeys returns all keys of an app. The default key comes first, whether it is stored or not.
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

// putKey returns the write that stores a key's content.
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

// recordMaker returns the write that stores that the caller's token has requested this key now.
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

// NewKey asks for the key of a new secret storage.
type NewKey struct {
	Salt *string // nil: SaltOf(User)
	Name string  // of the storage; the answer's has the key's origin after it
	User string  // the Matrix user whose storage it is, "" if the app does not say
}

// MakeKey requests the key of a new secret storage: the app's encryptionKey for a salt. The answer is
// {"key","name","recoveryKey"}, the key in base64. An owner names the app; for an app, app may be zero. Errors are
// those of consent.Pipeline.Answer.
func (s *Secrets) MakeKey(ctx context.Context, c *auth.Caller, app did.DID, n NewKey) (consent.Outcome, error) {
	c, err := asApp(c, app)
	if err != nil {
		return consent.Outcome{}, err
	}
	if err := checkUser(n.User); err != nil {
		return consent.Outcome{}, err
	}
	r := keyRequest{Type: secretStorageKey().Name, Salt: SaltOf(n.User), Name: n.Name, User: n.User, Make: true}
	if n.Salt != nil {
		r.Salt = *n.Salt
	}
	if err := checkSalt(r.Salt); err != nil {
		return consent.Outcome{}, err
	}
	if len(n.Name) > maxKeyName || !utf8.ValidString(n.Name) {
		return consent.Outcome{}, auth.Invalid("a key's name has at most %d bytes of text", maxKeyName)
	}
	return s.answer(ctx, c, secretStorageKey(), r.parsed())
}

// KeyInUse returns a sentence for the owner if a requested encryptionKey is the key of a secret storage (a
// claims.KeyUse).
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
	return "The key for this salt is the key of a secret storage. It opens all secrets in the storage.", nil
}
