package claims

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"golang.org/x/crypto/sha3"

	"walletd/internal/did"
	"walletd/internal/ledger"
	"walletd/internal/policy"
	"walletd/internal/store"
)

// question is a request that has been read: every claim valid, every delegation verified, every
// account found. It is made anew each time it is decided or answered, never kept.
type question struct {
	door    *Door
	caller  *Caller
	now     time.Time
	known   bool          // the app has a token in the wallet, or the person has approved it
	account store.Account // the session's account
	made    bool          // the account is new: it is kept with what becomes of the question
	asked   []json.RawMessage
	claims  []*claim
	choice  Choice
	unusual []string
	first   []string // those of unusual that a yes takes away (shown)
	told    *shown   // what the person is shown, once it was computed
}

// read validates a request whole. The account that authPrincipal settles is settled first: all
// other claims answer from it (reference h).
func (d *Door) read(ctx context.Context, c *Caller, asked []json.RawMessage, choice Choice) (*question, error) {
	return d.readAs(ctx, c, asked, choice, kindOf)
}

// readAs is read with another vocabulary.
func (d *Door) readAs(ctx context.Context, c *Caller, asked []json.RawMessage, choice Choice, vocabulary func(string) (kind, bool)) (*question, error) {
	if len(asked) == 0 || len(asked) > maxClaims {
		return nil, malformed(fmt.Sprintf("requestedClaims must hold 1 to %d claims", maxClaims), nil)
	}
	q := &question{door: d, caller: c, now: d.store.Now(), asked: asked, choice: choice}
	for _, raw := range asked {
		claim, err := readCommon(raw, vocabulary)
		if err != nil {
			return nil, err
		}
		q.claims = append(q.claims, claim)
	}
	if err := c.certificateAllows(q.claims); err != nil {
		return nil, err
	}
	if err := q.meet(ctx); err != nil {
		return nil, err
	}
	if err := q.settleAccount(ctx); err != nil {
		return nil, err
	}
	for _, claim := range q.claims {
		if claim.kind.name != "authPrincipal" {
			if err := claim.kind.read(ctx, q, claim); err != nil {
				return nil, err
			}
		}
		if !q.owns(q.account) {
			claim.refuseRule("the request acts as an account of " + accountOwner(q.account))
		}
	}
	return q, nil
}

// meet finds whether the app is known. A stranger may ask only where the owner opened the wallet
// to strangers, and an app that was withdrawn not even there.
func (q *question) meet(ctx context.Context) error {
	standing, err := q.door.knows(ctx, q.caller)
	if err != nil {
		return err
	}
	q.known = standing == known
	switch {
	case q.caller.session != nil: // the person opened its link
		if standing == withdrawn {
			q.firstTime("You withdrew this app; a yes lets it in again.")
		}
		if q.caller.session.Member != "" {
			q.unusual = append(q.unusual, q.caller.session.Member)
		}
		if q.caller.session.Followed {
			q.unusual = append(q.unusual, "You did not open this link: the app of the session before led here.")
		}
	case standing == withdrawn:
		return did.Refuse("app_unknown", "the wallet's owner withdrew this app; a new token, or naming the app, lets it in again")
	case standing == stranger && !q.caller.Wallet.Settings().Strangers:
		return did.Refuse("app_unknown", "this app has no token in the wallet and was never approved; its owner can make a token for it")
	case standing == stranger:
		q.firstTime("This app is not known to the wallet.")
	}
	return nil
}

func (q *question) settleAccount(ctx context.Context) error {
	var principal *claim
	for _, c := range q.claims {
		if c.kind.name != "authPrincipal" {
			continue
		}
		if principal != nil {
			return malformed("a request asks for one authPrincipal at most", nil)
		}
		principal = c
	}
	if s := q.caller.session; s != nil && s.Account != "" {
		return q.keepAccount(ctx, s.Account, principal)
	}
	if principal != nil {
		return principal.kind.read(ctx, q, principal)
	}
	if q.choice.Account != "" {
		return fmt.Errorf("%w: an account can be chosen only where authPrincipal asks for one", ErrChoice)
	}
	var err error
	q.account, q.made, err = q.door.findAccount(ctx, q.caller, did.AccountType())
	return err
}

// keepAccount answers from the account that a session revealed before (reference d.6): another
// one asked for now is refused.
func (q *question) keepAccount(ctx context.Context, revealed string, principal *claim) error {
	account, err := did.Parse(revealed)
	if err != nil {
		return fmt.Errorf("reading the session's account: %w", err)
	}
	if q.account, err = q.held(ctx, account); err != nil {
		return err
	}
	if principal == nil {
		return nil
	}
	principal.account = q.account
	target, err := optionalText(principal.asked, "target", 256)
	if err != nil || target == "" {
		return err
	}
	if named, err := did.Parse(target); err != nil || named != account {
		return did.Refuse("account_not_held", "the session answers as another account already")
	}
	return nil
}

// owns reports whether an account is the asking app's own (design section 7): derived for it,
// or, when an application's own key is kept here, the application itself.
func (q *question) owns(a store.Account) bool { return a.App == q.caller.App.Address() }

// asker is the DID that signed the request: the agent of a delegated app, or the app.
func (q *question) asker() did.DID {
	if !q.caller.Agent.IsZero() {
		return q.caller.Agent
	}
	return q.caller.App
}

