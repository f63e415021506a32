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

// Request is a request on its way through the pipeline. It is made for each decision and each answer, is
// never stored, and belongs to one goroutine.
type Request struct {
	Caller  *auth.Caller
	Now     time.Time
	Account store.Account // the account that answers all claims that name no other

	Store   *store.Store
	Wallets *wallets.Wallets

	pipeline       *Pipeline
	chain          string  // the type of chain that the request names, or ""
	registered     bool    // the app has a token in the wallet, or the owner has approved it
	notHeldAccount did.DID // the account asked for, if the wallet does not hold it; no answer is made then
	newAccount     bool    // Account is new: it is stored together with the outcome
	claims         []*Claim
	choice         approvals.Choice
	unusual        []string
	untilApproved  []string         // those of unusual that an approval removes
	shown          *approvals.Shown // what the owner is shown; nil until it is computed
}

// newRequest returns a request of claims that were parsed.
func (p *Pipeline) newRequest(c *auth.Caller, claims []*Claim, choice approvals.Choice) *Request {
	return &Request{pipeline: p, Store: p.store, Wallets: p.wallets, Caller: c, chain: c.Chain(), Now: p.store.Now(), claims: claims, choice: choice}
}

// parse parses the claims of a request or, if stored is set, those that an approval stores. It looks
// nothing up.
func (p *Pipeline) parse(asked []json.RawMessage, stored bool) ([]*Claim, error) {
	if len(asked) == 0 || len(asked) > maxClaims {
		return nil, did.Malformed(fmt.Sprintf("requestedClaims must hold 1 to %d claims", maxClaims), nil)
	}
	claims := make([]*Claim, len(asked))
	principals := 0
	for i, raw := range asked {
		c, err := p.types.parse(raw, stored)
		if err != nil {
			return nil, err
		}
		if c.parsed.Principal != nil {
			principals++
		}
		claims[i] = c
	}
	if principals > 1 {
		return nil, did.Malformed("a request asks for one authPrincipal at most", nil)
	}
	return claims, nil
}

// read finds out everything that the decision depends on. It looks up only the app's own standing before it
// returns a *denial, so that a denied request discloses nothing about the wallet. Then it sets the account
// that a Principal asks for, from which all other claims answer (reference h).
func (req *Request) read(ctx context.Context) error {
	requests := make([]delegation.ClaimRequest, len(req.claims))
	for i, c := range req.claims {
		requests[i] = delegation.ClaimRequest{Type: c.kind.Name, Items: c.parsed.Items}
	}
	if err := req.Caller.CertificateAllows(requests); err != nil {
		return err
	}
	if err := req.checkRequester(ctx); err != nil {
		return err
	}
	if err := req.deny(ctx); err != nil {
		return err
	}
	if err := req.settleAccount(ctx); err != nil {
		return err
	}
	for _, claim := range req.claims {
		claim.Account = req.Account
		if err := claim.parsed.Read(ctx, req, claim); err != nil {
			return err
		}
		claim.limitItems(req.choice.Items)
		if !req.Owns(req.Account) {
			claim.RequireAsk("the request acts as an account of " + wallets.AccountOwner(req.Account))
		}
	}
	return nil
}

// checkRequester finds out whether the app is registered. An unregistered app may send requests only if the
// wallet's setting strangers allows it; a revoked app may not even then. In a session any app may, because
// the owner opened its link. An owner sends requests in an app's name.
func (req *Request) checkRequester(ctx context.Context) error {
	if req.Caller.Role == auth.Owner {
		req.registered = true
		return nil
	}
	standing, err := req.pipeline.auth.Standing(ctx, req.Caller)
	if err != nil {
		return err
	}
	req.registered = standing == auth.Registered
	switch {
	case req.Caller.Session != nil: // the owner opened its link
		if standing == auth.Revoked {
			req.noteUntilApproved("You revoked this app. An approval registers it again.")
		}
		if req.Caller.Session.Member != "" {
			req.unusual = append(req.unusual, req.Caller.Session.Member)
		}
		if req.Caller.Session.Followed {
			req.unusual = append(req.unusual, "You did not open this link: the app of the previous session did.")
		}
	case standing == auth.Revoked:
		return did.Refuse("app_unknown", "the wallet's owner revoked this app; the owner registers it again by creating a token for it or naming it")
	case standing == auth.Unregistered && !req.Caller.Wallet.Settings().Strangers:
		return errUnregistered
	case standing == auth.Unregistered:
		req.noteUntilApproved("This app is not registered in the wallet.")
	}
	return nil
}

