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

// Collect returns the outcome of a request to its requester: the same token or, for a signed request, the
// same app and agent. It waits up to wait for the owner's decision. An approved request passes the pipeline
// again and is recorded before it is answered. It can be collected for two minutes after the approval, and
// the answer is the one that the owner was shown; if that has changed, the error is ErrAnswerChanged.
//
// The caller's wallet is closed while Collect waits, and may be closed after it. Every refusal of a signed
// request consumes its jti. Errors: auth.ErrNotFound, ErrRejected, ErrExpired, and those of Answer.
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
	if !c.Wallet.IsOpen() { // an earlier wait closed the wallet
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
		return Outcome{Pending: p.pending(row)}, nil
	case store.Approved:
		if now.Sub(time.Unix(row.Decided, 0)) >= collectLife {
			return Outcome{}, ErrExpired
		}
		var out Outcome
		retrying := false
		err := p.auth.Retry(ctx, c, auth.Tries, func() error {
			if retrying { // the wallet changed since it was read: by the approval itself, a rule or a revocation
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

// cancelledError returns why a request that the owner rejected, or that was cancelled, is not answered.
func (p *Pipeline) cancelledError(ctx context.Context, c *auth.Caller, a approvals.Approval) error {
	if a.Row().State != store.Cancelled {
		return ErrRejected
	}
	switch resolution, err := approvals.OpenResolution(ctx, c, a); {
	case err != nil:
	case resolution.Changed:
		return ErrAnswerChanged
	case resolution.Withdrawn, resolution.TakenBack:
		return errTakenBack
	}
	rules, err := p.currentPolicy(ctx, c)
	if err == nil && deniesApproval(rules, a) {
		err = fmt.Errorf("%w: a rule that was set after the request denies it", ErrDenied)
	}
	if err == nil {
		err = ErrRejected
	}
	return err
}

// consumeRefused consumes the jti of a signed collection that was refused. It returns the refusal, or
// jti_replayed if the jti was used before. It stores nothing for an unregistered app that asks for another
// app's approval, nor if nothing was decided because the keystore is locked or the caller is gone.
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

// collectOnce passes an approved request through the pipeline again.
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

// fixChallenge refuses a signed collection whose challenge differs from that of the first collection. For
// the first collection it returns the write that stores the challenge, to be committed with the audit entry.
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
		return nil, p.Refuse(ctx, c, did.Refuse("already_collected", "this approval was collected with another challenge; send that challenge, or send the request again"))
	}
	return nil, nil
}

// recheckApproved reads an approved request again. It returns the verdict by which the request is answered,
// if nothing has revoked the approval since and the answer is still the one that was shown.
func (p *Pipeline) recheckApproved(ctx context.Context, c *auth.Caller, a approvals.Approval, choice approvals.Choice) (*Request, verdict, error) {
	claims, err := p.parse(a.Content().Requested, true)
	if err != nil {
		return nil, verdict{}, p.Refuse(ctx, c, err)
	}
	req := p.newRequest(c, claims, choice)
	req.chain = a.Content().Chain // of the request; a signed collection may name none
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

// matchesShown reports whether the answer is still the one that the owner was shown in an approval.
func (req *Request) matchesShown(ctx context.Context, a approvals.Approval, choice approvals.Choice) (bool, error) {
	shown, err := req.computeShown(ctx)
	return err == nil && a.Content().Shown.Matches(shown, choice), err
}

// reusableApproval returns the verdict of an approval of the same request that can still be collected, and
// whether there is one.
func (req *Request) reusableApproval(ctx context.Context) (v verdict, found bool, err error) {
	digest, err := req.digest()
	if err != nil {
		return v, false, err
	}
	a, found, err := req.findApproval(ctx, digest, collectLife, func(row store.Approval) bool {
		return row.State == store.Approved && req.Now.Sub(time.Unix(row.Decided, 0)) < collectLife
	})
	if err != nil || !found {
		return v, false, err
	}
	return approvedBy(a), true, nil
}

// approvedBy returns the verdict of an approval.
func approvedBy(a approvals.Approval) verdict {
	row := a.Row()
	return verdict{
		Verdict:  policy.Verdict{Decision: policy.Allow, Reason: "approved by the owner"},
		approval: row.ID, shown: a.Content().Shown.Digest(row.Digest),
	}
}

// awaitDecision waits until the approval is decided, the time has passed, or the keystore is locked. It is
// told of decisions of this process at once and polls every second for those of other replicas. The wallet
// is open only while it polls: if the wait ends without a decision, the wallet is closed.
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

// Refuse counts a refusal of an app's request and appends it to the audit log, if the app is registered and
// the request was well-formed. Nothing is stored for an unregistered app. Refuse returns the refusal, or the
// error of recording it.
func (p *Pipeline) Refuse(ctx context.Context, c *auth.Caller, refusal error) error {
	if refusal == nil || c.Role != auth.App {
		return refusal
	}
	if denied, is := errors.AsType[*denial](refusal); is {
		e := denied.req.event(ledger.ClaimDenied, verdict{Verdict: denied.Verdict})
		if _, err := c.CommitOutcome(ctx, ledger.Change{Event: e}, auth.Outcome{}); err != nil {
			return err
		}
		return refusal
	}
	code := did.CodeOf(refusal)
	if code == "" {
		return c.Wallet.NoteForged(ctx, refusal) // a row that does not open is recorded
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
	if _, err := c.CommitOutcome(ctx, ledger.Change{Event: e}, auth.Outcome{}); err != nil {
		return err
	}
	return refusal
}
