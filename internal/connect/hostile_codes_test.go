package connect

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"walletd/internal/did"
)

// under is a token of the far with another header, signed as it is.
func (f *far) under(header, token string) string {
	f.t.Helper()
	unsigned := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + strings.Split(token, ".")[1]
	sig, err := f.key.SignBytes(did.SHA3.Sum([]byte(unsigned)))
	if err != nil {
		f.t.Fatal(err)
	}
	return unsigned + "." + base64.RawURLEncoding.EncodeToString(sig)
}

// unsound is a token whose signature is none of it.
func unsound(token string) string {
	return token[:strings.LastIndex(token, ".")+1] + strings.Repeat("A", 86)
}

// signs asks the account that answered last to sign a delegation to the app.
func (f *far) signs(change map[string]any) says {
	return func(answer []byte) []byte {
		var told struct{ UserInfo string }
		if err := json.Unmarshal(answer, &told); err != nil {
			f.t.Error(err)
			return nil
		}
		token, err := did.ReadToken(told.UserInfo)
		if err != nil {
			f.t.Error(err)
			return nil
		}
		all := map[string]any{"iss": token.Signer.String(), "to": f.did.Address(), "permissions": connects("encryptionKey")}
		for name, value := range change {
			all[name] = value
		}
		text := f.token(vectorStart, all)
		origin := did.EncodeBase58([]byte(text[:strings.LastIndex(text, ".")]))
		return f.asks(claim("signature", "typeUrl", "fg:x:delegation", "origin", origin))(answer)
	}
}

