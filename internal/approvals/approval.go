package approvals

import (
	"context"
	"crypto/rand"
	"encoding/json"

	"walletd/internal/auth"
	"walletd/internal/ledger"
	"walletd/internal/store"
)

// Content is the sealed content of an approval: the claims exactly as they were requested, and what the owner
// is shown of them. The row around it is authenticated.
type Content struct {
	Requested []json.RawMessage `json:"requested"`
	Claims    []ClaimView       `json:"claims"`
	Name      string            `json:"name,omitempty"`  // the app's own name for itself, made plain (show.Plain)
	Label     string            `json:"label,omitempty"` // of the token that sent the request
	Account   string            `json:"account"`
	Accounts  []string          `json:"accounts,omitempty"` // from which the owner may choose (View)
	Unusual   []string          `json:"unusual,omitempty"`
	Reason    string            `json:"reason"`
	Shown     *Shown            `json:"shown,omitempty"` // nil if an earlier version stored the approval
	auth.Requester
}

// Approval is an authentic row of an approval, with its content.
type Approval = ledger.Opened[store.Approval, Content]

// choiceField is the sealed field that holds a Resolution.
const choiceField = "choice"

// codeLetters are 32 letters and digits, without those that are easily confused.
const codeLetters = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"

// NewCode returns a random code of six letters. The app shows it, and the approval does too, so that the owner
// can see that the two belong together.
func NewCode() string {
	var b [6]byte
	rand.Read(b[:]) // never fails
	for i, x := range b {
		b[i] = codeLetters[x%32]
	}
	return string(b[:])
}

// Open returns an approval of the caller's wallet. If the wallet has none with this id, the error is
// auth.ErrNotFound.
func (ap *Approvals) Open(ctx context.Context, c *auth.Caller, id string) (Approval, error) {
	row, err := ap.store.Approval(ctx, id)
	if err != nil || row.Wallet != c.WalletID {
		return Approval{}, auth.NotFound(err)
	}
	return ledger.Open[Content](ctx, c.Wallet, row)
}

// How many requests may wait for the owner's decision (design section 7). The bounds keep an app from wearing
// the owner down.
const (
	PerApp    = 20
	PerWallet = 100
)

// RevocationTries is how often a revocation retries after a concurrent write changed the wallet. It is more
// than the requests that may wait, and using a grant does not count as a change, so that no app can keep a
// revocation from succeeding.
const RevocationTries = 2 * PerWallet
