package consent

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"walletd/internal/approvals"
	"walletd/internal/auth"
	"walletd/internal/ledger"
	"walletd/internal/policy"
	"walletd/internal/store"
	"walletd/internal/wallets"
)

// Options are the settings of a Pipeline. The zero value is the design's.
type Options struct {
	// ApprovalLife is how long a question waits for the person; zero is 5 minutes.
	ApprovalLife time.Duration
	// DelegationLife is the longest delegation accepted, from its iat to its exp; zero is 24 hours.
	DelegationLife time.Duration
	// Count is called once for every refusal, with a short fixed name; nil counts nothing.
	Count func(outcome string)
}

// Times of design section 7.
const (
	collectLife  = 2 * time.Minute  // how long a yes can be collected
	rejectedLife = 10 * time.Minute // how long a no stands without asking again
)

// Pipeline is the one way out of the wallets of a keystore. It is safe for concurrent use, and keeps no
// state of its own that a replica could miss.
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
}

// New returns the pipeline of a keystore, for claims of the types given.
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

// Outcome is what became of a request: exactly one member is set.
type Outcome struct {
	Answer  *Answer
	Pending *Pending
}

// Answer holds what was asked for. It does not print: it may hold keys.
type Answer struct {
	Claims  []json.RawMessage  // each claim as asked, with what was added
	UserDID string             // bare address of the account that answers
	UserPK  string             // its public key, base58btc
	Reason  string             // why it was given
	Signed  *auth.SignedAnswer // to a signed request, instead of the above
	Own     json.RawMessage    // of a route of its own (secrets), instead of all of the above
	ETag    string             // of Own, or ""
}

// Format keeps an Answer out of logs.
func (Answer) Format(f fmt.State, _ rune) { fmt.Fprint(f, "Answer{…}") }

// Pending is a question that waits for the person. ID is the approval's.
type Pending struct {
	ID      string
	Code    string
	Expires time.Time
}

// verdict is a decision about a request, and the approval that it collects, if it does.
type verdict struct {
	policy.Verdict
	approval string
	shown    string // the approval's digest
}

// Answer decides about the claims that the caller asks for, records the decision and acts on it. All
// claims have one outcome. Errors: refusals of the DID Connect reference (did.Refusal), ErrDenied,
// ErrRejected, ErrTooMany, keystore.ErrLocked, and the store's; nothing was given with any.
func (p *Pipeline) Answer(ctx context.Context, c *auth.Caller, asked []json.RawMessage) (Outcome, error) {
	if c.Role != auth.App {
		return Outcome{}, auth.ErrForbidden
	}
	if err := c.ForApproval("", nil); err != nil {
		return Outcome{}, p.Refuse(ctx, c, err)
	}
	return p.process(ctx, c, func() ([]*Claim, error) { return p.parse(asked, false) })
}

// AnswerParsed is Answer for one claim of a type with a route of its own, which was made in this process:
// of an app for itself, or of the wallet's owner in the name of an app, whose own request it is.
func (p *Pipeline) AnswerParsed(ctx context.Context, c *auth.Caller, t Type, r Parsed) (Outcome, error) {
	return p.process(ctx, c, func() ([]*Claim, error) { return []*Claim{newClaim(t, r)}, nil })
}

// Candidates returns the salts that a request of an app, or of the owner in its name, may be answered
// with. It is for what is not asked about, because nothing leaves, and yet must not be done for an app
// that a rule denies. ErrDenied is on record.
func (p *Pipeline) Candidates(ctx context.Context, c *auth.Caller, t Type, r Parsed) ([]string, error) {
	claim := newClaim(t, r)
	req := p.newRequest(c, []*Claim{claim}, approvals.Choice{})
	err := req.checkRequester(ctx)
	if err == nil {
		err = req.deny(ctx)
	}
	return claim.Candidates, p.Refuse(ctx, c, err)
}

// process takes a request through the pipeline: read, decide, record, act.
func (p *Pipeline) process(ctx context.Context, c *auth.Caller, parse func() ([]*Claim, error)) (out Outcome, err error) {
	err = p.auth.Retry(ctx, c, auth.Tries, func() error {
		claims, err := parse()
		if err == nil {
			out, err = p.newRequest(c, claims, approvals.Choice{}).process(ctx)
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

// release is the rule of this package: what was decided is on record, durably, before anything
// is derived or signed. If the record cannot be written, nothing is given.
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
	receipt, err := req.record(ctx, e, append(uses, writes...)...)
	if err != nil {
		return Outcome{}, err
	}
	a, err := req.answer(receipt, v)
	if err != nil {
		return Outcome{}, req.Caller.Wallet.NoteForged(ctx, err) // an account's row that does not open
	}
	return Outcome{Answer: a}, nil
}
