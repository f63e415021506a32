package delegation

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"walletd/internal/did"
)

type replyVectors struct {
	Cases []struct {
		Name, Expect string
		Reply        Reply
	}
}

func loadReplies(t testing.TB, name string, want int) replyVectors {
	var v replyVectors
	load(t, name, &v)
	if len(v.Cases) != want {
		t.Fatalf("%s: found %d replies, want %d", name, len(v.Cases), want)
	}
	return v
}

// requested reads the claims out of a verified request.
func requested(t testing.TB, body did.Object) []ClaimRequest {
	t.Helper()
	var claims []ClaimRequest
	if raw := body.Get("requestedClaims"); raw != nil {
		if err := json.Unmarshal(raw, &claims); err != nil {
			t.Fatal(err)
		}
	}
	return claims
}

func TestVerifyReplyFollowsTheVectorsWithAgent(t *testing.T) {
	for _, c := range loadReplies(t, "delegation-certificate.json", 26).Cases {
		t.Run(c.Name, func(t *testing.T) {
			connect, err := VerifyReply(c.Reply, now)
			if err == nil {
				err = connect.Allow(requested(t, connect.Token.Body))
			}
			wantCode(t, err, c.Expect)
			if c.Expect == "ok" && (connect.Certificate == nil || connect.Requester() != connect.Agent || connect.App == connect.Agent) {
				t.Errorf("does not tell app from agent: %v, %v", connect.App, connect.Agent)
			}
		})
	}
}

func TestVerifyReplyFollowsTheVectors(t *testing.T) {
	// What a session looks at after the signature held (reference d.4).
	ofSession := map[string]bool{"request": true, "final": true, "final_error": true, "url_origin_changed": true, "request_malformed": true}
	for _, c := range loadReplies(t, "authinfo.json", 20).Cases {
		t.Run(c.Name, func(t *testing.T) {
			connect, err := VerifyReply(c.Reply, now)
			switch {
			case ofSession[c.Expect]:
				wantCode(t, err, "ok")
				if connect.Certificate != nil || connect.Requester() != connect.App || !connect.Agent.IsZero() {
					t.Errorf("found an agent: %v", connect.Agent)
				}
				wantCode(t, connect.Allow([]ClaimRequest{{Type: "encryptionKey"}}), "ok")
			case c.Expect == "reply_unsigned": // there is nothing to verify
				wantCode(t, err, "jwt_malformed")
			default:
				wantCode(t, err, c.Expect)
			}
		})
	}
}

// conversation is a request by an agent, before it is signed.
type conversation struct {
	header      string // of the certificate; "" is the usual one
	certificate string
	body        string // <certificate> stands for the token
}

func (c conversation) reply(t testing.TB, parties map[string]party) Reply {
	t.Helper()
	app, agent := parties["app"], parties["agent"]
	var token string
	if c.header == "" {
		token = app.sign(t, fill(c.certificate, parties))
	} else {
		token = app.signAs(t, c.header, fill(c.certificate, parties))
	}
	body := strings.ReplaceAll(fill(c.body, parties), "<certificate>", token)
	return Reply{AppPk: app.pk, AgentPk: agent.pk, AuthInfo: agent.sign(t, body)}
}

const (
	goodCertificate = `{"iss":"<app>","agentDid":"<agent>","exp":<hour>,"permissions":[{"role":"DIDConnectAgent","claims":["authPrincipal","encryptionKey"]}],"version":"1.1.0"}`
	goodRequest     = `{"iss":"<app>","agentDid":"<agent>","exp":<hour>,"verifiableClaims":[{"type":"certificate","content":"<certificate>"}],"version":"1.1.0"}`
)

func agents(t testing.TB, key did.KeyType) map[string]party {
	return map[string]party{"app": application(t, 1, key), "agent": application(t, 2, key), "other": application(t, 3, did.Ed25519)}
}

