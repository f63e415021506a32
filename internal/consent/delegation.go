package consent

import (
	"context"
	"fmt"
	"sync"
	"time"

	"walletd/internal/delegation"
	"walletd/internal/did"
	"walletd/internal/ledger"
	"walletd/internal/store"
)

// ReadDelegation makes the checks of reference g.ii.2 on the delegation that a claim presents, in their
// order, and sets the delegating account as the one that answers.
func (req *Request) ReadDelegation(ctx context.Context, c *Claim, token string) error {
	d, err := req.pipeline.delegations.verify(token, req.Signer(), req.Now)
	if err != nil {
		return err
	}
	if err := req.CheckLifetime(d); err != nil {
		return err
	}
	c.Account, err = req.HeldAccount(ctx, d.From)
	if err != nil {
		return err
	}
	if err := d.CheckSalt(c.saltText); err != nil {
		return err
	}
	c.delegation, c.token = &d, token

	approved, err := req.pipeline.auth.ApprovedDelegation(ctx, req.Caller, d)
	switch {
	case err != nil:
		return err
	case !req.Owns(c.Account):
		c.RequireAsk("the request asks for the key of another account: " + d.From.Address())
		c.Unusual = append(c.Unusual, "Asks for the key of another account, "+d.From.Address()+".")
	}
	if !approved {
		notYet := "this delegation has not been approved in this wallet"
		if c.alwaysAsk != "" {
			notYet = ""
		}
		c.NoteUntilApproved("Presents a delegation that you have not approved before.", notYet)
	}
	return nil
}

// verifiedDelegations are delegations that were verified, by their hash. What a signature covers does not change, so it is
// verified once; whether it is in time, and who presents it, is checked each time. They hold no secret. The zero value is
// ready to use.
type verifiedDelegations struct {
	mu     sync.Mutex
	byHash map[[32]byte]delegation.Delegation
}

// verify is delegation.Verify.
func (v *verifiedDelegations) verify(token string, requester did.DID, now time.Time) (delegation.Delegation, error) {
	if len(token) > maxVerified {
		return delegation.Verify(token, requester, now)
	}
	hash := delegation.HashOf(token)
	v.mu.Lock()
	d, known := v.byHash[hash]
	v.mu.Unlock()
	if known && d.HoldsFor(requester, now) {
		return d, nil
	}
	d, err := delegation.Verify(token, requester, now)
	if err == nil && !known {
		v.mu.Lock()
		defer v.mu.Unlock()
		if v.byHash == nil || len(v.byHash) >= maxCached {
			v.byHash = map[[32]byte]delegation.Delegation{}
		}
		v.byHash[hash] = d
	}
	return d, err
}

// maxVerified bounds the delegations that are kept, in bytes; those of applications are shorter.
const maxVerified = 8 << 10

// CheckLifetime refuses a delegation that lasts longer than Options.DelegationLife (design section 9).
func (req *Request) CheckLifetime(del delegation.Delegation) error {
	if req.ExceedsLifetime(del) {
		return did.Refuse("delegation_lifetime", fmt.Sprintf("a delegation may last %s at most", req.pipeline.delegationLife))
	}
	return nil
}

// ExceedsLifetime reports whether a delegation lasts longer than Options.DelegationLife. The time counts from its
// iat, or from now if it has none or one that is yet to come, which whoever wrote it chose.
func (req *Request) ExceedsLifetime(del delegation.Delegation) bool {
	from := del.IssuedAt
	if from.IsZero() || from.After(req.AppTime().Add(time.Minute)) {
		from = req.Now
	}
	return del.Expires.Sub(from) > req.pipeline.delegationLife
}

// approveDelegation returns the write that stores a delegation as approved, if it is not stored yet.
func (p *Pipeline) approveDelegation(ctx context.Context, req *Request, c *Claim) ([]store.Write, error) {
	old, err := p.auth.DelegationRow(ctx, req.Caller, c.delegation.Hash[:])
	if err != nil || old.Approved != 0 {
		return nil, err
	}
	row := store.Delegation{
		Wallet: req.Caller.WalletID, Hash: c.delegation.Hash[:], FromAddr: c.delegation.From.Address(), ToAddr: c.delegation.To.Address(),
		Expires: c.delegation.Expires.Unix(), Approved: req.Now.Unix(),
	}
	if row.Sealed, err = req.Caller.Wallet.Seal(row, ledger.Text(c.token)); err != nil {
		return nil, err
	}
	row.MAC = req.Caller.Wallet.MAC(row)
	return []store.Write{store.PutDelegation(old, row)}, nil
}
