package auth

import (
	"context"
	"errors"
	"fmt"

	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/ledger"
	"walletd/internal/store"
)

// EnsureAccount returns the app's account of a type. If there is none, it derives the account, stores its key
// sealed, and reads the caller's wallet again.
func (a *Auth) EnsureAccount(ctx context.Context, c *Caller, t did.Type) (store.Account, error) {
	account, derived, err := a.FindAccount(ctx, c, t)
	if err != nil || !derived {
		return account, err
	}
	e := c.Event(ledger.AccountCreated)
	e.Account = account.Address
	err = a.AccountWriteError(ctx, c, account, c.Record(ctx, e, store.InsertAccount(account)))
	if errors.Is(err, store.ErrChanged) {
		account, _, err = a.FindAccount(ctx, c, t) // a concurrent request created it
		return account, err
	}
	if err != nil {
		return store.Account{}, err
	}
	return account, a.Refresh(ctx, c)
}

// FindAccount returns the app's account of a type. If there is none, it derives the account without storing it,
// and derived is true.
func (a *Auth) FindAccount(ctx context.Context, c *Caller, t did.Type) (account store.Account, derived bool, err error) {
	if account := c.callerRow.Account; account.Address != "" && account.App == c.App.Address() && account.Type == t.String() {
		return account, false, nil
	}
	account, err = c.Wallet.Facts().AccountOf(ctx, c.App.Address(), t.String())
	if err == nil || !errors.Is(err, store.ErrNotFound) {
		return account, false, err
	}
	if account, err = c.Wallet.Keys().DeriveAccount(c.App, t, a.store.Now().Unix()); err != nil {
		return store.Account{}, false, fmt.Errorf("deriving the account: %w", err)
	}
	return account, true, nil
}

// AccountWriteError returns the error of a write that stores a new account. If a concurrent request created the
// account first, the error is store.ErrChanged.
func (a *Auth) AccountWriteError(ctx context.Context, c *Caller, account store.Account, err error) error {
	switch {
	case errors.Is(err, store.ErrCollision):
		return did.Refuse("account_collision", "another app of this wallet has the same derivation path, so this app cannot have an account in it")
	case errors.Is(err, store.ErrExists):
		if _, err := a.store.AccountOf(ctx, c.WalletID, c.App.Address(), account.Type); err == nil {
			return fmt.Errorf("%w: another request created the account", store.ErrChanged)
		}
		if _, err := a.store.Account(ctx, c.WalletID, account.Address); err == nil { // the row says that it is another app's
			return c.Wallet.NoteForged(ctx, &keystore.DamagedError{Table: "accounts", Row: account.Address})
		}
	}
	return err
}

// IsForgotten reports whether an account that was derived and not stored is of an app that the wallet does not know:
// it holds no account of the app, nor this one of any, and the owner has neither registered the app nor revoked it. In
// a wallet that was restored from its words alone, that is so for every app from before.
func (a *Auth) IsForgotten(ctx context.Context, c *Caller, account store.Account) (bool, error) {
	app, err := did.Parse(account.App)
	if err != nil {
		return false, fmt.Errorf("reading the account's app: %w", err)
	}
	_, err = a.store.Account(ctx, c.WalletID, account.Address) // also another app's, whose path is the same
	if err == nil || !errors.Is(err, store.ErrNotFound) {
		return false, err
	}
	other := *c
	other.App, other.Agent, other.Token = app, did.DID{}, ""
	standing, err := a.Standing(ctx, &other)
	return err == nil && standing == Unregistered, err
}
