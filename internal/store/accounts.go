package store

import "context"

// Account is a key pair of a wallet.
type Account struct {
	Wallet  string
	Address string
	App     string // the app whose account it is
	Path    string // BIP-32 path; "" when not derived
	Type    string // "account/ed25519/sha3"
	Sealed  []byte
	Created int64
}

func (a *Account) columns() []column {
	return []column{
		plain("wallet", &a.Wallet),
		plain("address", &a.Address),
		plain("app", &a.App),
		plain("path", &a.Path),
		plain("type", &a.Type),
		plain("sealed", &a.Sealed),
		plain("created", &a.Created),
	}
}

func (Account) Table() string { return "accounts" }
func (a Account) Key() string { return a.Address }

var (
	getAccount    = reads[Account]("account")
	accountOf     = reads[Account]("account of")
	accountsOfApp = reads[Account]("accounts of app")
	appAccount    = reads[Account]("app account")
	listAccounts  = reads[Account]("accounts")
	insertAccount = writes[Account]("insert account")
	pathOwner     = statement("path owner")
	takePath      = statement("take path")
)

// Accounts lists a wallet's accounts.
func (s *Store) Accounts(ctx context.Context, wallet string, p Page) (rows []Account, next string, err error) {
	return paged(p, func(a Account) position { return position{a.Created, a.Address} },
		func(after position, limit int) ([]Account, error) {
			return many(ctx, s, listAccounts, wallet, after.at, after.id, limit)
		})
}

// Account reads an account by its address, or ErrNotFound.
func (s *Store) Account(ctx context.Context, wallet, address string) (Account, error) {
	return one(ctx, s, getAccount, wallet, address)
}

// AccountOf reads the app's first account of that type, or ErrNotFound.
func (s *Store) AccountOf(ctx context.Context, wallet, app, typ string) (Account, error) {
	return one(ctx, s, accountOf, wallet, app, typ)
}

// AccountsOfApp reads the app's accounts in a wallet, at most so many, the first ones.
func (s *Store) AccountsOfApp(ctx context.Context, wallet, app string, limit int) ([]Account, error) {
	return many(ctx, s, accountsOfApp, wallet, app, limit)
}

// AppAccount reads an account by its app and address in whichever wallet holds
// it, or ErrNotFound.
func (s *Store) AppAccount(ctx context.Context, app, address string) (Account, error) {
	return one(ctx, s, appAccount, app, address)
}

// PathOwner says which app of the wallet has the path, or ErrNotFound.
func (s *Store) PathOwner(ctx context.Context, wallet, path string) (app string, err error) {
	err = s.scalars(ctx, pathOwner, []any{wallet, path}, &app)
	return app, err
}

// InsertAccount adds an account. ErrCollision if its path belongs to another
// app of the wallet, ErrExists if the wallet has the address. Raises.
func InsertAccount(a Account) Write {
	if a.Path == "" {
		return raising(a.Wallet, insertAccount.row(a, ErrExists))
	}
	return raising(a.Wallet, takePath.step(ErrCollision, a.Wallet, a.Path, a.App), insertAccount.row(a, ErrExists))
}
