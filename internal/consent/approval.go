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
	"walletd/internal/show"
	"walletd/internal/store"
)

// ask puts the question to the person, or returns the one that waits already, or the no of the
// last minutes.
func (p *Pipeline) ask(ctx context.Context, q *Question, v verdict) (Outcome, error) {
	digest, err := q.digest()
	if err != nil {
		return Outcome{}, err
	}
	told, err := q.show(ctx)
	if err != nil {
		return Outcome{}, err
	}
	if earlier, found, err := p.earlier(ctx, q, digest); err != nil || found {
		if found || q.known && errors.Is(err, ErrRejected) {
			if spent := p.auth.ConsumeNonce(ctx, q.Caller); spent != nil {
				return Outcome{}, spent
			}
		}
		return Outcome{Pending: earlier}, err
	}
	requested, err := q.asked()
	if err != nil {
		return Outcome{}, err
	}
	content := approvals.Content{
		Requested: requested, Name: show.Plain(q.Caller.Name, show.MaxName), Label: show.Plain(q.Caller.Label, show.MaxName), Account: q.Account.Address,
		Unusual: q.unusual, Reason: v.Reason, Shown: told, Requester: q.Caller.Requester(),
	}
	for _, c := range q.claims {
		content.Claims = append(content.Claims, c.view())
	}
	row := store.Approval{
		ID: store.NewID(), Wallet: q.Caller.WalletID, App: q.Caller.App.Address(), Agent: q.Caller.Agent.Address(), Asker: q.Caller.Asker,
		State: store.Pending, Digest: digest, Created: q.Now.Unix(), Expires: q.Now.Add(p.life).Unix(),
		Answer: []byte{},
	}
	if row.Sealed, err = q.Caller.Wallet.Seal(row, content); err != nil {
		return Outcome{}, err
	}
	budget := store.Budget{PerApp: approvals.PerApp, PerWallet: approvals.PerWallet, Now: q.Now.Unix()}
	e := q.event(ledger.ClaimAsked, v)
	e.Approval, e.Digest = row.ID, told.Digest(digest)
	for try := 0; ; try++ {
		row.Code = approvals.NewCode()
		row.MAC = q.Caller.Wallet.MAC(row)
		_, err := q.record(ctx, e, store.InsertApproval(row, budget))
		switch {
		case err == nil:
			return Outcome{Pending: pending(row)}, nil
		case errors.Is(err, store.ErrCodeTaken) && try < 10:
			continue
		case errors.Is(err, store.ErrWaiting):
			if earlier, found, err := p.earlier(ctx, q, digest); err != nil || found {
				return Outcome{Pending: earlier}, err
			}
			return Outcome{}, err
		case errors.Is(err, store.ErrTooMany):
			if q.known {
				if err := p.auth.ConsumeNonce(ctx, q.Caller); err != nil {
					return Outcome{}, err
				}
			}
			return Outcome{}, ErrTooMany
		default:
			return Outcome{}, err
		}
	}
}

// earlier returns the same question where it waits already; where the person said no within
// rejectedFor, the error is ErrRejected. One that waits, and would give another answer by now than
// the person is shown, ends here, so that it is put anew.
func (p *Pipeline) earlier(ctx context.Context, q *Question, digest []byte) (*Pending, bool, error) {
	row, err := p.store.FindApproval(ctx, q.Caller.WalletID, q.Caller.App.Address(), digest, q.Now.Add(-rejectedFor-p.life).Unix())
	if errors.Is(err, store.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("looking for the question: %w", err)
	}
	a, err := ledger.Open[approvals.Content](ctx, q.Caller.Wallet, row)
	if err != nil {
		return nil, false, err
	}
	switch {
	case row.State == store.Pending && q.Now.Unix() < row.Expires:
		told, err := q.show(ctx)
		if err != nil {
			return nil, false, err
		}
		if a.Content().Shown.Gives(told, "") {
			return pending(row), true, nil
		}
		if err := p.endChanged(ctx, q.Caller, row); !errors.Is(err, ErrAnswerChanged) {
			return nil, false, err
		}
	case row.State == store.Rejected && q.Now.Sub(time.Unix(row.Decided, 0)) < rejectedFor:
		return nil, false, ErrRejected
	}
	return nil, false, nil
}

