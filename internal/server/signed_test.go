package server_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"walletd/internal/did"
	"walletd/internal/wallettest"
)

var (
	everything = members{"app": "*", "claim": "*", "decision": "allow", "tokens": "any"}
	notesKey   = []members{wallettest.EncryptionKey("notes")}
)

// open verifies the answer to a signed request as a dApp would and returns its body.
func open(t *testing.T, w *wallettest.Wallet, answer *wallettest.Response) did.Object {
	t.Helper()
	answer.Must(200)
	pk, err := did.DecodePublicKey(answer.Text("userPk"))
	if err != nil {
		t.Fatal(err)
	}
	token, err := did.VerifyToken(answer.Text("userInfo"), did.Check{PublicKey: pk, Now: w.Store.Now()})
	if err != nil {
		t.Fatalf("a dApp would refuse the answer: %v", err)
	}
	return token.Body
}

func keyIn(t *testing.T, body did.Object) string {
	t.Helper()
	var claims []struct{ Key string }
	if err := json.Unmarshal(body.Get("requestedClaims"), &claims); err != nil || len(claims) != 1 || claims[0].Key == "" {
		t.Fatalf("no key in %s: %v", body.Get("requestedClaims"), err)
	}
	return claims[0].Key
}

func TestSignedRequestIsAnswered(t *testing.T) {
	w := wallettest.New(t)
	w.Rules(everything)
	notes := w.App("Notes")
	want := notes.Ask(notesKey...).Key()
	account := notes.Ask(notesKey...).Text("userDid")

	t.Run("with the key that a token gets", func(t *testing.T) {
		body := open(t, w.In(t), notes.AskSigned(notesKey, members{"challenge": "what the app drew"}))
		if got := keyIn(t, body); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		for name, want := range map[string]string{"challenge": "what the app drew", "aud": notes.DID.String(), "action": "responseAuth", "version": "1.1.0"} {
			if got, _ := body.Text(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
	})
	t.Run("when its aud is the app's account in the wallet", func(t *testing.T) {
		open(t, w.In(t), notes.AskSigned(notesKey, members{"aud": "did:abt:" + account}))
	})
	t.Run("when its aud is a list of one", func(t *testing.T) {
		open(t, w.In(t), notes.AskSigned(notesKey, members{"aud": []string{"did:abt:" + account}}))
	})
	t.Run("without a challenge", func(t *testing.T) {
		if open(t, w.In(t), notes.AskSigned(notesKey)).Has("challenge") {
			t.Error("a challenge that was not sent is echoed")
		}
	})
	t.Run("sealed to the key it brought", func(t *testing.T) {
		private, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		answer := notes.AskSigned(notesKey, members{"_ek_": did.EncodeChannelPublicKey(&private.PublicKey)}).Must(200)
		if answer.Text("version") != "1.0.0" || strings.Contains(string(answer.Body), want) {
			t.Fatalf("not sealed: %s", answer.Body)
		}
		channel, err := did.UnwrapChannelKey(answer.Text("sharedKey"), private)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := channel.Open(answer.Text("userInfo"))
		if err != nil {
			t.Fatal(err)
		}
		body, err := did.ReadToken(string(plain))
		if err != nil || keyIn(t, body.Body) != want {
			t.Errorf("opened %q: %v", plain, err)
		}
	})
}

func TestSignedRequestIsRefused(t *testing.T) {
	w := wallettest.New(t)
	w.Rules(everything)
	notes, other := w.App("Notes"), w.App("Other")
	othersAccount := other.Ask(notesKey...).Text("userDid")
	now := w.Store.Now().Unix()
	for _, c := range []struct {
		name   string
		change members
		status int
		code   string
	}{
		{"an ordinary authInfo, without aud", members{"aud": nil}, 400, "aud_missing"},
		{"an empty aud", members{"aud": ""}, 400, "aud_missing"},
		{"an ordinary authInfo, with its url", members{"url": "https://notes.example/auth"}, 400, "url_present"},
		{"an ordinary authInfo, with a url and no aud", members{"url": "https://notes.example/auth", "aud": nil}, 400, "url_present"},
		{"an empty url", members{"url": ""}, 400, "url_present"},
		{"a request for another wallet", members{"aud": "z1nsdV7esuV3MfsGmcyckqErnvjyzU8RQGV"}, 403, "aud_mismatch"},
		{"a request for another app's account", members{"aud": othersAccount}, 403, "aud_mismatch"},
		{"an aud that is no DID", members{"aud": "the wallet"}, 403, "aud_mismatch"},
		{"an aud that names another wallet too", members{"aud": []string{w.Address, "z1nsdV7esuV3MfsGmcyckqErnvjyzU8RQGV"}}, 403, "aud_mismatch"},
		{"an aud that names this wallet twice", members{"aud": []string{w.Address, w.Address}}, 403, "aud_mismatch"},
		{"an aud that names nobody", members{"aud": []string{}}, 400, "aud_missing"},
		{"an aud that is a number", members{"aud": 7}, 400, "aud_missing"},
		{"an aud that is a list of numbers", members{"aud": []int{7}}, 400, "aud_missing"},
		{"another action", members{"action": "declineAuth"}, 400, "request_malformed"},
		{"no jti", members{"jti": nil}, 400, "jti_missing"},
		{"an empty jti", members{"jti": ""}, 400, "jti_invalid"},
		{"a jti that is a number", members{"jti": 7}, 400, "jti_invalid"},
		{"a jti of 129 characters", members{"jti": strings.Repeat("é", 129)}, 400, "jti_invalid"},
		{"a lifetime over 300 seconds", members{"iat": now, "nbf": now, "exp": now + 301}, 403, "jwt_lifetime"},
		{"no iat", members{"iat": nil}, 403, "jwt_lifetime"},
		{"milliseconds in exp", members{"exp": (now + 300) * 1000}, 400, "jwt_time_invalid"},
		{"a word in exp", members{"exp": "tomorrow"}, 400, "jwt_time_invalid"},
		{"no exp", members{"exp": nil}, 403, "jwt_no_exp"},
		{"a request that has expired", members{"iat": now - 600, "nbf": now - 600, "exp": now - 400}, 403, "jwt_expired"},
		{"a request from the future", members{"iat": now + 900, "nbf": now + 900, "exp": now + 1000}, 403, "jwt_iat_future"},
		{"a request that is not valid yet", members{"nbf": now + 900}, 403, "jwt_nbf_future"},
		{"an unknown version", members{"version": "2.0.0"}, 400, "jwt_version"},
		{"a key of nobody for the channel", members{"_ek_": "zz"}, 400, "ek_invalid"},
		{"a challenge that is too long", members{"challenge": strings.Repeat("x", 4096)}, 400, "request_malformed"},
		{"claims that are no list", members{"requestedClaims": "encryptionKey"}, 400, "request_malformed"},
		{"no claims", members{"requestedClaims": nil}, 400, "request_malformed"},
		{"somebody else's name", members{"iss": other.DID.String()}, 403, "app_pk_mismatch"},
		{"an agent that has no key", members{"agentDid": other.DID.String()}, 400, "agent_pk_missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.In(t).Do("POST", "/v1/claims", "", notes.Signed(notesKey, c.change)).Refused(c.status, c.code)
		})
	}
	cut := func(token string) string { return token[:len(token)-4] + "AAAA" }
	for _, c := range []struct {
		name   string
		body   members
		status int
		code   string
	}{
		{"a signature that is not the app's", members{"appPk": notes.PK(), "authInfo": cut(notes.AuthInfo(notesKey))}, 403, "jwt_bad_signature"},
		{"the key of another", members{"appPk": other.PK(), "authInfo": notes.AuthInfo(notesKey)}, 403, "app_pk_mismatch"},
		{"a key that is none", members{"appPk": "zzz", "authInfo": notes.AuthInfo(notesKey)}, 403, "app_pk_mismatch"},
		{"a token in two parts", members{"appPk": notes.PK(), "authInfo": "e30.e30"}, 400, "jwt_malformed"},
		{"no key", members{"authInfo": notes.AuthInfo(notesKey)}, 400, "member_invalid"},
		{"no token", members{"appPk": notes.PK()}, 400, "member_invalid"},
		{"claims beside the token", members{"appPk": notes.PK(), "authInfo": notes.AuthInfo(notesKey), "requestedClaims": notesKey}, 400, "member_invalid"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.In(t).Do("POST", "/v1/claims", "", c.body).Refused(c.status, c.code)
		})
	}
	t.Run("a token beside the signature", func(t *testing.T) {
		w.In(t).Do("POST", "/v1/claims", notes.Token, notes.Signed(notesKey)).Refused(400, "two_credentials")
		w.In(t).Do("POST", "/v1/claims", "nonsense", notes.Signed(notesKey)).Refused(400, "two_credentials")
	})
	t.Run("an Idempotency-Key beside the signature", func(t *testing.T) {
		r := w.In(t).Request("POST", "/v1/claims", notes.Signed(notesKey))
		r.Header.Set("Idempotency-Key", "once")
		w.In(t).Send(r).Refused(400, "member_invalid")
	})
	t.Run("an ECDSA token that is not hashed", func(t *testing.T) {
		ecdsa := w.Stranger("Curve", did.Secp256k1)
		w.In(t).Do("POST", "/v1/claims", "", ecdsa.Signed(notesKey, members{"version": "1.0.0"})).Refused(403, "jwt_unhashed_ecdsa")
	})
}

