package secrets

import (
	"context"
	"crypto/hmac"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/sha3"

	"walletd/internal/auth"
	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/ledger"
	"walletd/internal/secret"
	"walletd/internal/secretstorage"
	"walletd/internal/store"
)

// maxSecrets bounds the secrets of an app in a wallet.
const maxSecrets = 10_000

// Content is the sealed content of a secret's row: the account data, as a homeserver would store it, and which of the
// app's keys opens which copy in it.
type Content struct {
	Name  string          `json:"name"`
	Salt  string          `json:"salt"` // text
	KeyID string          `json:"keyId"`
	Data  json.RawMessage `json:"data"`
}

// openedSecret is a secret's row, opened.
type openedSecret struct {
	row     store.Secret
	content Content
}

func (r rows) openSecret(ctx context.Context, row store.Secret) (openedSecret, error) {
	s := openedSecret{row: row}
	opened, err := ledger.Open[Content](ctx, r.caller.Wallet, row)
	s.content = opened.Content()
	return s, err
}

// secret returns the secret of the caller's app with a name, and whether there is one.
func (r rows) secret(ctx context.Context, name string) (openedSecret, bool, error) {
	row, err := r.store.Secret(ctx, r.caller.WalletID, Tag(r.caller, r.app(), name))
	if errors.Is(err, store.ErrNotFound) {
		return openedSecret{}, false, nil
	}
	if err != nil {
		return openedSecret{}, false, fmt.Errorf("looking for the secret: %w", err)
	}
	s, err := r.openSecret(ctx, row)
	return s, err == nil, err
}

// open returns the plaintext of the account data, decrypted with the app's key. The caller wipes it.
func (s Content) open(r store.Receipt, w *keystore.Wallet, account store.Account) ([]byte, error) {
	data, err := secretstorage.ParseSecret(s.Data, secretstorage.MaxPlaintext)
	if err != nil {
		return nil, err
	}
	return w.OpenSecret(r, account, did.LooseBytes(s.Salt), data, s.Name, s.KeyID)
}

// checkOpens keeps a secret from being replaced by one that could not be opened: it opens what is about to be stored
// with the app's key, and compares it with the value of the request.
func checkOpens(c *auth.Caller, r writeRequest, account store.Account) error {
	data, err := secretstorage.ParseSecret(r.Data, secretstorage.MaxPlaintext)
	if err != nil {
		return err
	}
	sum, err := c.Wallet.Keys().SecretMAC(account, did.LooseBytes(r.Salt), data, r.Name, r.KeyID)
	if err != nil {
		return err
	}
	if !hmac.Equal([]byte(hex.EncodeToString(sum)), []byte(r.Value)) {
		return did.Refuse("bad_secret", "the sealed secret does not open to the value of the request; nothing was changed")
	}
	return nil
}

// putSecret returns the row of a secret, which replaces old if old is not zero, and the writes that store it and the
// row of its key.
func (r rows) putSecret(ctx context.Context, old store.Secret, content Content) (store.Secret, []store.Write, error) {
	now := r.store.Now().Unix()
	row := old
	if old.Tag == nil {
		row = store.Secret{Wallet: r.caller.WalletID, App: r.app(), Tag: Tag(r.caller, r.app(), content.Name), Created: now}
	}
	row.Revision, row.Updated = store.NewID(), now
	var err error
	if row.Sealed, err = r.caller.Wallet.Seal(row, content); err != nil {
		return old, nil, err
	}
	put := store.UpdateSecret(old, row)
	if old.Tag == nil {
		put = store.InsertSecret(row, maxSecrets)
	}
	k, err := r.secretKey(ctx, content.Salt)
	if err != nil || k.row.Tag != nil {
		return row, []store.Write{put}, err
	}
	use, err := r.putKey(k)
	return row, []store.Write{put, use}, err
}

// NewSecret is a secret to store: its value, or account data with a copy under one of the app's keys. Match says which
// secret it replaces.
type NewSecret struct {
	secret.Redacted

	Name  string
	Value []byte
	Raw   json.RawMessage // instead of Value
	Match Match
}

