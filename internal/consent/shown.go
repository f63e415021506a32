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

// ErrAnswerChanged: the answer to a request is no longer the one that the owner was shown. The request was
// cancelled; sent again, it is shown as it is now.
var ErrAnswerChanged = errors.New("the answer has changed since the owner was shown it; send the request again")

// computeShown returns what the owner is shown of a request that was read. It computes it once.
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
			AlwaysAsk: c.alwaysAsk, Unusual: approvals.Without(c.Unusual, c.untilApproved), UntilApproved: c.untilApproved, Offers: c.shownOffers(),
		}
		if c.NotHeld != nil {
			claim.NotHeld = c.NotHeld.Code
		}
		shown.Claims = append(shown.Claims, claim)
	}
	req.shown = shown
	return shown, nil
}

// noteFirstRequest adds to Unusual that the owner has not approved the app before, or has revoked it.
func (req *Request) noteFirstRequest(ctx context.Context) error {
	app, err := req.pipeline.auth.App(ctx, req.Caller, req.Caller.App.Address())
	note := "This is the first request of this app that needs your approval."
	switch {
	case err != nil:
		return err
	case app.Row().State == store.Approved:
		return nil
	case app.Row().State == store.Revoked: // it can send requests in a session, whose link the owner opened
		note = "You revoked this app. An approval registers it again."
	}
	req.unusual, req.untilApproved = append([]string{note}, req.unusual...), append([]string{note}, req.untilApproved...)
	return nil
}

// noteUntilApproved adds a sentence to Unusual that an approval of the app removes.
func (req *Request) noteUntilApproved(note string) {
	req.unusual, req.untilApproved = append(req.unusual, note), append(req.untilApproved, note)
}

// NoteUntilApproved adds a sentence to the claim's Unusual that an approval removes, with the reason why the
// owner is always asked until then ("" if a rule may decide).
func (c *Claim) NoteUntilApproved(note, notYet string) {
	c.Unusual, c.untilApproved = append(c.Unusual, note), append(c.untilApproved, note)
	if c.askUntilApproved == "" {
		c.askUntilApproved = notYet
	}
}

// cancelledAsChanged reports whether an approval was cancelled because its answer changed.
func cancelledAsChanged(ctx context.Context, c *auth.Caller, a approvals.Approval) bool {
	resolution, err := approvals.OpenResolution(ctx, c, a)
	return err == nil && resolution.Changed
}

// cancelChanged cancels a waiting or an approved request because its answer is no longer the one that was
// shown. It returns ErrAnswerChanged, or the error of writing.
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
