package secrets

import (
	"context"
	"encoding/json"
	"slices"

	"walletd/internal/auth"
	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/ledger"
	"walletd/internal/policy"
	"walletd/internal/secret"
	"walletd/internal/secretstorage"
	"walletd/internal/store"
)

// A key that was made elsewhere is kept as a secret of the app, sealed with a key of the app's account. So the wallet's
// words and its backup restore it. It stands among the app's keys under a salt of its own that nothing is derived for,
// by which rules and grants know it.

// importedSalt begins the salt of a key that was made elsewhere; its id follows.
const importedSalt = "key made elsewhere "

// The name and the id that a key is sealed under.
const (
	importedName = "walletd.imported_key"
	importedID   = "walletd"
)

// sealingSalt is the salt of the key that imported keys are sealed with. It is longer than the salt of any request, so
// that no app is ever given that key.
func sealingSalt() []byte {
	return append([]byte("walletd/imported-keys/v1\n"), make([]byte, policy.MaxSalt)...)
}

// fits says which descriptions are of a key that an app may have. Errors are those of keystore.Wallet.FitsDescriptions.
func (k appKey) fits(w *keystore.Wallet, account store.Account, ds []secretstorage.Description) ([]secretstorage.CheckResult, error) {
	if k.content.Imported == nil {
		return w.FitsDescriptions(account, k.salt, ds)
	}
	sealed, err := secretstorage.ParseSecret(k.content.Imported, secretstorage.MaxPlaintext)
	if err != nil {
		return nil, err
	}
	return w.SealedKeyFits(account, sealingSalt(), sealed, importedName, importedID, ds)
}

// key returns a key that an app may have, for an entry that releases it. The caller wipes it.
func (k appKey) key(r store.Receipt, w *keystore.Wallet, account store.Account) (secretstorage.Key, error) {
	if k.content.Imported == nil {
		return storageKey(r, w, account, k.salt)
	}
	sealed, err := secretstorage.ParseSecret(k.content.Imported, secretstorage.MaxPlaintext)
	if err != nil {
		return secretstorage.Key{}, err
	}
	text, err := w.OpenSecret(r, account, sealingSalt(), sealed, importedName, importedID)
	if err != nil {
		return secretstorage.Key{}, err
	}
	defer clear(text)
	return secretstorage.ParseValue(text)
}

// ImportedKey is a key that was made elsewhere, in the form that its owner has it: exactly one member is set.
type ImportedKey struct {
	RecoveryKey secret.Bytes // 48 letters and digits
	Passphrase  secret.Bytes // of the description's passphrase member
	User        string       // the Matrix user whose storage it opens, "" if that is not said
}

// read returns the key, if it is that of a description. A description without a check is refused: a wrong key would be
// kept, and answered.
func (i ImportedKey) read(d secretstorage.Description) (key secretstorage.Key, err error) {
	if i.Passphrase.IsZero() {
		key, err = secretstorage.DecodeRecoveryKey(i.RecoveryKey.Reveal())
	} else {
		var info secretstorage.PassphraseInfo
		if info, err = d.Passphrase(); err == nil {
			key, err = info.DeriveKey(i.Passphrase.Reveal())
		}
	}
	if err != nil {
		return secretstorage.Key{}, err
	}
	switch d.Check(key) {
	case secretstorage.Match:
		return key, nil
	case secretstorage.Unknown:
		err = did.Refuse("no_match", "the description has no check, so it cannot be told whether this is its key")
	default:
		err = did.Refuse("no_match", "this is not the key of the description")
	}
	key.Wipe()
	return secretstorage.Key{}, err
}

