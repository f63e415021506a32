package delegation

import (
	"encoding/json"
	"slices"
	"time"

	"walletd/internal/did"
)

// claimPrincipal is the claim type that asks who the user is.
const claimPrincipal = "authPrincipal"

// Reply is what an app sends to be recognised: a signed request of its own, or
// one of a DID Connect session. Keys are text as DID Connect reference b has
// them; AgentPk is empty when the app speaks for itself.
type Reply struct {
	AppPk, AgentPk, AuthInfo string
}

// Connect says who really sent a Reply.
type Connect struct {
	// App is whom the accounts are derived for. Agent is the party that signed
	// in the app's name, zero if the app signed itself.
	App, Agent did.DID
	// AppKey is the app's public key, in the form its DID hashes.
	AppKey []byte
	// Token is the verified authInfo.
	Token did.Token
	// Certificate is the app's word for the agent; nil without one.
	Certificate *Certificate
}

// Asker is the DID that signed the request, to whom a delegation must be
// addressed (g.ii.2, check 5).
func (c Connect) Asker() did.DID {
	if c.Certificate != nil {
		return c.Agent
	}
	return c.App
}

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

// VerifyReply verifies the signature of a reply (c.8), with the app's key or,
// as soon as an agent is named anywhere, by checks 1 to 10 of DID Connect
// reference g.i. Checks 11 to 13 depend on what is asked: [Connect.Allow].
// Times have the tolerance of c.6.
//
// The last reply of an ECDSA app proves nothing (c.7) and is refused with
// final_unauthenticated; its text can be had from [did.ReadToken].
func VerifyReply(r Reply, now time.Time) (Connect, error) {
	outer, err := did.ReadToken(r.AuthInfo)
	if err != nil {
		return Connect{}, err
	}
	signer := agentMember(outer.Body)
	switch {
	case signer == "" && r.AgentPk == "":
		return verifyApp(r, outer, now)
	case signer == "":
		return Connect{}, did.Refuse("agent_did_missing", "the request has the key of an agent and does not name it")
	case r.AgentPk == "":
		return Connect{}, did.Refuse("agent_pk_missing", "the request names an agent and has no key of it")
	}
	return verifyAgent(r, outer, signer, now)
}

// agentMember is the name of the member that names the agent; "" if none does.
// Old replies write to, which alone can mean other things, so it counts only
// beside a certificate.
func agentMember(body did.Object) string {
	if _, named := body["agentDid"]; named {
		return "agentDid"
	}
	_, to := body["to"]
	_, certified := body["verifiableClaims"]
	if to && certified {
		return "to"
	}
	return ""
}

// verifyApp is the plain case: the app signed its own request.
func verifyApp(r Reply, outer did.Token, now time.Time) (Connect, error) {
	key, err := appKey(r, outer.Signer)
	if err != nil {
		return Connect{}, err
	}
	verified, err := did.VerifyToken(r.AuthInfo, did.Check{PublicKey: key, Now: now, Final: isFinal(outer.Body)})
	if err != nil {
		return Connect{}, err
	}
	return Connect{App: verified.Signer, AppKey: key, Token: verified}, nil
}

// verifyAgent is g.i, checks 1 to 10, in their order.
func verifyAgent(r Reply, outer did.Token, signer string, now time.Time) (Connect, error) {
	agent, ok := memberDID(outer.Body, signer)
	if text, _ := outer.Body.Text(signer); text == "" {
		return Connect{}, did.Refuse("agent_did_missing", "the request does not name its agent")
	} else if !ok {
		return Connect{}, did.Refuse("did_invalid", "the agent of the request is not a DID")
	}
	app := outer.Signer
	key, err := appKey(r, app)
	if err != nil {
		return Connect{}, err
	}
	agentKey, err := did.DecodePublicKey(r.AgentPk)
	if err != nil || agent.CheckPublicKey(agentKey) != nil {
		return Connect{}, did.Refuse("agent_pk_mismatch", "the agent's DID does not belong to the key in the request")
	}
	verified, err := did.VerifyToken(r.AuthInfo, did.Check{PublicKey: agentKey, Signer: signer, Now: now, Final: isFinal(outer.Body)})
	switch did.CodeOf(err) {
	case "jwt_bad_signature", "jwt_alg_mismatch":
		return Connect{}, did.Refuse("authinfo_bad_signature", "the request was not signed by the agent it names")
	case "":
	default:
		return Connect{}, err
	}
	certificate, err := verifyCertificate(verified.Body, app, agent, key, now)
	if err != nil {
		return Connect{}, err
	}
	return Connect{App: app, Agent: agent, AppKey: key, Token: verified, Certificate: certificate}, nil
}

// appKey is the key in the reply, if the app's DID follows from it.
func appKey(r Reply, app did.DID) ([]byte, error) {
	key, err := did.DecodePublicKey(r.AppPk)
	if err != nil || app.CheckPublicKey(key) != nil {
		return nil, did.Refuse("app_pk_mismatch", "the app's DID does not belong to the key in the request")
	}
	return key, nil
}

// isFinal tells the last reply of a session from a request (d.4, check 6).
func isFinal(body did.Object) bool {
	_, final := body["status"]
	return final
}

// verifyCertificate is g.i, checks 5 to 10.
func verifyCertificate(outer did.Object, app, agent did.DID, key []byte, now time.Time) (*Certificate, error) {
	content, ok := certificateOf(outer)
	if !ok {
		return nil, did.Refuse("delegation_missing", "the agent shows no certificate of the app")
	}
	unverified, err := did.ReadToken(content)
	if err != nil || isDelegationToken(unverified.Header) {
		return nil, malformed("the certificate is not a signed token")
	}
	if unverified.Signer != app {
		return nil, did.Refuse("delegation_issuer_mismatch", "the certificate was issued by another party than the app")
	}
	verified, err := verifyInner(content, key, now)
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
