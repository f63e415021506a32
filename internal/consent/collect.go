package consent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"walletd/internal/approvals"
	"walletd/internal/auth"
	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/ledger"
	"walletd/internal/policy"
	"walletd/internal/store"
)

// Collect returns what became of a question, to the one who asked it: the same token, or for a
// signed request the same app and agent. It waits up to wait for the person. Collecting a yes is
// a release: the request passes the pipeline again as it stands now, and is recorded; it works for
// two minutes after the yes, and gives what the person was shown, or nothing and ErrAnswerChanged. The caller's keys are not held while it waits, and may be closed after
// that. Every refusal of a signed request uses up its jti. Errors: ErrNotFound, ErrRejected,
// ErrExpired, and those of Answer.
func (p *Pipeline) Collect(ctx context.Context, c *auth.Caller, id string, wait time.Duration) (Outcome, error) {
	if c.Role != auth.App {
		return Outcome{}, auth.ErrForbidden
	}
	out, err := p.waitAndCollect(ctx, c, id, wait)
	if err != nil {
		err = p.consumeRefused(ctx, c, err)
	}
	return out, err
}

func (p *Pipeline) waitAndCollect(ctx context.Context, c *auth.Caller, id string, wait time.Duration) (Outcome, error) {
	if !c.Wallet.IsOpen() { // an earlier wait closed it
		if err := p.auth.Refresh(ctx, c); err != nil {
			return Outcome{}, err
		}
	}
	a, err := p.approvals.Open(ctx, c, id)
	if err != nil {
		return Outcome{}, err
	}
	row := a.Row()
	if row.Asker != c.RequesterID || row.App != c.App.Address() || row.Agent != c.Agent.Address() {
		return Outcome{}, auth.ErrNotFound
	}
	if err := c.ForApproval(row.ID, a.Content().Requested); err != nil {
		return Outcome{}, p.Refuse(ctx, c, err)
	}
	if row.State == store.Pending && wait > 0 {
		if a, err = p.awaitDecision(ctx, c, a, wait); err != nil {
			return Outcome{}, err
		}
		row = a.Row()
	}
	now := p.store.Now()
	switch row.State {
	case store.Pending:
		if now.Unix() >= row.Expires {
			return Outcome{}, ErrExpired
		}
		if err := p.auth.ConsumeNonce(ctx, c); err != nil {
			return Outcome{}, err
		}
		return Outcome{Pending: pending(row)}, nil
	case store.Approved:
		if now.Sub(time.Unix(row.Decided, 0)) >= collectLife {
			return Outcome{}, ErrExpired
		}
		var out Outcome
		retrying := false
		err := p.auth.Retry(ctx, c, auth.Tries, func() error {
			if retrying { // the yes itself, a rule, or a withdrawal changed the wallet since it was read
				if a, err = p.approvals.Open(ctx, c, id); err != nil {
					return err
				}
				if a.Row().State != store.Approved {
					return p.cancelledError(ctx, c, a)
				}
			}
			retrying = true
			out, err = p.collectOnce(ctx, c, a)
			return err
		})
		return out, err
	default:
		return Outcome{}, p.cancelledError(ctx, c, a)
	}
}

// cancelledError says why nothing comes of a question that the person, or a withdrawal, ended.
func (p *Pipeline) cancelledError(ctx context.Context, c *auth.Caller, a approvals.Approval) error {
	if a.Row().State != store.Cancelled {
		return ErrRejected
	}
	if cancelledAsChanged(ctx, c, a) {
		return ErrAnswerChanged
	}
	rules, err := p.currentPolicy(ctx, c)
	if err == nil && deniesApproval(rules, a) {
		err = fmt.Errorf("%w: a rule that was set since", ErrDenied)
	}
	if err == nil {
		err = ErrRejected
	}
	return err
}

// consumeRefused uses up the jti of a signed collection that was refused, and returns the refusal, or
// that the jti was used before. Nothing is kept of a stranger who asks for what is not theirs, nor
// where nothing was decided, because the keystore is locked or the caller went away.
func (p *Pipeline) consumeRefused(ctx context.Context, c *auth.Caller, refusal error) error {
	if !c.IsSigned() || errors.Is(refusal, keystore.ErrLocked) || ctx.Err() != nil {
		return refusal
	}
	if errors.Is(refusal, auth.ErrNotFound) {
		switch standing, err := p.auth.Standing(ctx, c); {
		case err != nil:
			return err
		case standing == auth.Unregistered:
			return refusal
		}
	}
	if err := p.auth.ConsumeNonce(ctx, c); err != nil {
		return err
	}
	return refusal
}

// collectOnce passes an approved question through the pipeline again.
func (p *Pipeline) collectOnce(ctx context.Context, c *auth.Caller, a approvals.Approval) (Outcome, error) {
	resolution, err := approvals.OpenResolution(ctx, c, a)
	if err != nil {
		return Outcome{}, err
	}
	fixed, err := p.fixChallenge(ctx, c, a.Row(), resolution)
	if err != nil {
		return Outcome{}, err
	}
	req, v, err := p.recheckApproved(ctx, c, a, resolution.Choice)
	if err != nil {
		return Outcome{}, err
	}
	return req.release(ctx, v, ledger.ClaimCollected, fixed...)
}

// fixChallenge refuses a signed collection with another challenge than the first one had. For the
// first one it returns the write that keeps the challenge, for the record of the collection.
func (p *Pipeline) fixChallenge(ctx context.Context, c *auth.Caller, row store.Approval, resolution approvals.Resolution) ([]store.Write, error) {
	switch {
	case !c.IsSigned():
		return nil, nil
	case resolution.Challenge == nil:
		challenge := c.Challenge()
		resolution.Challenge = &challenge
		next, err := resolution.Seal(c.Wallet, row)
		if err != nil {
			return nil, err
		}
		return []store.Write{store.UpdateApprovedApproval(row, next)}, nil
	case *resolution.Challenge != c.Challenge():
		return nil, p.Refuse(ctx, c, did.Refuse("already_collected", "this yes was collected with another challenge; send that one, or ask again"))
	}
	return nil, nil
}

