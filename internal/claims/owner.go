package claims

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/store"
)

func policyPlace(wallet string) keystore.Place {
	return keystore.Place{Table: "policies", Row: wallet, Field: "rules", Version: 1}
}

// policyCache keeps opened policies by the wallet's version, which every change of a policy
// raises; a release fails if the version is not the newest. It holds no secret.
type policyCache struct {
	mu     sync.Mutex
	opened map[string]cachedPolicy
}

type cachedPolicy struct {
	version int64
	key     string // the wallet's, sealed: a wallet made again from the same words counts its versions anew
	policy  Policy
}

// maxCached bounds the cache; when it is full it starts again.
const maxCached = 1024

func (p *policyCache) get(w store.Wallet) (Policy, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, ok := p.opened[w.ID]
	return c.policy, ok && c.version == w.Version && c.key == string(w.SealedKey)
}

func (p *policyCache) put(w store.Wallet, policy Policy) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.opened == nil || len(p.opened) >= maxCached {
		p.opened = map[string]cachedPolicy{}
	}
	p.opened[w.ID] = cachedPolicy{w.Version, string(w.SealedKey), policy}
}

// policy returns the policy of the caller's wallet; without one every claim is asked about.
func (d *Door) policy(ctx context.Context, c *Caller) (Policy, error) {
	if p, ok := d.policies.get(c.row); ok {
		return p, nil
	}
	p, _, err := d.readPolicy(ctx, c)
	if err != nil {
		return Policy{}, err
	}
	d.policies.put(c.row, p)
	return p, nil
}

func (d *Door) readPolicy(ctx context.Context, c *Caller) (Policy, int64, error) {
	row, err := d.store.Policy(ctx, c.Wallet)
	if errors.Is(err, store.ErrNotFound) {
		return Policy{Rules: []Rule{}}, 0, nil
	}
	if err != nil {
		return Policy{}, 0, fmt.Errorf("reading the policy: %w", err)
	}
	plain, err := c.wallet.Open(policyPlace(c.Wallet), row.Sealed)
	if err != nil {
		return Policy{}, 0, d.noteForged(ctx, c, err)
	}
	var p Policy
	if err := json.Unmarshal(plain, &p); err != nil {
		return Policy{}, 0, fmt.Errorf("reading the policy: %w", err)
	}
	return p, row.Version, nil
}

// Policy returns the wallet's policy, for its owner.
func (d *Door) Policy(ctx context.Context, c *Caller) (Policy, error) {
	if err := c.decides(); err != nil {
		return Policy{}, err
	}
	p, _, err := d.readPolicy(ctx, c)
	return p, err
}

// SetPolicy replaces the wallet's policy, for its owner. Grants, waiting questions and uncollected
// answers that a deny of the new policy matches end in the same write.
func (d *Door) SetPolicy(ctx context.Context, c *Caller, p Policy) (Policy, error) {
	if err := c.decides(); err != nil {
		return Policy{}, err
	}
	p, err := p.check()
	if err != nil {
		return Policy{}, err
	}
	return p, d.withdraw(ctx, c, func() error { return d.setPolicy(ctx, c, p) })
}

func (d *Door) setPolicy(ctx context.Context, c *Caller, p Policy) error {
	_, version, err := d.readPolicy(ctx, c)
	if err != nil && !errors.Is(err, ErrForged) {
		return err
	}
	if errors.Is(err, ErrForged) {
		// What somebody else put there does not keep the owner from setting it right.
		row, err := d.store.Policy(ctx, c.Wallet)
		if err != nil {
			return fmt.Errorf("reading the policy: %w", err)
		}
		version = row.Version
	}
	plain, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("writing the policy: %w", err)
	}
	row := store.Policy{Wallet: c.Wallet, Version: version + 1, Sealed: c.wallet.Seal(policyPlace(c.Wallet), plain), Updated: d.store.Now().Unix()}
	ended, err := d.endAll(ctx, c, "", func(g live) bool { return p.deniesGrant(g) }, func(a store.Approval, content asked) bool { return p.deniesQuestion(a, content) })
	if err != nil {
		return err
	}
	e := c.event("policy.set")
	e.Policy = &p
	if err := d.record(ctx, c, e, append([]store.Write{store.PutPolicy(row)}, ended...)...); err != nil {
		return err
	}
	d.changed.notify()
	return nil
}

func (p Policy) denies(app, claim string, salt *string) bool {
	asker, err := did.Parse(app)
	if err != nil {
		return true
	}
	f := fact{app: asker, known: true, claim: claim}
	if salt != nil {
		if f.salt, err = hex.DecodeString(*salt); err != nil {
			return true
		}
		f.hasSalt = true
	}
	rule, d := p.match(f)
	return rule > 0 && d == Deny
}

func (p Policy) deniesGrant(g live) bool {
	return p.denies(g.row.App, g.content.Claim, g.content.Salt)
}

func (p Policy) deniesQuestion(row store.Approval, content asked) bool {
	for _, c := range content.Claims {
		var salt *string
		if c.Salt != nil {
			salt = &c.Salt.Hex
		}
		if p.denies(row.App, c.Type, salt) {
			return true
		}
	}
	return false
}

// TestPolicy says what the door would do with a claim of an app as things stand, and why, for the
// wallet's owner: rules, grants and what no rule decides, for the app's ordinary account and no
// delegation. Nothing is made and nothing is recorded.
func (d *Door) TestPolicy(ctx context.Context, c *Caller, r Rule) (Verdict, error) {
	p, err := d.Policy(ctx, c)
	if err != nil {
		return Verdict{}, err
	}
	r.Decision = Ask
	if err := r.check(); err != nil {
		return Verdict{}, fmt.Errorf("%w: %w", ErrInput, err)
	}
	app, err := did.Parse(r.App)
	if err != nil || r.Claim == Any {
		return Verdict{}, invalid("a test names one app and one claim")
	}
	asker := &Caller{Role: App, App: app, Wallet: c.Wallet, opened: c.opened}
	q := &question{door: d, caller: asker, now: d.store.Now()}
	standing, err := d.knows(ctx, asker)
	if err != nil {
		return Verdict{}, err
	}
	if q.known = standing == known; !q.known && !c.wallet.Content().Strangers {
		return Verdict{Decision: Deny, Reason: "the app has no token in the wallet and was never approved"}, nil
	}
	q.account, err = d.store.AccountOf(ctx, c.Wallet, app.Address(), did.AccountType().String())
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return Verdict{}, fmt.Errorf("looking for the app's account: %w", err)
	}
	k, _ := kindOf(r.Claim) // checked above
	probe := &claim{kind: k, never: k.never, account: q.account}
	if probe.salt, probe.hasSalt = r.salt(); r.Salt != nil {
		probe.saltText = *r.Salt
	}
	owner, err := q.saltOwner(ctx, probe)
	if err != nil {
		return Verdict{}, err
	}
	if owner != "" {
		probe.refuseRule("the salt is the address of another DID: " + owner)
	}
	grants, err := d.grants(ctx, asker, c.wallet)
	if err != nil {
		return Verdict{}, err
	}
	return decide(p, grants, probe.fact(q), q.now), nil
}
