package connect

import (
	"net/http"
	"testing"

	"walletd/internal/approvals"
	"walletd/internal/did"
	"walletd/internal/policy"
	"walletd/internal/wallettest/postgres"
)

// One replica remembers what its sessions were decided by; another changes it. The next session is decided anew.
func TestASessionIsNotDecidedByWhatHasChanged(t *testing.T) {
	app := newFar(t, 1, did.Ed25519)
	request, end := app.asks()(nil), app.ends(nil)(nil)
	f := newFixtureAt(t, postgres.Start(t), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			w.Write(request)
		} else {
			w.Write(end)
		}
	}))
	f.config = func(c *Config) { c.Alone = false }
	f.store.Close()
	f.open(false)
	f.unlock()
	other := f.replica()
	decide := func(on *fixture, d policy.Decision) {
		t.Helper()
		rule := policy.Rule{App: app.did.String(), Claim: "authPrincipal", Decision: d}
		if _, err := on.pipeline.SetPolicy(t.Context(), on.as(on.owner), policy.Policy{Rules: []policy.Rule{rule}}); err != nil {
			t.Fatal(err)
		}
	}
	ends := func(state State) View {
		t.Helper()
		v := f.advance(f.begin(appURL).ID)
		if v.State != state {
			t.Fatalf("the session is %s, not %s: %+v", v.State, state, v)
		}
		return v
	}
	f.approve(ends(Waiting).Approval, approvals.Choice{}) // the app is known from here on
	decide(f, policy.Allow)
	ends(Done)
	for _, change := range []struct {
		to    policy.Decision
		state State
	}{{policy.Ask, Waiting}, {policy.Deny, Declined}, {policy.Allow, Done}} {
		before := f.store.Kept()
		ends(Done)
		ends(Done)
		if now := f.store.Kept(); now.Recalled == before.Recalled || now.Again != before.Again {
			t.Fatalf("nothing was decided from memory: %+v, then %+v", before, now)
		}
		decide(other, change.to)
		ends(change.state)
		if now := f.store.Kept(); now.Again == before.Again {
			t.Errorf("with %v, what was remembered was not found to be out of date: %+v", change.to, now)
		}
		decide(other, policy.Allow)
		ends(Done)
	}
}
