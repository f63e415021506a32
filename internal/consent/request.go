package consent

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/sha3"

	"walletd/internal/approvals"
	"walletd/internal/auth"
	"walletd/internal/delegation"
	"walletd/internal/did"
	"walletd/internal/ledger"
	"walletd/internal/policy"
	"walletd/internal/store"
	"walletd/internal/wallets"
)

// Request is a request on its way through the pipeline. It is made anew each time it is decided or
// answered, never kept, and belongs to one goroutine.
type Request struct {
	Caller  *auth.Caller
	Now     time.Time
	Account store.Account // the session's account, from which all claims answer that name no other

	Store   *store.Store
	Wallets *wallets.Wallets

	pipeline      *Pipeline
	registered    bool // the app has a token in the wallet, or the person has approved it
	newAccount    bool // the account is new: it is kept with what becomes of the question
	claims        []*Claim
	choice        approvals.Choice
	unusual       []string
	untilApproved []string         // those of unusual that a yes takes away (shown)
	shown         *approvals.Shown // what the person is shown, once it was computed
}

// newRequest returns the question that claims make which were parsed.
func (p *Pipeline) newRequest(c *auth.Caller, claims []*Claim, choice approvals.Choice) *Request {
	return &Request{pipeline: p, Store: p.store, Wallets: p.wallets, Caller: c, Now: p.store.Now(), claims: claims, choice: choice}
}

// parse reads the claims of a request, or, with kept, those that an approval keeps. It looks nothing
// up.
func (p *Pipeline) parse(asked []json.RawMessage, stored bool) ([]*Claim, error) {
	if len(asked) == 0 || len(asked) > maxClaims {
		return nil, did.Malformed(fmt.Sprintf("requestedClaims must hold 1 to %d claims", maxClaims), nil)
	}
	claims := make([]*Claim, len(asked))
	principals := 0
	for i, raw := range asked {
		c, err := p.types.parse(raw, stored)
		if err != nil {
			return nil, err
		}
		if c.parsed.Principal != nil {
			principals++
		}
		claims[i] = c
	}
	if principals > 1 {
		return nil, did.Malformed("a request asks for one authPrincipal at most", nil)
	}
	return claims, nil
}

// read finds out all that a decision rests on. A *denial comes before anything is derived or looked
// up but the app's own standing: what an owner denies an app tells it nothing about the wallet. Then
// the account that a Principal asks for is settled, from which all other claims answer (reference h).
func (req *Request) read(ctx context.Context) error {
	requests := make([]delegation.ClaimRequest, len(req.claims))
	for i, c := range req.claims {
		requests[i] = delegation.ClaimRequest{Type: c.kind.Name, Items: c.parsed.Items}
	}
	if err := req.Caller.CertificateAllows(requests); err != nil {
		return err
	}
	if err := req.checkRequester(ctx); err != nil {
		return err
	}
	if err := req.deny(ctx); err != nil {
		return err
	}
	if err := req.settleAccount(ctx); err != nil {
		return err
	}
	for _, claim := range req.claims {
		claim.Account = req.Account
		if err := claim.parsed.Read(ctx, req, claim); err != nil {
			return err
		}
		claim.limitItems(req.choice.Items)
		if !req.Owns(req.Account) {
			claim.RequireAsk("the request acts as an account of " + wallets.AccountOwner(req.Account))
		}
	}
	return nil
}

// checkRequester finds whether the app is known. A stranger may ask only where the owner opened the wallet
// to strangers, and an app that was withdrawn not even there. An owner asks in an app's name.
func (req *Request) checkRequester(ctx context.Context) error {
	if req.Caller.Role == auth.Owner {
		req.registered = true
		return nil
	}
	standing, err := req.pipeline.auth.Standing(ctx, req.Caller)
	if err != nil {
		return err
	}
	req.registered = standing == auth.Registered
	switch {
	case req.Caller.Session != nil: // the person opened its link
		if standing == auth.Revoked {
			req.noteUntilApproved("You withdrew this app; a yes lets it in again.")
		}
		if req.Caller.Session.Member != "" {
			req.unusual = append(req.unusual, req.Caller.Session.Member)
		}
		if req.Caller.Session.Followed {
			req.unusual = append(req.unusual, "You did not open this link: the app of the session before led here.")
		}
	case standing == auth.Revoked:
		return did.Refuse("app_unknown", "the wallet's owner withdrew this app; a new token, or naming the app, lets it in again")
	case standing == auth.Unregistered && !req.Caller.Wallet.Settings().Strangers:
		return did.Refuse("app_unknown", "this app has no token in the wallet and was never approved; its owner can make a token for it")
	case standing == auth.Unregistered:
		req.noteUntilApproved("This app is not known to the wallet.")
	}
	return nil
}

