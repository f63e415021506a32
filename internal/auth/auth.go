// Package auth says who calls. It authenticates bearer tokens, signed requests and the requests of DID
// Connect sessions, opens the caller's wallet, and keeps what a wallet knows of the apps that ask:
// their tokens, whether the owner has registered or revoked them, and the accounts derived for them.
//
// Rows are found by query and therefore not trusted: package ledger checks their MAC whenever they are
// read (design section 6).
package auth

import (
	"walletd/internal/keystore"
	"walletd/internal/ledger"
	"walletd/internal/store"
)

// Auth authenticates the callers of a keystore's wallets. It is safe for concurrent use, and keeps no
// state of its own that a replica could miss.
type Auth struct {
	store    *store.Store
	keystore *keystore.Keystore
	ledger   *ledger.Ledger
}

// New returns the Auth of a keystore.
func New(st *store.Store, ks *keystore.Keystore, l *ledger.Ledger) *Auth {
	return &Auth{store: st, keystore: ks, ledger: l}
}
