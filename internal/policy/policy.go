// Package policy decides from values alone: the rules and grants of a wallet's owner, and the facts of one
// claim. It reads and stores nothing and has no clock.
//
//	Decide   deny -> the cases that always ask -> allow or an explicit ask -> a grant -> ask
//
// The order is that of design section 7.
package policy

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"walletd/internal/did"
)

// Decision is the decision about a claim.
type Decision string

// The decisions, from the mildest to the strictest.
const (
	Allow Decision = "allow"
	Ask   Decision = "ask"
	Deny  Decision = "deny"
)

// Stricter returns the stricter of two decisions: all claims of a request have one outcome.
func Stricter(a, b Decision) Decision {
	rank := map[Decision]int{Allow: 0, Ask: 1, Deny: 2}
	if rank[b] > rank[a] {
		return b
	}
	return a
}

// Any in a rule's App or Claim matches every registered app, or every claim.
const Any = "*"

const (
	// MaxSalt bounds a salt in bytes, both its text and the bytes that the text means.
	MaxSalt = 1024
	// maxRules bounds a policy, which is read for every claim.
	maxRules = 200
)

// ErrPolicy is returned for a policy that cannot be stored; the wrapping error names the rule.
var ErrPolicy = errors.New("the policy is not valid")

// Rule is one line of a policy. App is a DID or Any, Claim a claim type or Any. Salt or SaltHex, when set,
// limits the rule to one salt, compared by its bytes (design section 5: a salt is its bytes). Off marks an
// allow that was restored from a backup, and has no effect until the owner confirms it. An allow gives the key of a
// secret storage (Fact.OpensStorage) to tokens that are bound to a key alone, unless Tokens is AnyToken.
type Rule struct {
	App      string   `json:"app"`
	Claim    string   `json:"claim"`
	Salt     *string  `json:"salt,omitempty"`
	SaltHex  *string  `json:"saltHex,omitempty"`
	Decision Decision `json:"decision"`
	Off      bool     `json:"off,omitempty"`
	Tokens   string   `json:"tokens,omitempty"`
}

// AnyToken in a rule's Tokens lets it give the key of a secret storage to bearers too.
const AnyToken = "any"

// Policy is a wallet's ordered list of rules. The first that matches wins; without a match the
// owner is asked.
type Policy struct {
	Rules []Rule `json:"rules"`
	// BoundStorage is set in every policy that was saved since rules tell bearers from tokens that are bound to a key.
	BoundStorage bool `json:"boundStorage,omitempty"`
}

// SpelledOut returns a stored policy with what its rules meant when they were saved: an allow of before gave the key of a
// secret storage to any token, and goes on to.
func (p Policy) SpelledOut() Policy {
	if p.BoundStorage {
		return p
	}
	rules := slices.Clone(p.Rules)
	for i, r := range rules {
		if r.Decision == Allow && (r.Claim == Any || sameKey[r.Claim] != "") {
			rules[i].Tokens = AnyToken
		}
	}
	return Policy{Rules: rules, BoundStorage: true}
}

