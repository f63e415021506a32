package consent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"walletd/internal/approvals"
	"walletd/internal/auth"
	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/ledger"
	"walletd/internal/policy"
	"walletd/internal/store"
)

// Collect returns what became of a question, to the one who asked it: the same token, or for a
// signed request the same app and agent. It waits up to wait for the person. Collecting a yes is
// a release: the request passes the pipeline again as it stands now, and is recorded; it works for
// two minutes after the yes, and gives what the person was shown, or nothing and ErrAnswerChanged. The caller's keys are not held while it waits, and may be closed after
// that. Every refusal of a signed request uses up its jti. Errors: ErrNotFound, ErrRejected,
// ErrExpired, and those of Answer.
func (p *Pipeline) Collect(ctx context.Context, c *auth.Caller, id string, wait time.Duration) (Outcome, error) {
	if c.Role != auth.App {
		return Outcome{}, auth.ErrForbidden
	}
	out, err := p.collectAsked(ctx, c, id, wait)
	if err != nil {
		err = p.spendRefused(ctx, c, err)
	}
	return out, err
}

func (p *Pipeline) collectAsked(ctx context.Context, c *auth.Caller, id string, wait time.Duration) (Outcome, error) {
	if !c.Wallet.IsOpen() { // an earlier wait closed it
		if err := p.auth.Refresh(ctx, c); err != nil {
			return Outcome{}, err
		}
	}
	a, err := p.approvals.Open(ctx, c, id)
	if err != nil {
		return Outcome{}, err
	}
	row := a.Row()
	if row.Asker != c.Asker || row.App != c.App.Address() || row.Agent != c.Agent.Address() {
		return Outcome{}, auth.ErrNotFound
	}
	if err := c.ForApproval(row.ID, a.Content().Requested); err != nil {
		return Outcome{}, p.Refuse(ctx, c, err)
	}
	if row.State == store.Pending && wait > 0 {
		if a, err = p.await(ctx, c, a, wait); err != nil {
			return Outcome{}, err
		}
		row = a.Row()
	}
	now := p.store.Now()
	switch row.State {
	case store.Pending:
		if now.Unix() >= row.Expires {
			return Outcome{}, ErrExpired
		}
		if err := p.auth.ConsumeNonce(ctx, c); err != nil {
			return Outcome{}, err
		}
		return Outcome{Pending: pending(row)}, nil
	case store.Approved:
		if now.Sub(time.Unix(row.Decided, 0)) >= collectFor {
			return Outcome{}, ErrExpired
		}
		var out Outcome
		again := false
		err := p.auth.Retry(ctx, c, auth.Tries, func() error {
			if again { // the yes itself, a rule, or a withdrawal changed the wallet since it was read
				if a, err = p.approvals.Open(ctx, c, id); err != nil {
					return err
				}
				if a.Row().State != store.Approved {
					return p.ended(ctx, c, a)
				}
			}
			again = true
			out, err = p.collect(ctx, c, a)
			return err
		})
		return out, err
	default:
		return Outcome{}, p.ended(ctx, c, a)
	}
}

// ended says why nothing comes of a question that the person, or a withdrawal, ended.
func (p *Pipeline) ended(ctx context.Context, c *auth.Caller, a approvals.Approval) error {
	if a.Row().State != store.Cancelled {
		return ErrRejected
	}
	if endedChanged(ctx, c, a) {
		return ErrAnswerChanged
	}
	rules, err := p.policy(ctx, c)
	if err == nil && deniesQuestion(rules, a) {
		err = fmt.Errorf("%w: a rule that was set since", ErrDenied)
	}
	if err == nil {
		err = ErrRejected
	}
	return err
}

// spendRefused uses up the jti of a signed collection that was refused, and returns the refusal, or
// that the jti was used before. Nothing is kept of a stranger who asks for what is not theirs, nor
// where nothing was decided, because the keystore is locked or the caller went away.
func (p *Pipeline) spendRefused(ctx context.Context, c *auth.Caller, refusal error) error {
	if !c.IsSigned() || errors.Is(refusal, keystore.ErrLocked) || ctx.Err() != nil {
		return refusal
	}
	if errors.Is(refusal, auth.ErrNotFound) {
		switch standing, err := p.auth.Standing(ctx, c); {
		case err != nil:
			return err
		case standing == auth.Unregistered:
			return refusal
		}
	}
	if err := p.auth.ConsumeNonce(ctx, c); err != nil {
		return err
	}
	return refusal
}

// collect passes an approved question through the pipeline again.
func (p *Pipeline) collect(ctx context.Context, c *auth.Caller, a approvals.Approval) (Outcome, error) {
	end, err := approvals.OpenDecision(ctx, c, a)
	if err != nil {
		return Outcome{}, err
	}
	fixed, err := p.fixChallenge(ctx, c, a.Row(), end)
	if err != nil {
		return Outcome{}, err
	}
	q, v, err := p.stands(ctx, c, a, end.Choice)
	if err != nil {
		return Outcome{}, err
	}
	return q.release(ctx, v, ledger.ClaimCollected, fixed...)
}

// fixChallenge refuses a signed collection with another challenge than the first one had. For the
// first one it returns the write that keeps the challenge, for the record of the collection.
func (p *Pipeline) fixChallenge(ctx context.Context, c *auth.Caller, row store.Approval, end approvals.Decision) ([]store.Write, error) {
	switch {
	case !c.IsSigned():
		return nil, nil
	case end.Challenge == nil:
		challenge := c.Challenge()
		end.Challenge = &challenge
		next, err := end.Seal(c.Wallet, row)
		if err != nil {
			return nil, err
		}
		return []store.Write{store.WithdrawApproval(row, next)}, nil
	case *end.Challenge != c.Challenge():
		return nil, p.Refuse(ctx, c, did.Refuse("already_collected", "this yes was collected with another challenge; send that one, or ask again"))
	}
	return nil, nil
}

