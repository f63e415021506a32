package delegation

import (
	"time"

	"walletd/internal/did"
)

// Reply is a signed message of an app: a signed request of its own, or a reply in a
// DID Connect session. Keys are text in the form of DID Connect reference b. AgentPk
// is empty if the app signed itself.
type Reply struct {
	AppPk, AgentPk, AuthInfo string
}

// Connect is the verified sender of a Reply.
type Connect struct {
	// App is the app for which accounts are derived. Agent is the party that
	// signed in the app's name, zero if the app signed itself.
	App, Agent did.DID
	// AppKey is the app's public key, in the form its DID hashes.
	AppKey []byte
	// Token is the verified authInfo.
	Token did.Token
	// Certificate is the app's certificate for the agent; nil without an agent.
	Certificate *Certificate
}

// Requester returns the DID that signed the request, to which a delegation must be
// addressed (g.ii.2, check 5).
func (c Connect) Requester() did.DID {
	if c.Certificate != nil {
		return c.Agent
	}
	return c.App
}

// VerifyReply verifies the signature of a reply (c.8), with the app's key or,
// as soon as an agent is named anywhere, by checks 1 to 10 of DID Connect
// reference g.i. Checks 11 to 13 depend on what is asked: [Connect.Allow].
// Times have the tolerance of c.6.
//
// The last reply of an ECDSA app is not authenticated (c.7). It is refused with
// final_unauthenticated; [did.ReadToken] returns its text.
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
		return Connect{}, did.Refuse("agent_did_missing", "the request has the key of an agent and does not name the agent")
	case r.AgentPk == "":
		return Connect{}, did.Refuse("agent_pk_missing", "the request names an agent and has no key of the agent")
	}
	return verifyAgent(r, outer, signer, now)
}

// agentMember returns the name of the member that names the agent; "" if none does.
// Old replies write to, which can have other meanings, so it counts only together
// with a certificate.
func agentMember(body did.Object) string {
	if body.Has("agentDid") {
		return "agentDid"
	}
	to := body.Has("to")
	certified := body.Has("verifiableClaims")
	if to && certified {
		return "to"
	}
	return ""
}

// verifyApp verifies a request that the app signed itself.
func verifyApp(r Reply, outer did.Token, now time.Time) (Connect, error) {
	key, err := did.DecodePublicKey(r.AppPk)
	if err != nil {
		return Connect{}, appMismatch()
	}
	verified, err := outer.Verify(did.Check{PublicKey: key, Now: now, Final: isFinal(outer.Body)})
	if err != nil {
		return Connect{}, blame(outer.Signer, key, appMismatch(), err)
	}
	return Connect{App: verified.Signer, AppKey: key, Token: verified}, nil
}

// verifyAgent makes checks 1 to 10 of g.i, in their order.
func verifyAgent(r Reply, outer did.Token, signer string, now time.Time) (Connect, error) {
	agent, ok := memberDID(outer.Body, signer)
	if text, _ := outer.Body.Text(signer); text == "" {
		return Connect{}, did.Refuse("agent_did_missing", "the request does not name its agent")
	} else if !ok {
		return Connect{}, did.Refuse("did_invalid", "the agent of the request is not a DID")
	}
	key, err := did.DecodePublicKey(r.AppPk)
	if err != nil {
		return Connect{}, appMismatch()
	}
	agentKey, err := did.DecodePublicKey(r.AgentPk)
	if err != nil {
		return Connect{}, blame(outer.Signer, key, appMismatch(), agentKeyMismatch())
	}
	c, err := verifyBoth(outer, signer, agent, key, agentKey, now)
	if err != nil {
		err = blame(agent, agentKey, agentKeyMismatch(), err)
		return Connect{}, blame(outer.Signer, key, appMismatch(), err)
	}
	return c, nil
}

// verifyBoth makes checks 4 to 10 of g.i: the agent's signature and the app's.
func verifyBoth(outer did.Token, signer string, agent did.DID, key, agentKey []byte, now time.Time) (Connect, error) {
	app := outer.Signer
	verified, err := outer.Verify(did.Check{PublicKey: agentKey, Signer: signer, Now: now, Final: isFinal(outer.Body)})
	switch did.CodeOf(err) {
	case "jwt_bad_signature", "jwt_alg_mismatch":
		return Connect{}, did.Refuse("authinfo_bad_signature", "the request was not signed by the agent it names")
	}
	if err != nil {
		return Connect{}, err
	}
	certificate, err := verifyCertificate(verified.Body, app, agent, key, now)
	if err != nil {
		return Connect{}, err
	}
	return Connect{App: app, Agent: agent, AppKey: key, Token: verified, Certificate: certificate}, nil
}

func appMismatch() error {
	return did.Refuse("app_pk_mismatch", "the app's DID does not belong to the key in the request")
}

func agentKeyMismatch() error {
	return did.Refuse("agent_pk_mismatch", "the agent's DID does not belong to the key in the request")
}

// isFinal reports whether a body is the last reply of a session, and not a request
// (d.4, check 6).
func isFinal(body did.Object) bool {
	final := body.Has("status")
	return final
}