// errUnregistered: only the test of a policy gets it, because an unregistered app finds no wallet (auth).
var errUnregistered = errors.New("the app has no token in the wallet and was never approved")

// denial says that a rule denies a request. It is recorded before an app gets it (Refuse).
type denial struct {
	req *Request
	policy.Verdict
}

func (d *denial) Error() string { return fmt.Sprintf("%s: %s", ErrDenied, d.Reason) }

func (d *denial) Unwrap() error { return ErrDenied }

// deny returns a *denial if a rule denies one of the claims. It removes the candidates that a rule denies; if
// none remains, the claim is denied. No rule applies to the owner's own requests.
func (req *Request) deny(ctx context.Context) error {
	rules, err := req.pipeline.currentPolicy(ctx, req.Caller)
	if err != nil {
		return err
	}
	for _, c := range req.claims {
		if c.parsed.Candidates == nil {
			if v, is := rules.Denies(c.fact(req)); is && req.Caller.Role == auth.App {
				return &denial{req, v}
			}
			continue
		}
		candidates, err := c.parsed.Candidates(ctx, req)
		if err != nil {
			return err
		}
		var denied policy.Verdict
		c.Candidates = nil
		for _, salt := range candidates {
			f := c.fact(req)
			f.Salt, f.HasSalt = did.LooseBytes(salt), true
			if v, is := rules.Denies(f); is && req.Caller.Role == auth.App {
				denied = v
			} else {
				c.Candidates = append(c.Candidates, salt)
			}
		}
		if len(c.Candidates) == 0 {
			return &denial{req, denied}
		}
	}
	return nil
}

// settleAccount sets the account that answers the request.
func (req *Request) settleAccount(ctx context.Context) (err error) {
	var principal *Claim
	for _, c := range req.claims {
		if c.parsed.Principal != nil {
			principal = c
		}
	}
	switch s := req.Caller.Session; {
	case s != nil && s.Account != "":
		return req.useSessionAccount(ctx, s.Account, principal)
	case principal != nil:
		return req.findPrincipal(ctx, principal, *principal.parsed.Principal)
	case req.choice.Account != "":
		return fmt.Errorf("%w: an account can be chosen only where authPrincipal asks for one", approvals.ErrChoice)
	}
	req.Account, req.newAccount, err = req.pipeline.auth.FindAccount(ctx, req.Caller, did.AccountType())
	return err
}

// useSessionAccount sets the account that the session revealed before (reference d.6). A request for another
// account is refused.
func (req *Request) useSessionAccount(ctx context.Context, revealed string, principal *Claim) error {
	account, err := did.Parse(revealed)
	if err != nil {
		return fmt.Errorf("reading the session's account: %w", err)
	}
	if req.Account, err = req.HeldAccount(ctx, account); err != nil {
		return err
	}
	if principal == nil {
		return nil
	}
	if target := principal.parsed.Principal.Target; !target.IsZero() && target != account {
		return did.Refuse("account_not_held", "the session answers as another account already")
	}
	return nil
}

