package consent

import (
	"context"
	"walletd/internal/approvals"
	"walletd/internal/auth"
	"walletd/internal/ledger"
)

// What only tests of this package see.

const CollectLife = collectLife
const MaxClaims = maxClaims
const RejectedLife = rejectedLife
const WaitingPerApp = approvals.PerApp
const WaitingPerWallet = approvals.PerWallet

func (req *Request) ComputeShown(ctx context.Context) (*approvals.Shown, error) {
	return req.computeShown(ctx)
}

func (req *Request) Release(ctx context.Context, v verdict, kind ledger.Kind) (Outcome, error) {
	return req.release(ctx, v, kind)
}

func (p *Pipeline) RecheckApproved(ctx context.Context, c *auth.Caller, a approvals.Approval, choice approvals.Choice) (*Request, verdict, error) {
	return p.recheckApproved(ctx, c, a, choice)
}
