package claims

import (
	"testing"

	"walletd/internal/delegation"
	"walletd/internal/did"
	"walletd/internal/policy"
)

func TestWhoIsAskingIsNamed(t *testing.T) {
	h := newHouse(t)
	show := func(id string) ApprovalView {
		t.Helper()
		v, err := h.door.Approval(t.Context(), h.as(h.owner), id)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	t.Run("as the token was, which the app never said", func(t *testing.T) {
		v := show(h.pending(h.appToken(notes), keyClaim("diary")).ID)
		if v.AppName != "Notes" || v.CallsItself != "" {
			t.Errorf("named %q, calls itself %q", v.AppName, v.CallsItself)
		}
	})
	t.Run("as the owner named the app, before all", func(t *testing.T) {
		token := h.appToken(notes)
		if _, err := h.door.NameApp(t.Context(), h.as(h.owner), app(t, notes), "My notes"); err != nil {
			t.Fatal(err)
		}
		v := show(h.pending(token, keyClaim("letters")).ID)
		if v.AppName != "My notes" || v.CallsItself != "" {
			t.Errorf("named %q, calls itself %q", v.AppName, v.CallsItself)
		}
	})
	t.Run("as it calls itself in what it signs", func(t *testing.T) {
		p := h.knownPeer(7)
		out, err := h.askSigned(h.request(p, "1", map[string]any{"appInfo": map[string]any{"name": "Your\u202e Bank"}}))
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
	h := newHouse(t)
	p := h.knownPeer(7)
	h.policy(allowAll, policy.Rule{App: p.did.String(), Claim: policy.Any, Decision: policy.Allow})
	if err := h.door.RevokeApp(t.Context(), h.as(h.owner), p.did); err != nil {
		t.Fatal(err)
	}
	c, err := h.door.EnterSession(t.Context(), Session{
		ID: "s", Wallet: h.wallet, Connect: delegation.Connect{App: p.did, Token: did.Token{Body: did.Object{}}}, Origin: "https://dapp.example",
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	out, err := h.door.Answer(t.Context(), c, raw(keyClaim("diary")))
	if err != nil || out.Pending == nil {
		t.Fatalf("got %v, %v, want a question", out, err)
	}
	v, err := h.door.Approval(t.Context(), h.as(h.owner), out.Pending.ID)
	if err != nil || len(v.Unusual) == 0 || v.Unusual[0] != "You withdrew this app. A yes lets it in again." {
		t.Errorf("unusual: %q, %v", v.Unusual, err)
	}
	_, err = h.askSigned(h.request(p, "1", nil))
	wantCode(t, err, "app_unknown")
	if err := h.approve(out.Pending.ID, Choice{}); err != nil {
		t.Fatal(err)
	}
	if out, err := h.askSigned(h.request(p, "2", nil)); err != nil || out.Answer == nil {
		t.Errorf("after the yes: %v, %v", out, err)
	}
}
