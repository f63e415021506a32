package claims

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/ledger"
	"walletd/internal/policy"
	"walletd/internal/store"
)

var (
	// ErrNoKey: none of the app's keys fits any of the descriptions offered.
	ErrNoKey = errors.New("no key of this app fits what was offered")
	// ErrPrecondition: the secret is not as the caller's If-Match or If-None-Match says.
	ErrPrecondition = errors.New("the secret is not as you last saw it; read its ETag and try again")
)

// apart is what a claim of a route of its own has beside the others: secret storage keys and
// secrets (design section 10). It passes the same door, but is not one of the claims of DID
// Connect, and its answer is not the claim with something added.
type apart struct {
	// same is what two requests have in common that are the same question to the person.
	same any
	// refused is why it cannot be done as things stand. It is told after a deny only.
	refused error
	// answer makes the body of the answer, and its ETag or "". It runs only after the decision
	// is on record.
	answer func(r store.Receipt, w *keystore.Wallet) (body any, etag string, err error)
}

// apartKind is the vocabulary of the routes that have their own: rules may name these kinds, and
// requestedClaims may not.
func apartKind(name string) (kind, bool) {
	for _, k := range [...]kind{secretStorageKey(), secretRead(), secretWrite()} {
		if k.name == name {
			return k, true
		}
	}
	return kind{}, false
}

// anyKind is both vocabularies: for rules, and for a question as it was put to the person.
func anyKind(name string) (kind, bool) {
	if k, known := kindOf(name); known {
		return k, true
	}
	return apartKind(name)
}

// isType reports whether a name is a claim type that rules may name.
func isType(name string) bool {
	_, known := anyKind(name)
	return known
}

// asApp is the caller in the name of the app whose secrets it works on: an app in its own, an
// owner in that of the app it names.
func (c *Caller) asApp(app did.DID) (*Caller, error) {
	switch {
	case c.Role == App && (app.IsZero() || app.Address() == c.App.Address()):
		return c, nil
	case c.Role == App:
		return nil, fmt.Errorf("%w: an app reaches its own secrets only", ErrForbidden)
	case c.Role != Owner:
		return nil, fmt.Errorf("%w: secrets are for their app and for the wallet's owner", ErrForbidden)
	case app.IsZero():
		return nil, invalid("say whose secrets: app")
	}
	asker := *c
	asker.App = app
	return &asker, nil
}

// askApart decides about one request of a route of its own, as answerOnce does about claims. An
// owner's is its own yes. A yes of the person serves the same question, by the same token, for as
// long as it could be collected: clients ask several times in a row (reference 10).
func (d *Door) askApart(ctx context.Context, c *Caller, request any) (Outcome, error) {
	raw, err := json.Marshal(request)
	if err != nil {
		return Outcome{}, fmt.Errorf("writing the question: %w", err)
	}
	q, err := d.readAs(ctx, c, []json.RawMessage{raw}, Choice{}, anyKind)
	if err != nil {
		return Outcome{}, d.refuseApart(ctx, c, err)
	}
	if c.Role == Owner {
		return d.give(ctx, q, verdict{Verdict: policy.Verdict{Decision: policy.Allow, Reason: "the owner's own request"}}, ledger.ClaimOwn)
	}
	v, used, err := d.decideAll(ctx, q)
	if err != nil {
		return Outcome{}, err
	}
	if v.Decision == policy.Deny {
		return Outcome{}, d.deny(ctx, q, v)
	}
	if refused := q.claims[0].apart.refused; refused != nil {
		return Outcome{}, refused
	}
	if v.Decision == policy.Allow {
		return d.give(ctx, q, v, ledger.ClaimAllowed, used...)
	}
	yes, agreed, err := d.agreed(ctx, q)
	if err != nil {
		return Outcome{}, err
	}
	if agreed {
		return d.give(ctx, q, yes, ledger.ClaimCollected)
	}
	return d.ask(ctx, q, v)
}

func (d *Door) give(ctx context.Context, q *question, v verdict, kind ledger.Kind, uses ...store.Write) (Outcome, error) {
	a, err := d.release(ctx, q, v, kind, uses...)
	return Outcome{Answer: a}, d.refuseApart(ctx, q.caller, err)
}

// agreed returns the yes that the person has just said to the same question. One to another answer
// than would be given now ends here.
func (d *Door) agreed(ctx context.Context, q *question) (yes verdict, agreed bool, err error) {
	digest, err := q.digest()
	if err != nil {
		return yes, false, err
	}
	row, err := d.store.FindApproval(ctx, q.caller.WalletID, q.caller.App.Address(), digest, q.now.Add(-collectFor-d.life).Unix())
	if errors.Is(err, store.ErrNotFound) {
		return yes, false, nil
	}
	if err != nil {
		return yes, false, fmt.Errorf("looking for the question: %w", err)
	}
	opened, err := ledger.Open[asked](ctx, q.caller.Wallet, row)
	if err != nil {
		return yes, false, err
	}
	if row.State != store.Approved || q.now.Sub(time.Unix(row.Decided, 0)) >= collectFor {
		return yes, false, nil
	}
	told, err := q.show(ctx)
	if err != nil {
		return yes, false, err
	}
	shown := opened.Content().Shown
	if !shown.gives(told, "") {
		if err := d.endChanged(ctx, q.caller, row); !errors.Is(err, ErrAnswerChanged) {
			return yes, false, err
		}
		return yes, false, nil
	}
	return approvedBy(opened), true, nil
}

// answerApart is answer for a request of a route of its own.
func (q *question) answerApart(r store.Receipt, v verdict) (*Answer, error) {
	body, etag, err := q.claims[0].apart.answer(r, q.caller.Wallet.Keys())
	if err != nil {
		return nil, err
	}
	a := &Answer{Reason: v.Reason, ETag: etag}
	if a.Own, err = json.Marshal(body); err != nil {
		return nil, fmt.Errorf("writing the answer: %w", err)
	}
	return a, nil
}

// refuseApart puts the refusal of an app's request on record.
func (d *Door) refuseApart(ctx context.Context, c *Caller, err error) error {
	if err == nil || c.Role != App {
		return err
	}
	return d.refuse(ctx, c, err)
}

// denied records a denial and returns it if a rule denies an app this kind of request, before
// anything is derived for it.
func (d *Door) denied(ctx context.Context, c *Caller, k kind) error {
	if c.Role != App {
		return nil
	}
	rules, err := d.policy(ctx, c)
	if err != nil {
		return err
	}
	v, denied := rules.Denies(policy.Fact{App: c.App, Agent: c.Agent, Known: true, Claim: k.name})
	if !denied {
		return nil
	}
	return d.denyApart(ctx, c, k, v)
}

func (d *Door) denyApart(ctx context.Context, c *Caller, k kind, v policy.Verdict) error {
	q := &question{door: d, caller: c, claims: []*claim{{kind: k}}}
	return d.deny(ctx, q, verdict{Verdict: v})
}

// again does what may find, at its end, that somebody was faster, and then does it anew.
func (d *Door) again(ctx context.Context, c *Caller, do func() (Outcome, error)) (Outcome, error) {
	for try := 1; ; try++ {
		out, err := do()
		switch {
		case errors.Is(err, store.ErrTooMany) && !errors.Is(err, ErrTooMany):
			return out, did.Refuse("secrets_full", "the app has as many secrets or keys here as it may have; delete some")
		case try == tries || !errors.Is(err, store.ErrChanged) && !errors.Is(err, store.ErrExists):
			return out, err
		}
		if err := d.refresh(ctx, c); err != nil {
			return Outcome{}, err
		}
	}
}
