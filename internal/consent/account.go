package consent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"walletd/internal/approvals"
	"walletd/internal/did"
	"walletd/internal/store"
)

// settleAccount sets the account that answers the request.
func (req *Request) settleAccount(ctx context.Context) (err error) {
	var principal *Claim
	for _, c := range req.claims {
		if c.parsed.Principal != nil {
			principal = c
		}
	}
	switch s := req.Caller.Session; {
	case s != nil && s.Account != "":
		return req.useSessionAccount(ctx, s.Account, principal)
	case principal != nil:
		return req.findPrincipal(ctx, principal, *principal.parsed.Principal)
	case req.choice.Account != "":
		return fmt.Errorf("%w: an account can be chosen only where authPrincipal asks for one", approvals.ErrChoice)
	}
	req.Account, req.newAccount, err = req.pipeline.auth.FindAccount(ctx, req.Caller, did.AccountType())
	return err
}

// useSessionAccount sets the account that the session revealed before (reference d.6). A request for another
// account is refused.
func (req *Request) useSessionAccount(ctx context.Context, revealed string, principal *Claim) error {
	account, err := did.Parse(revealed)
	if err != nil {
		return fmt.Errorf("reading the session's account: %w", err)
	}
	if req.Account, err = req.HeldAccount(ctx, account); err != nil {
		return err
	}
	if principal == nil {
		return nil
	}
	if target := principal.parsed.Principal.Target; !target.IsZero() && target != account {
		return did.Refuse("account_not_held", "the session answers as another account already")
	}
	return nil
}

// findPrincipal sets the account that a claim asks for, or that the owner chose.
func (req *Request) findPrincipal(ctx context.Context, c *Claim, p Principal) (err error) {
	wanted := p.Target
	if wanted.IsZero() && req.choice.Account != "" {
		if wanted, err = did.Parse(req.choice.Account); err != nil {
			return err
		}
	}
	if wanted.IsZero() {
		if p.ByChain && req.chain == ChainEthereum {
			p.Type = did.EthereumType()
		}
		req.Account, req.newAccount, err = req.pipeline.auth.FindAccount(ctx, req.Caller, p.Type)
		return err
	}
	req.Account, err = req.HeldAccount(ctx, wanted)
	if did.CodeOf(err) == "account_not_held" && !p.Target.IsZero() {
		return req.noteAccountNotHeld(ctx, c, wanted)
	}
	return err
}

// noteAccountNotHeld makes the owner close a request for an account that the wallet does not hold. The app is
// declined only then, so that it cannot find out which accounts the wallet holds; until then the claims are
// read as if the account were there (Answering).
func (req *Request) noteAccountNotHeld(ctx context.Context, c *Claim, wanted did.DID) (err error) {
	if req.Account, req.newAccount, err = req.pipeline.auth.FindAccount(ctx, req.Caller, did.AccountType()); err != nil {
		return err
	}
	if req.Account.Address == wanted.Address() {
		return nil // the app's own account, which is created for this request
	}
	req.notHeldAccount = wanted
	c.NotHeld = did.Refuse("account_not_held", "this wallet does not hold the account asked for")
	c.RequireAsk("the wallet does not hold the account asked for")
	c.Unusual = append(c.Unusual, "Asks to log in as "+wanted.Address()+", an account that the wallet does not hold. The app is declined whatever you decide.")
	return nil
}

// maxOwnAccounts bounds from how many accounts an owner may choose.
const maxOwnAccounts = 16

// ownAccounts returns the addresses of the app's own accounts of which the owner may choose the one that answers; that
// which answers without a choice is the first. It returns nil if there is nothing to choose. For each the request was
// read with that choice, and with that of the credentials that are shown, and gives the answer that is shown. requested are the claims as the approval stores them.
func (req *Request) ownAccounts(ctx context.Context, requested []json.RawMessage, shown *approvals.Shown) ([]string, error) {
	asked := slices.ContainsFunc(req.claims, func(c *Claim) bool { return c.parsed.Principal != nil && c.parsed.Principal.Target.IsZero() })
	if s := req.Caller.Session; !asked || !req.Owns(req.Account) || s != nil && s.Account != "" {
		return nil, nil
	}
	held, err := req.Store.AccountsOfApp(ctx, req.Caller.WalletID, req.Caller.App.Address(), maxOwnAccounts)
	if err != nil {
		return nil, fmt.Errorf("reading the accounts: %w", err)
	}
	own := []string{req.Account.Address}
	var credentials []string
	for _, c := range req.claims { // which of several is usual depends on the account
		switch {
		case len(c.offers) < 2:
		case c.picked != nil:
			credentials = append(credentials, c.About)
		default: // the owner has to choose; as good as any
			credentials = append(credentials, c.offers[0].About)
		}
	}
	for _, a := range held {
		if a.Address == req.Account.Address {
			continue
		}
		choice := approvals.Choice{Account: a.Address, Credentials: credentials}
		claims, err := req.pipeline.parse(requested, true)
		if err != nil {
			return nil, err
		}
		with := req.pipeline.newRequest(req.Caller, claims, choice)
		var current *approvals.Shown
		if err = with.read(ctx); err == nil {
			current, err = with.computeShown(ctx)
		}
		switch {
		case did.CodeOf(err) != "": // such as of a claim that this kind of account cannot answer
		case err != nil:
			return nil, err
		case with.Owns(with.Account) && shown.Matches(current, choice):
			own = append(own, a.Address)
		}
	}
	if len(own) == 1 {
		return nil, nil
	}
	return own, nil
}

// HeldAccount returns the wallet's account with exactly this DID. If there is none, the error is the refusal
// account_not_held.
func (req *Request) HeldAccount(ctx context.Context, account did.DID) (store.Account, error) {
	a, err := req.Caller.Wallet.Facts().Account(ctx, account.Address())
	if errors.Is(err, store.ErrNotFound) {
		return store.Account{}, did.Refuse("account_not_held", "this wallet does not hold the account asked for")
	}
	if err != nil {
		return store.Account{}, fmt.Errorf("looking for the account: %w", err)
	}
	return a, nil
}

// Owns reports whether an account is the app's own (design section 7): one derived for the app or, if the
// wallet stores an application's own key, the application itself.
func (req *Request) Owns(a store.Account) bool { return a.App == req.Caller.App.Address() }

// Answering returns the account that answers, as the app asked for it, and whether it is the app's own. A claim is
// refused for what it says, and for nothing else that would tell whether the wallet holds the account.
func (req *Request) Answering() (account did.DID, own bool, err error) {
	if !req.notHeldAccount.IsZero() {
		return req.notHeldAccount, false, nil
	}
	account, err = did.Parse(req.Account.Address)
	if err != nil {
		return account, false, fmt.Errorf("reading the account: %w", err)
	}
	return account, req.Owns(req.Account), nil
}

// IsForgotten is auth.IsForgotten for the request's wallet.
func (req *Request) IsForgotten(ctx context.Context, account store.Account) (bool, error) {
	return req.pipeline.auth.IsForgotten(ctx, req.Caller, account)
}
