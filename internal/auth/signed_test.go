package auth_test

import (
	"crypto/rand"
	"crypto/rsa"
	"strings"
	"sync"
	"testing"
	"time"

	"walletd/internal/approvals"
	"walletd/internal/auth"
	"walletd/internal/consent"
	"walletd/internal/did"
	"walletd/internal/store"
	"walletd/internal/wallets"
	"walletd/internal/wallettest/fixture"
)

func TestASignedRequestIsAnsweredAsAWalletDoes(t *testing.T) {
	f := fixture.New(t)
	p := f.RegisteredPeer(7)
	f.SetPolicy(fixture.AllowAll)
	_, account := fixture.Secret(t, p.DID.Address(), did.AccountType())
	sk, _ := fixture.Secret(t, p.DID.Address(), did.AccountType())
	for name, aud := range map[string]string{
		"to the wallet's address":          f.Wallet,
		"to the wallet's DID":              "did:abt:" + f.Wallet,
		"to the app's account in a wallet": account.Address(),
	} {
		t.Run(name, func(t *testing.T) {
			out, err := f.AskSigned(f.SignedRequest(p, name, map[string]any{"aud": aud}))
			if err != nil || out.Answer == nil || out.Answer.Signed == nil {
				t.Fatalf("got %v, %v", out, err)
			}
			s := out.Answer.Signed
			pk, err := did.DecodePublicKey(s.UserPK)
			if err != nil {
				t.Fatal(err)
			}
			token, err := did.VerifyToken(s.UserInfo, did.Check{PublicKey: pk, Now: f.Clock})
			if err != nil {
				t.Fatalf("the app cannot verify the answer: %v", err)
			}
			challenge, _ := token.Body.Text("challenge")
			if token.Signer != account || challenge != "C0FFEE" || !strings.Contains(string(token.Body.Get("requestedClaims")), fixture.Key(sk, "diary")) {
				t.Errorf("answered by %s: %s", token.Signer, token.Body)
			}
			if out.Answer.Claims != nil {
				t.Error("the claims are beside the signed answer")
			}
		})
	}
	t.Run("sealed to the key it brings", func(t *testing.T) {
		priv, err := rsa.GenerateKey(rand.Reader, 1536)
		if err != nil {
			t.Fatal(err)
		}
		out, err := f.AskSigned(f.SignedRequest(p, "sealed", map[string]any{"_ek_": did.EncodeChannelPublicKey(&priv.PublicKey)}))
		if err != nil {
			t.Fatal(err)
		}
		s := out.Answer.Signed
		channel, err := did.UnwrapChannelKey(s.SharedKey, priv)
		if err != nil || s.Version != "1.0.0" {
			t.Fatalf("version %q, %v", s.Version, err)
		}
		opened, err := channel.Open(s.UserInfo)
		if err != nil || strings.Count(string(opened), ".") != 2 {
			t.Errorf("the sealed answer opens to %q, %v", opened, err)
		}
	})
}

