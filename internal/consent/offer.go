package consent

import (
	"cmp"
	"context"
	"slices"
	"sort"

	"walletd/internal/approvals"
	"walletd/internal/store"
)

// Offer is one of the things that a claim can be answered with, such as one of several credentials.
type Offer struct {
	About       string        // its id
	Account     store.Account // the account whose key answers
	ContentHash string        // of the stored contents that the answer would disclose (wallets.Contents)
	AlwaysAsk   string        // why the owner is always asked about this one, or ""
	Unusual     []string      // what the owner should notice about this one, a sentence each
}

// Offer sets what the claim can be answered with, and picks the one that answers: the one that the owner chose, or else
// that at index otherwise. If otherwise is negative, the owner has to choose. Offer returns the index of the one that
// it picked, negative if it picked none; the claim is then not answered.
func (c *Claim) Offer(req *Request, offers []Offer, otherwise int) int {
	c.offers = offers
	picked := req.choice.Offered(offerIDs(offers))
	if picked < 0 {
		picked = otherwise
	}
	if picked >= 0 {
		o := &offers[picked]
		c.picked, c.Account, c.About, c.ContentHash = o, o.Account, o.About, o.ContentHash
	}
	return picked
}

func offerIDs(offers []Offer) []string {
	ids := make([]string, len(offers))
	for i, o := range offers {
		ids[i] = o.About
	}
	return ids
}

// mustChoose reports whether the owner has to choose what answers the claim.
func (c *Claim) mustChoose() bool { return len(c.offers) > 0 && c.picked == nil }

// unusualNow returns what is unusual about the claim and about what answers it.
func (c *Claim) unusualNow() []string {
	if c.picked == nil {
		return c.Unusual
	}
	return slices.Concat(c.Unusual, c.picked.Unusual)
}

// alwaysAskNow returns why the owner is always asked about the claim or about what answers it, or "".
func (c *Claim) alwaysAskNow() string {
	if c.picked == nil {
		return c.alwaysAsk
	}
	return cmp.Or(c.alwaysAsk, c.picked.AlwaysAsk)
}

// shownOffers returns the offers as the owner is shown them, in an order that does not depend on which answers.
func (c *Claim) shownOffers() []approvals.ShownOffer {
	var shown []approvals.ShownOffer
	for _, o := range c.offers {
		shown = append(shown, approvals.ShownOffer{
			About: o.About, Account: o.Account.Address, Owner: o.Account.App, ContentHash: o.ContentHash, AlwaysAsk: o.AlwaysAsk, Unusual: o.Unusual,
		})
	}
	// Not by slices: each instance for a large struct is 10 to 30 kB of the binary.
	sort.Slice(shown, func(i, j int) bool { return shown[i].About < shown[j].About })
	return shown
}

// Presented returns the ids of what the request's app was presented before, the last one first.
func (req *Request) Presented(ctx context.Context) ([]string, error) {
	app, err := req.pipeline.auth.App(ctx, req.Caller, req.Caller.App.Address())
	return app.Content().Presented, err
}

// notePresented returns the write that notes what the answer presents, so that it is known as the one used last with the
// app. Where that is known already, there is none.
func (req *Request) notePresented(ctx context.Context) ([]store.Write, error) {
	var ids []string
	before, known := []string(nil), true
	for _, c := range req.claims {
		if c.picked == nil {
			continue
		}
		if before == nil {
			var err error
			if before, err = req.Presented(ctx); err != nil {
				return nil, err
			}
		}
		if !slices.Contains(ids, c.About) {
			ids = append(ids, c.About)
		}
		offered := offerIDs(c.offers)
		last := slices.IndexFunc(before, func(id string) bool { return slices.Contains(offered, id) })
		known = known && last >= 0 && before[last] == c.About
	}
	if known {
		return nil, nil
	}
	return req.pipeline.auth.NotePresented(ctx, req.Caller, ids)
}