func TestVerifyReplyOfAnAgent(t *testing.T) {
	replace := func(whole, old, new string) string {
		changed := strings.Replace(whole, old, new, 1)
		if changed == whole {
			t.Fatalf("%q is not in it", old)
		}
		return changed
	}
	cert := func(old, new string) conversation {
		return conversation{certificate: replace(goodCertificate, old, new), body: goodRequest}
	}
	request := func(old, new string) conversation {
		return conversation{certificate: goodCertificate, body: replace(goodRequest, old, new)}
	}
	const list = `[{"type":"certificate","content":"<certificate>"}]`
	for _, c := range []struct {
		name string
		conversation
		want string
	}{
		{"takes the form in the reference", conversation{certificate: goodCertificate, body: goodRequest}, "ok"},
		{"takes a certificate that names the agent twice", cert(`"exp"`, `"to":"<agent>","exp"`), "ok"},
		{"takes an ed25519 certificate of version 1.0.0", cert("1.1.0", "1.0.0"), "ok"},
		{"takes a certificate for a hundred years", cert("<hour>", "4923000000"), "ok"},

		{"refuses a certificate for two agents", cert(`"exp"`, `"to":"<other>","exp"`), "delegation_agent_mismatch"},
		{"refuses a certificate for nobody", cert(`"agentDid":"<agent>",`, ``), "delegation_agent_mismatch"},
		{"refuses a certificate for a list of agents", cert(`"<agent>"`, `["<agent>"]`), "delegation_agent_mismatch"},
		{"refuses a made-up method of the agent", cert(`"<agent>"`, `"did:evil:<agent.bare>"`), "delegation_agent_mismatch"},
		{"refuses an end in milliseconds", cert("<hour>", "<hour>000"), "delegation_malformed"},
		{"refuses an end of 0", cert("<hour>", "0"), "delegation_expired"},
		{"refuses an issuer that is no DID", cert(`"<app>"`, `"did:evil:<app.bare>"`), "delegation_malformed"},
		{"refuses a certificate member twice", cert(`"exp"`, `"exp":1,"exp"`), "delegation_malformed"},
		{"refuses a nested certificate member twice", cert(`"claims"`, `"claims":[],"claims"`), "delegation_malformed"},
		{"refuses a certificate member in two cases", cert(`"exp"`, `"Exp":1,"exp"`), "delegation_malformed"},
		{"refuses a nested certificate member in two cases", cert(`"claims"`, `"CLAIMS":[],"claims"`), "delegation_malformed"},
		{"refuses a DelegationToken", conversation{`{"alg":"Ed25519","typ":"DelegationToken"}`, goodCertificate, goodRequest}, "delegation_malformed"},
		{"refuses the algorithm of another key", conversation{`{"alg":"ES256K","type":"JWT"}`, goodCertificate, goodRequest}, "delegation_bad_signature"},

		{"refuses verifiable claims that are no list", request(list, `{"type":"certificate","content":"<certificate>"}`), "delegation_missing"},
		{"refuses a certificate in second place", request(list, `[{"type":"note"},{"type":"certificate","content":"<certificate>"}]`), "delegation_missing"},
		{"refuses an empty list", request(list, `[]`), "delegation_missing"},
		{"refuses an empty certificate", request("<certificate>", ``), "delegation_missing"},
		{"refuses a certificate that is text", request("<certificate>", `hello`), "delegation_malformed"},
		{"refuses a certificate with type in two cases", request(`{"type"`, `{"Type":"note","type"`), "delegation_missing"},
		{"refuses an agent that is no text", request(`"<agent>"`, `["<agent>"]`), "agent_did_missing"},
		{"refuses an agent that is no DID", request(`"<agent>"`, `"did:evil:<agent.bare>"`), "did_invalid"},
		{"refuses an agent that is somebody else", request(`"<agent>"`, `"<other>"`), "agent_pk_mismatch"},
		{"refuses another app", request(`"<app>"`, `"<other>"`), "app_pk_mismatch"},
		{"refuses a request that has expired", request("<hour>", "<past>"), "jwt_expired"},
		{"refuses a request in milliseconds", request("<hour>", "<hour>000"), "jwt_time_invalid"},
		{"refuses a request with a member twice", request(`"exp"`, `"exp":1,"exp"`), "jwt_malformed"},
		{"refuses a request with a nested member twice", request(`"content"`, `"content":"x","content"`), "jwt_malformed"},
		{"refuses a request with agentDid in two cases", request(`"exp"`, `"AgentDid":"<other>","exp"`), "jwt_malformed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := VerifyReply(c.reply(t, agents(t, did.Ed25519)), now)
			wantCode(t, err, c.want)
		})
	}
}