func TestStrangersDoNotAskUnderAnyRule(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	w.Rules(everything)
	stranger := w.Stranger("Stranger", did.Ed25519)
	stranger.AskSigned(notesKey).Refused(403, "aud_mismatch")

	// A wallet that its owner opened to strangers asks about them, and the * rule is not theirs.
	w.Do("PATCH", w.Path(""), w.Owner, members{"strangers": true}).Must(200)
	asked := stranger.AskSigned(notesKey).Must(202)
	w.MustApprove(asked.Text("code"))
	collected := w.Do("POST", "/v1/claims/"+asked.Text("id"), "", stranger.Signed(notesKey, collects(asked)))
	keyIn(t, open(t, w, collected))

	// Known now, it is under the rule.
	keyIn(t, open(t, w, stranger.AskSigned(notesKey)))
}

func TestSignedRequestIsUsedOnce(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	w.Rules(everything)
	notes := w.App("Notes")
	signed := notes.Signed(notesKey)
	w.Do("POST", "/v1/claims", "", signed).Must(200)
	w.Do("POST", "/v1/claims", "", signed).Refused(409, "jti_replayed")

	w.Restart()
	w.UnlockKeystore()
	w.Do("POST", "/v1/claims", "", signed).Refused(409, "jti_replayed")

	same := members{"jti": "the same one"}
	notes.AskSigned(notesKey, same).Must(200)
	notes.AskSigned([]members{wallettest.EncryptionKey("another")}, same).Refused(409, "jti_replayed")
	w.App("Other").AskSigned(notesKey, same).Must(200) // a jti is its issuer's
}

