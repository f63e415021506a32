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
	h := fixture.New(t)
	show := func(id string) approvals.View {
		t.Helper()
		v, err := h.Approvals.Get(t.Context(), h.As(h.Owner), id)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	t.Run("as the token was, which the app never said", func(t *testing.T) {
		v := show(h.Pending(h.AppToken(fixture.Notes), fixture.KeyClaim("diary")).ID)
		if v.AppName != "Notes" || v.CallsItself != "" {
			t.Errorf("named %q, calls itself %q", v.AppName, v.CallsItself)
		}
	})
	t.Run("as the owner named the app, before all", func(t *testing.T) {
		token := h.AppToken(fixture.Notes)
		if _, err := h.Auth.NameApp(t.Context(), h.As(h.Owner), fixture.App(t, fixture.Notes), "My notes"); err != nil {
			t.Fatal(err)
		}
		v := show(h.Pending(token, fixture.KeyClaim("letters")).ID)
		if v.AppName != "My notes" || v.CallsItself != "" {
			t.Errorf("named %q, calls itself %q", v.AppName, v.CallsItself)
		}
	})
	t.Run("as it calls itself in what it signs", func(t *testing.T) {
		p := h.KnownPeer(7)
		out, err := h.AskSigned(h.Request(p, "1", map[string]any{"appInfo": map[string]any{"name": "Your\u202e Bank"}}))
		if err != nil || out.Pending == nil {
			t.Fatal(out, err)
		}
		if v := show(out.Pending.ID); v.AppName != "" || v.CallsItself != "Your Bank" {
			t.Errorf("named %q, calls itself %q", v.AppName, v.CallsItself)
		}
	})
}

// A withdrawn app may ask in a session, whose link the person opened; the person is told.
func TestAWithdrawnAppInASessionIsSaidToBe(t *testing.T) {
	h := fixture.New(t)
	p := h.KnownPeer(7)
	h.Policy(fixture.AllowAll, policy.Rule{App: p.DID.String(), Claim: policy.Any, Decision: policy.Allow})
	if err := h.Pipeline.RevokeApp(t.Context(), h.As(h.Owner), p.DID); err != nil {
		t.Fatal(err)
	}
	c, err := h.Auth.EnterSession(t.Context(), auth.Session{
		ID: "s", Wallet: h.Wallet, Connect: delegation.Connect{App: p.DID, Token: did.Token{Body: did.Object{}}}, Origin: "https://dapp.example",
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	out, err := h.Pipeline.Answer(t.Context(), c, fixture.Raw(fixture.KeyClaim("diary")))
	if err != nil || out.Pending == nil {
		t.Fatalf("got %v, %v, want a question", out, err)
	}
	v, err := h.Approvals.Get(t.Context(), h.As(h.Owner), out.Pending.ID)
	if err != nil || len(v.Unusual) == 0 || v.Unusual[0] != "You withdrew this app. A yes lets it in again." {
		t.Errorf("unusual: %q, %v", v.Unusual, err)
	}
	_, err = h.AskSigned(h.Request(p, "1", nil))
	fixture.WantCode(t, err, "app_unknown")
	if err := h.Approve(out.Pending.ID, approvals.Choice{}); err != nil {
		t.Fatal(err)
	}
	if out, err := h.AskSigned(h.Request(p, "2", nil)); err != nil || out.Answer == nil {
		t.Errorf("after the yes: %v, %v", out, err)
	}
}
