package approvals

import (
	"context"
	"errors"
	"fmt"

	"walletd/internal/auth"
	"walletd/internal/did"
	"walletd/internal/ledger"
	"walletd/internal/store"
)

// Choice is what the person chose in approving.
type Choice struct {
	MFACode int    `json:"mfaCode,omitempty"`
	Account string `json:"account,omitempty"`
	// Items are the profile items to give; nil gives every one that was asked for and that the
	// profile holds, an empty list gives none.
	Items    *[]string `json:"items,omitempty" max:"64"`
	Remember *Remember `json:"remember,omitempty"`
}

// Remember asks that a yes stand for more than once: for so many seconds, for so many further
// answers, or until it is withdrawn. Exactly one is set.
type Remember struct {
	Seconds int64  `json:"seconds,omitempty"`
	Times   int64  `json:"times,omitempty"`
	Until   string `json:"until,omitempty"` // "withdrawn"
}

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

// AccountAddress is the address of the account that was chosen, or "".
func (c Choice) AccountAddress() string {
	if c.Account == "" {
		return ""
	}
	return did.Bare(c.Account)
}

// Resolution is the sealed end of an approval.
type Resolution struct {
	Choice
	Changed bool `json:"changed,omitempty"` // it ended because its answer changed
	// Challenge is that of the first collection by a signed request; nil before. One yes is answered
	// to one challenge, so that it signs no second one of the app's choice.
	Challenge *string `json:"challenge,omitempty"`
}

// OpenResolution opens the end of an approval.
func OpenResolution(ctx context.Context, c *auth.Caller, a Approval) (Resolution, error) {
	return ledger.OpenField[Resolution](ctx, c.Wallet, a, choiceField, a.Row().Answer)
}

// Resolve returns the row with its end.
func (ap *Approvals) Resolve(c *auth.Caller, row store.Approval, state string, resolution Resolution) (store.Approval, error) {
	row.State, row.Decided, row.DecidedBy = state, ap.store.Now().Unix(), c.Token
	return resolution.Seal(c.Wallet, row)
}

// Seal returns the row with the decision in it.
func (resolution Resolution) Seal(w *ledger.Wallet, row store.Approval) (store.Approval, error) {
	var err error
	if row.Answer, err = w.SealField(row, choiceField, resolution); err != nil {
		return row, err
	}
	row.MAC = w.MAC(row)
	return row, nil
}

// ErrChoice: an approval chose what was not offered.
var ErrChoice = errors.New("that was not offered")
