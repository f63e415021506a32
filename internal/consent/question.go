package consent

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/sha3"

	"walletd/internal/approvals"
	"walletd/internal/auth"
	"walletd/internal/delegation"
	"walletd/internal/did"
	"walletd/internal/ledger"
	"walletd/internal/policy"
	"walletd/internal/store"
	"walletd/internal/wallets"
)

// Question is a request on its way through the pipeline. It is made anew each time it is decided or
// answered, never kept, and belongs to one goroutine.
type Question struct {
	Caller  *auth.Caller
	Now     time.Time
	Account store.Account // the session's account, from which all claims answer that name no other

	Store   *store.Store
	Wallets *wallets.Wallets

	pipeline *Pipeline
	known    bool // the app has a token in the wallet, or the person has approved it
	made     bool // the account is new: it is kept with what becomes of the question
	claims   []*Claim
	choice   approvals.Choice
	unusual  []string
	first    []string         // those of unusual that a yes takes away (shown)
	told     *approvals.Shown // what the person is shown, once it was computed
}

// question returns the question that claims make which were parsed.
func (p *Pipeline) question(c *auth.Caller, claims []*Claim, choice approvals.Choice) *Question {
	return &Question{pipeline: p, Store: p.store, Wallets: p.wallets, Caller: c, Now: p.store.Now(), claims: claims, choice: choice}
}

// parse reads the claims of a request, or, with kept, those that an approval keeps. It looks nothing
// up.
func (p *Pipeline) parse(asked []json.RawMessage, kept bool) ([]*Claim, error) {
	if len(asked) == 0 || len(asked) > maxClaims {
		return nil, did.Malformed(fmt.Sprintf("requestedClaims must hold 1 to %d claims", maxClaims), nil)
	}
	claims := make([]*Claim, len(asked))
	principals := 0
	for i, raw := range asked {
		c, err := p.types.parse(raw, kept)
		if err != nil {
			return nil, err
		}
		if c.request.Principal != nil {
			principals++
		}
		claims[i] = c
	}
	if principals > 1 {
		return nil, did.Malformed("a request asks for one authPrincipal at most", nil)
	}
	return claims, nil
}

// read finds out all that a decision rests on. A *denial comes before anything is derived or looked
// up but the app's own standing: what an owner denies an app tells it nothing about the wallet. Then
// the account that a Principal asks for is settled, from which all other claims answer (reference h).
func (q *Question) read(ctx context.Context) error {
	requests := make([]delegation.ClaimRequest, len(q.claims))
	for i, c := range q.claims {
		requests[i] = delegation.ClaimRequest{Type: c.kind.Name, Items: c.request.Items}
	}
	if err := q.Caller.CertificateAllows(requests); err != nil {
		return err
	}
	if err := q.meet(ctx); err != nil {
		return err
	}
	if err := q.deny(ctx); err != nil {
		return err
	}
	if err := q.settleAccount(ctx); err != nil {
		return err
	}
	for _, claim := range q.claims {
		claim.Account = q.Account
		if err := claim.request.Read(ctx, q, claim); err != nil {
			return err
		}
		claim.keepItems(q.choice.Items)
		if !q.Owns(q.Account) {
			claim.NeverByRule("the request acts as an account of " + wallets.AccountOwner(q.Account))
		}
	}
	return nil
}

// meet finds whether the app is known. A stranger may ask only where the owner opened the wallet
// to strangers, and an app that was withdrawn not even there. An owner asks in an app's name.
func (q *Question) meet(ctx context.Context) error {
	if q.Caller.Role == auth.Owner {
		q.known = true
		return nil
	}
	standing, err := q.pipeline.auth.Standing(ctx, q.Caller)
	if err != nil {
		return err
	}
	q.known = standing == auth.Registered
	switch {
	case q.Caller.Session != nil: // the person opened its link
		if standing == auth.Revoked {
			q.firstTime("You withdrew this app; a yes lets it in again.")
		}
		if q.Caller.Session.Member != "" {
			q.unusual = append(q.unusual, q.Caller.Session.Member)
		}
		if q.Caller.Session.Followed {
			q.unusual = append(q.unusual, "You did not open this link: the app of the session before led here.")
		}
	case standing == auth.Revoked:
		return did.Refuse("app_unknown", "the wallet's owner withdrew this app; a new token, or naming the app, lets it in again")
	case standing == auth.Unregistered && !q.Caller.Wallet.Settings().Strangers:
		return did.Refuse("app_unknown", "this app has no token in the wallet and was never approved; its owner can make a token for it")
	case standing == auth.Unregistered:
		q.firstTime("This app is not known to the wallet.")
	}
	return nil
}