// stands reads an approved question anew, and returns the verdict by which it is answered if the
// yes stands: nothing in the way of it came since, and it gives what was shown.
func (p *Pipeline) stands(ctx context.Context, c *auth.Caller, a approvals.Approval, choice approvals.Choice) (*Question, verdict, error) {
	claims, err := p.parse(a.Content().Requested, true)
	if err != nil {
		return nil, verdict{}, p.Refuse(ctx, c, err)
	}
	q := p.question(c, claims, choice)
	if err := q.read(ctx); err != nil {
		return nil, verdict{}, p.Refuse(ctx, c, err)
	}
	if err := q.refused(); err != nil {
		return nil, verdict{}, err
	}
	gives, err := q.gives(ctx, a, choice)
	if err != nil {
		return nil, verdict{}, err
	}
	if !gives {
		return nil, verdict{}, p.endChanged(ctx, c, a.Row())
	}
	if err := q.missing(); err != nil {
		return nil, verdict{}, p.Refuse(ctx, c, err)
	}
	return q, approvedBy(a), nil
}

// gives reports whether the question gives what an approval of it was shown to give.
func (q *Question) gives(ctx context.Context, a approvals.Approval, choice approvals.Choice) (bool, error) {
	told, err := q.show(ctx)
	return err == nil && a.Content().Shown.Gives(told, choice.AccountAddress()), err
}

// agreed returns the yes that the person has just said to the same question. One to another answer
// than would be given now ends here.
func (q *Question) agreed(ctx context.Context) (yes verdict, agreed bool, err error) {
	d := q.pipeline
	digest, err := q.digest()
	if err != nil {
		return yes, false, err
	}
	row, err := d.store.FindApproval(ctx, q.Caller.WalletID, q.Caller.App.Address(), digest, q.Now.Add(-collectFor-d.life).Unix())
	if errors.Is(err, store.ErrNotFound) {
		return yes, false, nil
	}
	if err != nil {
		return yes, false, fmt.Errorf("looking for the question: %w", err)
	}
	a, err := ledger.Open[approvals.Content](ctx, q.Caller.Wallet, row)
	if err != nil {
		return yes, false, err
	}
	if row.State != store.Approved || q.Now.Sub(time.Unix(row.Decided, 0)) >= collectFor {
		return yes, false, nil
	}
	gives, err := q.gives(ctx, a, approvals.Choice{})
	if err != nil {
		return yes, false, err
	}
	if !gives {
		if err := d.endChanged(ctx, q.Caller, row); !errors.Is(err, ErrAnswerChanged) {
			return yes, false, err
		}
		return yes, false, nil
	}
	return approvedBy(a), true, nil
}

// approvedBy is the verdict of an approval.
func approvedBy(a approvals.Approval) verdict {
	row := a.Row()
	return verdict{
		Verdict:  policy.Verdict{Decision: policy.Allow, Reason: "approved by the person"},
		approval: row.ID, shown: a.Content().Shown.Digest(row.Digest),
	}
}

// await waits until the approval is answered, the time is over, or the keystore is locked. It
// hears of answers given here at once and looks every second for those given on other replicas. The
// wallet is open only while it looks: closed if nothing came of the wait.
func (p *Pipeline) await(ctx context.Context, c *auth.Caller, a approvals.Approval, wait time.Duration) (approvals.Approval, error) {
	end := time.NewTimer(wait)
	defer end.Stop()
	look := time.NewTicker(time.Second)
	defer look.Stop()
	for {
		news := p.ledger.Changed()
		current, err := p.approvals.Open(ctx, c, a.Row().ID)
		if err != nil || current.Row().State != store.Pending || p.store.Now().Unix() >= current.Row().Expires {
			return current, err
		}
		c.Wallet.Close()
		select {
		case <-ctx.Done():
			return current, nil
		case <-end.C:
			return current, nil
		case <-news:
		case <-look.C:
		}
		if err := p.auth.Refresh(ctx, c); err != nil {
			return current, err
		}
	}
}

// Refuse counts a refusal of an app's request and, where it concerns a caller who was authenticated
// and a request that made sense, puts it on record; of strangers nothing is kept. It returns the
// refusal, or the error of recording it.
func (p *Pipeline) Refuse(ctx context.Context, c *auth.Caller, refusal error) error {
	if refusal == nil || c.Role != auth.App {
		return refusal
	}
	if denied, is := errors.AsType[*denial](refusal); is {
		if err := c.Record(ctx, denied.q.event(ledger.ClaimDenied, verdict{Verdict: denied.Verdict})); err != nil {
			return err
		}
		return refusal
	}
	code := did.CodeOf(refusal)
	if code == "" {
		return c.Wallet.NoteForged(ctx, refusal) // a row that does not open goes on record
	}
	p.count("refused_" + code)
	switch code {
	case "request_malformed", "app_unknown":
		return refusal
	}
	if c.Session == nil {
		standing, err := p.auth.Standing(ctx, c)
		if err != nil {
			return err
		}
		if standing == auth.Unregistered {
			return refusal
		}
	}
	e := c.Event(ledger.ClaimRefused)
	e.Code = code
	if err := c.Record(ctx, e); err != nil {
		return err
	}
	return refusal
}
