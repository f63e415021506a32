package delegation

import (
	"encoding/json"
	"slices"
	"time"

	"walletd/internal/did"
)

// claimPrincipal is the claim type that asks who the user is.
const claimPrincipal = "authPrincipal"

// Certificate is an app's verified permission for an agent to send requests in
// its name. [Connect.Allow] checks what it covers.
type Certificate struct {
	Hash    [32]byte // SHA3-256 of its text
	Expires time.Time

	permissions permissions
	ops         did.Object // the legacy form; without members where there is none
}

// ClaimRequest holds the parts of a requested claim that a certificate can limit.
type ClaimRequest struct {
	Type  string
	Items []string // of profile, after its default was filled in
}

// verifyCertificate makes checks 5 to 10 of reference g.i.
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
	certificate := &Certificate{Hash: HashOf(content), Expires: verified.Expires, permissions: granted}
	if raw := verified.Body.Get("ops"); raw != nil {
		// What is not an object allows nothing, as if it were not there.
		certificate.ops, _ = did.ParseObject(raw)
	}
	return certificate, nil
}

// certificateOf returns the text of the certificate, which is the first
// verifiable claim, and whether there is one.
func certificateOf(body did.Object) (string, bool) {
	var list []json.RawMessage
	if json.Unmarshal(body.Get("verifiableClaims"), &list) != nil || len(list) == 0 {
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

// namesAgent reports whether a certificate is for this agent. It names the agent
// in agentDid or, in the older form, in to. If it has both members, both must
// name the agent, because other wallets read either.
func namesAgent(body did.Object, agent did.DID) bool {
	named := false
	for _, name := range []string{"agentDid", "to"} {
		if !body.Has(name) {
			continue
		}
		if party, ok := memberDID(body, name); !ok || party != agent {
			return false
		}
		named = true
	}
	return named
}

// Allow checks that the certificate covers every requested claim (g.i, checks 11
// to 13). Without an agent it allows everything. Callers call it before each
// answer, because a later step of a session may request more.
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

// allowsOp makes check 12, for the legacy form: the claim type must be a key of
// ops and, if its list is not empty, a profile may request only items of the list.
func (c *Certificate) allowsOp(claim ClaimRequest) bool {
	items, ok := textsOf(c.ops.Get(claim.Type))
	if !ok {
		return false
	}
	return claim.Type != "profile" || len(items) == 0 ||
		!slices.ContainsFunc(claim.Items, func(item string) bool { return !slices.Contains(items, item) })
}