// denial says that a rule denies a question. Whoever returns it to an app puts it on record first.
type denial struct {
	q *Question
	policy.Verdict
}

func (d *denial) Error() string { return fmt.Sprintf("%s: %s", ErrDenied, d.Reason) }

func (d *denial) Unwrap() error { return ErrDenied }

// deny returns a *denial where a rule denies one of the claims. Of candidates it leaves those that
// no rule denies; with none left the claim is denied. No rule speaks of what the owner asks.
func (q *Question) deny(ctx context.Context) error {
	rules, err := q.pipeline.policy(ctx, q.Caller)
	if err != nil {
		return err
	}
	for _, c := range q.claims {
		if c.request.Candidates == nil {
			if v, is := rules.Denies(c.fact(q)); is && q.Caller.Role == auth.App {
				return &denial{q, v}
			}
			continue
		}
		candidates, err := c.request.Candidates(ctx, q)
		if err != nil {
			return err
		}
		var denied policy.Verdict
		c.Candidates = nil
		for _, salt := range candidates {
			f := c.fact(q)
			f.Salt, f.HasSalt = did.LooseBytes(salt), true
			if v, is := rules.Denies(f); is && q.Caller.Role == auth.App {
				denied = v
			} else {
				c.Candidates = append(c.Candidates, salt)
			}
		}
		if len(c.Candidates) == 0 {
			return &denial{q, denied}
		}
	}
	return nil
}

// settleAccount finds the account of the session.
func (q *Question) settleAccount(ctx context.Context) (err error) {
	var principal *Claim
	for _, c := range q.claims {
		if c.request.Principal != nil {
			principal = c
		}
	}
	switch s := q.Caller.Session; {
	case s != nil && s.Account != "":
		return q.keepAccount(ctx, s.Account, principal)
	case principal != nil:
		return q.findPrincipal(ctx, principal, *principal.request.Principal)
	case q.choice.Account != "":
		return fmt.Errorf("%w: an account can be chosen only where authPrincipal asks for one", approvals.ErrChoice)
	}
	q.Account, q.made, err = q.pipeline.auth.FindAccount(ctx, q.Caller, did.AccountType())
	return err
}

// keepAccount answers from the account that a session revealed before (reference d.6): another
// one asked for now is refused.
func (q *Question) keepAccount(ctx context.Context, revealed string, principal *Claim) error {
	account, err := did.Parse(revealed)
	if err != nil {
		return fmt.Errorf("reading the session's account: %w", err)
	}
	if q.Account, err = q.Held(ctx, account); err != nil {
		return err
	}
	if principal == nil {
		return nil
	}
	if target := principal.request.Principal.Target; !target.IsZero() && target != account {
		return did.Refuse("account_not_held", "the session answers as another account already")
	}
	return nil
}

// findPrincipal settles the account that a claim asks for, or that the person chose.
func (q *Question) findPrincipal(ctx context.Context, c *Claim, p Principal) (err error) {
	wanted := p.Target
	if wanted.IsZero() && q.choice.Account != "" {
		if wanted, err = did.Parse(q.choice.Account); err != nil {
			return err
		}
	}
	if wanted.IsZero() {
		q.Account, q.made, err = q.pipeline.auth.FindAccount(ctx, q.Caller, p.Type)
		return err
	}
	q.Account, err = q.Held(ctx, wanted)
	if did.CodeOf(err) == "account_not_held" && !p.Target.IsZero() && q.Caller.Session != nil {
		return q.missAccount(ctx, c, wanted)
	}
	return err
}

// missAccount leaves it to the person to close a session's question about an account that the
// wallet does not hold: a page must not find out which it holds by asking.
func (q *Question) missAccount(ctx context.Context, c *Claim, wanted did.DID) (err error) {
	if q.Account, q.made, err = q.pipeline.auth.FindAccount(ctx, q.Caller, did.AccountType()); err != nil {
		return err
	}
	if q.Account.Address == wanted.Address() {
		return nil // the app's own, which is made for this question
	}
	c.Missing = did.Refuse("account_not_held", "this wallet does not hold the account asked for")
	c.NeverByRule("the wallet does not hold the account asked for")
	c.Unusual = append(c.Unusual, "Asks to be "+wanted.Address()+", an account that the wallet does not hold. Whatever you answer, the app is declined.")
	return nil
}

