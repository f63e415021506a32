package consent

import (
	"context"
	"errors"
	"fmt"

	"walletd/internal/approvals"
	"walletd/internal/auth"
	"walletd/internal/did"
	"walletd/internal/ledger"
	"walletd/internal/store"
)

// Withdraw cancels a request that waits, or that was approved and not collected, at the wish of its requester: the same
// token. A request that is withdrawn again is none any more, without an error. A rejection stays one: the error is that
// of Collect.
func (p *Pipeline) Withdraw(ctx context.Context, c *auth.Caller, id string) error {
	if c.Role != auth.App {
		return auth.ErrForbidden
	}
	return p.auth.Retry(ctx, c, approvals.RevocationTries, func() error { return p.withdrawOnce(ctx, c, id) })
}

func (p *Pipeline) withdrawOnce(ctx context.Context, c *auth.Caller, id string) error {
	a, err := p.approvals.Open(ctx, c, id)
	if err != nil {
		return err
	}
	row := a.Row()
	if row.Asker != c.RequesterID || row.App != c.App.Address() || row.Agent != c.Agent.Address() {
		return auth.ErrNotFound
	}
	var end func(old, updated store.Approval) store.Write
	switch row.State {
	case store.Pending:
		end = store.DecideApproval
	case store.Approved:
		end = store.UpdateApprovedApproval
	default:
		if err := p.cancelledError(ctx, c, a); !errors.Is(err, errTakenBack) {
			return err
		}
		return nil
	}
	return p.cancel(ctx, c, row, approvals.Resolution{Withdrawn: true}, "withdrawn", end)
}

// TakeBack takes a rejection back, for the wallet's owner: the app may ask again at once, as if it had not been rejected.
// The request itself stays closed. The error is ErrDecided if it was not rejected.
func (p *Pipeline) TakeBack(ctx context.Context, c *auth.Caller, id string) (v approvals.View, err error) {
	if err := c.RequireOwner(); err != nil {
		return v, err
	}
	a, err := p.approvals.Open(ctx, c, id)
	if err != nil {
		return v, err
	}
	row := a.Row()
	if row.State != store.Rejected {
		return v, ErrDecided
	}
	err = p.cancel(ctx, c, row, approvals.Resolution{TakenBack: true}, "taken_back", store.TakeBackRejection)
	if errors.Is(err, store.ErrChanged) {
		err = ErrDecided
	}
	if err != nil {
		return v, err
	}
	return p.approvals.Get(ctx, c, row.ID)
}

func (p *Pipeline) cancel(ctx context.Context, c *auth.Caller, row store.Approval, how approvals.Resolution, code string, end func(old, updated store.Approval) store.Write) error {
	next, err := p.approvals.Resolve(c, row, store.Cancelled, how)
	if err != nil {
		return err
	}
	e := c.Event(ledger.ApprovalCancelled)
	e.Approval, e.Code, e.App, e.Agent = row.ID, code, did.Prefixed(row.App), did.Prefixed(row.Agent)
	if err := c.Record(ctx, e, end(row, next)); err != nil {
		return err
	}
	p.ledger.Wake()
	return nil
}

// errTakenBack is ErrExpired for a request that its app withdrew, or whose rejection the owner took back.
var errTakenBack = fmt.Errorf("it was withdrawn: %w", ErrExpired)