func TestASignedRequestIsRefused(t *testing.T) {
	f := fixture.New(t)
	p := f.RegisteredPeer(7)
	f.SetPolicy(fixture.AllowAll)
	other, otherAccount := fixture.Secret(t, fixture.Another, did.AccountType())
	defer other.Wipe()
	f.Account(fixture.Another, did.AccountType())
	for name, c := range map[string]struct {
		change map[string]any
		code   string
	}{
		"without an aud":                         {map[string]any{"aud": nil}, "aud_missing"},
		"with an empty aud":                      {map[string]any{"aud": ""}, "aud_missing"},
		"with an aud that names two wallets":     {map[string]any{"aud": []string{f.Wallet, fixture.Another}}, "aud_mismatch"},
		"with an aud that is an empty list":      {map[string]any{"aud": []string{}}, "aud_missing"},
		"for another wallet":                     {map[string]any{"aud": fixture.Another}, "aud_mismatch"},
		"for another app's account":              {map[string]any{"aud": otherAccount.Address()}, "aud_mismatch"},
		"with a url":                             {map[string]any{"url": "https://dapp.example/auth"}, "url_present"},
		"without an action":                      {map[string]any{"action": nil}, "request_malformed"},
		"with another action":                    {map[string]any{"action": "declineAuth"}, "request_malformed"},
		"without a jti":                          {map[string]any{"jti": nil}, "jti_missing"},
		"with a jti that is too long":            {map[string]any{"jti": strings.Repeat("j", 129)}, "jti_invalid"},
		"with a jti that is a number":            {map[string]any{"jti": 7}, "jti_invalid"},
		"with a longer life than 300 s":          {map[string]any{"exp": f.Clock.Unix() + 301}, "jwt_lifetime"},
		"without an iat":                         {map[string]any{"iat": nil}, "jwt_lifetime"},
		"with an exp in milliseconds":            {map[string]any{"exp": f.Clock.Add(time.Minute).UnixMilli()}, "jwt_time_invalid"},
		"that has expired":                       {map[string]any{"iat": f.Clock.Unix() - 300, "exp": f.Clock.Unix() - 6}, "jwt_expired"},
		"from the future":                        {map[string]any{"iat": f.Clock.Unix() + 6, "exp": f.Clock.Unix() + 60}, "jwt_iat_future"},
		"with claims that are no list":           {map[string]any{"requestedClaims": map[string]any{}}, "request_malformed"},
		"without claims":                         {map[string]any{"requestedClaims": nil}, "request_malformed"},
		"with a key to seal to that is none":     {map[string]any{"_ek_": "zzzz"}, "ek_invalid"},
		"with a challenge that is no text":       {map[string]any{"challenge": 7}, "request_malformed"},
		"that names an agent it has no key of":   {map[string]any{"agentDid": "did:abt:" + fixture.Another}, "agent_pk_missing"},
		"with a claim that is not answered here": {map[string]any{"requestedClaims": fixture.Raw(`{"type":"prepareTx"}`)}, "claim_unsupported"},
	} {
		t.Run(name, func(t *testing.T) {
			members := map[string]any{"action": "responseAuth", "aud": f.Wallet, "jti": name, "requestedClaims": fixture.Raw(fixture.KeyClaim("diary"))}
			for k, v := range c.change {
				members[k] = v
			}
			token := signAnything(t, p, f.Clock, members)
			out, err := f.AskSigned(auth.SignedRequest{AppPk: p.PK(), AuthInfo: token})
			fixture.WantCode(t, err, c.code)
			if out.Answer != nil || out.Pending != nil {
				t.Error("something was given")
			}
		})
	}
	t.Run("with another key", func(t *testing.T) {
		r := f.SignedRequest(p, "key", nil)
		r.AppPk = fixture.NewPeer(t, 8).PK()
		_, err := f.AskSigned(r)
		fixture.WantCode(t, err, "app_pk_mismatch")
	})
	t.Run("that was changed", func(t *testing.T) {
		r := f.SignedRequest(p, "changed", nil)
		r.AuthInfo = r.AuthInfo[:len(r.AuthInfo)-4] + "AAAA"
		_, err := f.AskSigned(r)
		fixture.WantCode(t, err, "jwt_bad_signature")
	})
}

// signAnything signs what SignToken would not: members with nil values are left out whatever
// they are.
func signAnything(t *testing.T, p fixture.Peer, now time.Time, members map[string]any) string {
	t.Helper()
	body := map[string]any{
		"iss": p.DID.String(), "iat": now.Unix(), "nbf": now.Unix() - 300, "exp": now.Unix() + 300, "version": "1.1.0",
	}
	for name, value := range members {
		body[name] = value
	}
	for name, value := range body {
		if value == nil {
			delete(body, name)
		}
	}
	text, err := did.MarshalStable(body)
	if err != nil {
		t.Fatal(err)
	}
	unsigned := did.EncodeBase64URL([]byte(`{"alg":"Ed25519","type":"JWT"}`)) + "." + did.EncodeBase64URL(text)
	sig, err := did.SignUnsigned(p.Key, unsigned)
	if err != nil {
		t.Fatal(err)
	}
	return unsigned + "." + did.EncodeBase64URL(sig)
}

func TestASignedRequestWorksOnce(t *testing.T) {
	f := fixture.New(t)
	p := f.RegisteredPeer(7)
	f.SetPolicy(fixture.AllowAll)
	r := f.SignedRequest(p, "once", nil)
	if _, err := f.AskSigned(r); err != nil {
		t.Fatal(err)
	}
	_, err := f.AskSigned(r)
	fixture.WantCode(t, err, "jti_replayed")
	_, err = f.AskSigned(f.SignedRequest(p, "once", map[string]any{"requestedClaims": fixture.Raw(fixture.KeyClaim("other"))}))
	fixture.WantCode(t, err, "jti_replayed")
	t.Run("also after a restart", func(t *testing.T) {
		f.Restart()
		_, err := f.AskSigned(r)
		fixture.WantCode(t, err, "jti_replayed")
	})
	t.Run("but another app may use the same jti", func(t *testing.T) {
		if _, err := f.AskSigned(f.SignedRequest(f.RegisteredPeer(8), "once", nil)); err != nil {
			t.Error(err)
		}
	})
}