func pending(row store.Approval) *Pending {
	return &Pending{ID: row.ID, Code: row.Code, Expires: time.Unix(row.Expires, 0)}
}

// Approve says yes to a question, once: of two who answer at the same time one wins and the other
// gets ErrDecided. Nothing is derived now; the answer is collected by who asked, within two
// minutes. The app and its delegations are known in the wallet from now on. Where the question would
// give another answer by now than was shown, it ends with ErrAnswerChanged.
func (p *Pipeline) Approve(ctx context.Context, c *auth.Caller, id string, choice approvals.Choice) (v approvals.View, err error) {
	// A yes rests on who is known and what was withdrawn, as a withdrawal does on what there is.
	err = p.auth.Retry(ctx, c, approvals.RevocationTries, func() (err error) { v, err = p.approve(ctx, c, id, choice); return err })
	return v, err
}

func (p *Pipeline) approve(ctx context.Context, c *auth.Caller, id string, choice approvals.Choice) (approvals.View, error) {
	a, err := p.waiting(ctx, c, id)
	if err != nil {
		return approvals.View{}, err
	}
	row := a.Row()
	// What is approved is read again as it will be when collected: a delegation that ran out
	// while the question waited is refused here, not after the yes.
	q, err := p.readShown(ctx, c, a, choice)
	if err != nil {
		return approvals.View{}, err
	}
	if err := q.missing(); err != nil {
		// The question is closed; the app is declined when it comes for the answer.
		if choice.Remember != nil {
			return approvals.View{}, fmt.Errorf("%w: this can't be remembered: %w", approvals.ErrChoice, err)
		}
		return p.decided(ctx, c, a, store.Approved, ledger.ApprovalApproved, choice, nil)
	}
	writes, err := p.remember(ctx, q, row, choice)
	if err != nil {
		return approvals.View{}, err
	}
	return p.decided(ctx, c, a, store.Approved, ledger.ApprovalApproved, choice, writes)
}

// Reject says no to a question. It stands for ten minutes against the same question.
func (p *Pipeline) Reject(ctx context.Context, c *auth.Caller, id string) (approvals.View, error) {
	a, err := p.waiting(ctx, c, id)
	if err != nil {
		return approvals.View{}, err
	}
	v, err := p.decided(ctx, c, a, store.Rejected, ledger.ApprovalRejected, approvals.Choice{}, nil)
	if errors.Is(err, store.ErrChanged) {
		err = ErrDecided
	}
	return v, err
}

func (p *Pipeline) decided(ctx context.Context, c *auth.Caller, a approvals.Approval, state string, kind ledger.Kind, choice approvals.Choice, also []store.Write) (approvals.View, error) {
	row := a.Row()
	next, err := p.approvals.Decide(c, row, state, approvals.Decision{Choice: choice})
	if err != nil {
		return approvals.View{}, err
	}
	e := c.Event(kind)
	e.Approval, e.App, e.Agent, e.Digest = row.ID, did.Prefixed(row.App), did.Prefixed(row.Agent), a.Content().Shown.Digest(row.Digest)
	err = c.Record(ctx, e, append([]store.Write{store.DecideApproval(row, next)}, also...)...)
	if err != nil {
		return approvals.View{}, err
	}
	return p.approvals.Get(ctx, c, row.ID)
}

// waiting returns a question of the caller's wallet that can still be answered.
func (p *Pipeline) waiting(ctx context.Context, c *auth.Caller, id string) (approvals.Approval, error) {
	if err := c.RequireOwner(); err != nil {
		return approvals.Approval{}, err
	}
	a, err := p.approvals.Open(ctx, c, id)
	switch {
	case err != nil:
	case a.Row().State == store.Cancelled && endedChanged(ctx, c, a):
		err = ErrAnswerChanged
	case a.Row().State != store.Pending:
		err = ErrDecided
	case p.store.Now().Unix() >= a.Row().Expires:
		err = ErrExpired
	}
	return a, err
}