// hostileCodes are apps that are told from others by one code of reference l. What stops a session
// is sent as its first reply; what stops it there and is declined later, as its second too.
func hostileCodes(t testing.TB) []hostile {
	t.Helper()
	app, other, agent := newFar(t, 1, did.Ed25519), newFar(t, 2, did.Ed25519), newFar(t, 5, did.Ed25519)
	held, ecdsa := newFar(t, heldSeed, did.Ed25519), newFar(t, 6, did.Secp256k1)
	_, channel := vectorKeys(t)
	shared := channel.RSA[0].SealedBase58

	// with is a first reply with other members, as what is written over it.
	with := func(change map[string]any, over ...func(*wire)) says {
		all := map[string]any{"url": appURL}
		for name, value := range change {
			all[name] = value
		}
		w := app.reply(vectorStart, all)
		for _, do := range over {
			do(&w)
		}
		return app.sends(w)
	}
	token := func(change func(string) string) says {
		return with(nil, func(w *wire) { w.AuthInfo = change(w.AuthInfo) })
	}
	from := func(f *far, header string) says {
		w := f.reply(vectorStart, map[string]any{"url": appURL})
		w.AuthInfo = f.under(header, w.AuthInfo)
		return f.sends(w)
	}
	principal := claim("authPrincipal")
	// by is a request of the agent, with other members, and what is written over it.
	by := func(change map[string]any, over ...func(*wire)) says {
		w := app.by(agent, app.certifies(agent, nil), change, principal)
		for _, do := range over {
			do(&w)
		}
		return app.sends(w)
	}
	// shows is a request of the agent that shows a certificate.
	shows := func(certificate string) says { return app.sends(app.by(agent, certificate, nil, principal)) }
	changed := func(change map[string]any) says { return shows(app.certifies(agent, change)) }
	// presents is a request for the key of the held account.
	presents := func(change map[string]any) says {
		return app.asks(claim("encryptionKey", "salt", held.did.Address(), "delegation", held.delegates(app, change)))
	}
	unsigned := app.asks(claim("encryptionKey", "salt", held.did.Address(), "delegation", unsound(held.delegates(app, nil))))
	in := func(d time.Duration) int64 { return vectorStart.Add(d).Unix() }
	invalid := "did:abt:zNKtCNqYWLYWYW3gWRA1vnRykfCBZYHZvzKs"
	start := app.asks()

	return []hostile{
		{"refuses a key of the channel that does not open", []says{with(nil, func(w *wire) { w.SharedKey = "zAbc" })}, Refused, "shared_key_unreadable", 0},
		{"refuses what is sealed and does not open", []says{with(nil, func(w *wire) { w.AuthInfo, w.SharedKey, w.Version = "zAbc", shared, "1.0.0" })}, Refused, "sealed_reply_unreadable", 0},

		{"refuses a token of two parts", []says{token(func(s string) string { return s[:strings.LastIndex(s, ".")] })}, Refused, "jwt_malformed", 0},
		{"refuses a token of four parts", []says{token(func(s string) string { return s + ".AAAA" })}, Refused, "jwt_malformed", 0},
		{"refuses a token with padding", []says{token(func(s string) string { return s + "=" })}, Refused, "jwt_malformed", 0},
		{"refuses a token of nobody", []says{with(map[string]any{"iss": nil})}, Refused, "jwt_no_signer", 0},
		{"refuses a token of a number", []says{with(map[string]any{"iss": 7})}, Refused, "jwt_no_signer", 0},
		{"refuses a version of tokens yet to come", []says{with(map[string]any{"version": "1.2.0"})}, Refused, "jwt_version", 0},
		{"refuses an end that is no time", []says{with(map[string]any{"exp": "soon"})}, Refused, "jwt_time_invalid", 0},

		{"refuses a DID with a wrong checksum", []says{with(map[string]any{"iss": invalid})}, Refused, "did_invalid", 0},
		{"refuses a DID of a made-up method", []says{with(map[string]any{"iss": "did:foo:" + app.did.Address()})}, Refused, "did_invalid", 0},
		{"refuses an agent that is no DID", []says{by(map[string]any{"agentDid": invalid})}, Refused, "did_invalid", 0},
		{"refuses a key that is none", []says{with(nil, func(w *wire) { w.AppPk = "zAbc" })}, Refused, "app_pk_mismatch", 0},
		{"refuses a key that is not base58", []says{with(nil, func(w *wire) { w.AppPk = "0" })}, Refused, "app_pk_mismatch", 0},
		{"refuses another app's key behind an agent", []says{by(nil, func(w *wire) { w.AppPk = did.EncodeBase58(other.key.Public()) })}, Refused, "app_pk_mismatch", 0},
		{"refuses an agent's key that is none", []says{by(nil, func(w *wire) { w.AgentPk = "zAbc" })}, Refused, "agent_pk_mismatch", 0},
		{"refuses another agent's key", []says{by(nil, func(w *wire) { w.AgentPk = did.EncodeBase58(other.key.Public()) })}, Refused, "agent_pk_mismatch", 0},
		{"refuses another agent's key at the second step", []says{start, by(nil, func(w *wire) { w.AgentPk = did.EncodeBase58(other.key.Public()) })}, Unknown, "agent_pk_mismatch", 1},
		{"refuses an agent without a key", []says{by(nil, func(w *wire) { w.AgentPk = "" })}, Refused, "agent_pk_missing", 0},
		{"refuses the key of an agent without a name", []says{by(map[string]any{"agentDid": nil})}, Refused, "agent_did_missing", 0},

		{"refuses an algorithm of other keys", []says{from(app, `{"alg":"ES256K","type":"JWT"}`)}, Refused, "jwt_alg_mismatch", 0},
		{"refuses an algorithm of the same curve", []says{from(ecdsa, `{"alg":"Ethereum","type":"JWT"}`)}, Refused, "jwt_alg_mismatch", 0},
		{"refuses no algorithm", []says{from(app, `{"alg":"none","type":"JWT"}`)}, Refused, "jwt_alg_mismatch", 0},
		{"refuses what its agent did not sign", []says{by(nil, func(w *wire) { w.AuthInfo = unsound(w.AuthInfo) })}, Refused, "authinfo_bad_signature", 0},
		{"refuses what its agent did not sign at the second step", []says{start, by(nil, func(w *wire) { w.AuthInfo = unsound(w.AuthInfo) })}, Unknown, "authinfo_bad_signature", 1},

		{"refuses a request without an end", []says{with(map[string]any{"exp": nil})}, Refused, "jwt_no_exp", 0},
		{"refuses a request of later", []says{with(map[string]any{"iat": in(time.Hour), "exp": in(2 * time.Hour)})}, Refused, "jwt_iat_future", 0},
		{"refuses a request for later", []says{with(map[string]any{"nbf": in(time.Hour), "exp": in(2 * time.Hour)})}, Refused, "jwt_nbf_future", 0},

		{"refuses an agent without a certificate", []says{by(map[string]any{"verifiableClaims": nil})}, Refused, "delegation_missing", 0},
		{"declines where an agent lost its certificate", []says{start, by(map[string]any{"verifiableClaims": nil})}, Declined, "delegation_missing", 2},
		{"declines to give another account's key without a delegation", []says{
			app.asks(claim("authPrincipal", "target", held.did.Address())), app.asks(claim("encryptionKey", "salt", "x"))}, Declined, "delegation_missing", 2},
		{"refuses a certificate that is no token", []says{shows("a.b.c")}, Refused, "delegation_malformed", 0},
		{"declines where a certificate is no token", []says{start, shows("a.b.c")}, Declined, "delegation_malformed", 2},
		{"refuses a DelegationToken for a certificate", []says{shows(app.under(`{"alg":"Ed25519","typ":"DelegationToken"}`, app.certifies(agent, nil)))}, Refused, "delegation_malformed", 0},
		{"refuses a certificate of another app", []says{shows(other.certifies(agent, nil))}, Refused, "delegation_issuer_mismatch", 0},
		{"declines where a certificate is of another app", []says{start, shows(other.certifies(agent, nil))}, Declined, "delegation_issuer_mismatch", 2},
		{"declines a delegation of another account than it is from", []says{start, presents(map[string]any{"from": other.did.Address()})}, Declined, "delegation_issuer_mismatch", 2},
		{"refuses a certificate that the app did not sign", []says{shows(unsound(app.certifies(agent, nil)))}, Refused, "delegation_bad_signature", 0},
		{"declines where the app did not sign the certificate", []says{start, shows(unsound(app.certifies(agent, nil)))}, Declined, "delegation_bad_signature", 2},
		{"declines a delegation that nobody signed", []says{unsigned}, Declined, "delegation_bad_signature", 1},
		{"declines a delegation that nobody signed at the second step", []says{start, unsigned}, Declined, "delegation_bad_signature", 2},
		{"refuses a certificate for another agent", []says{changed(map[string]any{"agentDid": other.did.String()})}, Refused, "delegation_agent_mismatch", 0},
		{"declines where a certificate is for another agent", []says{start, changed(map[string]any{"agentDid": other.did.String()})}, Declined, "delegation_agent_mismatch", 2},

		{"refuses a certificate that expired", []says{changed(map[string]any{"exp": in(-time.Minute)})}, Refused, "delegation_expired", 0},
		{"declines a delegation that expired", []says{start, presents(map[string]any{"exp": in(-time.Minute)})}, Declined, "delegation_expired", 2},
		{"refuses a certificate for later", []says{changed(map[string]any{"nbf": in(time.Minute)})}, Refused, "delegation_not_yet_valid", 0},
		{"declines where a certificate is for later", []says{start, changed(map[string]any{"nbf": in(time.Minute)})}, Declined, "delegation_not_yet_valid", 2},
		{"declines a delegation for later", []says{start, presents(map[string]any{"nbf": in(time.Minute)})}, Declined, "delegation_not_yet_valid", 2},
		{"refuses a certificate without an end", []says{changed(map[string]any{"exp": nil})}, Refused, "delegation_no_exp", 0},
		{"declines where a certificate has no end", []says{start, changed(map[string]any{"exp": nil})}, Declined, "delegation_no_exp", 2},
		{"declines a delegation without an end", []says{start, presents(map[string]any{"exp": nil})}, Declined, "delegation_no_exp", 2},
		{"refuses a certificate of another role", []says{changed(map[string]any{"permissions": []string{"publish"}})}, Refused, "delegation_role_missing", 0},
		{"declines where a certificate is of another role", []says{start, changed(map[string]any{"permissions": []string{"publish"}})}, Declined, "delegation_role_missing", 2},
		{"declines a delegation of another role", []says{start, presents(map[string]any{"permissions": []string{"publish"}})}, Declined, "delegation_role_missing", 2},
		{"declines a delegation of other claims", []says{start, presents(map[string]any{"permissions": connects("profile")})}, Declined, "delegation_claim_not_allowed", 2},

		{"declines a credential that it does not hold", []says{start, app.asks(claim("verifiableCredential", "item", []string{"Passport"}, "challenge", "A1B2C3D4E5F60718"))}, Declined, "credential_not_held", 2},
		{"declines that of an unregistered app as well", []says{app.asks(claim("verifiableCredential", "item", []string{"Passport"}, "challenge", "A1B2C3D4E5F60718"))}, Declined, "credential_not_held", 1},
		{"declines to sign 32 bytes under the method none", []says{start, app.asks(claim("signature", "typeUrl", "mime:text/plain", "method", "none", "digest", did.EncodeBase58(make([]byte, 32))))}, Declined, "blind_signature", 2},
		{"declines to sign a login as a delegation", []says{start, app.signs(map[string]any{"challenge": "x", "action": "responseAuth"})}, Declined, "delegation_is_a_session_message", 2},
		{"declines to sign a delegation to somebody else", []says{start, app.signs(map[string]any{"to": other.did.Address()})}, Declined, "delegation_agent_mismatch", 2},
	}
}