func TestVerifyReplyNeedsBothKeyAndName(t *testing.T) {
	parties := agents(t, did.Ed25519)
	app := parties["app"]
	for _, c := range []struct{ name, agentPk, body, want string }{
		{"takes an app that speaks for itself", "", `{"iss":"<app>","exp":<hour>,"version":"1.1.0"}`, "ok"},
		{"takes a member to that is not about an agent", "", `{"iss":"<app>","to":"<other>","exp":<hour>,"version":"1.1.0"}`, "ok"},
		{"refuses an agent with a name alone", "", `{"iss":"<app>","agentDid":"<agent>","exp":<hour>,"version":"1.1.0"}`, "agent_pk_missing"},
		{"refuses an old agent with a name alone", "", `{"iss":"<app>","to":"<agent>","verifiableClaims":[],"exp":<hour>,"version":"1.1.0"}`, "agent_pk_missing"},
		{"refuses an agent that is null", "", `{"iss":"<app>","agentDid":null,"exp":<hour>,"version":"1.1.0"}`, "agent_pk_missing"},
		{"refuses an agent with a key alone", "<agent.pk>", `{"iss":"<app>","exp":<hour>,"version":"1.1.0"}`, "agent_did_missing"},
		{"refuses an agent named in to without a certificate", "<agent.pk>", `{"iss":"<app>","to":"<agent>","exp":<hour>,"version":"1.1.0"}`, "agent_did_missing"},
		{"refuses the app as its own unproven agent", "<app.pk>", `{"iss":"<app>","agentDid":"<app>","exp":<hour>,"version":"1.1.0"}`, "delegation_missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := VerifyReply(Reply{app.pk, fill(c.agentPk, parties), app.sign(t, fill(c.body, parties))}, now)
			wantCode(t, err, c.want)
		})
	}
}

func TestVerifyReplyForECDSA(t *testing.T) {
	for _, key := range []did.KeyType{did.Secp256k1, did.Ethereum} {
		t.Run(key.String(), func(t *testing.T) {
			parties := agents(t, key)
			_, err := VerifyReply(conversation{certificate: goodCertificate, body: goodRequest}.reply(t, parties), now)
			wantCode(t, err, "ok")

			old := func(body string) string { return strings.Replace(body, "1.1.0", "1.0.0", 1) }
			_, err = VerifyReply(conversation{certificate: old(goodCertificate), body: goodRequest}.reply(t, parties), now)
			wantCode(t, err, "delegation_bad_signature")
			_, err = VerifyReply(conversation{certificate: goodCertificate, body: old(goodRequest)}.reply(t, parties), now)
			wantCode(t, err, "jwt_unhashed_ecdsa")
			last := strings.Replace(old(goodRequest), `"exp"`, `"status":"ok","exp"`, 1)
			_, err = VerifyReply(conversation{certificate: goodCertificate, body: last}.reply(t, parties), now)
			wantCode(t, err, "final_unauthenticated")

			// An unhashed signature over any other token of the app, put under a
			// certificate of the attacker's own making (reference c.7).
			app := parties["app"]
			leaked := app.sign(t, fill(`{"iss":"<app>","status":"ok","exp":<hour>}`, parties))
			header := strings.Split(leaked, ".")[0]
			forged := header + "." + did.EncodeBase64URL([]byte(fill(old(goodCertificate), parties))) + "." + strings.Split(leaked, ".")[2]
			body := strings.Replace(fill(goodRequest, parties), "<certificate>", forged, 1)
			_, err = VerifyReply(Reply{app.pk, parties["agent"].pk, parties["agent"].sign(t, body)}, now)
			wantCode(t, err, "delegation_bad_signature")
		})
	}
}

