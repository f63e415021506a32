package policy

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"time"

	"walletd/internal/did"
)

// Fact is all that a decision about one claim depends on; nothing else of the claim can affect it.
type Fact struct {
	App        did.DID // the requester
	Agent      did.DID // the agent that sent the request for it, or zero
	Registered bool    // the app has a token in the wallet, or the owner approved it
	Claim      string  // the claim's type
	Account    string  // address of the account whose key would answer
	Salt       []byte
	HasSalt    bool
	// About is what else a grant must match, such as the id of a credential, or "".
	About string
	// Delegation is the hash, in hex, of the delegation presented, or "".
	Delegation string
	// AlwaysAsk is the reason why the owner is asked whatever the rules say, or "".
	AlwaysAsk string
	// Bound says that the request came with a token that is bound to a key, which the requester has proven to have.
	Bound bool
	// MFA is set if a number shown on the app's page must be chosen, which only the owner can do.
	MFA bool
}

// storageSalt begins the salts of secret storages that clients choose no salt for.
const storageSalt = "m.secret_storage"

// OpensStorage reports whether the claim is for the key of a secret storage: under its own name, or as the encryptionKey
// for a salt of one, which is the same key. A storage with a salt of its client's choice is told by its name alone.
func (f Fact) OpensStorage() bool {
	return f.Claim == "secretStorageKey" || f.Claim == "encryptionKey" && f.HasSalt && bytes.HasPrefix(f.Salt, []byte(storageSalt))
}

// GrantContent is the sealed part of a grant.
type GrantContent struct {
	Claim       string  `json:"claim"`
	Account     string  `json:"account"`
	Salt        *string `json:"salt,omitempty"` // hex of the bytes
	SaltText    string  `json:"saltText,omitempty"`
	Delegation  string  `json:"delegation,omitempty"` // hash, hex
	RequesterID string  `json:"asker,omitempty"`      // token that sent the request; revoking it revokes the grant

	About string    `json:"about,omitempty"` // what else the grant must match (Fact.About)
	Items *[]string `json:"items,omitempty"` // of a profile: the items that the grant discloses
	// Bound says that a token that is bound to a key asked for the key of a secret storage: then a bearer is not given it.
	Bound bool `json:"bound,omitempty"`
}

// Grant is an approval that holds for more than one request. Whoever makes one has checked that its row is
// authentic.
type Grant struct {
	ID         string
	App, Agent string // bare addresses; Agent "" if the app speaks for itself
	Ends       int64  // unix seconds; 0: never by time
	Uses       int64  // left; -1: not counted
	Revoked    int64  // unix seconds; 0: not revoked
	GrantContent
}

// Covers reports whether the grant allows f at now: it has the same app, agent, claim, account, salt bytes and
// delegation, it is not revoked and not expired, and it has uses left.
func (g Grant) Covers(f Fact, now time.Time) bool {
	if g.Bound && !f.Bound {
		return false
	}
	if g.Revoked != 0 || g.Uses == 0 || g.Ends != 0 && now.Unix() >= g.Ends {
		return false
	}
	if g.App != f.App.Address() || g.Agent != f.Agent.Address() {
		return false
	}
	if g.Claim != f.Claim || g.Account != f.Account || g.Delegation != f.Delegation || g.About != f.About {
		return false
	}
	if g.Salt == nil {
		return !f.HasSalt
	}
	return f.HasSalt && *g.Salt == hex.EncodeToString(f.Salt)
}

// Verdict is a decision with its reason, which is recorded and is part of the answer.
type Verdict struct {
	Decision Decision
	Reason   string
	Rule     int    // the rule that decided, counted from one; zero if none did
	Grant    *Grant // the grant that decided, if one did
}

// Decide decides about a claim, in the order of design section 7: a rule that denies it; the cases that always
// ask; a rule that allows it or asks; a grant; otherwise the owner is asked.
func Decide(p Policy, grants []Grant, f Fact, now time.Time) Verdict {
	if denied, is := p.Denies(f); is {
		return denied
	}
	if f.MFA {
		return Verdict{Decision: Ask, Reason: "a number shown on the app's page must be chosen"}
	}
	if f.AlwaysAsk != "" {
		// A grant counts here only if it was created for this delegation.
		if f.Delegation != "" {
			if g := find(grants, f, now); g != nil {
				return Verdict{Decision: Allow, Grant: g, Reason: "allowed by a grant for this delegation"}
			}
		}
		return Verdict{Decision: Ask, Reason: f.AlwaysAsk}
	}
	if rule, d := p.match(f); rule > 0 {
		if d == Allow {
			return Verdict{Decision: Allow, Rule: rule, Reason: fmt.Sprintf("allowed by rule %d", rule)}
		}
		return Verdict{Decision: Ask, Rule: rule, Reason: fmt.Sprintf("rule %d says to ask", rule)}
	}
	if g := find(grants, f, now); g != nil {
		return Verdict{Decision: Allow, Grant: g, Reason: "allowed by a grant"}
	}
	if !f.Bound && f.OpensStorage() {
		bound := f
		bound.Bound = true
		if rule, d := p.match(bound); d == Allow {
			return Verdict{Decision: Ask, Reason: fmt.Sprintf("rule %d allows it for tokens that are bound to a key alone", rule)}
		}
	}
	return Verdict{Decision: Ask, Reason: "no rule and no grant covers this"}
}

func find(grants []Grant, f Fact, now time.Time) *Grant {
	for i := range grants {
		if grants[i].Covers(f, now) {
			return &grants[i]
		}
	}
	return nil
}
