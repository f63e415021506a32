package claims

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"walletd/internal/approvals"
	"walletd/internal/auth"
	"walletd/internal/consent"
	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/store"
	"walletd/internal/wallets"
)

// presentedClaim is a claim for a credential or an asset.
type presentedClaim struct {
	filters   []approvals.FilterView
	optional  bool
	challenge string // the claim's own challenge
	kinds     []string
}

// parsePresented parses a claim for a credential or an asset of the given kinds. types is the name of the member of
// the old form that lists types, or "".
func parsePresented(asked did.Object, types string, kinds ...string) (consent.Parsed, error) {
	p := presentedClaim{kinds: kinds, optional: string(asked["optional"]) == "true"}
	var err error
	if p.filters, err = readFilters(asked, types); err != nil {
		return consent.Parsed{}, err
	}
	if p.challenge, err = asked.OptionalText("challenge", consent.MaxText); err != nil {
		return consent.Parsed{}, err
	}
	return consent.Parsed{Read: p.read}, nil
}

// read finds the credential or asset to present. If none matches, the app is declined only after the owner has
// closed the approval, so that an app can't find out by many requests what the wallet holds.
func (p presentedClaim) read(ctx context.Context, req *consent.Request, c *consent.Claim) error {
	for _, f := range p.filters {
		c.View.Filters = append(c.View.Filters, shownFilter(f))
	}
	// The challenge is the session's or the signed request's or, for a bearer token, the claim's own.
	challenge := req.Challenge()
	if challenge == "" {
		challenge = p.challenge
	}
	if challenge == "" || len(challenge) > auth.MaxChallenge {
		return did.Malformed("what is presented is bound to a challenge: the request must have a challenge of 1 to 128 bytes", nil)
	}
	h, found, err := p.find(ctx, req)
	if err != nil {
		return err
	}
	switch {
	case !found && p.optional:
		c.Unusual = append(c.Unusual, "The wallet holds nothing that matches. The answer presents nothing.")
		return nil
	case !found:
		c.NotHeld = did.Refuse("credential_not_held", "this wallet holds nothing that matches the request")
		c.RequireAsk("the wallet holds nothing that matches the request")
		c.Unusual = append(c.Unusual, "The wallet holds nothing that matches. The app is declined whatever you decide.")
		return nil
	}
	owner, err := did.Parse(h.Owner)
	if err != nil {
		return fmt.Errorf("reading the credential's account: %w", err)
	}
	if c.Account, err = req.HeldAccount(ctx, owner); err != nil {
		return err
	}
	if h.Kind == wallets.KindAsset {
		if err := checkNonce(challenge); err != nil {
			return err
		}
	}
	if !req.Owns(c.Account) {
		c.RequireAsk("what is presented belongs to another account: " + c.Account.Address)
		c.Unusual = append(c.Unusual, "Presents what belongs to another account, "+c.Account.Address+", of "+wallets.AccountOwner(c.Account)+".")
	}
	c.About, c.View.Presents = h.ID(), h.View()
	if c.ContentHash, err = h.Contents(); err != nil {
		return err
	}
	c.Answer = func(r store.Receipt, w *keystore.Wallet) (map[string]any, error) {
		presenter := presenter{w: w, r: r, q: req, account: c.Account, owner: owner, challenge: challenge}
		if len(p.kinds) > 1 {
			return presenter.either(h)
		}
		return presenter.present(h)
	}
	return nil
}

// find returns the credential or asset that matches one of the filters, and whether there is one. Those of the
// session's account come before others, then credentials before assets, then the newest.
func (p presentedClaim) find(ctx context.Context, req *consent.Request) (wallets.Holding, bool, error) {
	all, err := req.Wallets.AllHoldings(ctx, req.Caller)
	if err != nil {
		return wallets.Holding{}, false, err
	}
	var fitting []wallets.Holding
	for _, h := range all {
		if !slices.Contains(p.kinds, h.Kind) || h.IsExpired(req.Now) || !slices.ContainsFunc(p.filters, func(f approvals.FilterView) bool { return fits(f, h) }) {
			continue
		}
		owner, err := did.Parse(h.Owner)
		if err != nil {
			continue
		}
		if _, err := req.HeldAccount(ctx, owner); did.CodeOf(err) == "account_not_held" {
			continue // the account was deleted
		} else if err != nil {
			return wallets.Holding{}, false, err
		}
		fitting = append(fitting, h)
	}
	if len(fitting) == 0 {
		return wallets.Holding{}, false, nil
	}
	slices.SortStableFunc(fitting, func(a, b wallets.Holding) int {
		own := func(h wallets.Holding) int {
			if h.Owner == req.Account.Address {
				return 0
			}
			return 1
		}
		if d := own(a) - own(b); d != 0 {
			return d
		}
		return strings.Compare(b.Kind, a.Kind) // credentials before assets
	})
	return fitting[0], true, nil
}
