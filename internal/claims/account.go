package claims

import (
	"context"
	"errors"
	"fmt"

	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/ledger"
	"walletd/internal/store"
)

// accountOf returns the asking app's account of a type, made on first use: the path is walked
// once and the key kept sealed. The caller's wallet is read again after a new one.
func (d *Door) accountOf(ctx context.Context, c *Caller, t did.Type) (store.Account, error) {
	a, made, err := d.findAccount(ctx, c, t)
	if err != nil || !made {
		return a, err
	}
	e := c.event(ledger.AccountCreated)
	e.Account = a.Address
	err = d.keptAccount(ctx, c, a, c.record(ctx, e, store.InsertAccount(a)))
	if errors.Is(err, store.ErrChanged) {
		a, _, err = d.findAccount(ctx, c, t) // made meanwhile by another request
		return a, err
	}
	if err != nil {
		return store.Account{}, err
	}
	return a, d.refresh(ctx, c)
}

// findAccount returns the asking app's account of a type, or one that was made just now and is not
// kept yet.
func (d *Door) findAccount(ctx context.Context, c *Caller, t did.Type) (a store.Account, made bool, err error) {
	if a := c.asking.Account; a.Address != "" && a.App == c.App.Address() && a.Type == t.String() {
		return a, false, nil
	}
	a, err = d.store.AccountOf(ctx, c.WalletID, c.App.Address(), t.String())
	if err == nil || !errors.Is(err, store.ErrNotFound) {
		return a, false, err
	}
	if a, err = c.Wallet.Keys().DeriveAccount(c.App, t, d.store.Now().Unix()); err != nil {
		return store.Account{}, false, fmt.Errorf("deriving the account: %w", err)
	}
	return a, true, nil
}

// keptAccount says what became of a write that was to keep a new account. If another request was
// first it is store.ErrChanged.
func (d *Door) keptAccount(ctx context.Context, c *Caller, a store.Account, err error) error {
	switch {
	case errors.Is(err, store.ErrCollision):
		return did.Refuse("account_collision", "another app of this wallet has the same derivation path; this app can have no account here")
	case errors.Is(err, store.ErrExists):
		if _, err := d.store.AccountOf(ctx, c.WalletID, c.App.Address(), a.Type); err == nil {
			return fmt.Errorf("%w: the account was made by another request", store.ErrChanged)
		}
		if _, err := d.store.Account(ctx, c.WalletID, a.Address); err == nil { // it is there as another app's
			return c.Wallet.NoteForged(ctx, &keystore.DamagedError{Table: "accounts", Row: a.Address})
		}
	}
	return err
}
