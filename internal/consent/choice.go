package consent

import (
	"fmt"
	"slices"
	"walletd/internal/approvals"
)

// checkChoice checks that the owner chose only what was offered.
func (req *Request) checkChoice() error {
	number := false
	for _, c := range req.claims {
		for _, offered := range c.mfa {
			number = number || offered == req.choice.MFACode
		}
		if len(c.mfa) > 0 && !number {
			return fmt.Errorf("%w: mfaCode must be the number shown on the app's page", approvals.ErrChoice)
		}
	}
	if req.choice.MFACode != 0 && !number {
		return fmt.Errorf("%w: the request does not ask for a number", approvals.ErrChoice)
	}
	if err := req.checkItems(); err != nil {
		return err
	}
	if err := req.checkCredentials(); err != nil {
		return err
	}
	if req.choice.Account == "" {
		return nil
	}
	for _, c := range req.claims {
		if c.kind.Name != "authPrincipal" {
			continue
		}
		if target, _ := c.Asked.Text("target"); target == "" && req.Owns(req.Account) {
			return nil
		}
	}
	return fmt.Errorf("%w: the account must be one of the app's own, and the request must leave the choice of the account to the owner", approvals.ErrChoice)
}

// checkCredentials checks that the owner chose where a choice has to be made, and only what was offered.
func (req *Request) checkCredentials() error {
	taken := map[string]bool{}
	for _, c := range req.claims {
		if c.mustChoose() {
			return fmt.Errorf("%w: several credentials fit, and give different roles: credentials must name the one to present", approvals.ErrChoice)
		}
		ids := offerIDs(c.offers)
		if i := req.choice.Offered(ids); i >= 0 {
			taken[ids[i]] = true
		}
	}
	for _, id := range req.choice.Credentials {
		if !taken[id] {
			return fmt.Errorf("%w: credentials names one that was not offered, or one more than are presented", approvals.ErrChoice)
		}
	}
	return nil
}

// limitItems removes the profile items that are not among those named; nil removes none.
func (c *Claim) limitItems(named *[]string) {
	if named == nil || c.Items == nil {
		return
	}
	c.Items = slices.DeleteFunc(slices.Clone(c.Items), func(item string) bool { return !slices.Contains(*named, item) })
}

// checkItems checks that the owner chose only profile items that were requested and that the profile has.
func (req *Request) checkItems() error {
	if req.choice.Items == nil {
		return nil
	}
	offered, asked := map[string]bool{}, false
	for _, c := range req.claims {
		if c.Items == nil {
			continue
		}
		asked = true
		for _, item := range c.View.Items {
			offered[item.Item] = offered[item.Item] || item.Held
		}
	}
	if !asked {
		return fmt.Errorf("%w: no profile items were requested", approvals.ErrChoice)
	}
	for _, item := range *req.choice.Items {
		held, wanted := offered[item]
		switch {
		case !wanted:
			return fmt.Errorf("%w: items names an item that was not requested", approvals.ErrChoice)
		case !held:
			return fmt.Errorf("%w: the profile does not have the item %s", approvals.ErrChoice, item)
		}
	}
	return nil
}
