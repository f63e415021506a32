package consent

import (
	"context"
	"walletd/internal/approvals"
	"walletd/internal/auth"
	"walletd/internal/ledger"
)

// What only tests of this package see.

const CollectFor = collectFor
const MaxClaims = maxClaims
const RejectedFor = rejectedFor
const WaitingPerApp = approvals.PerApp
const WaitingPerWallet = approvals.PerWallet

func (q *Question) Show(ctx context.Context) (*approvals.Shown, error) { return q.show(ctx) }

func (q *Question) Release(ctx context.Context, v verdict, kind ledger.Kind) (Outcome, error) {
	return q.release(ctx, v, kind)
}

func (p *Pipeline) Stands(ctx context.Context, c *auth.Caller, a approvals.Approval, choice approvals.Choice) (*Question, verdict, error) {
	return p.stands(ctx, c, a, choice)
}
