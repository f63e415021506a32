package consent

import (
	"context"
	"errors"

	"walletd/internal/approvals"
	"walletd/internal/auth"
	"walletd/internal/did"
	"walletd/internal/ledger"
	"walletd/internal/store"
)

// ErrAnswerChanged: what a question would give is not any more what the person was shown. The
// question has ended; asked again, it is shown as it is now.
var ErrAnswerChanged = errors.New("what this question would give has changed since it was shown; ask again")

// computeShown computes what the person is shown, once for a question that was read.
func (req *Request) computeShown(ctx context.Context) (*approvals.Shown, error) {
	if req.shown != nil {
		return req.shown, nil
	}
	if err := req.noteFirstRequest(ctx); err != nil {
		return nil, err
	}
	for _, c := range req.claims {
		if c.Note == nil {
			continue
		}
		if err := c.Note(ctx); err != nil {
			return nil, err
		}
	}
	shown := &approvals.Shown{Account: req.Account.Address, Unusual: approvals.Without(req.unusual, req.untilApproved), UntilApproved: req.untilApproved}
	for _, c := range req.claims {
		claim := approvals.ShownClaim{
			Type: c.kind.Name, Account: c.Account.Address, Owner: c.Account.App, About: c.About, ContentHash: c.ContentHash,
			AlwaysAsk: c.alwaysAsk, Unusual: approvals.Without(c.Unusual, c.untilApproved), UntilApproved: c.untilApproved,
		}
		if c.NotHeld != nil {
			claim.NotHeld = c.NotHeld.Code
		}
		shown.Claims = append(shown.Claims, claim)
	}
	req.shown = shown
	return shown, nil
}

// noteFirstRequest says that the person was not asked about the app before, or withdrew it.
func (req *Request) noteFirstRequest(ctx context.Context) error {
	app, err := req.pipeline.auth.App(ctx, req.Caller, req.Caller.App.Address())
	note := "The first request of this app that you are asked about."
	switch {
	case err != nil:
		return err
	case app.Row().State == store.Approved:
		return nil
	case app.Row().State == store.Revoked: // it can ask in a session, whose link the person opened
		note = "You withdrew this app. A yes lets it in again."
	}
	req.unusual, req.untilApproved = append([]string{note}, req.unusual...), append([]string{note}, req.untilApproved...)
	return nil
}

// noteUntilApproved notes what is unusual only until the person says yes.
func (req *Request) noteUntilApproved(note string) {
	req.unusual, req.untilApproved = append(req.unusual, note), append(req.untilApproved, note)
}

// noteUntilApproved notes what is unusual about a claim only until the person says yes, with the reason why
// no rule may decide it until then ("": a rule may).
func (c *Claim) noteUntilApproved(note, notYet string) {
	c.Unusual, c.untilApproved = append(c.Unusual, note), append(c.untilApproved, note)
	if c.askUntilApproved == "" {
		c.askUntilApproved = notYet
	}
}

// cancelledAsChanged reports whether an approval ended because its answer changed.
func cancelledAsChanged(ctx context.Context, c *auth.Caller, a approvals.Approval) bool {
	resolution, err := approvals.OpenResolution(ctx, c, a)
	return err == nil && resolution.Changed
}

// cancelChanged ends an approval, that waits or that was approved, because what it would give is not
// what was shown. It returns ErrAnswerChanged, or the error of writing.
func (p *Pipeline) cancelChanged(ctx context.Context, c *auth.Caller, row store.Approval) error {
	next, err := p.approvals.Resolve(c, row, store.Cancelled, approvals.Resolution{Changed: true})
	if err != nil {
		return err
	}
	end := store.DecideApproval(row, next)
	if row.State == store.Approved {
		end = store.UpdateApprovedApproval(row, next)
	}
	e := c.Event(ledger.ApprovalCancelled)
	e.Approval, e.Code = row.ID, "changed"
	if c.Role == auth.Owner {
		e.App, e.Agent = did.Prefixed(row.App), did.Prefixed(row.Agent)
	}
	if err := c.Record(ctx, e, end); err != nil {
		return err
	}
	p.ledger.Wake()
	return ErrAnswerChanged
}
