// Package approvals holds the questions that wait for a person, and what they answered: the rows of
// approvals and of grants, what is sealed in them, and how both are shown. Package consent asks and
// collects; nothing is decided here.
package approvals

import (
	"walletd/internal/auth"
	"walletd/internal/store"
)

// Approvals reads the approvals and grants of a keystore's wallets. It is safe for concurrent use.
type Approvals struct {
	auth  *auth.Auth
	store *store.Store
}

// New returns the Approvals of a keystore.
func New(st *store.Store, a *auth.Auth) *Approvals { return &Approvals{auth: a, store: st} }
