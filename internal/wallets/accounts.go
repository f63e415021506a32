package wallets

import (
	"context"
	"errors"
	"fmt"
	"time"
	"walletd/internal/auth"
	"walletd/internal/did"
	"walletd/internal/ledger"
	"walletd/internal/policy"
	"walletd/internal/store"
)

// AccountOwner returns the DID of the app that an account belongs to, or "the wallet itself", for display.
func AccountOwner(a store.Account) string {
	if a.App == "" {
		return "the wallet itself"
	}
	return did.Prefixed(a.App)
}

// AccountView is an account as the wallet's owner sees it. App is "" for the wallet's own account.
type AccountView struct {
	Address  string
	App      string // did:abt:…
	Type     string // role/key/hash
	Imported bool
	Created  time.Time
}

func viewAccount(a store.Account) AccountView {
	return AccountView{Address: a.Address, App: did.Prefixed(a.App), Type: a.Type, Imported: a.Path == "", Created: time.Unix(a.Created, 0)}
}

// Accounts lists the wallet's accounts, for its owner.
func (w *Wallets) Accounts(ctx context.Context, c *auth.Caller, p store.Page) ([]AccountView, string, error) {
	if err := c.RequireReader(); err != nil {
		return nil, "", err
	}
	rows, next, err := w.store.Accounts(ctx, c.WalletID, p)
	if err != nil {
		return nil, "", fmt.Errorf("reading the accounts: %w", err)
	}
	views := make([]AccountView, 0, len(rows))
	for _, a := range rows {
		views = append(views, viewAccount(a))
	}
	return views, next, nil
}

// CreateAccount derives an app's account of a type, or returns the one that exists, for the wallet's owner.
func (w *Wallets) CreateAccount(ctx context.Context, c *auth.Caller, app did.DID, t did.Type) (AccountView, error) {
	if err := c.RequireOwner(); err != nil {
		return AccountView{}, err
	}
	requester := *c
	requester.App = app
	a, err := w.auth.EnsureAccount(ctx, &requester, t)
	return viewAccount(a), err
}

// ImportAccount stores an application's own secret key (in the packages' form: 64 bytes for ed25519, 32 for the
// others), for the wallet's owner. The account belongs to the application whose key it is. The wallet's words do
// not restore it.
func (w *Wallets) ImportAccount(ctx context.Context, c *auth.Caller, secret []byte, t did.Type) (AccountView, error) {
	if err := c.RequireOwner(); err != nil {
		return AccountView{}, err
	}
	key, err := did.NewSecretKey(t.Key, secret)
	if err != nil {
		return AccountView{}, auth.Invalid("the secret is not a %s secret key", t.Key)
	}
	defer key.Wipe()
	a, err := c.Wallet.Keys().ImportAccount(key, t, w.store.Now().Unix())
	if err != nil {
		return AccountView{}, fmt.Errorf("sealing the account: %w", err)
	}
	e := c.Event(ledger.AccountImported)
	e.Account, e.App = a.Address, did.Prefixed(a.App)
	err = c.Record(ctx, e, store.InsertAccount(a))
	if errors.Is(err, store.ErrExists) {
		return AccountView{}, fmt.Errorf("%w: the wallet holds this account already", auth.ErrExists)
	}
	return viewAccount(a), err
}

// Derive returns the owner's own key for a salt, SHA3-256(seed ‖ salt) in base58btc, which no app can request. The
// owner's request needs no approval: it is recorded, then answered.
func (w *Wallets) Derive(ctx context.Context, c *auth.Caller, salt []byte) (string, error) {
	if err := c.RequireOwner(); err != nil {
		return "", err
	}
	if len(salt) > policy.MaxSalt {
		return "", auth.Invalid("the salt is longer than %d bytes", policy.MaxSalt)
	}
	if isReserved(salt) {
		return "", did.Refuse("salt_reserved", `salts that begin with "walletd/" are reserved for walletd; choose another`)
	}
	e := c.Event(ledger.KeyDerived)
	e.Salt = ledger.Hex(salt)
	receipt, err := c.Commit(ctx, ledger.Change{Event: e})
	if err != nil {
		return "", err
	}
	key, err := c.Wallet.Keys().OwnerKey(receipt, salt)
	if err != nil {
		return "", fmt.Errorf("deriving the key: %w", err)
	}
	defer key.Wipe()
	return key.Base58(), nil
}

// isReserved reports whether a salt of the owner's own keys is reserved for walletd, which uses it for backups
// (design section 10).
func isReserved(salt []byte) bool {
	const prefix = "walletd/"
	return len(salt) >= len(prefix) && string(salt[:len(prefix)]) == prefix
}