// Held returns the wallet's account with exactly this DID, or account_not_held.
func (q *Question) Held(ctx context.Context, account did.DID) (store.Account, error) {
	a, err := q.Store.Account(ctx, q.Caller.WalletID, account.Address())
	if errors.Is(err, store.ErrNotFound) {
		return store.Account{}, did.Refuse("account_not_held", "this wallet does not hold the account asked for")
	}
	if err != nil {
		return store.Account{}, fmt.Errorf("looking for the account: %w", err)
	}
	return a, nil
}

// Owns reports whether an account is the asking app's own (design section 7): derived for it,
// or, when an application's own key is kept here, the application itself.
func (q *Question) Owns(a store.Account) bool { return a.App == q.Caller.App.Address() }

// Signer is the DID that signed the request: the agent of a delegated app, or the app.
func (q *Question) Signer() did.DID {
	if !q.Caller.Agent.IsZero() {
		return q.Caller.Agent
	}
	return q.Caller.App
}

// NoteUnsealed says that a secret is asked for in clear although the channel was offered
// (reference e); over HTTP the connection is the app's own.
func (q *Question) NoteUnsealed(c *Claim) {
	if s := q.Caller.Session; s != nil && s.Offered && !s.Arrived {
		c.Unusual = append(c.Unusual, "The request did not come over the encrypted channel, which was offered.")
	}
}

// Challenge is the one that the answer is to carry, "" for a bearer token's.
func (q *Question) Challenge() string { return q.Caller.Challenge() }

// AppTime is the time for what this app reads, its clock's skew added.
func (q *Question) AppTime() time.Time {
	if s := q.Caller.Session; s != nil {
		return q.Now.Add(s.Skew)
	}
	return q.Now
}

// asked is the request as an approval keeps it.
func (q *Question) asked() ([]json.RawMessage, error) {
	asked := make([]json.RawMessage, len(q.claims))
	for i, c := range q.claims {
		var err error
		if asked[i], err = c.text(); err != nil {
			return nil, err
		}
	}
	return asked, nil
}

// digest names exactly what was asked, by whom, of which wallet; times and ids of the request
// are not part of it, so the same question asked again is the same question.
func (q *Question) digest() ([]byte, error) {
	var asked any
	var err error
	if same := q.claims[0].Same; same != nil {
		asked = same
	} else if asked, err = q.asked(); err != nil {
		return nil, err
	}
	text, err := did.MarshalStable(map[string]any{
		"wallet": q.Caller.WalletID, "asker": q.Caller.Asker, "app": q.Caller.App.String(), "agent": q.Caller.Agent.String(), "claims": asked,
	})
	if err != nil {
		return nil, did.Malformed("the claims cannot be written in canonical form", err)
	}
	h := sha3.New256()
	h.Write([]byte("walletd question v1\x00"))
	h.Write(text)
	return h.Sum(nil), nil
}

// answer derives and signs, with the receipt of the entry that allows it.
func (q *Question) answer(r store.Receipt, v verdict) (*Answer, error) {
	if body := q.claims[0].Body; body != nil {
		return q.answerBody(r, v, body)
	}
	a := &Answer{UserDID: q.Account.Address, Reason: v.Reason}
	for _, c := range q.claims {
		added := map[string]any{}
		if c.Answer != nil {
			var err error
			if added, err = c.Answer(r, q.Caller.Wallet.Keys()); err != nil {
				return nil, err
			}
		}
		if len(c.mfa) > 0 {
			added["mfaCode"] = []int{q.choice.MFACode} // replaced, not echoed (reference d.8)
		}
		whole, err := c.echo(added, q.Caller.Session != nil)
		if err != nil {
			return nil, err
		}
		a.Claims = append(a.Claims, whole)
	}
	pk, err := q.Caller.Wallet.Keys().PublicKey(q.Account)
	if err != nil {
		return nil, fmt.Errorf("reading the account: %w", err)
	}
	a.UserPK = did.EncodeBase58(pk)
	if a.Signed, err = q.Caller.SignAnswer(r, q.Account, a.UserPK, a.Claims, q.Now); err != nil {
		return nil, err
	}
	if a.Signed != nil {
		a.Claims = nil
	}
	return a, nil
}

// answerBody is answer for a type with a route of its own.
func (q *Question) answerBody(r store.Receipt, v verdict, body bodyFunc) (*Answer, error) {
	whole, etag, err := body(r, q.Caller.Wallet.Keys())
	if err != nil {
		return nil, err
	}
	a := &Answer{Reason: v.Reason, ETag: etag}
	if a.Own, err = json.Marshal(whole); err != nil {
		return nil, fmt.Errorf("writing the answer: %w", err)
	}
	return a, nil
}

