package approvals

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"walletd/internal/auth"
	"walletd/internal/did"
	"walletd/internal/ledger"
	"walletd/internal/passkey"
	"walletd/internal/store"
)

// Choice is what the owner chose when approving a request.
type Choice struct {
	MFACode int    `json:"mfaCode,omitempty"`
	Account string `json:"account,omitempty"`
	// Items are the profile items to disclose. Nil discloses every item that was requested and that the profile
	// has; an empty list discloses none.
	Items *[]string `json:"items,omitempty" max:"64"`
	// Credentials are the ids of the credentials or assets to present, where several fit: each claim presents the
	// first of these that it offers. A claim that offers none of them presents the one that the owner was shown.
	Credentials []string  `json:"credentials,omitempty"`
	Remember    *Remember `json:"remember,omitempty"`
}

// Remember asks for a grant: one that lasts so many seconds, allows so many further answers, or lasts until it
// is revoked. Exactly one member is set.
type Remember struct {
	Seconds int64  `json:"seconds,omitempty"`
	Times   int64  `json:"times,omitempty"`
	Until   string `json:"until,omitempty"` // "withdrawn"
}

// Check returns ErrChoice unless exactly one member is set, to a value within its bounds.
func (r Remember) Check() error {
	set := 0
	for _, is := range []bool{r.Seconds != 0, r.Times != 0, r.Until != ""} {
		if is {
			set++
		}
	}
	const decade = 10 * 365 * 24 * 3600
	if set != 1 || r.Seconds < 0 || r.Seconds > decade || r.Times < 0 || r.Times > 1e6 || r.Until != "" && r.Until != "withdrawn" {
		return fmt.Errorf(`%w: remember takes one of seconds (at most ten years), times, or until "withdrawn"`, ErrChoice)
	}
	return nil
}

// Decision returns what a passkey signs to approve a request with a choice: the approval as it was asked and shown, and
// every choice as it came.
func Decision(a Approval, choice Choice) passkey.Decision {
	row := a.Row()
	return passkey.Decision{
		Approval: row.ID, Digest: a.Content().Shown.Digest(row.Digest), Verdict: "approve", MFACode: choice.MFACode, Account: choice.Account,
		Items: choice.Items, Credentials: choice.Credentials, Remember: (*passkey.Remember)(choice.Remember),
	}
}

// AccountAddress returns the bare address of the account that was chosen, or "".
func (c Choice) AccountAddress() string {
	if c.Account == "" {
		return ""
	}
	return did.Bare(c.Account)
}

// Offered returns which of the offers with these ids is chosen, or -1 if none is.
func (c Choice) Offered(ids []string) int {
	for _, id := range c.Credentials {
		if i := slices.Index(ids, id); i >= 0 {
			return i
		}
	}
	return -1
}

// Resolution is how an approval ended: the sealed content of its answer.
type Resolution struct {
	Choice
	Changed   bool `json:"changed,omitempty"`   // it was cancelled because its answer changed
	Withdrawn bool `json:"withdrawn,omitempty"` // it was cancelled by its app
	TakenBack bool `json:"takenBack,omitempty"` // it was rejected, and the owner took that back
	// Challenge is that of the first collection by a signed request; nil before. One approval answers one
	// challenge only, so that the app cannot have a second one signed.
	Challenge *string `json:"challenge,omitempty"`
}

// OpenResolution opens how an approval ended; the zero Resolution's members say that it has not.
func OpenResolution(ctx context.Context, c *auth.Caller, a Approval) (Resolution, error) {
	return ledger.OpenField[Resolution](ctx, c.Wallet, a, choiceField, a.Row().Answer)
}

// Resolve returns the approval's row with its new state, the time, the caller's token and the resolution.
func (ap *Approvals) Resolve(c *auth.Caller, row store.Approval, state string, resolution Resolution) (store.Approval, error) {
	row.State, row.Decided, row.DecidedBy = state, ap.store.Now().Unix(), c.Token
	return resolution.Seal(c.Wallet, row)
}

// Seal returns the row with the resolution sealed in it, and a new MAC.
func (resolution Resolution) Seal(w *ledger.Wallet, row store.Approval) (store.Approval, error) {
	var err error
	if row.Answer, err = w.SealField(row, choiceField, resolution); err != nil {
		return row, err
	}
	row.MAC = w.MAC(row)
	return row, nil
}

// ErrChoice: the owner chose something that the request does not offer. The wrapping error says what.
var ErrChoice = errors.New("the choice is not valid for this request")
