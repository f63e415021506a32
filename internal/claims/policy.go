package claims

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"

	"walletd/internal/did"
)

// Decision is what the door does with a claim.
type Decision string

// The decisions of a rule and of the door, from the mildest to the strictest.
const (
	Allow Decision = "allow"
	Ask   Decision = "ask"
	Deny  Decision = "deny"
)

// stricter returns the stricter of two decisions: all claims of a request have one outcome.
func stricter(a, b Decision) Decision {
	rank := map[Decision]int{Allow: 0, Ask: 1, Deny: 2}
	if rank[b] > rank[a] {
		return b
	}
	return a
}

// Any in a rule's App or Claim matches every known app, or every claim.
const Any = "*"

// maxRules bounds a policy: it is read on every claim.
const maxRules = 200

// ErrPolicy is returned when a policy cannot be saved; its text names the rule.
var ErrPolicy = errors.New("the policy is not valid")

// Rule is one line of a policy. App is a DID or Any; Claim a claim type or Any; Salt, when set,
// holds the rule to one salt, compared by its bytes (design section 5: a salt is its bytes). Off is
// an allow that came back with a backup and counts for nothing until the owner confirms it.
type Rule struct {
	App      string   `json:"app"`
	Claim    string   `json:"claim"`
	Salt     *string  `json:"salt,omitempty"`
	SaltHex  *string  `json:"saltHex,omitempty"`
	Decision Decision `json:"decision"`
	Off      bool     `json:"off,omitempty"`
}

// Policy is a wallet's ordered list of rules. The first that matches wins; without a match the
// person is asked.
type Policy struct {
	Rules []Rule `json:"rules"`
}

// check reads a policy as a person wrote it and returns it in canonical form (apps as
// did:abt:…). The error wraps ErrPolicy and names the rule.
func (p Policy) check() (Policy, error) {
	if len(p.Rules) > maxRules {
		return Policy{}, fmt.Errorf("%w: %d rules, at most %d are kept", ErrPolicy, len(p.Rules), maxRules)
	}
	clean := Policy{Rules: make([]Rule, len(p.Rules))}
	for i, r := range p.Rules {
		if err := r.check(); err != nil {
			return Policy{}, fmt.Errorf("%w: rule %d: %w", ErrPolicy, i+1, err)
		}
		if r.App != Any {
			app, _ := did.Parse(r.App)
			r.App = app.String()
		}
		clean.Rules[i] = r
	}
	return clean, nil
}

func (r Rule) check() error {
	switch r.Decision {
	case Allow, Ask, Deny:
	default:
		return errors.New(`decision must be "allow", "ask" or "deny"`)
	}
	if r.Off && r.Decision != Allow {
		return errors.New("only an allow can be off")
	}
	if r.App != Any {
		if _, err := did.Parse(r.App); err != nil {
			return fmt.Errorf(`app must be a DID or "*": %w`, err)
		}
	}
	if _, known := anyKind(r.Claim); r.Claim != Any && !known {
		return errors.New(`claim must be a claim type this wallet answers, or "*"`)
	}
	if r.Salt != nil && r.SaltHex != nil {
		return errors.New("salt and saltHex exclude each other")
	}
	if r.Salt != nil && len(*r.Salt) > maxSalt {
		return fmt.Errorf("salt is longer than %d bytes", maxSalt)
	}
	if r.SaltHex != nil {
		if b, err := hex.DecodeString(*r.SaltHex); err != nil || len(b) > maxSalt {
			return fmt.Errorf("saltHex must be hexadecimal digits, at most %d bytes", maxSalt)
		}
	}
	return nil
}

// salt returns the bytes the rule is held to, and whether it is held to any.
func (r Rule) salt() ([]byte, bool) {
	switch {
	case r.Salt != nil:
		return did.LooseBytes(*r.Salt), true
	case r.SaltHex != nil:
		b, err := hex.DecodeString(*r.SaltHex)
		return b, err == nil
	}
	return nil, false
}

func (r Rule) matches(f fact) bool {
	if r.Off {
		return false
	}
	if !f.known && (r.App == Any || r.Decision == Allow) {
		return false // the person is asked about who is not known
	}
	if r.App != Any && r.App != f.app.String() {
		return false
	}
	if r.Claim != Any && r.Claim != f.claim {
		return false
	}
	if salt, held := r.salt(); held {
		return f.hasSalt && bytes.Equal(salt, f.salt)
	}
	return true
}

// match returns the first rule that matches, counted from one, or zero.
func (p Policy) match(f fact) (rule int, d Decision) {
	for i, r := range p.Rules {
		if r.matches(f) {
			return i + 1, r.Decision
		}
	}
	return 0, Ask
}
