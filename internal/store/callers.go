package store

import "context"

// CallerRow is what one request needs to know of who sends it. Wallet is empty
// for an operator's token. CallerWallet reads Epoch, Wallet and Newest alone.
type CallerRow struct {
	Token   Token
	Epoch   int64 // of the keystore
	Wallet  Wallet
	Newest  int64   // milliseconds: newest time on the wallet's chain
	Account Account // of the app that asks; empty if it has none of the type asked for
	App     App     // SignedCaller's alone; empty if the person has not decided about it
}

var (
	callerByToken = readsInto("caller", func(c *CallerRow) []any {
		return fields(c.Token.columns(), c.epoch(), c.Wallet.columns(), c.newest(), c.Account.columns())
	})
	callerByWallet = readsInto("caller wallet", func(c *CallerRow) []any {
		return fields(c.epoch(), c.Wallet.columns(), c.newest())
	})
	callerBySignature = readsInto("signed caller", func(c *CallerRow) []any {
		return fields(c.Token.columns(), c.epoch(), c.Wallet.columns(), c.newest(), c.Account.columns(), c.App.columns())
	})
)

func (c *CallerRow) epoch() []column  { return []column{plain("epoch", &c.Epoch)} }
func (c *CallerRow) newest() []column { return []column{plain("time", &c.Newest)} }

// Caller reads what a request with this token needs: the token, the keystore's
// epoch, the token's wallet (empty for an operator's, or if it is gone), the
// newest time on its chain, and, for an app's token, the app's first account of
// that type. ErrNotFound if there is no such token. It does not judge: Hash,
// MAC, Expires and Revoked are for the caller to check.
func (s *Store) Caller(ctx context.Context, token, accountType string) (CallerRow, error) {
	return s.caller(ctx, callerByToken, token, accountType)
}

// CallerWallet reads the same for a request that names a wallet and has no
// token. ErrNotFound if there is no such wallet.
func (s *Store) CallerWallet(ctx context.Context, wallet string) (CallerRow, error) {
	return s.caller(ctx, callerByWallet, wallet)
}

// SignedCaller reads what a signed request of this app to a wallet needs: what
// CallerWallet reads, the app's first account of that type, what the person
// decided about the app, and its newest token that holds at the time now (unix
// seconds), which is empty if there is none. ErrNotFound if there is no such
// wallet.
func (s *Store) SignedCaller(ctx context.Context, wallet, app, accountType string, now int64) (CallerRow, error) {
	return s.caller(ctx, callerBySignature, wallet, app, accountType, now)
}

func (s *Store) caller(ctx context.Context, q rowRead[CallerRow], args ...any) (CallerRow, error) {
	c, err := one(ctx, s, q, args...)
	if err = s.checkEpoch(ctx, c.Epoch, err); err == nil {
		s.sawAt(c.Newest, c.Epoch)
	}
	return c, err
}
