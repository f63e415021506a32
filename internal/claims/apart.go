package claims

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"walletd/internal/did"
	"walletd/internal/keystore"
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
	answer func(w *keystore.Wallet) (body any, etag string, err error)
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
		return d.give(ctx, q, Verdict{Decision: Allow, Reason: "the owner's own request"}, "claim.own")
	}
	v, used, err := d.decideAll(ctx, q)
	if err != nil {
		return Outcome{}, err
	}
	if v.Decision == Deny {
		return Outcome{}, d.deny(ctx, q, v)
	}
	if refused := q.claims[0].apart.refused; refused != nil {
		return Outcome{}, refused
	}
	if v.Decision == Allow {
		return d.give(ctx, q, v, "claim.allowed", used...)
	}
	yes, agreed, err := d.agreed(ctx, q)
	if err != nil {
		return Outcome{}, err
	}
	if agreed {
		return d.give(ctx, q, yes, "claim.collected")
	}
	return d.ask(ctx, q, v)
}

func (d *Door) give(ctx context.Context, q *question, v Verdict, event string, writes ...store.Write) (Outcome, error) {
	a, err := d.release(ctx, q, v, event, writes...)
	return Outcome{Answer: a}, d.refuseApart(ctx, q.caller, err)
}

// agreed returns the yes that the person has just said to the same question. One to another answer
// than would be given now ends here.
func (d *Door) agreed(ctx context.Context, q *question) (yes Verdict, agreed bool, err error) {
	digest, err := q.digest()
	if err != nil {
		return yes, false, err
	}
	row, err := d.store.FindApproval(ctx, q.caller.Wallet, q.caller.App.Address(), digest, q.now.Add(-collectFor-d.life).Unix())
	if errors.Is(err, store.ErrNotFound) {
		return yes, false, nil
	}
	if err != nil {
		return yes, false, fmt.Errorf("looking for the question: %w", err)
	}
	if err := q.caller.wallet.CheckMAC("approvals", row.ID, row.Canonical(), row.MAC); err != nil {
		return yes, false, d.noteForged(ctx, q.caller, err)
	}
	if row.State != store.Approved || q.now.Sub(time.Unix(row.Decided, 0)) >= collectFor {
		return yes, false, nil
	}
	content, err := openAsked(q.caller.wallet, row)
	if err != nil {
		return yes, false, d.noteForged(ctx, q.caller, err)
	}
	told, err := q.show(ctx)
	if err != nil {
		return yes, false, err
	}
	if !content.Shown.gives(told, "") {
		if err := d.endChanged(ctx, q.caller, row); !errors.Is(err, ErrAnswerChanged) {
			return yes, false, err
		}
		return yes, false, nil
	}
	return Verdict{Decision: Allow, Reason: "approved by the person", approval: row.ID, shown: content.Shown.digest(digest)}, true, nil
}

// answerApart is answer for a request of a route of its own.
func (q *question) answerApart(v Verdict) (*Answer, error) {
	body, etag, err := q.claims[0].apart.answer(q.caller.wallet)
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
	policy, err := d.policy(ctx, c)
	if err != nil {
		return err
	}
	rule, what := policy.match(fact{app: c.App, agent: c.Agent, known: true, claim: k.name})
	if rule == 0 || what != Deny {
		return nil
	}
	return d.denyApart(ctx, c, k, rule)
}

func (d *Door) denyApart(ctx context.Context, c *Caller, k kind, rule int) error {
	q := &question{door: d, caller: c, claims: []*claim{{kind: k}}}
	return d.deny(ctx, q, Verdict{Decision: Deny, Rule: rule, Reason: fmt.Sprintf("denied by rule %d", rule)})
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