func TestAnUnregisteredAppIsNotAnswered(t *testing.T) {
	f := fixture.New(t)
	p := fixture.NewPeer(t, 7)
	f.SetPolicy(fixture.AllowAll)
	before := len(f.EventKinds())
	_, err := f.AskSigned(f.SignedRequest(p, "1", nil))
	fixture.WantCode(t, err, "aud_mismatch")
	if after := len(f.EventKinds()); after != before {
		t.Errorf("an unregistered app made %d entries in the audit log", after-before)
	}
	open := true
	if _, err := f.Wallets.Update(t.Context(), f.As(f.Owner), wallets.WalletChange{Strangers: &open}); err != nil {
		t.Fatal(err)
	}
	out, err := f.AskSigned(f.SignedRequest(p, "2", nil))
	if err != nil || out.Pending == nil {
		t.Fatalf("got %v and %v of a wallet open to unregistered apps, want a pending request: * does not apply to unregistered apps", out, err)
	}
	if err := f.Approve(out.Pending.ID, approvals.Choice{}); err != nil {
		t.Fatal(err)
	}
	t.Run("until it was approved", func(t *testing.T) {
		out, err := f.AskSigned(f.SignedRequest(p, "3", nil))
		if err != nil || out.Answer == nil {
			t.Errorf("got %v and %v, want the rule to answer", out, err)
		}
	})
	t.Run("nor once it was revoked", func(t *testing.T) {
		if err := f.Pipeline.RevokeApp(t.Context(), f.As(f.Owner), p.DID); err != nil {
			t.Fatal(err)
		}
		_, err := f.AskSigned(f.SignedRequest(p, "4", nil))
		fixture.WantCode(t, err, "app_unknown")
	})
}

