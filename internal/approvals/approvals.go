// Package approvals reads and shows the requests that wait for the owner's decision, and the decisions: the
// rows of approvals and of grants, and what is sealed in them. Package consent creates approvals, decides about
// requests and answers them.
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
