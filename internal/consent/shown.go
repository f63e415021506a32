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

// show computes what the person is shown, once for a question that was read.
func (q *Question) show(ctx context.Context) (*approvals.Shown, error) {
	if q.told != nil {
		return q.told, nil
	}
	if err := q.noteFirst(ctx); err != nil {
		return nil, err
	}
	for _, c := range q.claims {
		if c.Note == nil {
			continue
		}
		if err := c.Note(ctx); err != nil {
			return nil, err
		}
	}
	s := &approvals.Shown{Account: q.Account.Address, Unusual: approvals.Without(q.unusual, q.first), First: q.first}
	for _, c := range q.claims {
		claim := approvals.ShownClaim{
			Type: c.kind.Name, Account: c.Account.Address, Owner: c.Account.App, About: c.About, Gives: c.Gives,
			Never: c.never, Unusual: approvals.Without(c.Unusual, c.first), First: c.first,
		}
		if c.Missing != nil {
			claim.Missing = c.Missing.Code
		}
		s.Claims = append(s.Claims, claim)
	}
	q.told = s
	return s, nil
}

// noteFirst says that the person was not asked about the app before, or withdrew it.
func (q *Question) noteFirst(ctx context.Context) error {
	app, err := q.pipeline.auth.App(ctx, q.Caller, q.Caller.App.Address())
	note := "The first request of this app that you are asked about."
	switch {
	case err != nil:
		return err
	case app.Row().State == store.Approved:
		return nil
	case app.Row().State == store.Revoked: // it can ask in a session, whose link the person opened
		note = "You withdrew this app. A yes lets it in again."
	}
	q.unusual, q.first = append([]string{note}, q.unusual...), append([]string{note}, q.first...)
	return nil
}

// firstTime notes what is unusual only until the person says yes.
func (q *Question) firstTime(note string) {
	q.unusual, q.first = append(q.unusual, note), append(q.first, note)
}

// firstTime notes what is unusual about a claim only until the person says yes, with the reason why
// no rule may decide it until then ("": a rule may).
func (c *Claim) firstTime(note, notYet string) {
	c.Unusual, c.first = append(c.Unusual, note), append(c.first, note)
	if c.notYet == "" {
		c.notYet = notYet
	}
}

// endedChanged reports whether an approval ended because its answer changed.
func endedChanged(ctx context.Context, c *auth.Caller, a approvals.Approval) bool {
	end, err := approvals.OpenDecision(ctx, c, a)
	return err == nil && end.Changed
}

// endChanged ends an approval, that waits or that was approved, because what it would give is not
// what was shown. It returns ErrAnswerChanged, or the error of writing.
func (p *Pipeline) endChanged(ctx context.Context, c *auth.Caller, row store.Approval) error {
	next, err := p.approvals.Decide(c, row, store.Cancelled, approvals.Decision{Changed: true})
	if err != nil {
		return err
	}
	end := store.DecideApproval(row, next)
	if row.State == store.Approved {
		end = store.WithdrawApproval(row, next)
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
