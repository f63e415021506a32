package consent

import (
	"context"
	"errors"
	"fmt"
	"time"
	"walletd/internal/approvals"

	"walletd/internal/auth"
	"walletd/internal/did"
	"walletd/internal/ledger"
	"walletd/internal/passkey"
	"walletd/internal/show"
	"walletd/internal/store"
)

// requestApproval stores an approval that waits for the owner. If an approval of the same request waits
// already, it returns that one; if the owner rejected a request for the same things, or several requests of
// the app in a row, the error is a *RejectedError.
func (p *Pipeline) requestApproval(ctx context.Context, req *Request, v verdict) (Outcome, error) {
	digest, err := req.digest()
	if err != nil {
		return Outcome{}, err
	}
	shown, err := req.computeShown(ctx)
	if err != nil {
		return Outcome{}, err
	}
	if earlier, found, err := req.findPending(ctx, digest); err != nil || found {
		if found {
			if replayed := p.auth.ConsumeNonce(ctx, req.Caller); replayed != nil {
				return Outcome{}, replayed
			}
		}
		return Outcome{Pending: earlier}, err
	}
	requested, err := req.rawClaims()
	if err != nil {
		return Outcome{}, err
	}
	content := approvals.Content{
		Requested: requested, Name: show.Plain(req.Caller.Name, show.MaxName), Label: show.Plain(req.Caller.Label, show.MaxName), Account: req.Account.Address,
		Unusual: req.unusual, Reason: v.Reason, Shown: shown, Requester: req.Caller.Requester(),
	}
	if content.Accounts, err = req.ownAccounts(ctx, requested, shown); err != nil {
		return Outcome{}, err
	}
	id := store.NewID()
	if err := req.announce(id); err != nil {
		return Outcome{}, err
	}
	for _, c := range req.claims {
		content.Claims = append(content.Claims, c.view())
	}
	subjects := approvals.NewSubjects(content.Claims, content.Shown)
	row := store.Approval{
		ID: id, Wallet: req.Caller.WalletID, App: req.Caller.App.Address(), Agent: req.Caller.Agent.Address(), Asker: req.Caller.RequesterID,
		State: store.Pending, Digest: digest, Created: req.Now.Unix(), Expires: req.Now.Add(p.approvalLife).Unix(),
		Answer: []byte{},
	}
	if row.Sealed, err = req.Caller.Wallet.Seal(row, content); err != nil {
		return Outcome{}, err
	}
	budget := store.Budget{PerApp: approvals.PerApp, PerWallet: approvals.PerWallet, Now: req.Now.Unix()}
	e := req.event(ledger.ClaimAsked, v)
	e.Approval, e.Digest = row.ID, shown.Digest(digest)
	for try, waited := 0, int64(-1); ; try++ {
		waiting, err := req.checkEarlier(ctx, subjects)
		if err != nil {
			return Outcome{}, p.consumed(ctx, req, err)
		}
		row.Code = approvals.NewCode()
		row.MAC = req.Caller.Wallet.MAC(row)
		o := auth.Outcome{Approval: row.ID, Expires: row.Expires}
		_, err = req.record(ctx, e, o, store.CheckWaiting(row.Wallet, row.App, req.Now.Unix(), waiting), store.InsertApproval(row, budget))
		switch {
		case err == nil:
			return Outcome{Pending: p.pending(row)}, nil
		case errors.Is(err, store.ErrCodeTaken) && try < 2*approvals.PerApp:
			continue
		case errors.Is(err, store.ErrChanged) && waiting != waited && try < 2*approvals.PerApp:
			waited = waiting // another request of the app was stored meanwhile, or one was decided
			continue
		case errors.Is(err, store.ErrWaiting):
			if earlier, found, err := req.findPending(ctx, digest); err != nil || found {
				return Outcome{Pending: earlier}, err
			}
			return Outcome{}, err
		case errors.Is(err, store.ErrTooManySessions):
			return Outcome{}, err
		case errors.Is(err, store.ErrTooMany):
			return Outcome{}, p.consumed(ctx, req, ErrTooMany)
		default:
			return Outcome{}, err
		}
	}
}