// Match says which revision (ETag) of a secret a request replaces or deletes (RFC 9110, section 13.1). The zero Match
// requires that there is no secret.
type Match struct {
	Any    bool     // any revision
	OneOf  []string // or one of these revisions
	NoneOf []string // and none of these revisions
}

// Replaces reports whether the match requires that there is a secret.
func (m Match) Replaces() bool { return m.Any || len(m.OneOf) > 0 }

// revision returns the revision that the request replaces now: "" if there must be no secret, and a revision that no
// secret has if the stored one does not match.
func (m Match) revision(ctx context.Context, rows rows, name string) (string, error) {
	switch {
	case !m.Replaces():
		return "", nil
	case len(m.OneOf) == 1 && len(m.NoneOf) == 0:
		return m.OneOf[0], nil
	}
	stored, found, err := rows.secret(ctx, name)
	if err != nil {
		return "", err
	}
	is := stored.row.Revision
	if found && (m.Any || slices.Contains(m.OneOf, is)) && !slices.Contains(m.NoneOf, is) {
		return is, nil
	}
	return "another", nil
}

// sealSecret sets the account data of a request, and the key that opens it.
func (rows rows) sealSecret(ctx context.Context, account store.Account, s NewSecret, r *writeRequest) error {
	c := rows.caller
	keys, err := rows.secretKeys(ctx)
	if err != nil {
		return err
	}
	if s.Raw != nil {
		return findUsableCopy(c, account, keys, s, r)
	}
	k := keys[0] // the default key
	sealed, err := c.Wallet.Keys().SealSecret(account, k.salt, s.Name, s.Value)
	if err != nil {
		return err
	}
	r.Salt, r.KeyID = k.content.Salt, ownKeyID(account, k.salt)
	if n := len(k.content.IDs); n > 0 {
		r.KeyID = k.content.IDs[n-1] // the id that the app's client gave the key
	}
	data, err := secretstorage.Secret{}.With(r.KeyID, sealed)
	if err != nil {
		return err
	}
	r.Value = hex.EncodeToString(c.Wallet.Keys().ValueMAC(s.Name, s.Value))
	r.Data, err = data.MarshalJSON()
	return err
}

// findUsableCopy finds a copy that one of the app's keys opens. The account data is stored as it was sent, so that
// clients read what they wrote.
func findUsableCopy(c *auth.Caller, account store.Account, keys []appKey, s NewSecret, r *writeRequest) error {
	data, err := secretstorage.ParseSecret(s.Raw, secretstorage.MaxPlaintext)
	if did.CodeOf(err) == "not_found" {
		return did.Refuse("not_encrypted", "an empty object is a secret that was removed; delete it instead")
	}
	if err != nil {
		return err
	}
	ids := data.KeyIDs()
	ids = ids[:min(len(ids), maxOffered)]
	refused := error(did.Refuse("no_usable_copy", "no copy of the secret opens with a key of this app, so it could never be read again"))
	for _, k := range keys {
		for _, id := range ids {
			sum, err := c.Wallet.Keys().SecretMAC(account, k.salt, data, s.Name, id)
			switch {
			case err == nil:
				r.Salt, r.KeyID, r.Value = k.content.Salt, id, hex.EncodeToString(sum)
				r.Data, err = data.MarshalJSON()
				return err
			case did.CodeOf(err) == "salt_mismatch": // another account has this salt
			case did.CodeOf(err) == "":
				return err
			case did.CodeOf(err) != "bad_mac":
				refused = err // a copy that no key can open, or one that opens to something else
			}
		}
	}
	return refused
}

// ownKeyID returns the id of an app's key that no client has named: 32 letters and digits.
func ownKeyID(account store.Account, salt []byte) string {
	sum := sha3.Sum256(append([]byte("walletd secret storage key v1\x00"+account.Address+"\x00"), salt...))
	return base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding).EncodeToString(sum[:20])
}
