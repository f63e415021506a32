package consent

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"walletd/internal/auth"
	"walletd/internal/did"
	"walletd/internal/ledger"
	"walletd/internal/store"
)

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
func (req *Request) record(ctx context.Context, e ledger.Event, o auth.Outcome, writes ...store.Write) (store.Receipt, error) {
	p := req.pipeline
	if !req.newAccount {
		return req.Caller.CommitOutcome(ctx, ledger.Change{Event: e, Writes: writes}, o)
	}
	first := req.Caller.Event(ledger.AccountCreated)
	first.Account = req.Account.Address
	change := ledger.Change{Before: []ledger.Event{first}, Event: e, Writes: append(writes, store.InsertAccount(req.Account))}
	receipt, err := req.Caller.CommitOutcome(ctx, change, o)
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
