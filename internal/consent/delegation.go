package consent

import (
	"context"
	"fmt"

	"walletd/internal/delegation"
	"walletd/internal/did"
	"walletd/internal/ledger"
	"walletd/internal/store"
)

// Delegated makes the checks of reference g.ii.2 on the delegation that a claim presents, in their
// order, and lets the account answer that delegates.
func (q *Question) Delegated(ctx context.Context, c *Claim, token string) error {
	d, err := delegation.Verify(token, q.Signer(), q.Now)
	if err != nil {
		return err
	}
	if err := q.CheckLifetime(d); err != nil {
		return err
	}
	c.Account, err = q.Held(ctx, d.From)
	if err != nil {
		return err
	}
	if err := d.CheckSalt(c.saltText); err != nil {
		return err
	}
	c.delegation, c.token = &d, token

	approved, err := q.pipeline.auth.ApprovedDelegation(ctx, q.Caller, d)
	switch {
	case err != nil:
		return err
	case !q.Owns(c.Account):
		c.NeverByRule("the key of another account is asked for: " + d.From.Address())
		c.Unusual = append(c.Unusual, "Asks for the key of another account, "+d.From.Address()+".")
	}
	if !approved {
		notYet := "this delegation has not been approved in this wallet"
		if c.never != "" {
			notYet = ""
		}
		c.firstTime("Presents a delegation that was not seen here before.", notYet)
	}
	return nil
}

// CheckLifetime holds a delegation to the longest life accepted (design section 9); without an
// iat it is counted from now.
func (q *Question) CheckLifetime(del delegation.Delegation) error {
	from := del.IssuedAt
	if from.IsZero() {
		from = q.Now
	}
	if del.Expires.Sub(from) > q.pipeline.longest {
		return did.Refuse("delegation_lifetime", fmt.Sprintf("a delegation may last %s at most", q.pipeline.longest))
	}
	return nil
}

// approveDelegation returns the writes that put a delegation down as approved.
func (p *Pipeline) approveDelegation(ctx context.Context, q *Question, c *Claim) ([]store.Write, error) {
	old, err := p.auth.DelegationRow(ctx, q.Caller, c.delegation.Hash[:])
	if err != nil || old.Approved != 0 {
		return nil, err
	}
	row := store.Delegation{
		Wallet: q.Caller.WalletID, Hash: c.delegation.Hash[:], FromAddr: c.delegation.From.Address(), ToAddr: c.delegation.To.Address(),
		Expires: c.delegation.Expires.Unix(), Approved: q.Now.Unix(),
	}
	if row.Sealed, err = q.Caller.Wallet.Seal(row, ledger.Text(c.token)); err != nil {
		return nil, err
	}
	row.MAC = q.Caller.Wallet.MAC(row)
	return []store.Write{store.PutDelegation(old, row)}, nil
}
