package store

import (
	"context"
	"fmt"
)

// Every read is one round trip and sees what was committed before it began.
// Lists come a Page at a time, newest first.

// Keystore reads the keystore's row. ErrNotFound before InitKeystore.
func (s *Store) Keystore(ctx context.Context) (Keystore, error) {
	k, err := one[Keystore](ctx, s, "keystore")
	return k, s.checkEpoch(k.Epoch, err)
}

// Epoch reads the keystore's epoch.
func (s *Store) Epoch(ctx context.Context) (int64, error) {
	var epoch int64
	err := s.scalars(ctx, "epoch", nil, &epoch)
	return epoch, s.checkEpoch(epoch, err)
}

// checkEpoch refuses an epoch below 0, which nobody here has written: in a Change
// it would say that the epoch is not to be checked.
func (s *Store) checkEpoch(epoch int64, err error) error {
	if err == nil && epoch < 0 {
		return fmt.Errorf("%w: %s holds a keystore of a negative epoch", ErrDamaged, s.where)
	}
	return err
}

// Slots reads all slots, the oldest first.
func (s *Store) Slots(ctx context.Context) ([]Slot, error) {
	return many[Slot](ctx, s, "slots")
}

// Wallets lists the wallets.
func (s *Store) Wallets(ctx context.Context, p Page) (rows []Wallet, next string, err error) {
	return paged(p, func(w Wallet) position { return position{w.Created, w.ID} },
		func(after position, limit int) ([]Wallet, error) {
			return many[Wallet](ctx, s, "wallets", after.at, after.id, limit)
		})
}

// Wallet reads a wallet, or ErrNotFound.
func (s *Store) Wallet(ctx context.Context, id string) (Wallet, error) {
	return one[Wallet](ctx, s, "wallet", id)
}

// StaleWallets reads up to limit wallets whose key is under another generation
// of the root key than this one: what a rotation has left to do.
func (s *Store) StaleWallets(ctx context.Context, generation int64, limit int) ([]Wallet, error) {
	return many[Wallet](ctx, s, "stale wallets", generation, limit)
}

// Accounts lists a wallet's accounts.
func (s *Store) Accounts(ctx context.Context, wallet string, p Page) (rows []Account, next string, err error) {
	return paged(p, func(a Account) position { return position{a.Created, a.Address} },
		func(after position, limit int) ([]Account, error) {
			return many[Account](ctx, s, "accounts", wallet, after.at, after.id, limit)
		})
}

// Account reads an account by its address, or ErrNotFound.
func (s *Store) Account(ctx context.Context, wallet, address string) (Account, error) {
	return one[Account](ctx, s, "account", wallet, address)
}

// AccountOf reads the app's first account of that type, or ErrNotFound.
func (s *Store) AccountOf(ctx context.Context, wallet, app, typ string) (Account, error) {
	return one[Account](ctx, s, "account of", wallet, app, typ)
}

// PathOwner says which app of the wallet has the path, or ErrNotFound.
func (s *Store) PathOwner(ctx context.Context, wallet, path string) (app string, err error) {
	err = s.scalars(ctx, "path owner", []any{wallet, path}, &app)
	return app, err
}

// Policy reads a wallet's policy, or ErrNotFound.
func (s *Store) Policy(ctx context.Context, wallet string) (Policy, error) {
	return one[Policy](ctx, s, "policy", wallet)
}

// Caller reads what a request with this token needs: the token, the keystore's
// epoch, the token's wallet (empty for an operator's, or if it is gone), the
// newest time on its chain, and, for an app's token, the app's first account of
// that type. ErrNotFound if there is no such token. It does not judge: Hash,
// MAC, Expires and Revoked are for the caller to check.
func (s *Store) Caller(ctx context.Context, token, accountType string) (CallerRow, error) {
	c, err := one[CallerRow](ctx, s, "caller", token, accountType)
	s.saw(c.Newest)
	return c, s.checkEpoch(c.Epoch, err)
}

// CallerWallet reads the same for a request that names a wallet and has no
// token. ErrNotFound if there is no such wallet.
func (s *Store) CallerWallet(ctx context.Context, wallet string) (CallerRow, error) {
	c, err := one[walletCaller](ctx, s, "caller wallet", wallet)
	s.saw(c.Newest)
	return CallerRow(c), s.checkEpoch(c.Epoch, err)
}

// walletCaller is a CallerRow that is read without its token.
type walletCaller CallerRow

func (c *walletCaller) fields() []any {
	f := append([]any{&c.Epoch}, c.Wallet.fields()...)
	return append(f, &c.Newest)
}

// Token reads a token, or ErrNotFound.
func (s *Store) Token(ctx context.Context, id string) (Token, error) {
	return one[Token](ctx, s, "token", id)
}

// Tokens lists a wallet's tokens, the revoked ones too; the operators' if
// wallet is "".
func (s *Store) Tokens(ctx context.Context, wallet string, p Page) (rows []Token, next string, err error) {
	return paged(p, func(t Token) position { return position{t.Created, t.ID} },
		func(after position, limit int) ([]Token, error) {
			return many[Token](ctx, s, "tokens", wallet, after.at, after.id, limit)
		})
}

// Owners counts the owner tokens the wallet has ever had.
func (s *Store) Owners(ctx context.Context, wallet string) (int64, error) {
	var n int64
	err := s.scalars(ctx, "owners", []any{wallet}, &n)
	return n, err
}

// Request reads what an idempotency key was used for, or ErrNotFound.
func (s *Store) Request(ctx context.Context, token, route, key string) (Request, error) {
	return one[Request](ctx, s, "request", token, route, key)
}

// Records reads up to limit entries of a chain after the number given, in order.
func (s *Store) Records(ctx context.Context, chain string, after int64, limit int) ([]Record, error) {
	return many[Record](ctx, s, "records", chain, after, min(limit, 1000))
}

// ChainEnd reads where a chain ends; the zero End of its name if it is empty.
func (s *Store) ChainEnd(ctx context.Context, chain string) (End, error) {
	ends, err := many[End](ctx, s, "chain end", chain)
	if err != nil || len(ends) == 0 {
		return End{Chain: chain}, err
	}
	s.saw(ends[0].Time)
	return ends[0], nil
}

// Unsigned reads up to limit chains whose end has no head yet.
func (s *Store) Unsigned(ctx context.Context, limit int) ([]End, error) {
	return many[End](ctx, s, "unsigned chains", limit)
}

// Grown reads the chains that grew at the time since (milliseconds) or later, at most 1,000, those
// that grew first first.
func (s *Store) Grown(ctx context.Context, since int64) ([]End, error) {
	return many[End](ctx, s, "grown chains", since)
}

// Heads reads up to limit heads of a chain after the number given, in order.
func (s *Store) Heads(ctx context.Context, chain string, after int64, limit int) ([]Head, error) {
	heads, err := many[Head](ctx, s, "heads", chain, after, min(limit, 1000))
	if err != nil {
		return nil, fmt.Errorf("chain %q: %w", chain, err)
	}
	return heads, nil
}
