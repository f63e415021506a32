package store

import "context"

// Reads that a signed request needs: it names no token, and maybe no wallet.

// AppTokens reads an app's tokens in a wallet that hold at the time now (unix
// seconds), the newest 100.
func (s *Store) AppTokens(ctx context.Context, wallet, app string, now int64) ([]Token, error) {
	return many[Token](ctx, s, "app tokens", wallet, app, now)
}

// AppAccount reads an account by its app and address in whichever wallet holds
// it, or ErrNotFound.
func (s *Store) AppAccount(ctx context.Context, app, address string) (Account, error) {
	return one[Account](ctx, s, "app account", app, address)
}
