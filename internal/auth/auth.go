// Package auth authenticates callers. It verifies bearer tokens, signed requests and the requests of DID Connect
// sessions, and opens the caller's wallet. It also stores what a wallet knows of apps: their tokens, whether the
// owner has registered or revoked them, and the accounts derived for them.
//
// Rows are found by query and therefore not trusted: package ledger checks their MAC whenever they are
// read (design section 6).
package auth

import (
	"walletd/internal/keystore"
	"walletd/internal/ledger"
	"walletd/internal/passkey"
	"walletd/internal/store"
)

// Auth authenticates the callers of a keystore's wallets. It is safe for concurrent use, and holds no state that
// another replica needs.
type Auth struct {
	store    *store.Store
	keystore *keystore.Keystore
	ledger   *ledger.Ledger
	party    passkey.Party
	tries    codeTries
}

// New returns the Auth of a keystore. Passkeys belong to the party; the zero Party has none.
func New(st *store.Store, ks *keystore.Keystore, l *ledger.Ledger, party passkey.Party) *Auth {
	return &Auth{store: st, keystore: ks, ledger: l, party: party}
}
