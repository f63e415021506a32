package consent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/sha3"

	"walletd/internal/approvals"
	"walletd/internal/auth"
	"walletd/internal/delegation"
	"walletd/internal/did"
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
		return req.Caller.RequireOwner()
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
	case standing == auth.Unregistered && !req.Caller.Wallet.Settings().Strangers && req.Caller.IsSigned():
		return auth.NoAudience() // the wallet was closed to strangers since the request was authenticated
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
		} else if v.Decision == policy.Allow && s != nil && s.Untouched {
			v = policy.Verdict{Decision: policy.Ask, Reason: "the link was opened without a touch of the owner's passkey, and only a touch answers it"}
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
