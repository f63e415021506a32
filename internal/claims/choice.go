package claims

import (
	"context"
	"fmt"

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

func (r Remember) check() error {
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

// account is the address of the account that was chosen, or "".
func (c Choice) account() string {
	if c.Account == "" {
		return ""
	}
	return bare(c.Account)
}

// checkChoice holds the person's choice to what was offered.
func (q *question) checkChoice() error {
	number := false
	for _, c := range q.claims {
		for _, offered := range c.mfa {
			number = number || offered == q.choice.MFACode
		}
		if len(c.mfa) > 0 && !number {
			return fmt.Errorf("%w: mfaCode must be the number shown on the app's page", ErrChoice)
		}
	}
	if q.choice.MFACode != 0 && !number {
		return fmt.Errorf("%w: no number was asked for", ErrChoice)
	}
	if err := q.checkItems(); err != nil {
		return err
	}
	if q.choice.Account == "" {
		return nil
	}
	for _, c := range q.claims {
		if c.kind.name != "authPrincipal" {
			continue
		}
		if target, _ := c.asked.Text("target"); target == "" && q.owns(q.account) {
			return nil
		}
	}
	return fmt.Errorf("%w: the account must be one of the app's own, and the app must have left the choice", ErrChoice)
}

// decision is the sealed end of an approval.
type decision struct {
	Choice
	Changed bool `json:"changed,omitempty"` // it ended because its answer changed
	// Challenge is that of the first collection by a signed request; nil before. One yes is answered
	// to one challenge, so that it signs no second one of the app's choice.
	Challenge *string `json:"challenge,omitempty"`
}

// openDecision opens the end of an approval.
func openDecision(ctx context.Context, c *Caller, a openApproval) (decision, error) {
	return ledger.OpenField[decision](ctx, c.Wallet, a, choiceField, a.Row().Answer)
}

// decide returns the row with its end.
func (d *Door) decide(c *Caller, row store.Approval, state string, end decision) (store.Approval, error) {
	row.State, row.Decided, row.DecidedBy = state, d.store.Now().Unix(), c.Token
	return end.seal(c.Wallet, row)
}

// seal returns the row with the decision in it.
func (end decision) seal(w *ledger.Wallet, row store.Approval) (store.Approval, error) {
	var err error
	if row.Answer, err = w.SealField(row, choiceField, end); err != nil {
		return row, err
	}
	row.MAC = w.MAC(row)
	return row, nil
}
