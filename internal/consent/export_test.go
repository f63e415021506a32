package consent

import (
	"context"
	"walletd/internal/auth"
	"walletd/internal/ledger"
)

// What only tests of this package see.

const CollectFor = collectFor
const MaxClaims = maxClaims
const RejectedFor = rejectedFor
const WaitingPerApp = waitingPerApp
const WaitingPerWallet = waitingPerWallet

type Shown = shown

func (s *shown) Gives(now *shown, chosen string) bool { return s.gives(now, chosen) }

func (q *Question) Show(ctx context.Context) (*shown, error) { return q.show(ctx) }

func (q *Question) Release(ctx context.Context, v verdict, kind ledger.Kind) (Outcome, error) {
	return q.release(ctx, v, kind)
}

func (p *Pipeline) OpenApproval(ctx context.Context, c *auth.Caller, id string) (openApproval, error) {
	return p.approval(ctx, c, id)
}

func (p *Pipeline) Stands(ctx context.Context, c *auth.Caller, a openApproval, choice Choice) (*Question, verdict, error) {
	return p.stands(ctx, c, a, choice)
}