// ImportKey keeps a key that was made elsewhere, under the id that the account has it under, and answers it from then on
// like a key of the app's own. The description's check must hold for it; otherwise the refusal is no_match, or says what
// is wrong with what was given. A key that the app has already is noted under the id, as by NoteKey. ImportKey needs no
// approval, because it discloses nothing, but a rule can deny it. A passphrase takes up to seconds, one at a time.
func (s *Secrets) ImportKey(ctx context.Context, c *auth.Caller, app did.DID, id string, keyInfo json.RawMessage, i ImportedKey) error {
	c, err := asApp(c, app)
	if err != nil {
		return err
	}
	if i.RecoveryKey.IsZero() == i.Passphrase.IsZero() {
		return auth.Invalid("give one of recoveryKey and passphrase")
	}
	if err := checkUser(i.User); err != nil {
		return err
	}
	o, err := readOne(id, keyInfo)
	if err != nil {
		return s.pipeline.Refuse(ctx, c, err)
	}
	if _, _, err := s.noteable(ctx, c, o); err != nil { // no work for an app that a rule denies
		return err
	}
	select {
	case s.deriving <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	key, err := i.read(o.description)
	<-s.deriving
	if err != nil {
		return s.pipeline.Refuse(ctx, c, err)
	}
	defer key.Wipe()
	return refuseFull(s.auth.Retry(ctx, c, auth.Tries, func() error { return s.pipeline.Refuse(ctx, c, s.importOnce(ctx, c, o, key, i.User)) }))
}

func (s *Secrets) importOnce(ctx context.Context, c *auth.Caller, o offered, key secretstorage.Key, user string) error {
	account, err := s.auth.EnsureAccount(ctx, c, did.AccountType())
	if err != nil {
		return err
	}
	all, allowed, err := s.noteable(ctx, c, o)
	if err != nil {
		return err
	}
	found, err := findFits(c, account, all, []offered{o})
	if err != nil {
		return err
	}
	for _, f := range found {
		if f.proved && !isAnothers(f.key.content.Salt, user) {
			return s.noteAs(ctx, c, allowed, f.key, o.id, ledger.SecretKeyNoted)
		}
	}
	value := key.Value()
	defer clear(value)
	sealed, err := c.Wallet.Keys().SealSecret(account, sealingSalt(), importedName, value)
	if err != nil {
		return err
	}
	secret, err := secretstorage.Secret{}.With(importedID, sealed)
	if err != nil {
		return err
	}
	k := appKey{content: KeyContent{Salt: importedSalt + store.NewID()}}
	if user != "" {
		k.content.Salt += ":" + user
	}
	k.salt = did.LooseBytes(k.content.Salt)
	if k.content.Imported, err = secret.MarshalJSON(); err != nil {
		return err
	}
	return s.noteAs(ctx, c, allowed, k, o.id, ledger.SecretKeyImported)
}

// noteable returns the app's keys that a description may be noted for, and those of them that no rule denies. ErrDenied
// if there is none.
func (s *Secrets) noteable(ctx context.Context, c *auth.Caller, o offered) (all, allowed []appKey, err error) {
	keys := &search{offers: []offered{o}}
	salts, err := s.pipeline.Candidates(ctx, c, secretStorageKey(), keys.parsed())
	if err != nil {
		return nil, nil, err
	}
	return keys.keys, slices.DeleteFunc(slices.Clone(keys.keys), func(k appKey) bool { return !slices.Contains(salts, k.content.Salt) }), nil
}

// noteAs stores a key's id, taking it from any other key that has it.
func (s *Secrets) noteAs(ctx context.Context, c *auth.Caller, keys []appKey, k appKey, id string, kind ledger.Kind) error {
	var writes []store.Write
	put := func(k appKey) error {
		w, err := rows{s.store, c}.putKey(k)
		writes = append(writes, w)
		return err
	}
	for _, other := range keys {
		if !other.noted(id) || string(other.salt) == string(k.salt) {
			continue
		}
		other.content.IDs = slices.DeleteFunc(slices.Clone(other.content.IDs), func(noted string) bool { return noted == id })
		if err := put(other); err != nil {
			return err
		}
	}
	if k.noted(id) && len(writes) == 0 {
		return nil
	}
	if !k.noted(id) {
		k.content.IDs = append(slices.Clone(k.content.IDs), id)
		k.content.IDs = k.content.IDs[max(0, len(k.content.IDs)-maxNoted):]
		if err := put(k); err != nil {
			return err
		}
	}
	e := c.Event(kind)
	e.Claims = []ledger.ClaimEvent{{Type: secretStorageKey().Name, Salt: ledger.Hex(k.salt), About: id}}
	return c.Record(ctx, e, writes...)
}
