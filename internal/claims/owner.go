package claims

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"

	"walletd/internal/did"
	"walletd/internal/ledger"
	"walletd/internal/policy"
	"walletd/internal/store"
)

// policyCache keeps opened policies by the wallet's version, which every change of a policy
// raises; a release fails if the version is not the newest. It holds no secret.
type policyCache struct {
	mu     sync.Mutex
	opened map[string]cachedPolicy
}

type cachedPolicy struct {
	version int64
	key     string // the wallet's, sealed: a wallet made again from the same words counts its versions anew
	policy  policy.Policy
}

// maxCached bounds the cache; when it is full it starts again.
const maxCached = 1024

func (p *policyCache) get(w store.Wallet) (policy.Policy, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, ok := p.opened[w.ID]
	return c.policy, ok && c.version == w.Version && c.key == string(w.SealedKey)
}

func (p *policyCache) put(w store.Wallet, rules policy.Policy) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.opened == nil || len(p.opened) >= maxCached {
		p.opened = map[string]cachedPolicy{}
	}
	p.opened[w.ID] = cachedPolicy{w.Version, string(w.SealedKey), rules}
}

// policy returns the policy of the caller's wallet; without one every claim is asked about.
func (d *Door) policy(ctx context.Context, c *Caller) (policy.Policy, error) {
	if p, ok := d.policies.get(c.Wallet.Row()); ok {
		return p, nil
	}
	p, _, err := d.readPolicy(ctx, c)
	if err != nil {
		return policy.Policy{}, err
	}
	d.policies.put(c.Wallet.Row(), p)
	return p, nil
}

func (d *Door) readPolicy(ctx context.Context, c *Caller) (policy.Policy, int64, error) {
	row, err := d.store.Policy(ctx, c.WalletID)
	if errors.Is(err, store.ErrNotFound) {
		return policy.Policy{Rules: []policy.Rule{}}, 0, nil
	}
	if err != nil {
		return policy.Policy{}, 0, fmt.Errorf("reading the policy: %w", err)
	}
	p, err := ledger.Open[policy.Policy](ctx, c.Wallet, row)
	return p.Content(), row.Version, err
}

// Policy returns the wallet's policy, for its owner.
func (d *Door) Policy(ctx context.Context, c *Caller) (policy.Policy, error) {
	if err := c.decides(); err != nil {
		return policy.Policy{}, err
	}
	p, _, err := d.readPolicy(ctx, c)
	return p, err
}

// SetPolicy replaces the wallet's policy, for its owner. Grants, waiting questions and uncollected
// answers that a deny of the new policy matches end in the same write.
func (d *Door) SetPolicy(ctx context.Context, c *Caller, p policy.Policy) (policy.Policy, error) {
	if err := c.decides(); err != nil {
		return policy.Policy{}, err
	}
	p, err := p.Check(d.types.has)
	if err != nil {
		return policy.Policy{}, err
	}
	return p, d.retry(ctx, c, withdrawals, func() error { return d.setPolicy(ctx, c, p) })
}

func (d *Door) setPolicy(ctx context.Context, c *Caller, p policy.Policy) error {
	_, version, err := d.readPolicy(ctx, c)
	if err != nil && !errors.Is(err, ledger.ErrForged) { // what somebody else put there is replaced
		return err
	}
	row := store.Policy{Wallet: c.WalletID, Version: version + 1, Updated: d.store.Now().Unix()}
	if row.Sealed, err = c.Wallet.Seal(row, p); err != nil {
		return err
	}
	ended, err := d.endAll(ctx, c, "", func(g openGrant) bool { return deniesGrant(p, g) }, func(a openApproval) bool { return deniesQuestion(p, a) })
	if err != nil {
		return err
	}
	e := c.event(ledger.PolicySet)
	e.Policy = &p
	return c.record(ctx, e, append([]store.Write{store.PutPolicy(row)}, ended...)...)
}

// denies reports whether a policy denies a claim of an app, "" if its salt (hex) is nil.
func denies(p policy.Policy, app, claim string, salt *string) bool {
	requester, err := did.Parse(app)
	if err != nil {
		return true
	}
	f := policy.Fact{App: requester, Known: true, Claim: claim}
	if salt != nil {
		if f.Salt, err = hex.DecodeString(*salt); err != nil {
			return true
		}
		f.HasSalt = true
	}
	_, denied := p.Denies(f)
	return denied
}

func deniesGrant(p policy.Policy, g openGrant) bool {
	return denies(p, g.Row().App, g.Content().Claim, g.Content().Salt)
}

func deniesQuestion(p policy.Policy, a openApproval) bool {
	for _, c := range a.Content().Claims {
		var salt *string
		if c.Salt != nil {
			salt = &c.Salt.Hex
		}
		if denies(p, a.Row().App, c.Type, salt) {
			return true
		}
	}
	return false
}

// TestPolicy says what the door would do with a claim of an app as things stand, and why, for the
// wallet's owner: rules, grants and what no rule decides, for the app's ordinary account and no
// delegation. Nothing is made and nothing is recorded.
func (d *Door) TestPolicy(ctx context.Context, c *Caller, r policy.Rule) (policy.Verdict, error) {
	if err := c.decides(); err != nil {
		return policy.Verdict{}, err
	}
	r.Decision = policy.Ask
	if err := r.Check(d.types.has); err != nil {
		return policy.Verdict{}, fmt.Errorf("%w: %w", ErrInput, err)
	}
	app, err := did.Parse(r.App)
	if err != nil || r.Claim == policy.Any {
		return policy.Verdict{}, invalid("a test names one app and one claim")
	}
	t := d.types[r.Claim] // checked above
	asker := c.As(Requester{}, "", app, did.DID{})
	q := d.question(asker, []*Claim{probe(t, r)}, Choice{})
	err = q.read(ctx)
	if denied, is := errors.AsType[*denial](err); is {
		return denied.Verdict, nil
	}
	if did.CodeOf(err) == "app_unknown" {
		return policy.Verdict{Decision: policy.Deny, Reason: "the app has no token in the wallet and was never approved"}, nil
	}
	if err != nil {
		return policy.Verdict{}, err
	}
	v, _, err := q.decide(ctx)
	return v.Verdict, err
}

// probe is a claim of a type as far as a rule can name it, for the app's ordinary account.
func probe(t Type, r policy.Rule) *Claim {
	salt, held := r.SaltBytes()
	c := newClaim(t, Request{Read: func(ctx context.Context, q *Question, c *Claim) error {
		if !held {
			return nil
		}
		return q.noteOwner(ctx, c)
	}})
	c.salt, c.hasSalt = salt, held
	if r.Salt != nil {
		c.saltText = *r.Salt
	}
	return c
}
