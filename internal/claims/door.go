package claims

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"walletd/internal/keystore"
	"walletd/internal/ledger"
	"walletd/internal/policy"
	"walletd/internal/store"
)

// Options are the settings of a Door. The zero value is the design's.
type Options struct {
	Log zerolog.Logger
	// ApprovalLife is how long a question waits for the person; zero is 5 minutes.
	ApprovalLife time.Duration
	// DelegationLife is the longest delegation accepted, from its iat to its exp; zero is 24 hours.
	DelegationLife time.Duration
	// Count is called once for every outcome, with a short fixed name; nil counts nothing.
	Count func(outcome string)
}

// Times of design section 7.
const (
	collectFor  = 2 * time.Minute  // how long a yes can be collected
	rejectedFor = 10 * time.Minute // how long a no stands without asking again
)

// Door is the one way out of the wallets of a keystore.
type Door struct {
	store    *store.Store
	keystore *keystore.Keystore
	ledger   *ledger.Ledger
	log      zerolog.Logger
	life     time.Duration
	longest  time.Duration
	count    func(string)
	policies policyCache
	backups  sync.Mutex // held while a backup is in memory
}

// New returns the door of a keystore.
func New(st *store.Store, ks *keystore.Keystore, o Options) *Door {
	d := &Door{store: st, keystore: ks, log: o.Log, life: o.ApprovalLife, longest: o.DelegationLife, count: o.Count}
	if d.life == 0 {
		d.life = 5 * time.Minute
	}
	if d.longest == 0 {
		d.longest = 24 * time.Hour
	}
	if d.count == nil {
		d.count = func(string) {}
	}
	d.ledger = ledger.New(st, ks, ledger.Options{Log: o.Log, Count: d.count})
	return d
}

// Outcome is what became of a request: exactly one member is set.
type Outcome struct {
	Answer  *Answer
	Pending *Pending
}

// Answer holds what was asked for. It does not print: it may hold keys.
type Answer struct {
	Claims  []json.RawMessage // each claim as asked, with what was added
	UserDID string            // bare address of the account that answers
	UserPK  string            // its public key, base58btc
	Reason  string            // why it was given
	Signed  *SignedAnswer     // to a signed request, instead of the above
	Own     json.RawMessage   // of a route of its own (secrets), instead of all of the above
	ETag    string            // of Own, or ""
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

// tries is how often a request is decided anew because a rule or a grant that its decision rested
// on changed before the decision was on record.
const tries = 5

// Answer decides about what the caller asks, records the decision and acts on it. All claims
// have one outcome. Errors: refusals of the DID Connect reference (did.Refusal), ErrDenied,
// ErrRejected, ErrTooMany, keystore.ErrLocked, and the store's; nothing was given with any.
func (d *Door) Answer(ctx context.Context, c *Caller, asked []json.RawMessage) (Outcome, error) {
	if c.Role != App {
		return Outcome{}, ErrForbidden
	}
	if err := c.forApproval("", nil); err != nil {
		return Outcome{}, d.refuse(ctx, c, err)
	}
	for try := 1; ; try++ {
		out, err := d.answerOnce(ctx, c, asked)
		if try == tries || !errors.Is(err, store.ErrChanged) {
			return out, err
		}
		if err := d.refresh(ctx, c); err != nil {
			return Outcome{}, err
		}
	}
}

func (d *Door) answerOnce(ctx context.Context, c *Caller, asked []json.RawMessage) (Outcome, error) {
	q, err := d.read(ctx, c, asked, Choice{})
	if err != nil {
		return Outcome{}, d.refuse(ctx, c, err)
	}
	v, used, err := d.decideAll(ctx, q)
	if err != nil {
		return Outcome{}, err
	}
	switch v.Decision {
	case policy.Allow:
		a, err := d.release(ctx, q, v, ledger.ClaimAllowed, used...)
		return Outcome{Answer: a}, err
	case policy.Ask:
		return d.ask(ctx, q, v)
	default:
		return Outcome{}, d.deny(ctx, q, v)
	}
}

// release is the rule of this package: what was decided is on record, durably, before anything
// is derived or signed. If the record cannot be written, nothing is given.
func (d *Door) release(ctx context.Context, q *question, v verdict, kind ledger.Kind, uses ...store.Write) (*Answer, error) {
	if v.Decision != policy.Allow {
		return nil, ErrDenied
	}
	made, err := q.prepare(ctx, v.approval)
	if err != nil {
		return nil, err
	}
	e := q.event(kind, v)
	e.Inert = !q.made && len(made) == 0
	receipt, err := q.record(ctx, e, append(uses, made...)...)
	if err != nil {
		return nil, err
	}
	a, err := q.answer(receipt, v)
	if err != nil {
		return nil, q.caller.Wallet.NoteForged(ctx, err) // an account's row that does not open
	}
	return a, nil
}