// findPrincipal sets the account that a claim asks for, or that the owner chose.
func (req *Request) findPrincipal(ctx context.Context, c *Claim, p Principal) (err error) {
	wanted := p.Target
	if wanted.IsZero() && req.choice.Account != "" {
		if wanted, err = did.Parse(req.choice.Account); err != nil {
			return err
		}
	}
	if wanted.IsZero() {
		if p.ByChain && req.chain == ChainEthereum {
			p.Type = did.EthereumType()
		}
		req.Account, req.newAccount, err = req.pipeline.auth.FindAccount(ctx, req.Caller, p.Type)
		return err
	}
	req.Account, err = req.HeldAccount(ctx, wanted)
	if did.CodeOf(err) == "account_not_held" && !p.Target.IsZero() {
		return req.noteAccountNotHeld(ctx, c, wanted)
	}
	return err
}

// noteAccountNotHeld makes the owner close a request for an account that the wallet does not hold. The app is
// declined only then, so that it cannot find out which accounts the wallet holds; until then the claims are
// read as if the account were there (Answering).
func (req *Request) noteAccountNotHeld(ctx context.Context, c *Claim, wanted did.DID) (err error) {
	if req.Account, req.newAccount, err = req.pipeline.auth.FindAccount(ctx, req.Caller, did.AccountType()); err != nil {
		return err
	}
	if req.Account.Address == wanted.Address() {
		return nil // the app's own account, which is created for this request
	}
	req.notHeldAccount = wanted
	c.NotHeld = did.Refuse("account_not_held", "this wallet does not hold the account asked for")
	c.RequireAsk("the wallet does not hold the account asked for")
	c.Unusual = append(c.Unusual, "Asks to log in as "+wanted.Address()+", an account that the wallet does not hold. The app is declined whatever you decide.")
	return nil
}

// HeldAccount returns the wallet's account with exactly this DID. If there is none, the error is the refusal
// account_not_held.
func (req *Request) HeldAccount(ctx context.Context, account did.DID) (store.Account, error) {
	a, err := req.Store.Account(ctx, req.Caller.WalletID, account.Address())
	if errors.Is(err, store.ErrNotFound) {
		return store.Account{}, did.Refuse("account_not_held", "this wallet does not hold the account asked for")
	}
	if err != nil {
		return store.Account{}, fmt.Errorf("looking for the account: %w", err)
	}
	return a, nil
}

// Owns reports whether an account is the app's own (design section 7): one derived for the app or, if the
// wallet stores an application's own key, the application itself.
func (req *Request) Owns(a store.Account) bool { return a.App == req.Caller.App.Address() }

// Answering returns the account that answers, as the app asked for it, and whether it is the app's own. A claim is
// refused for what it says, and for nothing else that would tell whether the wallet holds the account.
func (req *Request) Answering() (account did.DID, own bool, err error) {
	if !req.notHeldAccount.IsZero() {
		return req.notHeldAccount, false, nil
	}
	account, err = did.Parse(req.Account.Address)
	if err != nil {
		return account, false, fmt.Errorf("reading the account: %w", err)
	}
	return account, req.Owns(req.Account), nil
}

// Signer returns the DID that signed the request: the agent of a delegated app, or the app.
func (req *Request) Signer() did.DID {
	if !req.Caller.Agent.IsZero() {
		return req.Caller.Agent
	}
	return req.Caller.App
}

// NoteUnsealed adds to the claim's Unusual that a secret is requested in clear although the session offered
// the encrypted channel (reference e). Over HTTP the connection is the app's own.
func (req *Request) NoteUnsealed(c *Claim) {
	if s := req.Caller.Session; s != nil && s.Offered && !s.Arrived {
		c.Unusual = append(c.Unusual, "The app was offered the encrypted channel, and sent its request without it.")
	}
}

// Challenge returns the challenge that the answer must carry, "" for a bearer token's request.
func (req *Request) Challenge() string { return req.Caller.Challenge() }

// AppTime returns the time now by the app's clock: the skew that its session learnt is added.
func (req *Request) AppTime() time.Time {
	if s := req.Caller.Session; s != nil {
		return req.Now.Add(s.Skew)
	}
	return req.Now
}

