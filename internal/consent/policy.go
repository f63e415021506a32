package consent

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"

	"walletd/internal/approvals"
	"walletd/internal/auth"
	"walletd/internal/did"
	"walletd/internal/ledger"
	"walletd/internal/policy"
	"walletd/internal/store"
)

// policyCache holds opened policies by the wallet's version. Every change of a policy raises the version,
// and a release fails if the version is not the newest. The cache holds no secret.
type policyCache struct {
	mu     sync.Mutex
	opened map[string]cachedPolicy
}

type cachedPolicy struct {
	version int64
	key     string // the wallet's, sealed: a wallet that was restored from the same words counts its versions from the start
	policy  policy.Policy
}

// maxCached bounds the cache; a full cache is emptied.
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

// Forget removes the policies that are kept in memory, at a lock.
func (p *Pipeline) Forget() {
	p.policies.mu.Lock()
	defer p.policies.mu.Unlock()
	p.policies.opened = nil
}

// currentPolicy returns the policy of the caller's wallet; a wallet without one asks about every claim.
func (p *Pipeline) currentPolicy(ctx context.Context, c *auth.Caller) (policy.Policy, error) {
	if rules, ok := p.policies.get(c.Wallet.Row()); ok {
		return rules, nil
	}
	rules, _, err := p.ReadPolicy(ctx, c)
	if err != nil {
		return policy.Policy{}, err
	}
	p.policies.put(c.Wallet.Row(), rules)
	return rules, nil
}

// ReadPolicy reads the policy of the caller's wallet and its version; both are empty if there is none.
func (p *Pipeline) ReadPolicy(ctx context.Context, c *auth.Caller) (policy.Policy, int64, error) {
	row, err := c.Wallet.Facts().Policy(ctx)
	if errors.Is(err, store.ErrNotFound) {
		return policy.Policy{Rules: []policy.Rule{}}, 0, nil
	}
	if err != nil {
		return policy.Policy{}, 0, fmt.Errorf("reading the policy: %w", err)
	}
	opened, err := ledger.Open[policy.Policy](ctx, c.Wallet, row)
	return opened.Content().SpelledOut(), row.Version, err
}

// Policy returns the wallet's policy, for its owner.
func (p *Pipeline) Policy(ctx context.Context, c *auth.Caller) (policy.Policy, error) {
	if err := c.RequireReader(); err != nil {
		return policy.Policy{}, err
	}
	rules, _, err := p.ReadPolicy(ctx, c)
	return rules, err
}

// SetPolicy replaces the wallet's policy, for its owner. The same write revokes the grants, and cancels the
// waiting and the uncollected approvals, that a deny of the new policy matches.
func (p *Pipeline) SetPolicy(ctx context.Context, c *auth.Caller, rules policy.Policy) (policy.Policy, error) {
	if err := c.RequireDecider(); err != nil {
		return policy.Policy{}, err
	}
	rules, err := rules.Check(p.types.has)
	if err != nil {
		return policy.Policy{}, err
	}
	return rules, p.auth.Retry(ctx, c, approvals.RevocationTries, func() error { return p.setPolicyOnce(ctx, c, rules) })
}

func (p *Pipeline) setPolicyOnce(ctx context.Context, c *auth.Caller, rules policy.Policy) error {
	_, version, err := p.ReadPolicy(ctx, c)
	if err != nil && !errors.Is(err, ledger.ErrForged) { // a forged policy is replaced
		return err
	}
	row := store.Policy{Wallet: c.WalletID, Version: version + 1, Updated: p.store.Now().Unix()}
	if row.Sealed, err = c.Wallet.Seal(row, rules); err != nil {
		return err
	}
	ended, err := p.endDependents(ctx, c, "", func(g approvals.Grant) bool { return deniesGrant(rules, g) }, func(a approvals.Approval) bool { return deniesApproval(rules, a) })
	if err != nil {
		return err
	}
	e := c.Event(ledger.PolicySet)
	e.Policy = &rules
	return c.Record(ctx, e, append([]store.Write{store.PutPolicy(row)}, ended...)...)
}

// denies reports whether a policy denies a claim of an app. The salt is in hex; nil if the claim has none.
func denies(p policy.Policy, app, claim string, salt *string) bool {
	requester, err := did.Parse(app)
	if err != nil {
		return true
	}
	f := policy.Fact{App: requester, Registered: true, Claim: claim}
	if salt != nil {
		if f.Salt, err = hex.DecodeString(*salt); err != nil {
			return true
		}
		f.HasSalt = true
	}
	_, denied := p.Denies(f)
	return denied
}

func deniesGrant(p policy.Policy, g approvals.Grant) bool {
	return denies(p, g.Row().App, g.Content().Claim, g.Content().Salt)
}

func deniesApproval(p policy.Policy, a approvals.Approval) bool {
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

// TestPolicy returns what the pipeline would decide now about a claim of an app, and why, for the wallet's
// owner. bound says that the request would come with a token that is bound to a key. It applies rules, grants and the cases that always ask, for the app's ordinary account and without a
// delegation. It stores nothing and records nothing.
func (p *Pipeline) TestPolicy(ctx context.Context, c *auth.Caller, r policy.Rule, bound bool) (policy.Verdict, error) {
	if err := c.RequireReader(); err != nil {
		return policy.Verdict{}, err
	}
	r.Decision = policy.Ask
	if err := r.Check(p.types.has); err != nil {
		return policy.Verdict{}, fmt.Errorf("%w: %w", auth.ErrInput, err)
	}
	app, err := did.Parse(r.App)
	if err != nil || r.Claim == policy.Any {
		return policy.Verdict{}, auth.Invalid("a test of the policy names one app and one claim")
	}
	t := p.types[r.Claim] // checked above
	requester := c.As(auth.Requester{Bound: bound}, "", app, did.DID{})
	req := p.newRequest(requester, []*Claim{probe(t, r)}, approvals.Choice{})
	err = req.read(ctx)
	if denied, is := errors.AsType[*denial](err); is {
		return denied.Verdict, nil
	}
	if code := did.CodeOf(err); errors.Is(err, errUnregistered) || code == "app_unknown" {
		return policy.Verdict{Decision: policy.Deny, Reason: errUnregistered.Error()}, nil
	}
	if err != nil {
		return policy.Verdict{}, err
	}
	v, _, err := req.decide(ctx)
	return v.Verdict, err
}

// probe returns a claim of a type with the members that a rule can name, for the app's ordinary account.
func probe(t Type, r policy.Rule) *Claim {
	salt, held := r.SaltBytes()
	c := newClaim(t, Parsed{Read: func(ctx context.Context, req *Request, c *Claim) error {
		if !held {
			return nil
		}
		return req.noteOwner(ctx, c)
	}})
	c.salt, c.hasSalt = salt, held
	if r.Salt != nil {
		c.saltText = *r.Salt
	}
	return c
}