// prepare makes what is stored in the same write as the record of the answer.
func (q *Question) prepare(ctx context.Context, approval string) ([]store.Write, error) {
	var writes []store.Write
	for i, c := range q.claims {
		if c.Prepare == nil {
			continue
		}
		w, err := c.Prepare(ctx, fmt.Sprintf("%s/%d", approval, i))
		if err != nil {
			return nil, err
		}
		writes = append(writes, w...)
	}
	return writes, nil
}

// missing refuses what the wallet does not hold.
func (q *Question) missing() error {
	for _, c := range q.claims {
		if c.Missing != nil {
			return c.Missing
		}
	}
	return nil
}

// refused says why the question cannot be answered as things stand.
func (q *Question) refused() error {
	for _, c := range q.claims {
		if c.Refused != nil {
			return c.Refused
		}
	}
	return nil
}

// record puts what became of the question on record with what it changes, a new account included:
// of a question that is refused, or over its budget, nothing stays behind.
func (q *Question) record(ctx context.Context, e ledger.Event, writes ...store.Write) (store.Receipt, error) {
	d := q.pipeline
	if !q.made {
		return q.Caller.Commit(ctx, ledger.Change{Event: e, Writes: writes})
	}
	first := q.Caller.Event(ledger.AccountCreated)
	first.Account = q.Account.Address
	receipt, err := q.Caller.Commit(ctx, ledger.Change{Before: []ledger.Event{first}, Event: e, Writes: append(writes, store.InsertAccount(q.Account))})
	return receipt, d.auth.KeptAccount(ctx, q.Caller, q.Account, err)
}

// event is the record's view of the question.
func (q *Question) event(kind ledger.Kind, v verdict) ledger.Event {
	e := q.Caller.Event(kind)
	e.Decision, e.Reason, e.Rule = v.Decision, v.Reason, v.Rule
	if v.Grant != nil {
		e.Grant = v.Grant.ID
	}
	e.Approval, e.Digest = v.approval, v.shown
	for _, c := range q.claims {
		e.Claims = append(e.Claims, c.recorded())
	}
	return e
}

func (c *Claim) recorded() ledger.ClaimEvent {
	e := ledger.ClaimEvent{Type: c.kind.Name, Account: c.Account.Address, Items: c.Items, About: c.About, Made: c.Made}
	if c.hasSalt {
		salt := hex.EncodeToString(c.salt)
		e.Salt = &salt
	}
	if c.delegation != nil {
		e.Delegation = hex.EncodeToString(c.delegation.Hash[:])
	}
	return e
}

// decide decides every claim; the strictest decision holds for all. It returns the writes
// that use up the grants it rests on.
func (q *Question) decide(ctx context.Context) (verdict, []store.Write, error) {
	if q.Caller.Role == auth.Owner {
		return verdict{Verdict: policy.Verdict{Decision: policy.Allow, Reason: "the owner's own request"}}, nil, nil
	}
	d := q.pipeline
	rules, err := d.policy(ctx, q.Caller)
	if err != nil {
		return verdict{}, nil, err
	}
	var grants []policy.Grant
	var rows map[string]approvals.Grant
	all := policy.Verdict{Decision: policy.Allow}
	used := map[string]bool{}
	for i, c := range q.claims {
		f := c.fact(q)
		v := policy.Decide(rules, grants, f, q.Now)
		if v.Decision == policy.Ask && v.Rule == 0 && rows == nil {
			if grants, rows, err = d.approvals.Grants(ctx, q.Caller); err != nil {
				return verdict{}, nil, err
			}
			v = policy.Decide(rules, grants, f, q.Now)
		}
		if s := q.Caller.Session; v.Decision == policy.Allow && s != nil && s.Followed {
			v = policy.Verdict{Decision: policy.Ask, Reason: "another app led here, and not the person"}
		}
		if v.Grant != nil {
			used[v.Grant.ID] = true
			c.keepItems(v.Grant.Items)
		}
		if i == 0 || policy.Stricter(all.Decision, v.Decision) != all.Decision {
			all = v
		}
	}
	if all.Decision != policy.Allow {
		return verdict{Verdict: all}, nil, nil
	}
	var writes []store.Write
	for id := range used {
		if w, counted := approvals.UseGrant(q.Caller, rows[id]); counted {
			writes = append(writes, w)
		}
	}
	return verdict{Verdict: all}, writes, nil
}