func TestSignedQuestionIsCollectedByItsAskerAlone(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	notes, other := w.App("Notes"), w.App("Other")
	asked := notes.AskSigned(notesKey).Must(202)
	path, of := "/v1/claims/"+asked.Text("id"), collects(asked)
	w.Do("POST", path, "", notes.Signed(notesKey, of)).Must(202)
	w.MustApprove(asked.Text("code"))
	w.Do("POST", path, "", other.Signed(notesKey, of)).Refused(404, "not_found")
	w.Do("GET", path, notes.Token, nil).Refused(404, "not_found") // the token did not ask
	w.Do("POST", path, notes.Token, notes.Signed(notesKey, of)).Refused(400, "two_credentials")
	signed := notes.Signed(notesKey, of)
	keyIn(t, open(t, w, w.Do("POST", path, "", signed)))
	w.Do("POST", path, "", signed).Refused(409, "jti_replayed")
}

// collects is the member by which a signed request names the approval that it collects.
func collects(asked *wallettest.Response) members { return members{"approval": asked.Text("id")} }

// One yes gives one answer: to the request that was signed for it, with one challenge.
func TestOneYesIsOneAnswer(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	notes := w.App("Notes")
	asked := notes.AskSigned(notesKey).Must(202)
	path := "/v1/claims/" + asked.Text("id")
	w.MustApprove(asked.Text("code"))
	another := []members{wallettest.EncryptionKey("another")}
	for name, body := range map[string]members{
		"to a request that names none":    notes.Signed(notesKey),
		"to one that names another":       notes.Signed(notesKey, members{"approval": "another"}),
		"to one for other claims":         notes.Signed(another, collects(asked)),
		"to one for one claim more":       notes.Signed(append(another, notesKey...), collects(asked)),
		"to one without claims":           notes.Signed(nil, collects(asked)),
		"to one with claims said in part": notes.Signed([]members{{"type": "encryptionKey"}}, collects(asked)),
	} {
		t.Run("not "+name, func(t *testing.T) {
			w.In(t).Do("POST", path, "", body).Refused(403, "approval_mismatch")
			w.In(t).Do("POST", path, "", body).Refused(409, "jti_replayed")
		})
	}
	w.Do("POST", "/v1/claims", "", notes.Signed(notesKey, collects(asked))).Refused(403, "approval_mismatch")
	keyIn(t, open(t, w, w.Do("POST", path, "", notes.Signed(notesKey, collects(asked), members{"challenge": "A1B2"}))))
	keyIn(t, open(t, w, w.Do("POST", path, "", notes.Signed(notesKey, collects(asked), members{"challenge": "A1B2"}))))
	for _, other := range []any{"A1B3", "", nil} {
		body := notes.Signed(notesKey, collects(asked), members{"challenge": other})
		w.Do("POST", path, "", body).Refused(409, "already_collected")
		w.Do("POST", path, "", body).Refused(409, "jti_replayed")
	}
}