// consumed consumes the nonce of a registered app's request that is refused, so that it cannot be sent again
// when it would be stored. It returns the refusal, or that the nonce was consumed before.
func (p *Pipeline) consumed(ctx context.Context, req *Request, refusal error) error {
	if !req.registered {
		return refusal
	}
	if err := p.auth.ConsumeNonce(ctx, req.Caller); err != nil {
		return err
	}
	return refusal
}

// findPending returns the approval of the same request that still waits, and whether there is one.
func (req *Request) findPending(ctx context.Context, digest []byte) (*Pending, bool, error) {
	a, found, err := req.findApproval(ctx, digest, rejectedLife, func(row store.Approval) bool {
		return row.State == store.Pending && req.Now.Unix() < row.Expires
	})
	if err != nil || !found {
		return nil, false, err
	}
	return req.pipeline.pending(a.Row()), true, nil
}

// findApproval returns the newest approval of the same request if it is usable, and whether there is one. life is how long
// it may be of use after the time to decide it. If the answer has changed since the owner was shown a usable one,
// findApproval cancels it and reports none, so that the owner is shown a new one.
func (req *Request) findApproval(ctx context.Context, digest []byte, life time.Duration, usable func(store.Approval) bool) (a approvals.Approval, found bool, err error) {
	p := req.pipeline
	row, err := p.store.FindApproval(ctx, req.Caller.WalletID, req.Caller.App.Address(), digest, req.Now.Add(-life-p.approvalLife).Unix())
	if errors.Is(err, store.ErrNotFound) {
		return a, false, nil
	}
	if err != nil {
		return a, false, fmt.Errorf("looking for the approval: %w", err)
	}
	if a, err = ledger.Open[approvals.Content](ctx, req.Caller.Wallet, row); err != nil || !usable(row) {
		return a, false, err
	}
	same, err := req.matchesShown(ctx, a, approvals.Choice{})
	if err != nil || same {
		return a, same, err
	}
	if err := p.cancelChanged(ctx, req.Caller, row); !errors.Is(err, ErrAnswerChanged) {
		return a, false, err
	}
	return a, false, nil
}

func (p *Pipeline) pending(row store.Approval) *Pending {
	return &Pending{ID: row.ID, Code: row.Code, Expires: time.Unix(row.Expires, 0), URL: p.auth.ApprovalPage(row.ID)}
}

// Approve approves a request, once: of two concurrent decisions one wins, and the other gets ErrDecided.
// Approve derives nothing. The requester collects the answer within two minutes. Approve registers the app
// and its delegations in the wallet. If the answer has changed since it was shown, Approve cancels the
// request and returns ErrAnswerChanged.
//
// An assertion signs the approval as it was asked and shown, and every choice (Decision); it goes into the audit log
// with the decision. Without one, nil, the error is auth.ErrPasskeyRequired for a browser session, and in a wallet
// whose owner approves with a passkey alone.
func (p *Pipeline) Approve(ctx context.Context, c *auth.Caller, id string, choice approvals.Choice, assertion *passkey.Assertion) (v approvals.View, err error) {
	// An approval depends on which apps are registered or revoked, so a concurrent change makes it retry,
	// as often as a revocation does.
	err = p.auth.Retry(ctx, c, approvals.RevocationTries, func() (err error) { v, err = p.approveOnce(ctx, c, id, choice, assertion); return err })
	return v, err
}