// recheckApproved reads an approved question anew, and returns the verdict by which it is answered if the
// yes stands: nothing in the way of it came since, and it gives what was shown.
func (p *Pipeline) recheckApproved(ctx context.Context, c *auth.Caller, a approvals.Approval, choice approvals.Choice) (*Request, verdict, error) {
	claims, err := p.parse(a.Content().Requested, true)
	if err != nil {
		return nil, verdict{}, p.Refuse(ctx, c, err)
	}
	req := p.newRequest(c, claims, choice)
	if err := req.read(ctx); err != nil {
		return nil, verdict{}, p.Refuse(ctx, c, err)
	}
	if err := req.refused(); err != nil {
		return nil, verdict{}, err
	}
	gives, err := req.matchesShown(ctx, a, choice)
	if err != nil {
		return nil, verdict{}, err
	}
	if !gives {
		return nil, verdict{}, p.cancelChanged(ctx, c, a.Row())
	}
	if err := req.notHeld(); err != nil {
		return nil, verdict{}, p.Refuse(ctx, c, err)
	}
	return req, approvedBy(a), nil
}

// matchesShown reports whether the question gives what an approval of it was shown to give.
func (req *Request) matchesShown(ctx context.Context, a approvals.Approval, choice approvals.Choice) (bool, error) {
	shown, err := req.computeShown(ctx)
	return err == nil && a.Content().Shown.Matches(shown, choice.AccountAddress()), err
}

// reusableApproval returns the yes that the person has just said to the same question. One to another answer
// than would be given now ends here.
func (req *Request) reusableApproval(ctx context.Context) (v verdict, found bool, err error) {
	p := req.pipeline
	digest, err := req.digest()
	if err != nil {
		return v, false, err
	}
	row, err := p.store.FindApproval(ctx, req.Caller.WalletID, req.Caller.App.Address(), digest, req.Now.Add(-collectLife-p.approvalLife).Unix())
	if errors.Is(err, store.ErrNotFound) {
		return v, false, nil
	}
	if err != nil {
		return v, false, fmt.Errorf("looking for the question: %w", err)
	}
	a, err := ledger.Open[approvals.Content](ctx, req.Caller.Wallet, row)
	if err != nil {
		return v, false, err
	}
	if row.State != store.Approved || req.Now.Sub(time.Unix(row.Decided, 0)) >= collectLife {
		return v, false, nil
	}
	gives, err := req.matchesShown(ctx, a, approvals.Choice{})
	if err != nil {
		return v, false, err
	}
	if !gives {
		if err := p.cancelChanged(ctx, req.Caller, row); !errors.Is(err, ErrAnswerChanged) {
			return v, false, err
		}
		return v, false, nil
	}
	return approvedBy(a), true, nil
}

// approvedBy is the verdict of an approval.
func approvedBy(a approvals.Approval) verdict {
	row := a.Row()
	return verdict{
		Verdict:  policy.Verdict{Decision: policy.Allow, Reason: "approved by the person"},
		approval: row.ID, shown: a.Content().Shown.Digest(row.Digest),
	}
}

// awaitDecision waits until the approval is answered, the time is over, or the keystore is locked. It
// hears of answers given here at once and looks every second for those given on other replicas. The
// wallet is open only while it looks: closed if nothing came of the wait.
func (p *Pipeline) awaitDecision(ctx context.Context, c *auth.Caller, a approvals.Approval, wait time.Duration) (approvals.Approval, error) {
	end := time.NewTimer(wait)
	defer end.Stop()
	look := time.NewTicker(time.Second)
	defer look.Stop()
	for {
		events := p.ledger.Changed()
		current, err := p.approvals.Open(ctx, c, a.Row().ID)
		if err != nil || current.Row().State != store.Pending || p.store.Now().Unix() >= current.Row().Expires {
			return current, err
		}
		c.Wallet.Close()
		select {
		case <-ctx.Done():
			return current, nil
		case <-end.C:
			return current, nil
		case <-events:
		case <-look.C:
		}
		if err := p.auth.Refresh(ctx, c); err != nil {
			return current, err
		}
	}
}

// Refuse counts a refusal of an app's request and, where it concerns a caller who was authenticated
// and a request that made sense, puts it on record; of strangers nothing is kept. It returns the
// refusal, or the error of recording it.
func (p *Pipeline) Refuse(ctx context.Context, c *auth.Caller, refusal error) error {
	if refusal == nil || c.Role != auth.App {
		return refusal
	}
	if denied, is := errors.AsType[*denial](refusal); is {
		if err := c.Record(ctx, denied.req.event(ledger.ClaimDenied, verdict{Verdict: denied.Verdict})); err != nil {
			return err
		}
		return refusal
	}
	code := did.CodeOf(refusal)
	if code == "" {
		return c.Wallet.NoteForged(ctx, refusal) // a row that does not open goes on record
	}
	p.count("refused_" + code)
	switch code {
	case "request_malformed", "app_unknown":
		return refusal
	}
	if c.Session == nil {
		standing, err := p.auth.Standing(ctx, c)
		if err != nil {
			return err
		}
		if standing == auth.Unregistered {
			return refusal
		}
	}
	e := c.Event(ledger.ClaimRefused)
	e.Code = code
	if err := c.Record(ctx, e); err != nil {
		return err
	}
	return refusal
}