func TestAgentsSpeakForTheirApp(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	w.Rules(everything)
	notes := w.App("Notes")
	agent, other := w.Stranger("Agent", did.Ed25519), w.Stranger("Other agent", did.Ed25519)
	own := notes.Ask(notesKey...).Key()
	ask := func(by *wallettest.App, certificate string, claims []members) *wallettest.Response {
		return w.Do("POST", "/v1/claims", "", notes.SignedBy(by, certificate, claims))
	}
	certificate := notes.Certify(agent, []string{"encryptionKey"})
	if got := keyIn(t, open(t, w, ask(agent, certificate, notesKey))); got != own {
		t.Error("the agent got another key than its app")
	}
	ask(other, certificate, notesKey).Refused(403, "delegation_agent_mismatch")
	ask(agent, certificate, []members{{"type": "authPrincipal"}}).Refused(403, "delegation_claim_not_allowed")
	ask(agent, notes.Certify(agent, []string{"encryptionKey"}, members{"exp": w.Store.Now().Add(-time.Hour).Unix()}), notesKey).Refused(403, "delegation_expired")
	ask(agent, notes.Certify(agent, []string{"encryptionKey"}, members{"exp": nil}), notesKey).Refused(403, "delegation_no_exp")
	ask(agent, other.Certify(agent, []string{"encryptionKey"}), notesKey).Refused(403, "delegation_issuer_mismatch")
	ask(agent, certificate[:len(certificate)-4]+"AAAA", notesKey).Refused(403, "delegation_bad_signature")
	ask(agent, "", notesKey).Refused(403, "delegation_missing")
}
