package consent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"walletd/internal/approvals"
	"walletd/internal/auth"
	"walletd/internal/ledger"
	"walletd/internal/policy"
	"walletd/internal/store"
	"walletd/internal/wallets"
)

// Options are the settings of a Pipeline. The zero value has the defaults of the design.
type Options struct {
	// ApprovalLife is how long a request waits for the owner's decision; zero is 5 minutes.
	ApprovalLife time.Duration
	// DelegationLife is the longest delegation accepted, from its iat to its exp; zero is 24 hours.
	DelegationLife time.Duration
	// Count is called once for every refusal, with a short fixed name; nil counts nothing.
	Count func(outcome string)
}

// Times of design section 7.
const (
	collectLife  = 2 * time.Minute  // how long an approval can be collected
	rejectedLife = 10 * time.Minute // how long a rejection holds for the same request
)

// Pipeline answers requests; nothing leaves the wallets of a keystore for an app in any other way. It is safe
// for concurrent use, and holds no state that another replica needs.
type Pipeline struct {
	auth           *auth.Auth
	wallets        *wallets.Wallets
	approvals      *approvals.Approvals
	store          *store.Store
	ledger         *ledger.Ledger
	approvalLife   time.Duration
	delegationLife time.Duration
	count          func(string)
	types          vocabulary
	policies       policyCache
	delegations    verifiedDelegations
}

// New returns the pipeline of a keystore, for claims of the given types.
func New(st *store.Store, l *ledger.Ledger, a *auth.Auth, w *wallets.Wallets, ap *approvals.Approvals, types []Type, o Options) *Pipeline {
	p := &Pipeline{
		auth: a, wallets: w, approvals: ap, store: st, ledger: l, approvalLife: o.ApprovalLife, delegationLife: o.DelegationLife, count: o.Count, types: newVocabulary(types),
	}
	if p.approvalLife == 0 {
		p.approvalLife = 5 * time.Minute
	}
	if p.delegationLife == 0 {
		p.delegationLife = 24 * time.Hour
	}
	if p.count == nil {
		p.count = func(string) {}
	}
	return p
}

// Outcome is the result of a request: exactly one member is set.
type Outcome struct {
	Answer  *Answer
	Pending *Pending
}

// Answer holds what the request asked for. It does not print, because it may hold keys.
type Answer struct {
	Claims  []json.RawMessage  // each claim as requested, with the answer's members added
	UserDID string             // bare address of the account that answers
	UserPK  string             // its public key, base58btc
	Reason  string             // why the request was allowed
	Signed  *auth.SignedAnswer // the answer to a signed request, instead of the above
	Own     json.RawMessage    // the body of a route of its own (secret storage), instead of all of the above
	ETag    string             // of Own, or ""
}

// Format keeps an Answer out of logs.
func (Answer) Format(f fmt.State, _ rune) { fmt.Fprint(f, "Answer{…}") }

// Pending is a request that waits for the owner's decision. ID is the approval's.
type Pending struct {
	ID      string
	Code    string
	Expires time.Time
	// URL is the page on which the owner decides; "" if the service has no public URL.
	URL string
}

// verdict is a decision about a request and, if the request collects an approval, that approval.
type verdict struct {
	policy.Verdict
	approval string
	shown    string // the approval's digest
}

// Answer decides about the claims that the caller requests, records the decision and acts on it. All
// claims have one outcome. Errors: refusals of the DID Connect reference (did.Refusal), ErrDenied,
// ErrRejected, ErrTooMany, keystore.ErrLocked, and the store's. After an error nothing was disclosed.
func (p *Pipeline) Answer(ctx context.Context, c *auth.Caller, asked []json.RawMessage) (Outcome, error) {
	if c.Role != auth.App {
		return Outcome{}, auth.ErrForbidden
	}
	return p.process(ctx, c, func() ([]*Claim, error) {
		if err := c.ForApproval("", nil); err != nil {
			return nil, err
		}
		return p.parse(asked, false)
	})
}