func TestAllow(t *testing.T) {
	asks := func(types ...string) []ClaimRequest {
		var claims []ClaimRequest
		for _, name := range types {
			claims = append(claims, ClaimRequest{Type: name})
		}
		return claims
	}
	profile := func(items ...string) []ClaimRequest { return []ClaimRequest{{Type: "profile", Items: items}} }
	const agentRole = `"permissions":[{"role":"DIDConnectAgent","claims":["authPrincipal","encryptionKey"]}]`
	for _, c := range []struct {
		name, covers string
		claims       []ClaimRequest
		want         string
	}{
		{"allows what is listed", agentRole, asks("authPrincipal", "encryptionKey"), "ok"},
		{"allows other letters", `"permissions":[{"role":"didConnectAgent","claims":["EncryptionKey"]}]`, asks("encryptionKey"), "ok"},
		{"allows what two entries list together", `"permissions":["x",{"role":"DIDConnectAgent","claims":["profile"]},{"role":"DIDConnectAgent","claims":["asset"]}]`, asks("asset", "profile"), "ok"},
		{"allows a last reply", agentRole, nil, "ok"},
		{"refuses one among many", agentRole, asks("authPrincipal", "keyPair", "encryptionKey"), "delegation_claim_not_allowed"},
		{"refuses a Kelvin sign for a k", agentRole, asks("encryption\u212aey"), "delegation_claim_not_allowed"},
		{"refuses a type without a name", agentRole, asks(""), "delegation_claim_not_allowed"},
		{"refuses a last reply without the role", `"permissions":["x"]`, nil, "delegation_role_missing"},
		{"refuses ops beside permissions", `"permissions":[{"role":"DIDConnectAgent","claims":["profile"]}],"ops":{"encryptionKey":[]}`, asks("encryptionKey"), "delegation_claim_not_allowed"},
		{"refuses authPrincipal beside permissions", `"permissions":[{"role":"DIDConnectAgent","claims":["profile"]}]`, asks("authPrincipal"), "delegation_claim_not_allowed"},
		{"refuses permissions that are text", `"permissions":"DIDConnectAgent","ops":{"encryptionKey":[]}`, asks("encryptionKey"), "delegation_role_missing"},
		{"refuses claims as one text", `"permissions":[{"role":"DIDConnectAgent","claims":"encryptionKey"}]`, asks("encryptionKey"), "delegation_claim_not_allowed"},

		{"allows by ops", `"ops":{"encryptionKey":[]}`, asks("authPrincipal", "encryptionKey"), "ok"},
		{"allows by ops beside empty permissions", `"permissions":[],"ops":{"encryptionKey":[]}`, asks("encryptionKey"), "ok"},
		{"allows items in the list", `"ops":{"profile":["fullName","email"]}`, profile("email"), "ok"},
		{"allows any item of an empty list", `"ops":{"profile":[]}`, profile("email", "phone"), "ok"},
		{"allows items that are no profile's", `"ops":{"verifiableCredential":["fullName"]}`, []ClaimRequest{{"verifiableCredential", []string{"x"}}}, "ok"},
		{"refuses an item outside the list", `"ops":{"profile":["fullName"]}`, profile("fullName", "phone"), "delegation_claim_not_allowed"},
		{"refuses a list of mixed types", `"ops":{"profile":["fullName",1]}`, profile("fullName"), "delegation_claim_not_allowed"},
		{"refuses a type that is true", `"ops":{"encryptionKey":true}`, asks("encryptionKey"), "delegation_claim_not_allowed"},
		{"refuses a type in other letters", `"ops":{"encryptionkey":[]}`, asks("encryptionKey"), "delegation_claim_not_allowed"},
		{"refuses ops that are a list", `"ops":["encryptionKey"]`, asks("encryptionKey"), "delegation_claim_not_allowed"},
		{"allows authPrincipal with neither form", `"x":1`, asks("authPrincipal"), "ok"},
		{"refuses all else with neither form", `"permissions":null`, asks("authPrincipal", "encryptionKey"), "delegation_claim_not_allowed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			certificate := strings.Replace(goodCertificate, agentRole, c.covers, 1)
			connect, err := VerifyReply(conversation{certificate: certificate, body: goodRequest}.reply(t, agents(t, did.Ed25519)), now)
			if err != nil {
				t.Fatal(err)
			}
			wantCode(t, connect.Allow(c.claims), c.want)
		})
	}
}

func FuzzVerifyReply(f *testing.F) {
	for name, n := range map[string]int{"delegation-certificate.json": 26, "authinfo.json": 20} {
		for _, c := range loadReplies(f, name, n).Cases {
			f.Add(c.Reply.AppPk, c.Reply.AgentPk, c.Reply.AuthInfo)
		}
	}
	f.Fuzz(func(t *testing.T, appPk, agentPk, authInfo string) {
		connect, err := VerifyReply(Reply{appPk, agentPk, authInfo}, now)
		if err != nil {
			if did.CodeOf(err) == "" {
				t.Errorf("refused without a code: %v", err)
			}
			return
		}
		if (connect.Certificate == nil) != connect.Agent.IsZero() || connect.App.IsZero() {
			t.Errorf("took %+v", connect)
		}
		if connect.Certificate != nil && connect.Certificate.Expires.Before(now.Add(-6*time.Second)) {
			t.Error("took a certificate that has expired")
		}
	})
}
