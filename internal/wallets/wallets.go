// Package wallets administers wallets and their contents: accounts, the profile, credentials and assets, and access
// to the audit log. Nothing in it answers an app.
package wallets

import (
	"github.com/rs/zerolog"

	"walletd/internal/auth"
	"walletd/internal/keystore"
	"walletd/internal/ledger"
	"walletd/internal/store"
)

// Wallets administers the wallets of a keystore. It is safe for concurrent use.
type Wallets struct {
	auth     *auth.Auth
	store    *store.Store
	keystore *keystore.Keystore
	ledger   *ledger.Ledger
	log      zerolog.Logger
}

// New returns the Wallets of a keystore. It writes errors of signing heads at a lock to log.
func New(st *store.Store, ks *keystore.Keystore, l *ledger.Ledger, a *auth.Auth, log zerolog.Logger) *Wallets {
	return &Wallets{auth: a, store: st, keystore: ks, ledger: l, log: log}
}
