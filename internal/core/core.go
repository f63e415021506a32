// Package core wires the packages that decide, record and keep, over one store: what every walletd has, whatever it
// listens to. The command wires servers, pages and sessions to it, and so do tests.
package core

import (
	"github.com/rs/zerolog"

	"walletd/internal/approvals"
	"walletd/internal/archive"
	"walletd/internal/auth"
	"walletd/internal/backup"
	"walletd/internal/claims"
	"walletd/internal/consent"
	"walletd/internal/keystore"
	"walletd/internal/ledger"
	"walletd/internal/owner"
	"walletd/internal/passkey"
	"walletd/internal/secrets"
	"walletd/internal/store"
	"walletd/internal/wallets"
)

// Core is the parts over one store. Each is safe for concurrent use.
type Core struct {
	Store     *store.Store
	Keystore  *keystore.Keystore // locked at first
	Ledger    *ledger.Ledger
	Auth      *auth.Auth
	Wallets   *wallets.Wallets
	Approvals *approvals.Approvals
	Pipeline  *consent.Pipeline // knows every claim type there is
	Owners    *owner.Owners
	Secrets   *secrets.Secrets
	Backups   *backup.Backups
	Archives  *archive.Archives
}

// Options are what a Core is made with. The zero Options log nothing, count nothing, and have no passkeys and no archives.
type Options struct {
	Keystore keystore.Options
	Party    passkey.Party        // that passkeys belong to
	Archives string               // the directory of archives
	Log      zerolog.Logger       // the zero Logger writes nothing
	Count    func(outcome string) // hears what came of claims and of other work on wallets; may be nil
}

// New wires a Core to a store, which the caller closes.
func New(st *store.Store, o Options) *Core {
	c := &Core{Store: st, Keystore: keystore.New(st, o.Keystore)}
	c.Ledger = ledger.New(st, c.Keystore, ledger.Options{Log: o.Log, Count: o.Count})
	c.Auth = auth.New(st, c.Keystore, c.Ledger, o.Party)
	c.Wallets = wallets.New(st, c.Keystore, c.Ledger, c.Auth, o.Log)
	c.Approvals = approvals.New(st, c.Auth)
	types := append(claims.Types(secrets.KeyInUse), secrets.Types()...)
	c.Pipeline = consent.New(st, c.Ledger, c.Auth, c.Wallets, c.Approvals, types, consent.Options{Count: o.Count})
	c.Owners = owner.New(st, c.Keystore, c.Auth, c.Pipeline)
	c.Secrets = secrets.New(st, c.Auth, c.Pipeline)
	c.Backups = backup.New(st, c.Keystore, c.Ledger, c.Auth, c.Wallets, c.Pipeline)
	c.Archives = archive.New(st, c.Ledger, c.Auth, o.Archives)
	return c
}