// readShown reads the question of an approval as it stands now and with the person's choice, and
// refuses one that does not give what was shown. What the choice itself changes is held to what was
// offered: another account may answer, and everything else must be as it was shown.
func (p *Pipeline) readShown(ctx context.Context, c *auth.Caller, a approvals.Approval, choice approvals.Choice) (*Question, error) {
	shown := a.Content().Shown
	unchosen := choice
	unchosen.Account = ""
	q, err := p.readAgain(ctx, c, a, unchosen)
	if err != nil {
		return nil, err
	}
	told, err := q.show(ctx)
	if err != nil {
		return nil, err
	}
	if !shown.Gives(told, "") {
		return nil, p.endChanged(ctx, c, a.Row())
	}
	if choice.Account == "" {
		return q, q.checkChoice()
	}
	if q, err = p.readAgain(ctx, c, a, choice); err != nil {
		return nil, err
	}
	if err := q.checkChoice(); err != nil {
		return nil, err
	}
	if told, err = q.show(ctx); err != nil {
		return nil, err
	}
	if !shown.Gives(told, choice.AccountAddress()) {
		return nil, fmt.Errorf("%w: with that account the answer would be another than the one shown", approvals.ErrChoice)
	}
	return q, nil
}

// readAgain reads the question of an approval as its asker asked it, with the person's choice.
func (p *Pipeline) readAgain(ctx context.Context, c *auth.Caller, a approvals.Approval, choice approvals.Choice) (*Question, error) {
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
	if err := p.stillAsks(ctx, c, content.Token); err != nil {
		return nil, err
	}
	claims, err := p.parse(content.Requested, true)
	if err != nil {
		return nil, err
	}
	q := p.question(c.As(content.Requester, row.Asker, app, agent), claims, choice)
	return q, q.read(ctx)
}

// stillAsks refuses to answer the question of a token that has ended since: a question that was on
// its way while its token was revoked was not among those that ended with it.
func (p *Pipeline) stillAsks(ctx context.Context, c *auth.Caller, token string) error {
	if token == "" {
		return nil
	}
	t, err := p.store.Token(ctx, token)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return ErrExpired
	case err != nil:
		return fmt.Errorf("looking for the token that asked: %w", err)
	case p.auth.HasEnded(t):
		return ErrExpired
	}
	_, err = ledger.Check(ctx, c.Wallet, t)
	return err
}

// remember returns the writes that a yes brings: the app and its delegations become known, and a
// grant for each claim if it is to be remembered.
func (p *Pipeline) remember(ctx context.Context, q *Question, row store.Approval, choice approvals.Choice) ([]store.Write, error) {
	var writes []store.Write
	app, err := p.auth.ApproveApp(ctx, q.Caller)
	if err != nil {
		return nil, err
	}
	writes = append(writes, app...)
	seen := map[string]bool{}
	for _, c := range q.claims {
		if c.delegation == nil || seen[c.token] {
			continue
		}
		seen[c.token] = true
		w, err := p.approveDelegation(ctx, q, c)
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
	for _, c := range q.claims {
		if why := c.askedEachTime(); why != "" {
			return nil, fmt.Errorf("%w: this can't be remembered, it must be asked each time: %s", approvals.ErrChoice, why)
		}
		g, err := q.grant(c, *choice.Remember, row.ID)
		if err != nil {
			return nil, err
		}
		writes = append(writes, store.InsertGrant(g))
	}
	return writes, nil
}

// askedEachTime says why a yes to the claim can't be remembered, or is "".
func (c *Claim) askedEachTime() string {
	switch {
	case len(c.mfa) > 0:
		return "a number shown on the app's page must be chosen"
	case c.Once != "":
		return c.Once
	case c.delegation == nil:
		return c.never
	}
	return ""
}
