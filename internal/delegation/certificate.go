package delegation

import (
	"encoding/json"
	"slices"
	"time"

	"walletd/internal/did"
)

// claimPrincipal is the claim type that asks who the user is.
const claimPrincipal = "authPrincipal"

// Certificate is an app's verified word that an agent may ask in its name.
// What it covers is asked with [Connect.Allow].
type Certificate struct {
	Hash    [32]byte // SHA3-256 of its text
	Expires time.Time

	permissions permissions
	ops         map[string]json.RawMessage // the legacy form; nil without
}

// ClaimRequest is as much of a requested claim as a certificate can limit.
type ClaimRequest struct {
	Type  string
	Items []string // of profile, after its default was filled in
}

// verifyCertificate is g.i, checks 5 to 10.
func verifyCertificate(outer did.Object, app, agent did.DID, key []byte, now time.Time) (*Certificate, error) {
	content, ok := certificateOf(outer)
	if !ok {
		return nil, did.Refuse("delegation_missing", "the agent shows no certificate of the app")
	}
	if len(content) > maxToken {
		return nil, malformed("the certificate is longer than 64 KiB")
	}
	unverified, err := did.ReadToken(content)
	if err != nil || isDelegationToken(unverified.Header) {
		return nil, malformed("the certificate is not a signed token")
	}
	if unverified.Signer != app {
		return nil, did.Refuse("delegation_issuer_mismatch", "the certificate was issued by another party than the app")
	}
	verified, err := verifyInner(unverified, key, now)
	if err != nil {
		return nil, err
	}
	if !namesAgent(verified.Body, agent) {
		return nil, agentMismatch()
	}
	granted, err := readPermissions(verified.Body, func(role string) bool { return foldEqual(role, roleConnect) })
	if err != nil {
		return nil, err
	}
	certificate := &Certificate{Hash: hashOf(content), Expires: verified.Expires, permissions: granted}
	if raw, present := verified.Body["ops"]; present {
		// What is not an object allows nothing, as if it were not there.
		certificate.ops, _ = did.ParseObject(raw)
	}
	return certificate, nil
}

// certificateOf finds the text of the certificate: the first verifiable claim.
func certificateOf(body did.Object) (string, bool) {
	var list []json.RawMessage
	if json.Unmarshal(body["verifiableClaims"], &list) != nil || len(list) == 0 {
		return "", false
	}
	first, err := did.ParseObject(list[0])
	if err != nil {
		return "", false
	}
	kind, _ := first.Text("type")
	content, _ := first.Text("content")
	return content, kind == "certificate" && content != ""
}

// namesAgent tells whether a certificate is for this agent. It names it in
// agentDid or, older, in to; with both, both must name it, for other wallets
// read either.
func namesAgent(body did.Object, agent did.DID) bool {
	named := false
	for _, name := range []string{"agentDid", "to"} {
		if _, present := body[name]; !present {
			continue
		}
		if party, ok := memberDID(body, name); !ok || party != agent {
			return false
		}
		named = true
	}
	return named
}

// Allow checks that the certificate covers every claim that is asked (g.i,
// checks 11 to 13). Without an agent everything is the app's own to ask. It
// belongs before each answer, since a later step may ask for more.
func (c Connect) Allow(claims []ClaimRequest) error {
	if c.Certificate == nil {
		return nil
	}
	granted := c.Certificate.permissions
	if granted.listed && !granted.connect {
		return did.Refuse("delegation_role_missing", "the app's certificate does not give the agent the role DIDConnectAgent")
	}
	for _, claim := range claims {
		allowed := claim.Type == claimPrincipal || c.Certificate.allowsOp(claim)
		if granted.listed {
			allowed = slices.ContainsFunc(granted.claims, func(name string) bool { return foldEqual(name, claim.Type) })
		}
		if !allowed {
			return did.Refuse("delegation_claim_not_allowed", "the app's certificate does not let the agent ask for this claim")
		}
	}
	return nil
}

// allowsOp is the legacy form, check 12: the claim type is a key, and a profile
// asks for nothing outside a list that is not empty.
func (c *Certificate) allowsOp(claim ClaimRequest) bool {
	items, ok := textsOf(c.ops[claim.Type])
	if !ok {
		return false
	}
	return claim.Type != "profile" || len(items) == 0 ||
		!slices.ContainsFunc(claim.Items, func(item string) bool { return !slices.Contains(items, item) })
}