// rawClaims returns the claims as an approval stores them.
func (req *Request) rawClaims() ([]json.RawMessage, error) {
	asked := make([]json.RawMessage, len(req.claims))
	for i, c := range req.claims {
		var err error
		if asked[i], err = c.text(); err != nil {
			return nil, err
		}
	}
	return asked, nil
}

// digest returns the hash of the claims, the requester and the wallet. Times and ids are not part of it, so
// that a repeated request has the same digest.
func (req *Request) digest() ([]byte, error) {
	var asked any
	var err error
	if same := req.claims[0].Identity; same != nil {
		asked = same
	} else if asked, err = req.rawClaims(); err != nil {
		return nil, err
	}
	text, err := did.MarshalStable(map[string]any{
		"wallet": req.Caller.WalletID, "asker": req.Caller.RequesterID, "app": req.Caller.App.String(), "agent": req.Caller.Agent.String(), "claims": asked,
	})
	if err != nil {
		return nil, did.Malformed("the claims cannot be written in canonical form", err)
	}
	h := sha3.New256()
	h.Write([]byte("walletd question v1\x00"))
	h.Write(text)
	return h.Sum(nil), nil
}

// answer derives and signs, with the receipt of the audit entry that allows it.
func (req *Request) answer(r store.Receipt, v verdict) (*Answer, error) {
	if body := req.claims[0].Body; body != nil {
		return req.answerBody(r, v, body)
	}
	a := &Answer{UserDID: req.Account.Address, Reason: v.Reason}
	for _, c := range req.claims {
		added := map[string]any{}
		if c.Answer != nil {
			var err error
			if added, err = c.Answer(r, req.Caller.Wallet.Keys()); err != nil {
				return nil, err
			}
		}
		if len(c.mfa) > 0 {
			added["mfaCode"] = []int{req.choice.MFACode} // replaces the three numbers (reference d.8)
		}
		whole, err := c.echo(added, req.Caller.Session != nil)
		if err != nil {
			return nil, err
		}
		a.Claims = append(a.Claims, whole)
	}
	pk, err := req.Caller.Wallet.Keys().PublicKey(req.Account)
	if err != nil {
		return nil, fmt.Errorf("reading the account: %w", err)
	}
	a.UserPK = did.EncodeBase58(pk)
	if a.Signed, err = req.Caller.SignAnswer(r, req.Account, a.UserPK, a.Claims, req.Now); err != nil {
		return nil, err
	}
	if a.Signed != nil {
		a.Claims = nil
	}
	return a, nil
}

// answerBody is answer for a type with a route of its own.
func (req *Request) answerBody(r store.Receipt, v verdict, body bodyFunc) (*Answer, error) {
	whole, etag, err := body(r, req.Caller.Wallet.Keys())
	if err != nil {
		return nil, err
	}
	a := &Answer{Reason: v.Reason, ETag: etag}
	if a.Own, err = json.Marshal(whole); err != nil {
		return nil, fmt.Errorf("encoding the answer: %w", err)
	}
	return a, nil
}

// prepare returns the writes that are committed together with the audit entry of the answer.
func (req *Request) prepare(ctx context.Context, approval string) ([]store.Write, error) {
	var writes []store.Write
	for i, c := range req.claims {
		if c.Prepare == nil {
			continue
		}
		w, err := c.Prepare(ctx, claimLabel(approval, i))
		if err != nil {
			return nil, err
		}
		writes = append(writes, w...)
	}
	presented, err := req.notePresented(ctx)
	return append(writes, presented...), err
}

// claimLabel names the claim with an index among those of an approval.
func claimLabel(approval string, i int) string { return fmt.Sprintf("%s/%d", approval, i) }

// announce completes the claims' views with what follows from the approval's id.
func (req *Request) announce(approval string) error {
	for i, c := range req.claims {
		if c.Announce == nil {
			continue
		}
		if err := c.Announce(claimLabel(approval, i)); err != nil {
			return err
		}
	}
	return nil
}