func (p *Pipeline) approveOnce(ctx context.Context, c *auth.Caller, id string, choice approvals.Choice, assertion *passkey.Assertion) (approvals.View, error) {
	a, err := p.openPending(ctx, c, id)
	if err != nil {
		return approvals.View{}, err
	}
	row := a.Row()
	var touch *auth.Touch
	switch {
	case assertion != nil:
		if touch, err = p.auth.Decide(ctx, c, approvals.Decision(a, choice), *assertion); err != nil {
			return approvals.View{}, err
		}
	case c.NeedsAssertion():
		return approvals.View{}, auth.ErrPasskeyRequired
	}
	// The request is read again, as it will be when it is collected: a delegation that expired while the
	// request waited is refused here, and not after the approval.
	req, err := p.rereadAsShown(ctx, c, a, choice)
	if err != nil {
		return approvals.View{}, err
	}
	if err := req.notHeld(); err != nil {
		// The approval is closed now; the app is declined when it collects the answer.
		if choice.Remember != nil {
			return approvals.View{}, fmt.Errorf("%w: no grant can be created for this request: %w", approvals.ErrChoice, err)
		}
		return p.closePending(ctx, c, a, store.Approved, ledger.ApprovalApproved, choice, touch, nil)
	}
	writes, err := p.approvalWrites(ctx, req, row, choice)
	if err != nil {
		return approvals.View{}, err
	}
	return p.closePending(ctx, c, a, store.Approved, ledger.ApprovalApproved, choice, touch, writes)
}

// Reject rejects a request. The same request is refused for the next ten minutes, without asking the owner.
func (p *Pipeline) Reject(ctx context.Context, c *auth.Caller, id string) (approvals.View, error) {
	a, err := p.openPending(ctx, c, id)
	if err != nil {
		return approvals.View{}, err
	}
	v, err := p.closePending(ctx, c, a, store.Rejected, ledger.ApprovalRejected, approvals.Choice{}, nil, nil)
	if errors.Is(err, store.ErrChanged) {
		err = ErrDecided
	}
	return v, err
}

func (p *Pipeline) closePending(ctx context.Context, c *auth.Caller, a approvals.Approval, state string, kind ledger.Kind, choice approvals.Choice, touch *auth.Touch, also []store.Write) (approvals.View, error) {
	row := a.Row()
	next, err := p.approvals.Resolve(c, row, state, approvals.Resolution{Choice: choice})
	if err != nil {
		return approvals.View{}, err
	}
	e := c.Event(kind)
	e.Approval, e.App, e.Agent, e.Digest = row.ID, did.Prefixed(row.App), did.Prefixed(row.Agent), a.Content().Shown.Digest(row.Digest)
	writes := append([]store.Write{store.DecideApproval(row, next)}, also...)
	if touch != nil {
		touch.Note(&e)
		writes = append(writes, touch.Write())
	}
	err = c.Record(ctx, e, writes...)
	if err != nil {
		return approvals.View{}, err
	}
	return p.approvals.Get(ctx, c, row.ID)
}

// openPending returns an approval of the caller's wallet that still waits for a decision.
func (p *Pipeline) openPending(ctx context.Context, c *auth.Caller, id string) (approvals.Approval, error) {
	if err := c.RequireReader(); err != nil {
		return approvals.Approval{}, err
	}
	a, err := p.approvals.Open(ctx, c, id)
	switch {
	case err != nil:
	case a.Row().State == store.Cancelled && cancelledAsChanged(ctx, c, a):
		err = ErrAnswerChanged
	case a.Row().State != store.Pending:
		err = ErrDecided
	case p.store.Now().Unix() >= a.Row().Expires:
		err = ErrExpired
	}
	return a, err
}

// rereadAsShown reads the request of an approval again, with the owner's choice, and refuses it if the answer
// is not the one that was shown. The choice may change only what was offered: another account may answer, or
// another of the credentials that fit be presented, and everything else must be as it was shown.
func (p *Pipeline) rereadAsShown(ctx context.Context, c *auth.Caller, a approvals.Approval, choice approvals.Choice) (*Request, error) {
	shown := a.Content().Shown
	unchosen := choice
	unchosen.Account, unchosen.Credentials = "", nil
	req, err := p.reread(ctx, c, a, unchosen)
	if err != nil {
		return nil, err
	}
	current, err := req.computeShown(ctx)
	if err != nil {
		return nil, err
	}
	if !shown.Matches(current, approvals.Choice{}) {
		return nil, p.cancelChanged(ctx, c, a.Row())
	}
	if choice.Account == "" && len(choice.Credentials) == 0 {
		return req, req.checkChoice()
	}
	if req, err = p.reread(ctx, c, a, choice); err != nil {
		return nil, err
	}
	if err := req.checkChoice(); err != nil {
		return nil, err
	}
	if current, err = req.computeShown(ctx); err != nil {
		return nil, err
	}
	if !shown.Matches(current, choice) {
		return nil, fmt.Errorf("%w: with that choice the answer differs from the one that was shown", approvals.ErrChoice)
	}
	return req, nil
}

