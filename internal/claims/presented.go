package claims

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sort"

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
	p := presentedClaim{kinds: kinds, optional: string(asked.Get("optional")) == "true"}
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
	fitting, err := p.find(ctx, req)
	if err != nil {
		return err
	}
	found := len(fitting) > 0
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
	if err := checkNonce(challenge); err != nil { // an asset's owner signs the challenge itself
		if fitting[0].Kind == wallets.KindAsset {
			return err
		}
		fitting = slices.DeleteFunc(fitting, func(f fit) bool { return f.Kind == wallets.KindAsset })
	}
	offers := make([]consent.Offer, len(fitting))
	for i, f := range fitting {
		if offers[i], err = f.offer(req); err != nil {
			return err
		}
		view := f.View()
		if len(fitting) > 1 {
			c.View.Offers = append(c.View.Offers, approvals.OfferView{HoldingView: *view, Unusual: offers[i].Unusual, AskedEachTime: offers[i].AlwaysAsk})
		}
	}
	presented, err := req.Presented(ctx)
	if err != nil {
		return err
	}
	usual := usual(fitting, offers, presented)
	if usual < 0 {
		c.NoteUntilApproved("Several that fit give you different roles. Choose the one to present: it is who you are to the app.",
			"several credentials fit and give different roles, and none of them was presented to this app before")
	}
	picked := c.Offer(req, offers, usual)
	if picked < 0 {
		c.Answer = func(store.Receipt, *keystore.Wallet) (map[string]any, error) { return nil, errNotChosen }
		return nil
	}
	h := fitting[picked]
	c.View.Presents = h.View()
	c.Answer = func(r store.Receipt, w *keystore.Wallet) (map[string]any, error) {
		presenter := presenter{w: w, r: r, q: req, account: h.account, owner: h.owner, challenge: challenge}
		if len(p.kinds) > 1 {
			return presenter.either(h.Holding)
		}
		return presenter.present(h.Holding)
	}
	return nil
}

// errNotChosen: a claim would be answered although the owner has not chosen what to present. No approval is
// accepted without the choice, so it is never returned.
var errNotChosen = errors.New("the owner has not chosen which credential to present")

// fit is a credential or an asset that matches, with the account that it belongs to.
type fit struct {
	wallets.Holding
	account store.Account
	owner   did.DID // of account
	role    role
}

// role is what a passport makes of whom at whose app; it is zero for what gives no role.
type role struct{ issuer, owner, name string }

func roleOf(h wallets.Holding) role {
	name := h.Said().Role
	if name == "" {
		return role{}
	}
	return role{h.Issuer, h.Owner, name}
}

// offer returns the credential or asset as something to choose from.
func (f fit) offer(req *consent.Request) (consent.Offer, error) {
	hash, err := f.Contents()
	o := consent.Offer{About: f.ID(), Account: f.account, ContentHash: hash}
	if !req.Owns(f.account) {
		o.AlwaysAsk = "what is presented belongs to another account: " + f.account.Address
		o.Unusual = append(o.Unusual, "Presents what belongs to another account, "+f.account.Address+", of "+wallets.AccountOwner(f.account)+".")
	}
	if isLarge(f.Data) {
		o.Unusual = append(o.Unusual, "This credential is large. Many apps read no more than 100 kB of an answer, and would refuse it.")
	}
	return o, err
}

// appsRead is how many bytes of an answer dApps read unless they are told otherwise (reference d.5).
const appsRead = 100 << 10

// isLarge reports whether the answer that presents a credential is larger than what dApps read. The credential is a
// text in the presentation, which is a text in a token, which is in base64.
func isLarge(data json.RawMessage) bool {
	const around = 4 << 10
	text := string(data)
	for range 2 {
		quoted, err := did.MarshalStable(text)
		if err != nil {
			return false
		}
		text = string(quoted)
	}
	return (len(text)+around)/3*4 > appsRead
}

// usual returns the index of what is presented unless the owner chooses another: what was presented last to the app, or
// else the first, if no other of its kind gives another role. Otherwise it is -1: the passport that is presented is
// the role that a person has at an app, so none is guessed.
func usual(fitting []fit, offers []consent.Offer, presented []string) int {
	for _, id := range presented {
		if i := slices.IndexFunc(offers, func(o consent.Offer) bool { return o.About == id }); i >= 0 {
			return i
		}
	}
	first := fitting[0]
	if slices.ContainsFunc(fitting, func(f fit) bool { return f.Kind == first.Kind && f.role != first.role }) {
		return -1
	}
	return 0
}

// find returns the credentials and assets that match one of the filters. Those of the session's account come before
// others, then credentials before assets, then the newest.
func (p presentedClaim) find(ctx context.Context, req *consent.Request) ([]fit, error) {
	all, err := req.Wallets.AllHoldings(ctx, req.Caller)
	if err != nil {
		return nil, err
	}
	var fitting []fit
	for _, h := range all {
		if !slices.Contains(p.kinds, h.Kind) || h.IsExpired(req.Now) || !slices.ContainsFunc(p.filters, func(f approvals.FilterView) bool { return fits(f, h) }) {
			continue
		}
		owner, err := did.Parse(h.Owner)
		if err != nil {
			continue
		}
		account, err := req.HeldAccount(ctx, owner)
		if did.CodeOf(err) == "account_not_held" {
			continue // the account was deleted
		} else if err != nil {
			return nil, err
		}
		fitting = append(fitting, fit{h, account, owner, roleOf(h)})
	}
	// Not by slices: each instance for a large struct is 10 to 30 kB of the binary.
	sort.SliceStable(fitting, func(i, j int) bool {
		a, b := fitting[i], fitting[j]
		if own := a.Owner == req.Account.Address; own != (b.Owner == req.Account.Address) {
			return own
		}
		return a.Kind > b.Kind // credentials before assets
	})
	return fitting, nil
}
