package approvals

import (
	"context"
	"crypto/rand"
	"encoding/json"

	"walletd/internal/auth"
	"walletd/internal/ledger"
	"walletd/internal/store"
)

// Content is the sealed content of an approval: exactly what was asked, and what was seen when it
// was asked. The row around it is authenticated.
type Content struct {
	Requested []json.RawMessage `json:"requested"`
	Claims    []ClaimView       `json:"claims"`
	Name      string            `json:"name,omitempty"`  // what the app calls itself, made plain
	Label     string            `json:"label,omitempty"` // of the token that asked
	Account   string            `json:"account"`
	Unusual   []string          `json:"unusual,omitempty"`
	Reason    string            `json:"reason"`
	Shown     *Shown            `json:"shown,omitempty"` // nil where an earlier version asked
	auth.Requester
}

// Approval is an approval's row that is authentic, with what was asked.
type Approval = ledger.Opened[store.Approval, Content]

// choiceField holds, sealed, what the person chose in approving.
const choiceField = "choice"

// codeLetters are 32 letters and digits that are not taken for one another.
const codeLetters = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"

// NewCode returns the six letters that stand both in the app's answer and on the approval, so
// that a person can see that the two belong together.
func NewCode() string {
	var b [6]byte
	rand.Read(b[:]) // never fails
	for i, x := range b {
		b[i] = codeLetters[x%32]
	}
	return string(b[:])
}

// Open returns an approval of the caller's wallet.
func (ap *Approvals) Open(ctx context.Context, c *auth.Caller, id string) (Approval, error) {
	row, err := ap.store.Approval(ctx, id)
	if err != nil || row.Wallet != c.WalletID {
		return Approval{}, auth.NotFound(err)
	}
	return ledger.Open[Content](ctx, c.Wallet, row)
}

// Budgets of design section 7, against a person worn down by questions.
const (
	PerApp    = 20
	PerWallet = 100
)

// RevocationTries is how often what ends something is begun anew, because something came between what
// it read and what it wrote. A grant's use is no such thing, and as many questions as may wait are
// fewer, so that no app can hold off its end.
const RevocationTries = 2 * PerWallet