// notHeld returns the refusal of a claim for what the wallet does not hold, or nil.
func (req *Request) notHeld() error {
	for _, c := range req.claims {
		if c.NotHeld != nil {
			return c.NotHeld
		}
	}
	return nil
}

// refused returns why the request cannot be answered now, or nil.
func (req *Request) refused() error {
	for _, c := range req.claims {
		if c.Refused != nil {
			return c.Refused
		}
	}
	return nil
}

// record commits the audit entry of the outcome together with its writes, a new account included. A request
// that is refused, or over its budget, leaves nothing behind.
func (req *Request) record(ctx context.Context, e ledger.Event, writes ...store.Write) (store.Receipt, error) {
	p := req.pipeline
	if !req.newAccount {
		return req.Caller.Commit(ctx, ledger.Change{Event: e, Writes: writes})
	}
	first := req.Caller.Event(ledger.AccountCreated)
	first.Account = req.Account.Address
	receipt, err := req.Caller.Commit(ctx, ledger.Change{Before: []ledger.Event{first}, Event: e, Writes: append(writes, store.InsertAccount(req.Account))})
	return receipt, p.auth.AccountWriteError(ctx, req.Caller, req.Account, err)
}

// event returns the audit entry of the request.
func (req *Request) event(kind ledger.Kind, v verdict) ledger.Event {
	e := req.Caller.Event(kind)
	e.Decision, e.Reason, e.Rule = v.Decision, v.Reason, v.Rule
	if v.Grant != nil {
		e.Grant = v.Grant.ID
	}
	e.Approval, e.Digest = v.approval, v.shown
	for _, c := range req.claims {
		e.Claims = append(e.Claims, c.event())
	}
	return e
}

func (c *Claim) event() ledger.ClaimEvent {
	e := ledger.ClaimEvent{Type: c.kind.Name, Account: c.Account.Address, Items: c.Items, About: c.About, Created: c.Created}
	if c.hasSalt {
		salt := hex.EncodeToString(c.salt)
		e.Salt = &salt
	}
	if c.delegation != nil {
		e.Delegation = hex.EncodeToString(c.delegation.Hash[:])
	}
	return e
}

// decide decides every claim; the strictest decision holds for all. It returns the writes that consume a use
// of each grant that the decision depends on.
func (req *Request) decide(ctx context.Context) (verdict, []store.Write, error) {
	if req.Caller.Role == auth.Owner {
		return verdict{Verdict: policy.Verdict{Decision: policy.Allow, Reason: "the owner's own request"}}, nil, nil
	}
	p := req.pipeline
	rules, err := p.currentPolicy(ctx, req.Caller)
	if err != nil {
		return verdict{}, nil, err
	}
	var grants []policy.Grant
	var rows map[string]approvals.Grant
	all := policy.Verdict{Decision: policy.Allow}
	used := map[string]bool{}
	for i, c := range req.claims {
		f := c.fact(req)
		v := policy.Decide(rules, grants, f, req.Now)
		if v.Decision == policy.Ask && v.Rule == 0 && rows == nil {
			if grants, rows, err = p.approvals.Grants(ctx, req.Caller); err != nil {
				return verdict{}, nil, err
			}
			v = policy.Decide(rules, grants, f, req.Now)
		}
		if s := req.Caller.Session; v.Decision == policy.Allow && s != nil && s.Followed {
			v = policy.Verdict{Decision: policy.Ask, Reason: "another app opened this session, not the owner"}
		}
		if v.Grant != nil {
			used[v.Grant.ID] = true
			c.limitItems(v.Grant.Items)
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
		if w, counted := approvals.UseGrant(req.Caller, rows[id]); counted {
			writes = append(writes, w)
		}
	}
	return verdict{Verdict: all}, writes, nil
}