// denial says that a rule denies a question. Whoever returns it to an app puts it on record first.
type denial struct {
	req *Request
	policy.Verdict
}

func (d *denial) Error() string { return fmt.Sprintf("%s: %s", ErrDenied, d.Reason) }

func (d *denial) Unwrap() error { return ErrDenied }

// deny returns a *denial where a rule denies one of the claims. Of candidates it leaves those that
// no rule denies; with none left the claim is denied. No rule speaks of what the owner asks.
func (req *Request) deny(ctx context.Context) error {
	rules, err := req.pipeline.currentPolicy(ctx, req.Caller)
	if err != nil {
		return err
	}
	for _, c := range req.claims {
		if c.parsed.Candidates == nil {
			if v, is := rules.Denies(c.fact(req)); is && req.Caller.Role == auth.App {
				return &denial{req, v}
			}
			continue
		}
		candidates, err := c.parsed.Candidates(ctx, req)
		if err != nil {
			return err
		}
		var denied policy.Verdict
		c.Candidates = nil
		for _, salt := range candidates {
			f := c.fact(req)
			f.Salt, f.HasSalt = did.LooseBytes(salt), true
			if v, is := rules.Denies(f); is && req.Caller.Role == auth.App {
				denied = v
			} else {
				c.Candidates = append(c.Candidates, salt)
			}
		}
		if len(c.Candidates) == 0 {
			return &denial{req, denied}
		}
	}
	return nil
}

// settleAccount finds the account of the session.
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

// useSessionAccount answers from the account that a session revealed before (reference d.6): another
// one asked for now is refused.
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

// findPrincipal settles the account that a claim asks for, or that the person chose.
func (req *Request) findPrincipal(ctx context.Context, c *Claim, p Principal) (err error) {
	wanted := p.Target
	if wanted.IsZero() && req.choice.Account != "" {
		if wanted, err = did.Parse(req.choice.Account); err != nil {
			return err
		}
	}
	if wanted.IsZero() {
		req.Account, req.newAccount, err = req.pipeline.auth.FindAccount(ctx, req.Caller, p.Type)
		return err
	}
	req.Account, err = req.HeldAccount(ctx, wanted)
	if did.CodeOf(err) == "account_not_held" && !p.Target.IsZero() && req.Caller.Session != nil {
		return req.noteAccountNotHeld(ctx, c, wanted)
	}
	return err
}

// noteAccountNotHeld leaves it to the person to close a session's question about an account that the
// wallet does not hold: a page must not find out which it holds by asking.
func (req *Request) noteAccountNotHeld(ctx context.Context, c *Claim, wanted did.DID) (err error) {
	if req.Account, req.newAccount, err = req.pipeline.auth.FindAccount(ctx, req.Caller, did.AccountType()); err != nil {
		return err
	}
	if req.Account.Address == wanted.Address() {
		return nil // the app's own, which is made for this question
	}
	c.NotHeld = did.Refuse("account_not_held", "this wallet does not hold the account asked for")
	c.RequireAsk("the wallet does not hold the account asked for")
	c.Unusual = append(c.Unusual, "Asks to be "+wanted.Address()+", an account that the wallet does not hold. Whatever you answer, the app is declined.")
	return nil
}

// HeldAccount returns the wallet's account with exactly this DID, or account_not_held.
func (req *Request) HeldAccount(ctx context.Context, account did.DID) (store.Account, error) {
	a, err := req.Store.Account(ctx, req.Caller.WalletID, account.Address())
	if errors.Is(err, store.ErrNotFound) {
		return store.Account{}, did.Refuse("account_not_held", "this wallet does not hold the account asked for")
	}
	if err != nil {
		return store.Account{}, fmt.Errorf("looking for the account: %w", err)
	}
	return a, nil
}

