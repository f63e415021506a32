package store

import "context"

// Reads that a signed request needs: it names no token, and maybe no wallet.

// SignedCaller reads what a signed request of this app to a wallet needs: what
// CallerWallet reads, the app's first account of that type, what the person
// decided about the app, and its newest token that holds at the time now (unix
// seconds), which is empty if there is none. ErrNotFound if there is no such
// wallet.
func (s *Store) SignedCaller(ctx context.Context, wallet, app, accountType string, now int64) (CallerRow, error) {
	c, err := one[signedCaller](ctx, s, "signed caller", wallet, app, accountType, now)
	s.saw(c.Newest)
	return CallerRow(c), s.checkEpoch(c.Epoch, err)
}

// signedCaller is a CallerRow that is read with its app.
type signedCaller CallerRow

func (c *signedCaller) fields() []any {
	return append((*CallerRow)(c).fields(), c.App.fields()...)
}

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
