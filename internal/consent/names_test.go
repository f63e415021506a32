package consent_test

import (
	"testing"

	"walletd/internal/approvals"
	"walletd/internal/auth"
	"walletd/internal/delegation"
	"walletd/internal/did"
	"walletd/internal/policy"
	"walletd/internal/wallettest/fixture"
)

func TestWhoIsAskingIsNamed(t *testing.T) {
	f := fixture.New(t)
	show := func(id string) approvals.View {
		t.Helper()
		v, err := f.Approvals.Get(t.Context(), f.As(f.Owner), id)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	t.Run("as the token was, which the app never said", func(t *testing.T) {
		v := show(f.Pending(f.AppToken(fixture.Notes), fixture.KeyClaim("diary")).ID)
		if v.AppName != "Notes" || v.CallsItself != "" {
			t.Errorf("named %q, calls itself %q", v.AppName, v.CallsItself)
		}
	})
	t.Run("as the owner named the app, before all", func(t *testing.T) {
		token := f.AppToken(fixture.Notes)
		if _, err := f.Auth.NameApp(t.Context(), f.As(f.Owner), fixture.ParseDID(t, fixture.Notes), "My notes"); err != nil {
			t.Fatal(err)
		}
		v := show(f.Pending(token, fixture.KeyClaim("letters")).ID)
		if v.AppName != "My notes" || v.CallsItself != "" {
			t.Errorf("named %q, calls itself %q", v.AppName, v.CallsItself)
		}
	})
	t.Run("as it calls itself in what it signs", func(t *testing.T) {
		p := f.RegisteredPeer(7)
		out, err := f.AskSigned(f.SignedRequest(p, "1", map[string]any{"appInfo": map[string]any{"name": "Your\u202e Bank"}}))
		if err != nil || out.Pending == nil {
			t.Fatal(out, err)
		}
		if v := show(out.Pending.ID); v.AppName != "" || v.CallsItself != "Your Bank" {
			t.Errorf("named %q, calls itself %q", v.AppName, v.CallsItself)
		}
	})
}

// A revoked app may ask in a session, whose link the owner opened; the owner is told.
func TestARevokedAppInASessionIsShownAsRevoked(t *testing.T) {
	f := fixture.New(t)
	p := f.RegisteredPeer(7)
	f.SetPolicy(fixture.AllowAll, policy.Rule{App: p.DID.String(), Claim: policy.Any, Decision: policy.Allow})
	if err := f.Pipeline.RevokeApp(t.Context(), f.As(f.Owner), p.DID); err != nil {
		t.Fatal(err)
	}
	c, err := f.Auth.SessionCaller(t.Context(), auth.Session{
		ID: "s", Wallet: f.Wallet, Connect: delegation.Connect{App: p.DID, Token: did.Token{Body: did.Object{}}}, Origin: "https://dapp.example",
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	out, err := f.Pipeline.Answer(t.Context(), c, fixture.Raw(fixture.KeyClaim("diary")))
	if err != nil || out.Pending == nil {
		t.Fatalf("got %v, %v, want a pending request", out, err)
	}
	v, err := f.Approvals.Get(t.Context(), f.As(f.Owner), out.Pending.ID)
	if err != nil || len(v.Unusual) == 0 || v.Unusual[0] != "You revoked this app. An approval registers it again." {
		t.Errorf("unusual: %q, %v", v.Unusual, err)
	}
	_, err = f.AskSigned(f.SignedRequest(p, "1", nil))
	fixture.WantCode(t, err, "app_unknown")
	if err := f.Approve(out.Pending.ID, approvals.Choice{}); err != nil {
		t.Fatal(err)
	}
	if out, err := f.AskSigned(f.SignedRequest(p, "2", nil)); err != nil || out.Answer == nil {
		t.Errorf("after the approval: %v, %v", out, err)
	}
}
