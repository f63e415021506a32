package claims

import (
	"fmt"
	"time"

	"walletd/internal/did"
)

// fact is all that a decision about one claim rests on; the rest of the claim cannot matter.
type fact struct {
	app     did.DID // who asks
	agent   did.DID // who speaks for it, or zero
	known   bool    // the app has a token in the wallet or the person has approved it
	claim   string  // the claim's type
	account string  // address of the account whose key would answer
	salt    []byte
	hasSalt bool
	// about is what else a grant for such a claim is held to, or "".
	about string
	// delegation is the hash, in hex, of the delegation presented, or "".
	delegation string
	// never says why no rule may decide, or is "".
	never string
	// mfa is set if a number shown on the app's page must be chosen: nothing but a person can.
	mfa bool
}

// Verdict is a decision with its reason, which goes on record and into the answer.
type Verdict struct {
	Decision Decision
	Reason   string
	Rule     int    // the rule that decided, counted from one; zero if none did
	grant    *live  // the grant that decided, if one did
	approval string // the approval that is collected, if one is
	shown    string // its digest
}

// decide is the order of design section 7: deny; what no rule may decide; an allow or an
// explicit ask; a grant; otherwise the person is asked. It is pure.
func decide(p Policy, grants []live, f fact, now time.Time) Verdict {
	rule, d := p.match(f)
	if rule > 0 && d == Deny {
		return Verdict{Decision: Deny, Rule: rule, Reason: fmt.Sprintf("denied by rule %d", rule)}
	}
	if f.mfa {
		return Verdict{Decision: Ask, Reason: "a number shown on the app's page must be chosen"}
	}
	if f.never != "" {
		// A grant counts here only if it was made for this very delegation.
		if f.delegation != "" {
			if g := findGrant(grants, f, now); g != nil {
				return Verdict{Decision: Allow, grant: g, Reason: "allowed by a grant for this delegation"}
			}
		}
		return Verdict{Decision: Ask, Reason: f.never}
	}
	if rule > 0 {
		if d == Allow {
			return Verdict{Decision: Allow, Rule: rule, Reason: fmt.Sprintf("allowed by rule %d", rule)}
		}
		return Verdict{Decision: Ask, Rule: rule, Reason: fmt.Sprintf("rule %d says to ask", rule)}
	}
	if g := findGrant(grants, f, now); g != nil {
		return Verdict{Decision: Allow, grant: g, Reason: "allowed by a grant"}
	}
	return Verdict{Decision: Ask, Reason: "no rule and no grant covers this"}
}

func findGrant(grants []live, f fact, now time.Time) *live {
	for i := range grants {
		if grants[i].covers(f, now) {
			return &grants[i]
		}
	}
	return nil
}