// reread reads the request of an approval again, as its requester sent it and with the owner's choice.
func (p *Pipeline) reread(ctx context.Context, c *auth.Caller, a approvals.Approval, choice approvals.Choice) (*Request, error) {
	row, content := a.Row(), a.Content()
	app, err := did.Parse(row.App)
	if err != nil {
		return nil, fmt.Errorf("reading approval %s: %w", row.ID, err)
	}
	var agent did.DID
	if row.Agent != "" {
		if agent, err = did.Parse(row.Agent); err != nil {
			return nil, fmt.Errorf("reading approval %s: %w", row.ID, err)
		}
	}
	if err := p.checkRequesterToken(ctx, c, content.Token); err != nil {
		return nil, err
	}
	claims, err := p.parse(content.Requested, true)
	if err != nil {
		return nil, err
	}
	req := p.newRequest(c.As(content.Requester, row.Asker, app, agent), claims, choice)
	return req, req.read(ctx)
}

// checkRequesterToken returns ErrExpired if the token that sent the request has expired or was revoked. The
// revocation of a token cancels the approvals that wait; a request that arrived at the same moment can have
// been missed, and is caught here.
func (p *Pipeline) checkRequesterToken(ctx context.Context, c *auth.Caller, token string) error {
	if token == "" {
		return nil
	}
	t, err := p.store.Token(ctx, token)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return ErrExpired
	case err != nil:
		return fmt.Errorf("looking for the token of the requester: %w", err)
	case p.auth.HasEnded(t):
		return ErrExpired
	}
	_, err = ledger.Check(ctx, c.Wallet, t)
	return err
}

// approvalWrites returns the writes of an approval: they register the app and its delegations and, if the
// owner chose to remember the approval, create a grant for each claim.
func (p *Pipeline) approvalWrites(ctx context.Context, req *Request, row store.Approval, choice approvals.Choice) ([]store.Write, error) {
	var writes []store.Write
	app, err := p.auth.RegisterApp(ctx, req.Caller)
	if err != nil {
		return nil, err
	}
	writes = append(writes, app...)
	seen := map[string]bool{}
	for _, c := range req.claims {
		if c.delegation == nil || seen[c.token] {
			continue
		}
		seen[c.token] = true
		w, err := p.approveDelegation(ctx, req, c)
		if err != nil {
			return nil, err
		}
		writes = append(writes, w...)
	}
	if choice.Remember == nil {
		return writes, nil
	}
	if err := choice.Remember.Check(); err != nil {
		return nil, err
	}
	for _, c := range req.claims {
		if why := c.askedEachTime(c.alwaysAskNow()); why != "" {
			return nil, fmt.Errorf("%w: no grant can be created for this request, because the owner must be asked each time: %s", approvals.ErrChoice, why)
		}
		g, err := req.grant(c, *choice.Remember, row.ID)
		if err != nil {
			return nil, err
		}
		writes = append(writes, store.InsertGrant(g))
	}
	return writes, nil
}

// askedEachTime returns why no grant can be created for the claim, or "" if one can. always is why the owner is always
// asked about it.
func (c *Claim) askedEachTime(always string) string {
	switch {
	case len(c.mfa) > 0:
		return "a number shown on the app's page must be chosen"
	case c.Once != "":
		return c.Once
	case c.delegation == nil:
		return always
	}
	return ""
}