// What follows from a code (reference l).
const (
	stop     = "stop"    // nothing is sent
	declines = "decline" // the app is told no
	either   = "either"  // stop where the reply is at fault, decline where an authentic request is, or once the session has started
	never    = "never"   // as a code of a session
)

// Each code of reference l has an app that gets it, or a reason why none can.
func TestEachCodeHasAHostileApp(t *testing.T) {
	codes := []struct{ code, then, why string }{
		{"app_unreachable", stop, ""},
		{"app_timeout", never, "a far side that takes its time: TestAppsThatDoNotAnswer"},
		{"app_http_error", stop, ""},
		{"reply_unsigned", stop, ""},
		{"shared_key_unreadable", stop, ""},
		{"sealed_reply_unreadable", stop, ""},
		{"reply_sealed_without_key", stop, ""},
		{"jwt_malformed", stop, ""},
		{"jwt_no_signer", stop, ""},
		{"jwt_version", stop, ""},
		{"jwt_time_invalid", stop, ""},
		{"request_malformed", either, ""},
		{"did_invalid", either, ""},
		{"did_pk_mismatch", never, "a session knows whose key it is: app_pk_mismatch, agent_pk_mismatch, or delegation_issuer_mismatch"},
		{"pk_malformed", never, "a key that is none is not the app's or the agent's: app_pk_mismatch, agent_pk_mismatch"},
		{"app_pk_mismatch", stop, ""},
		{"agent_pk_mismatch", stop, ""},
		{"agent_pk_missing", stop, ""},
		{"agent_did_missing", stop, ""},
		{"jwt_alg_mismatch", stop, ""},
		{"jwt_unhashed_ecdsa", stop, ""},
		{"jwt_bad_signature", stop, ""},
		{"authinfo_bad_signature", stop, ""},
		{"jwt_expired", stop, ""},
		{"jwt_no_exp", stop, ""},
		{"jwt_iat_future", stop, ""},
		{"jwt_nbf_future", stop, ""},
		{"app_changed", stop, ""},
		{"url_origin_changed", stop, ""},
		{"delegation_missing", either, ""},
		{"delegation_malformed", either, ""},
		{"delegation_issuer_mismatch", either, ""},
		{"delegation_bad_signature", either, ""},
		{"delegation_agent_mismatch", either, ""},
		{"delegation_expired", either, ""},
		{"delegation_not_yet_valid", either, ""},
		{"delegation_no_exp", either, ""},
		// Of these two reference l says decline, and g.i to say nothing at the first reply.
		{"delegation_role_missing", either, ""},
		{"delegation_claim_not_allowed", either, ""},
		{"account_not_held", declines, ""},
		{"credential_not_held", declines, ""},
		{"salt_mismatch", declines, ""},
		{"claim_unsupported", declines, ""},
		{"text_is_a_token", declines, ""},
		{"blind_signature", declines, ""},
		{"delegation_is_a_session_message", declines, ""},
		{"chain_broken", never, "no claim takes a DelegationToken: delegation_malformed"},
		{"chain_expiry", never, "as chain_broken"},
		{"scope_widened", never, "as chain_broken"},
		{"chain_too_deep", never, "as chain_broken"},
		{"final_unauthenticated", never, "such a session is done, and unconfirmed: TestTheEndOfAnECDSAApp"},
	}
	ends := map[string][]State{}
	for _, tt := range append(hostileApps(t), hostileCodes(t)...) {
		if tt.code != "" {
			ends[tt.code] = append(ends[tt.code], tt.state)
		}
	}
	for _, c := range codes {
		stopped, declined := slices.Contains(ends[c.code], Refused) || slices.Contains(ends[c.code], Unknown), slices.Contains(ends[c.code], Declined)
		want := map[string][2]bool{stop: {true, false}, declines: {false, true}, either: {true, true}, never: {false, false}}[c.then]
		if got := [2]bool{stopped, declined}; got != want {
			t.Errorf("%s: an app is met with silence: %v, is declined: %v; want %s", c.code, stopped, declined, c.then)
		}
		if (c.why == "") == (c.then == never) {
			t.Errorf("%s: %q is not why it is %s", c.code, c.why, c.then)
		}
		delete(ends, c.code)
	}
	for code := range ends {
		t.Errorf("%s is none of the codes", code)
	}
}