// Check checks a policy as its owner wrote it and returns it in canonical form, with apps as did:abt:….
// isType reports whether a name is a claim type that the wallet answers. The error
// wraps ErrPolicy and names the rule.
func (p Policy) Check(isType func(string) bool) (Policy, error) {
	if len(p.Rules) > maxRules {
		return Policy{}, fmt.Errorf("%w: %d rules, at most %d are stored", ErrPolicy, len(p.Rules), maxRules)
	}
	clean := Policy{Rules: make([]Rule, len(p.Rules)), BoundStorage: true}
	for i, r := range p.Rules {
		if err := r.Check(isType); err != nil {
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

// Check refuses a rule that could never match or is ambiguous.
func (r Rule) Check(isType func(string) bool) error {
	switch r.Decision {
	case Allow, Ask, Deny:
	default:
		return errors.New(`decision must be "allow", "ask" or "deny"`)
	}
	if r.Off && r.Decision != Allow {
		return errors.New("only an allow can be off")
	}
	switch {
	case r.Tokens != "" && r.Tokens != AnyToken:
		return errors.New(`tokens must be "any", or not there`)
	case r.Tokens != "" && (r.Decision != Allow || r.Claim != Any && sameKey[r.Claim] == ""):
		return errors.New("tokens is for rules that allow secretStorageKey, encryptionKey or every claim")
	}
	if r.App != Any {
		if _, err := did.Parse(r.App); err != nil {
			return fmt.Errorf(`app must be a DID or "*": %w`, err)
		}
	}
	if r.Claim != Any && !isType(r.Claim) {
		return errors.New(`claim must be a claim type this wallet answers, or "*"`)
	}
	if r.Salt != nil && r.SaltHex != nil {
		return errors.New("salt and saltHex exclude each other")
	}
	if r.Salt != nil && len(*r.Salt) > MaxSalt {
		return fmt.Errorf("salt is longer than %d bytes", MaxSalt)
	}
	if r.SaltHex != nil {
		if b, err := hex.DecodeString(*r.SaltHex); err != nil || len(b) > MaxSalt {
			return fmt.Errorf("saltHex must be hexadecimal digits, at most %d bytes", MaxSalt)
		}
	}
	return nil
}

// SaltBytes returns the bytes of the salt that the rule is limited to, and whether it is limited to one.
func (r Rule) SaltBytes() ([]byte, bool) {
	switch {
	case r.Salt != nil:
		return did.LooseBytes(*r.Salt), true
	case r.SaltHex != nil:
		b, err := hex.DecodeString(*r.SaltHex)
		return b, err == nil
	}
	return nil, false
}

func (r Rule) matches(f Fact) bool {
	if r.Off {
		return false
	}
	if !f.Registered && (r.App == Any || r.Decision == Allow) {
		return false // the owner is asked about an app that is not registered
	}
	if r.App != Any && r.App != f.App.String() {
		return false
	}
	if r.Claim != Any && r.Claim != f.Claim {
		return false
	}
	if r.Decision == Allow && r.Tokens != AnyToken && !f.Bound && f.OpensStorage() {
		return false // the key would go to whoever has a copy of the token
	}
	if salt, held := r.SaltBytes(); held {
		return f.HasSalt && bytes.Equal(salt, f.Salt)
	}
	return true
}

// match returns the first rule that matches, counted from one, or zero.
func (p Policy) match(f Fact) (rule int, d Decision) {
	for i, r := range p.Rules {
		if r.matches(f) {
			return i + 1, r.Decision
		}
	}
	return 0, Ask
}

// Denies returns the verdict of the first rule that matches a claim, and whether that rule denies it. It reads
// only the requester, the claim's type and its salt from the fact, so that nothing has to be looked up or
// derived first.
//
// The keys of an encryptionKey and of a secretStorageKey claim for a salt are the same bytes. So a rule that denies
// one of them for a salt denies the other for it too, whatever allows that one.
func (p Policy) Denies(f Fact) (Verdict, bool) {
	if rule, d := p.match(f); rule > 0 && d == Deny {
		return denied(rule), true
	}
	if f.Claim = sameKey[f.Claim]; f.Claim == "" {
		return Verdict{}, false
	}
	if rule, d := p.match(f); rule > 0 && d == Deny && p.Rules[rule-1].Claim == f.Claim && p.Rules[rule-1].hasSalt() {
		return denied(rule), true
	}
	return Verdict{}, false
}

func denied(rule int) Verdict {
	return Verdict{Decision: Deny, Rule: rule, Reason: fmt.Sprintf("denied by rule %d", rule)}
}

// sameKey names for a claim type the other one whose key for a salt is the same.
var sameKey = map[string]string{"encryptionKey": "secretStorageKey", "secretStorageKey": "encryptionKey"}

func (r Rule) hasSalt() bool { return r.Salt != nil || r.SaltHex != nil }

// Warnings says, a sentence each, where a rule allows an app a key by one name that a rule denies by another. A
// deny for a salt is no such case, because it holds under both names. They say too where a rule gives the key of a secret
// storage to bearers.
func (p Policy) Warnings() []string {
	var all []string
	for i, allow := range p.Rules {
		if allow.Claim == "secretStorageKey" && allow.Tokens == AnyToken {
			all = append(all, fmt.Sprintf("Rule %d gives the key of a secret storage to whoever has a token of the app, or a copy of one.", i+1))
		}
		other := sameKey[allow.Claim]
		if allow.Decision != Allow || other == "" {
			continue
		}
		for j, deny := range p.Rules {
			if deny.Decision == Deny && deny.Claim == other && !deny.hasSalt() && (deny.App == allow.App || deny.App == Any || allow.App == Any) {
				all = append(all, fmt.Sprintf("Rule %d allows as %s the keys that rule %d denies as %s: for the same salt they are the same key.", i+1, allow.Claim, j+1, deny.Claim))
			}
		}
	}
	return all
}
