package consent

import (
	"context"
	"fmt"
	"slices"

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
	return did.Bare(c.Account)
}

// checkChoice holds the person's choice to what was offered.
func (q *Question) checkChoice() error {
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
		if c.kind.Name != "authPrincipal" {
			continue
		}
		if target, _ := c.Asked.Text("target"); target == "" && q.Owns(q.Account) {
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
func openDecision(ctx context.Context, c *auth.Caller, a openApproval) (decision, error) {
	return ledger.OpenField[decision](ctx, c.Wallet, a, choiceField, a.Row().Answer)
}

// decide returns the row with its end.
func (p *Pipeline) decide(c *auth.Caller, row store.Approval, state string, end decision) (store.Approval, error) {
	row.State, row.Decided, row.DecidedBy = state, p.store.Now().Unix(), c.Token
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

// keepItems leaves of the items that would be given those that are named; nil leaves all.
func (c *Claim) keepItems(named *[]string) {
	if named == nil || c.Items == nil {
		return
	}
	c.Items = slices.DeleteFunc(slices.Clone(c.Items), func(item string) bool { return !slices.Contains(*named, item) })
}

// checkItems holds the person's choice of items to those that were asked for and are held.
func (q *Question) checkItems() error {
	if q.choice.Items == nil {
		return nil
	}
	offered, asked := map[string]bool{}, false
	for _, c := range q.claims {
		if c.Items == nil {
			continue
		}
		asked = true
		for _, item := range c.View.Items {
			offered[item.Item] = offered[item.Item] || item.Held
		}
	}
	if !asked {
		return fmt.Errorf("%w: no profile items were asked for", ErrChoice)
	}
	for _, item := range *q.choice.Items {
		held, wanted := offered[item]
		switch {
		case !wanted:
			return fmt.Errorf("%w: items names one that was not asked for", ErrChoice)
		case !held:
			return fmt.Errorf("%w: the profile does not have the item %s", ErrChoice, item)
		}
	}
	return nil
}