// Owns reports whether an account is the asking app's own (design section 7): derived for it,
// or, when an application's own key is kept here, the application itself.
func (req *Request) Owns(a store.Account) bool { return a.App == req.Caller.App.Address() }

// Signer is the DID that signed the request: the agent of a delegated app, or the app.
func (req *Request) Signer() did.DID {
	if !req.Caller.Agent.IsZero() {
		return req.Caller.Agent
	}
	return req.Caller.App
}

// NoteUnsealed says that a secret is asked for in clear although the channel was offered
// (reference e); over HTTP the connection is the app's own.
func (req *Request) NoteUnsealed(c *Claim) {
	if s := req.Caller.Session; s != nil && s.Offered && !s.Arrived {
		c.Unusual = append(c.Unusual, "The request did not come over the encrypted channel, which was offered.")
	}
}

// Challenge is the one that the answer is to carry, "" for a bearer token's.
func (req *Request) Challenge() string { return req.Caller.Challenge() }

// AppTime is the time for what this app reads, its clock's skew added.
func (req *Request) AppTime() time.Time {
	if s := req.Caller.Session; s != nil {
		return req.Now.Add(s.Skew)
	}
	return req.Now
}

// rawClaims is the request as an approval keeps it.
func (req *Request) rawClaims() ([]json.RawMessage, error) {
	asked := make([]json.RawMessage, len(req.claims))
	for i, c := range req.claims {
		var err error
		if asked[i], err = c.text(); err != nil {
			return nil, err
		}
	}
	return asked, nil
}

// digest names exactly what was asked, by whom, of which wallet; times and ids of the request
// are not part of it, so the same question asked again is the same question.
func (req *Request) digest() ([]byte, error) {
	var asked any
	var err error
	if same := req.claims[0].Identity; same != nil {
		asked = same
	} else if asked, err = req.rawClaims(); err != nil {
		return nil, err
	}
	text, err := did.MarshalStable(map[string]any{
		"wallet": req.Caller.WalletID, "asker": req.Caller.RequesterID, "app": req.Caller.App.String(), "agent": req.Caller.Agent.String(), "claims": asked,
	})
	if err != nil {
		return nil, did.Malformed("the claims cannot be written in canonical form", err)
	}
	h := sha3.New256()
	h.Write([]byte("walletd question v1\x00"))
	h.Write(text)
	return h.Sum(nil), nil
}

// answer derives and signs, with the receipt of the entry that allows it.
func (req *Request) answer(r store.Receipt, v verdict) (*Answer, error) {
	if body := req.claims[0].Body; body != nil {
		return req.answerBody(r, v, body)
	}
	a := &Answer{UserDID: req.Account.Address, Reason: v.Reason}
	for _, c := range req.claims {
		added := map[string]any{}
		if c.Answer != nil {
			var err error
			if added, err = c.Answer(r, req.Caller.Wallet.Keys()); err != nil {
				return nil, err
			}
		}
		if len(c.mfa) > 0 {
			added["mfaCode"] = []int{req.choice.MFACode} // replaced, not echoed (reference d.8)
		}
		whole, err := c.echo(added, req.Caller.Session != nil)
		if err != nil {
			return nil, err
		}
		a.Claims = append(a.Claims, whole)
	}
	pk, err := req.Caller.Wallet.Keys().PublicKey(req.Account)
	if err != nil {
		return nil, fmt.Errorf("reading the account: %w", err)
	}
	a.UserPK = did.EncodeBase58(pk)
	if a.Signed, err = req.Caller.SignAnswer(r, req.Account, a.UserPK, a.Claims, req.Now); err != nil {
		return nil, err
	}
	if a.Signed != nil {
		a.Claims = nil
	}
	return a, nil
}

// answerBody is answer for a type with a route of its own.
func (req *Request) answerBody(r store.Receipt, v verdict, body bodyFunc) (*Answer, error) {
	whole, etag, err := body(r, req.Caller.Wallet.Keys())
	if err != nil {
		return nil, err
	}
	a := &Answer{Reason: v.Reason, ETag: etag}
	if a.Own, err = json.Marshal(whole); err != nil {
		return nil, fmt.Errorf("writing the answer: %w", err)
	}
	return a, nil
}

