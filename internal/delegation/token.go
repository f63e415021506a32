package delegation

import (
	"strings"
	"time"

	"walletd/internal/did"
)

const (
	maxChain    = 8   // tokens from the root to the last
	maxPatterns = 256 // in ops or deny of one token; covering compares each with each
)

// Grant is what a whole chain of DelegationTokens allows.
type Grant struct {
	// Root is the party whose resource is used: the caller checks that it is
	// the right one. Subject is the party that may act.
	Root, Subject did.DID
	// Ops are the scopes of the last token, Deny those of the whole chain.
	Ops, Deny []string
	// Expires is the end of the last token; no parent ends earlier.
	Expires time.Time
}

// Allows tells whether the chain covers a scope.
func (g Grant) Allows(scope string) bool { return Allowed(scope, g.Ops, g.Deny) }

// VerifyToken verifies a DelegationToken and all its parents (DID Connect
// reference g.iii): each by itself, without any tolerance of time, and each
// against its parent, which it may narrow and never widen.
func VerifyToken(token string, now time.Time) (Grant, error) {
	if whole := now.Truncate(time.Second); !whole.Equal(now) {
		now = whole.Add(time.Second) // c.6
	}
	return verifyChain(token, now, 1)
}

// verifyChain verifies the token that stands at this place of the chain,
// counted from the last, and what it comes from.
func verifyChain(token string, now time.Time, place int) (Grant, error) {
	if place > maxChain {
		return Grant{}, did.Refuse("chain_too_deep", "the chain of delegations is too long")
	}
	link, err := verifyLink(token, now)
	if err != nil {
		return Grant{}, err
	}
	child := Grant{Root: link.issuer, Subject: link.subject, Ops: link.ops, Deny: link.deny, Expires: link.expires}
	if link.parent == "" {
		return child, nil
	}
	parent, err := verifyChain(link.parent, now, place+1)
	if err != nil {
		return Grant{}, err
	}
	if parent.Subject != link.issuer {
		return Grant{}, did.Refuse("chain_broken", "a delegation in the chain was passed on by somebody who did not have it")
	}
	if child.Expires.After(parent.Expires) {
		return Grant{}, did.Refuse("chain_expiry", "a delegation in the chain outlives the one it comes from")
	}
	for _, op := range child.Ops {
		if !parent.Allows(op) {
			return Grant{}, did.Refuse("scope_widened", "a delegation in the chain allows more than the one it comes from")
		}
	}
	child.Root = parent.Root
	child.Deny = append(child.Deny, parent.Deny...)
	return child, nil
}

// link is one token of a chain, verified by itself.
type link struct {
	issuer, subject did.DID
	ops, deny       []string
	expires         time.Time
	parent          string
}

func verifyLink(token string, now time.Time) (link, error) {
	unverified, err := did.ReadToken(token)
	if err != nil {
		return link{}, malformed("it is not a signed token")
	}
	l, key, err := readLink(unverified)
	if err != nil {
		return link{}, err
	}
	verified, err := unverified.Verify(did.Check{PublicKey: key, Now: now})
	switch did.CodeOf(err) {
	case "did_pk_mismatch", "jwt_alg_mismatch":
		return link{}, err
	case "pk_malformed":
		return link{}, did.Refuse("did_pk_mismatch", "the issuer's DID does not belong to the public key")
	case "jwt_expired":
		return link{}, errExpired()
	case "jwt_iat_future", "jwt_nbf_future":
		return link{}, errNotYet()
	}
	if err != nil {
		return link{}, did.Refuse("delegation_bad_signature", "a delegation in the chain was not signed by who issued it")
	}
	// Other tokens have a tolerance of five seconds. The packages give these
	// none, so neither do we.
	if verified.Expires.Before(now) {
		return link{}, errExpired()
	}
	if verified.IssuedAt.After(now) || verified.NotBefore.After(now) {
		return link{}, errNotYet()
	}
	l.expires = verified.Expires
	return l, nil
}

func errExpired() error {
	return did.Refuse("delegation_expired", "a delegation in the chain has expired")
}

func errNotYet() error {
	return did.Refuse("delegation_not_yet_valid", "a delegation in the chain is not valid yet")
}

// readLink reads the members of a DelegationToken: all there, of their types,
// and none read twice.
func readLink(t did.Token) (link, []byte, error) {
	if kind, _ := t.Header.Text("typ"); kind != "DelegationToken" {
		return link{}, nil, malformed("it is not a DelegationToken")
	}
	if t.Version != "1.1.0" {
		return link{}, nil, malformed("its version is not 1.1.0")
	}
	for _, name := range []string{"iat", "nbf", "exp"} {
		text, _ := t.Body.Text(name)
		if strings.Trim(text, "0123456789") != "" || text == "" {
			return link{}, nil, malformed("a time in it is not a string of digits")
		}
		if _, err := t.Body.Time(name); err != nil {
			return link{}, nil, malformed("a time in it cannot be read")
		}
	}
	l := link{issuer: t.Signer}
	var ok bool
	if l.subject, ok = memberDID(t.Body, "sub"); !ok {
		return link{}, nil, malformed("it does not say who may act")
	}
	pk, _ := t.Body.Text("pk")
	key, err := did.DecodePublicKey(pk)
	if err != nil || !strings.HasPrefix(pk, "0x") {
		return link{}, nil, malformed("it has no public key")
	}
	if l.ops, ok = patterns(t.Body, "ops"); !ok {
		return link{}, nil, malformed("its scopes cannot be read")
	}
	if _, present := t.Body["deny"]; present {
		if l.deny, ok = patterns(t.Body, "deny"); !ok {
			return link{}, nil, malformed("its denied scopes cannot be read")
		}
		for _, pattern := range l.deny {
			if !strings.HasPrefix(pattern, "fg:") {
				return link{}, nil, malformed("a denied scope does not begin with fg:")
			}
		}
	}
	if _, present := t.Body["delegation"]; present {
		if l.parent, _ = t.Body.Text("delegation"); l.parent == "" {
			return link{}, nil, malformed("the delegation it comes from cannot be read")
		}
	}
	return l, key, nil
}

// patterns reads a list of scope patterns.
func patterns(body did.Object, name string) ([]string, bool) {
	list, ok := textsOf(body[name])
	return list, ok && len(list) <= maxPatterns
}
