package auth

import (
	"context"
	"errors"
	"fmt"

	"walletd/internal/ledger"
	"walletd/internal/store"
)

// Itself is the role of the service's own work, which no credential has and no route takes: it tells a wallet's owner of
// something, decides nothing, and releases nothing.
const Itself Role = "walletd"

// OpenItself opens a wallet for the service's own work. Errors: ErrNotFound, keystore.ErrLocked.
func (a *Auth) OpenItself(ctx context.Context, wallet string) (*Caller, error) {
	row, err := a.store.CallerWallet(ctx, wallet)
	if err != nil {
		return nil, NotFound(err)
	}
	c := &Caller{Role: Itself, WalletID: wallet, callerRow: &store.CallerRow{}}
	return c, a.open(c, row)
}

// IsLive reports whether a token of the caller's wallet is there, as this keystore wrote it, and has neither expired nor been
// revoked.
func (a *Auth) IsLive(ctx context.Context, c *Caller, token string) (bool, error) {
	row, err := a.store.Token(ctx, token)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking for the token: %w", err)
	}
	if row.Wallet != c.WalletID || a.HasEnded(row) {
		return false, nil
	}
	_, err = ledger.Check(ctx, c.Wallet, row)
	if errors.Is(err, ledger.ErrForged) {
		return false, nil
	}
	return err == nil, err
}