// noteUnsealed says that a secret is asked for in clear although the channel was offered
// (reference e); over HTTP the connection is the app's own.
func (q *question) noteUnsealed(c *claim) {
	if s := q.caller.session; s != nil && s.Offered && !s.Arrived {
		c.unusual = append(c.unusual, "The request did not come over the encrypted channel, which was offered.")
	}
}

// digest names exactly what was asked, by whom, of which wallet; times and ids of the request
// are not part of it, so the same question asked again is the same question.
func (q *question) digest() ([]byte, error) {
	asked := any(q.asked)
	if own := q.claims[0].apart; own != nil {
		asked = own.same
	}
	text, err := did.MarshalStable(map[string]any{
		"wallet": q.caller.WalletID, "asker": q.caller.Asker, "app": q.caller.App.String(), "agent": q.caller.Agent.String(), "claims": asked,
	})
	if err != nil {
		return nil, malformed("the claims cannot be written in canonical form", err)
	}
	h := sha3.New256()
	h.Write([]byte("walletd question v1\x00"))
	h.Write(text)
	return h.Sum(nil), nil
}

// answer derives and signs, with the receipt of the entry that allows it.
func (q *question) answer(r store.Receipt, v verdict) (*Answer, error) {
	if q.claims[0].apart != nil {
		return q.answerApart(r, v)
	}
	a := &Answer{UserDID: q.account.Address, Reason: v.Reason}
	for _, c := range q.claims {
		added := map[string]any{}
		if c.answer != nil {
			var err error
			if added, err = c.answer(r, q.caller.Wallet.Keys()); err != nil {
				return nil, err
			}
		}
		if len(c.mfa) > 0 {
			added["mfaCode"] = []int{q.choice.MFACode} // replaced, not echoed (reference d.8)
		}
		whole, err := c.echo(added, q.caller.session != nil)
		if err != nil {
			return nil, err
		}
		a.Claims = append(a.Claims, whole)
	}
	pk, err := q.caller.Wallet.Keys().PublicKey(q.account)
	if err != nil {
		return nil, fmt.Errorf("reading the account: %w", err)
	}
	a.UserPK = did.EncodeBase58(pk)
	switch {
	case q.caller.signed != nil:
		a.Signed, err = q.sign(r, a)
	case q.caller.session != nil:
		a.Signed, err = q.signSession(r, a)
	default:
		return a, nil
	}
	a.Claims = nil
	return a, err
}

// prepare makes what is stored in the same write as the record of the answer.
func (q *question) prepare(ctx context.Context, approval string) ([]store.Write, error) {
	var writes []store.Write
	for i, c := range q.claims {
		if c.prepare == nil {
			continue
		}
		w, err := c.prepare(ctx, fmt.Sprintf("%s/%d", approval, i))
		if err != nil {
			return nil, err
		}
		writes = append(writes, w...)
	}
	return writes, nil
}

// missing refuses what the wallet does not hold.
func (q *question) missing() error {
	for _, c := range q.claims {
		if c.missing != nil {
			return c.missing
		}
	}
	return nil
}

// record puts what became of the question on record with what it changes, a new account included:
// of a question that is refused, or over its budget, nothing stays behind.
func (q *question) record(ctx context.Context, e ledger.Event, writes ...store.Write) (store.Receipt, error) {
	d := q.door
	if !q.made {
		return q.caller.commit(ctx, ledger.Change{Event: e, Writes: writes})
	}
	first := q.caller.event(ledger.AccountCreated)
	first.Account = q.account.Address
	receipt, err := q.caller.commit(ctx, ledger.Change{Before: []ledger.Event{first}, Event: e, Writes: append(writes, store.InsertAccount(q.account))})
	return receipt, d.keptAccount(ctx, q.caller, q.account, err)
}

// event is the record's view of the question.
func (q *question) event(kind ledger.Kind, v verdict) ledger.Event {
	e := q.caller.event(kind)
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

func (c *claim) recorded() ledger.ClaimEvent {
	e := ledger.ClaimEvent{Type: c.kind.name, Account: c.account.Address, Items: c.items, About: c.about, Made: c.made}
	if c.hasSalt {
		salt := hex.EncodeToString(c.salt)
		e.Salt = &salt
	}
	if c.delegation != nil {
		e.Delegation = hex.EncodeToString(c.delegation.Hash[:])
	}
	return e
}

// decideAll decides every claim; the strictest decision holds for all. It returns the writes
// that use up the grants it rests on.
func (d *Door) decideAll(ctx context.Context, q *question) (verdict, []store.Write, error) {
	rules, err := d.policy(ctx, q.caller)
	if err != nil {
		return verdict{}, nil, err
	}
	var grants []policy.Grant
	var rows map[string]openGrant
	all := policy.Verdict{Decision: policy.Allow}
	used := map[string]bool{}
	for i, c := range q.claims {
		f := c.fact(q)
		v := policy.Decide(rules, grants, f, q.now)
		if v.Decision == policy.Ask && v.Rule == 0 && rows == nil {
			if grants, rows, err = d.grants(ctx, q.caller); err != nil {
				return verdict{}, nil, err
			}
			v = policy.Decide(rules, grants, f, q.now)
		}
		if s := q.caller.session; v.Decision == policy.Allow && s != nil && s.Followed {
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
		if w, counted := useGrant(q.caller, rows[id]); counted {
			writes = append(writes, w)
		}
	}
	return verdict{Verdict: all}, writes, nil
}