func TestASignedRequestIsCollectedWithANewSignedRequest(t *testing.T) {
	f := fixture.New(t)
	p, q := f.RegisteredPeer(7), f.RegisteredPeer(8)
	out, err := f.AskSigned(f.SignedRequest(p, "ask", nil))
	if err != nil || out.Pending == nil {
		t.Fatal(out, err)
	}
	if err := f.Approve(out.Pending.ID, approvals.Choice{}); err != nil {
		t.Fatal(err)
	}
	collect := func(p fixture.Peer, jti string) (consent.Outcome, error) {
		c, _, err := f.Auth.AuthenticateSigned(t.Context(), f.SignedRequest(p, jti, map[string]any{"approval": out.Pending.ID}))
		if err != nil {
			return consent.Outcome{}, err
		}
		defer c.Close()
		return f.Pipeline.Collect(t.Context(), c, out.Pending.ID, 0)
	}
	_, err = collect(q, "other app")
	fixture.WantErr(t, err, auth.ErrNotFound)
	_, err = collect(p, "ask")
	fixture.WantCode(t, err, "jti_replayed")
	got, err := collect(p, "fresh")
	if err != nil || got.Answer == nil || got.Answer.Signed == nil {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestAnAgentSpeaksForAnApp(t *testing.T) {
	f := fixture.New(t)
	app, agent := f.RegisteredPeer(7), fixture.NewPeer(t, 9)
	certificate := func(claims []string, exp time.Time) string {
		return app.Sign(t, f.Clock, map[string]any{
			"agentDid": agent.DID.String(), "exp": exp.Unix(),
			"permissions": []any{map[string]any{"role": "DIDConnectAgent", "claims": claims}},
		})
	}
	request := func(jti, certificate string, change map[string]any) auth.SignedRequest {
		members := map[string]any{
			"iss": app.DID.String(), "agentDid": agent.DID.String(), "action": "responseAuth", "aud": f.Wallet, "jti": jti,
			"requestedClaims":  fixture.Raw(fixture.KeyClaim("diary")),
			"verifiableClaims": []any{map[string]any{"type": "certificate", "content": certificate}},
		}
		for k, v := range change {
			members[k] = v
		}
		return auth.SignedRequest{AppPk: app.PK(), AgentPk: agent.PK(), AuthInfo: signAnything(t, agent, f.Clock, members)}
	}
	good := certificate([]string{"encryptionKey"}, f.Clock.Add(time.Hour))
	f.SetPolicy(fixture.AllowAll)
	out, err := f.AskSigned(request("1", good, nil))
	if err != nil || out.Answer == nil {
		t.Fatalf("got %v, %v", out, err)
	}
	sk, account := fixture.Secret(t, app.DID.Address(), did.AccountType())
	if out.Answer.UserDID != account.Address() {
		t.Errorf("answers as %s, want the app's account, not the agent's", out.Answer.UserDID)
	}
	_ = sk
	t.Run("for no more than its certificate says", func(t *testing.T) {
		_, err := f.AskSigned(request("2", certificate([]string{"profile"}, f.Clock.Add(time.Hour)), nil))
		fixture.WantCode(t, err, "delegation_claim_not_allowed")
	})
	t.Run("for no longer than its certificate says", func(t *testing.T) {
		_, err := f.AskSigned(request("3", certificate([]string{"encryptionKey"}, f.Clock.Add(-time.Minute)), nil))
		fixture.WantCode(t, err, "delegation_expired")
	})
	t.Run("and what is granted to it ends with its certificate", func(t *testing.T) {
		f.SetPolicy()
		out, err := f.AskSigned(request("4", good, nil))
		if err != nil || out.Pending == nil {
			t.Fatal(out, err)
		}
		if err := f.Approve(out.Pending.ID, approvals.Choice{Remember: &approvals.Remember{Until: "withdrawn"}}); err != nil {
			t.Fatal(err)
		}
		grants, _, err := f.Approvals.ListGrants(t.Context(), f.As(f.Owner), store.Page{})
		if err != nil || len(grants) != 1 || !grants[0].Ends.Equal(f.Clock.Add(time.Hour)) || grants[0].Agent != agent.DID.String() {
			t.Fatalf("grants %+v, %v", grants, err)
		}
		if out, err := f.AskSigned(request("5", good, nil)); err != nil || out.Answer == nil {
			t.Errorf("the agent is not answered under its grant: %v, %v", out, err)
		}
		if out, err := f.AskSigned(f.SignedRequest(app, "6", nil)); err != nil || out.Pending == nil {
			t.Errorf("the app itself is answered under its agent's grant: %v, %v", out, err)
		}
	})
}

// One approval signs one challenge: that of whoever collects first.
func TestTheFirstCollectionFixesTheChallenge(t *testing.T) {
	f := fixture.New(t)
	p := f.RegisteredPeer(7)
	f.AddAsset(fixture.Ticket, f.AccountAddress(p.DID.Address()))
	claims := fixture.Raw(`{"type":"asset"}`)
	challenge := func(n int) string { return strings.Repeat(string(rune('A'+n)), 16) }
	out, err := f.AskSigned(f.SignedRequest(p, "ask", map[string]any{"requestedClaims": claims, "challenge": challenge(20)}))
	if err != nil || out.Pending == nil {
		t.Fatal(out, err)
	}
	if err := f.Approve(out.Pending.ID, approvals.Choice{}); err != nil {
		t.Fatal(err)
	}
	const apps = 8
	var outs [apps]consent.Outcome
	var errs [apps]error
	var wg sync.WaitGroup
	for i := range apps {
		c, _, err := f.Auth.AuthenticateSigned(t.Context(), f.SignedRequest(p, challenge(i), map[string]any{
			"requestedClaims": claims, "challenge": challenge(i), "approval": out.Pending.ID,
		}))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		wg.Go(func() { outs[i], errs[i] = f.Pipeline.Collect(t.Context(), c, out.Pending.ID, 0) })
	}
	wg.Wait()
	first := -1
	for i := range apps {
		switch {
		case errs[i] == nil && first < 0:
			first = i
		case errs[i] == nil:
			t.Errorf("both %d and %d were answered", first, i)
		default:
			fixture.WantCode(t, errs[i], "already_collected")
		}
	}
	if first < 0 {
		t.Fatal("nobody was answered")
	}
	again, err := f.CollectSigned(f.SignedRequest(p, "again", map[string]any{"requestedClaims": claims, "challenge": challenge(first), "approval": out.Pending.ID}), out.Pending.ID)
	if err != nil || again.Answer == nil {
		t.Errorf("the same challenge again: %v, %v", again, err)
	}
}