// prepare makes what is stored in the same write as the record of the answer.
func (req *Request) prepare(ctx context.Context, approval string) ([]store.Write, error) {
	var writes []store.Write
	for i, c := range req.claims {
		if c.Prepare == nil {
			continue
		}
		w, err := c.Prepare(ctx, fmt.Sprintf("%s/%d", approval, i))
		if err != nil {
			return nil, err
		}
		writes = append(writes, w...)
	}
	return writes, nil
}

// notHeld refuses what the wallet does not hold.
func (req *Request) notHeld() error {
	for _, c := range req.claims {
		if c.NotHeld != nil {
			return c.NotHeld
		}
	}
	return nil
}

// refused says why the question cannot be answered as things stand.
func (req *Request) refused() error {
	for _, c := range req.claims {
		if c.Refused != nil {
			return c.Refused
		}
	}
	return nil
}

// record puts what became of the question on record with what it changes, a new account included:
// of a question that is refused, or over its budget, nothing stays behind.
func (req *Request) record(ctx context.Context, e ledger.Event, writes ...store.Write) (store.Receipt, error) {
	p := req.pipeline
	if !req.newAccount {
		return req.Caller.Commit(ctx, ledger.Change{Event: e, Writes: writes})
	}
	first := req.Caller.Event(ledger.AccountCreated)
	first.Account = req.Account.Address
	receipt, err := req.Caller.Commit(ctx, ledger.Change{Before: []ledger.Event{first}, Event: e, Writes: append(writes, store.InsertAccount(req.Account))})
	return receipt, p.auth.AccountWriteError(ctx, req.Caller, req.Account, err)
}

// event is the record's view of the question.
func (req *Request) event(kind ledger.Kind, v verdict) ledger.Event {
	e := req.Caller.Event(kind)
	e.Decision, e.Reason, e.Rule = v.Decision, v.Reason, v.Rule
	if v.Grant != nil {
		e.Grant = v.Grant.ID
	}
	e.Approval, e.Digest = v.approval, v.shown
	for _, c := range req.claims {
		e.Claims = append(e.Claims, c.event())
	}
	return e
}

func (c *Claim) event() ledger.ClaimEvent {
	e := ledger.ClaimEvent{Type: c.kind.Name, Account: c.Account.Address, Items: c.Items, About: c.About, Created: c.Created}
	if c.hasSalt {
		salt := hex.EncodeToString(c.salt)
		e.Salt = &salt
	}
	if c.delegation != nil {
		e.Delegation = hex.EncodeToString(c.delegation.Hash[:])
	}
	return e
}

// decide decides every claim; the strictest decision holds for all. It returns the writes
// that use up the grants it rests on.
func (req *Request) decide(ctx context.Context) (verdict, []store.Write, error) {
	if req.Caller.Role == auth.Owner {
		return verdict{Verdict: policy.Verdict{Decision: policy.Allow, Reason: "the owner's own request"}}, nil, nil
	}
	p := req.pipeline
	rules, err := p.currentPolicy(ctx, req.Caller)
	if err != nil {
		return verdict{}, nil, err
	}
	var grants []policy.Grant
	var rows map[string]approvals.Grant
	all := policy.Verdict{Decision: policy.Allow}
	used := map[string]bool{}
	for i, c := range req.claims {
		f := c.fact(req)
		v := policy.Decide(rules, grants, f, req.Now)
		if v.Decision == policy.Ask && v.Rule == 0 && rows == nil {
			if grants, rows, err = p.approvals.Grants(ctx, req.Caller); err != nil {
				return verdict{}, nil, err
			}
			v = policy.Decide(rules, grants, f, req.Now)
		}
		if s := req.Caller.Session; v.Decision == policy.Allow && s != nil && s.Followed {
			v = policy.Verdict{Decision: policy.Ask, Reason: "another app led here, and not the person"}
		}
		if v.Grant != nil {
			used[v.Grant.ID] = true
			c.limitItems(v.Grant.Items)
		}
		if i == 0 || policy.Stricter(all.Decision, v.Decision) != all.Decision {
			all = v
		}
	}
	if all.Decision != policy.Allow {
		return verdict{Verdict: all}, nil, nil
	}
	var writes []store.Write
	for id := range used {
		if w, counted := approvals.UseGrant(req.Caller, rows[id]); counted {
			writes = append(writes, w)
		}
	}
	return verdict{Verdict: all}, writes, nil
}
