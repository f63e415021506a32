package auth

import (
	"context"
	"time"

	"walletd/internal/ledger"
	"walletd/internal/store"
)

// SessionLife is how long a browser session lasts.
const SessionLife = 12 * time.Hour

// MaxSessions bounds the browser sessions of one passkey in one wallet: the oldest ends when one more begins.
const MaxSessions = 16

// OwnerContent is the sealed content of an owner's row.
type OwnerContent struct {
	Name string `json:"name"`
}

// ForOwner opens a wallet for a person who proves by an invitation or a passkey, which the caller of ForOwner checks
// before it acts, that they are the owner with that id. Errors: ErrNotFound, keystore.ErrLocked.
func (a *Auth) ForOwner(ctx context.Context, wallet, owner string) (*Caller, error) {
	row, err := a.store.CallerWallet(ctx, wallet)
	if err != nil {
		return nil, NotFound(err)
	}
	c := &Caller{Role: Owner, Owner: owner, callerRow: &store.CallerRow{}}
	return c, a.open(c, row)
}

// OpenForRecovery opens a wallet for an operator, whether it has an owner or not: for a recovery, of which the caller has
// checked that the operator may start it.
func (a *Auth) OpenForRecovery(ctx context.Context, c *Caller, wallet string) error {
	if err := c.RequireOperator(); err != nil {
		return err
	}
	row, err := a.store.CallerWallet(ctx, wallet)
	if err != nil {
		return NotFound(err)
	}
	c.Wallet.Close()
	return a.open(c, row)
}

// NewSession returns a browser session of the caller's wallet, for a passkey of an owner: its token, and its row,
// which is not stored yet.
func (a *Auth) NewSession(c *Caller, owner, passkey, name string) (CreatedToken, store.Token) {
	now := a.store.Now()
	row := store.Token{
		ID: store.NewID(), Role: store.RoleOwner, Wallet: c.WalletID, Name: name, Created: now.Unix(), Expires: now.Add(SessionLife).Unix(),
		Owner: owner, Passkey: passkey,
	}
	created := CreatedToken{ID: row.ID, Role: Owner, Wallet: c.WalletID, Name: name, Expires: time.Unix(row.Expires, 0)}
	created.Text, row.Hash = newToken(Owner, row.ID)
	row.MAC = c.Wallet.MAC(row)
	return created, row
}

// EndTokens returns the writes that revoke tokens of the caller's wallet. It leaves out those that have ended.
func (a *Auth) EndTokens(c *Caller, tokens []store.Token) []store.Write {
	var writes []store.Write
	for _, t := range tokens {
		if a.HasEnded(t) {
			continue
		}
		revoked := t
		revoked.Revoked = a.store.Now().Unix()
		revoked.MAC = c.Wallet.MAC(revoked)
		writes = append(writes, store.RevokeToken(t, revoked))
	}
	return writes
}

// OwnerTokens returns the tokens of the wallet's owners that hold and for which is returns true. It leaves out forged
// ones, which nobody can use, and records them.
func (a *Auth) OwnerTokens(ctx context.Context, c *Caller, is func(store.Token) bool) ([]store.Token, error) {
	var found []store.Token
	list := func(page store.Page) ([]store.Token, string, error) { return a.store.Tokens(ctx, c.WalletID, page) }
	for t, err := range ledger.AllChecked(ctx, c.Wallet, list) {
		if err != nil {
			return nil, err
		}
		if row := t.Row(); row.Role == store.RoleOwner && !a.HasEnded(row) && is(row) {
			found = append(found, row)
		}
	}
	return found, nil
}