// AnswerParsed is Answer for one claim that this process made, of a type with a route of its own. An app
// requests it for itself, or the wallet's owner in the name of an app.
func (p *Pipeline) AnswerParsed(ctx context.Context, c *auth.Caller, t Type, r Parsed) (Outcome, error) {
	return p.process(ctx, c, func() ([]*Claim, error) { return []*Claim{newClaim(t, r)}, nil })
}

// Candidates returns those salts of a request that no rule denies to the app. It serves operations that
// disclose nothing, and so need no approval, but that a rule of the owner can deny. A denial is recorded;
// the error is ErrDenied.
func (p *Pipeline) Candidates(ctx context.Context, c *auth.Caller, t Type, r Parsed) ([]string, error) {
	claim := newClaim(t, r)
	req := p.newRequest(c, []*Claim{claim}, approvals.Choice{})
	err := req.checkRequester(ctx)
	if err == nil {
		err = req.deny(ctx)
	}
	return claim.Candidates, p.Refuse(ctx, c, err)
}

// process passes a request through the pipeline: read, decide, record, act.
func (p *Pipeline) process(ctx context.Context, c *auth.Caller, parse func() ([]*Claim, error)) (out Outcome, err error) {
	err = p.auth.Retry(ctx, c, auth.Tries, func() error {
		claims, err := parse()
		if err == nil {
			out, err = p.newRequest(c, claims, approvals.Choice{}).process(ctx)
		}
		if c.Wallet.IsRemembered() && !errors.Is(err, store.ErrUnavailable) {
			// Not committed, so it may follow from what is not so any more: it is decided anew.
			return fmt.Errorf("%w: what was remembered of the wallet", store.ErrChanged)
		}
		return p.Refuse(ctx, c, err)
	})
	return out, err
}

func (req *Request) process(ctx context.Context) (Outcome, error) {
	if err := req.read(ctx); err != nil {
		return Outcome{}, err
	}
	v, used, err := req.decide(ctx)
	switch {
	case err != nil:
		return Outcome{}, err
	case v.Decision == policy.Deny:
		return Outcome{}, &denial{req, v.Verdict}
	case req.refused() != nil:
		return Outcome{}, req.refused()
	case v.Decision == policy.Allow && req.Caller.Role == auth.Owner:
		return req.release(ctx, v, ledger.ClaimOwn)
	case v.Decision == policy.Allow:
		return req.release(ctx, v, ledger.ClaimAllowed, used...)
	}
	if req.claims[0].kind.Reuse {
		reused, found, err := req.reusableApproval(ctx)
		if err != nil {
			return Outcome{}, err
		}
		if found {
			return req.release(ctx, reused, ledger.ClaimCollected)
		}
	}
	return req.pipeline.requestApproval(ctx, req, v)
}

// IsType reports whether a name is a claim type that rules may name.
func (p *Pipeline) IsType(name string) bool { return p.types.has(name) }

// release holds the rule of this package: the decision is recorded, durably, before anything is derived or
// signed. If the entry cannot be written, nothing is disclosed.
func (req *Request) release(ctx context.Context, v verdict, kind ledger.Kind, uses ...store.Write) (Outcome, error) {
	if v.Decision != policy.Allow {
		return Outcome{}, ErrDenied
	}
	writes, err := req.prepare(ctx, v.approval)
	if err != nil {
		return Outcome{}, err
	}
	e := req.event(kind, v)
	e.Inert = !req.newAccount && len(writes) == 0
	receipt, err := req.record(ctx, e, auth.Outcome{Account: req.Account.Address}, append(uses, writes...)...)
	if err != nil {
		return Outcome{}, err
	}
	a, err := req.answer(receipt, v)
	if err != nil {
		return Outcome{}, req.Caller.Wallet.NoteForged(ctx, err) // an account's row that does not open
	}
	return Outcome{Answer: a}, nil
}
