package connect

import (
	"encoding/json"
	"errors"
	"testing"

	"walletd/internal/approvals"
	"walletd/internal/consent"
	"walletd/internal/did"
	"walletd/internal/wallets"
)

// What a session's answer would hold changes after the owner saw it: they see a new request, and
// the app is given what that one shows.
func TestAnAnswerThatChangedIsRequestedAgain(t *testing.T) {
	fill := func(f *fixture, name string) {
		t.Helper()
		if _, err := f.wallets.SetProfile(t.Context(), f.as(f.owner), wallets.Profile{"fullName": name}); err != nil {
			t.Fatal(err)
		}
	}
	for name, change := range map[string]func(t *testing.T, f *fixture, approval string){
		"before the approval": func(t *testing.T, f *fixture, approval string) {
			fill(f, "Alice")
			if _, err := f.pipeline.Approve(t.Context(), f.as(f.owner), approval, approvals.Choice{}, nil); !errors.Is(err, consent.ErrAnswerChanged) {
				t.Fatalf("got %v", err)
			}
		},
		"after the approval": func(t *testing.T, f *fixture, approval string) {
			f.approve(approval, approvals.Choice{})
			fill(f, "Alice")
		},
	} {
		t.Run(name, func(t *testing.T) {
			app := newFar(t, 1, did.Ed25519)
			s := &script{t: t, replies: []says{app.asks(claim("profile", "items", []string{"fullName"})), app.ends(nil)}}
			f := newFixture(t, s)
			v := f.advance(f.begin(appURL).ID)
			first := v.Approval
			change(t, f, first)
			v = f.advance(v.ID)
			if v.State != Waiting || v.Approval == first || v.Approval == "" {
				t.Fatalf("the session is %+v", v)
			}
			if _, posts := s.counts(); posts != 0 {
				t.Fatalf("the app was answered %d times", posts)
			}
			if items := f.approval(v.Approval).Claims[0].Items; len(items) != 1 || items[0].Value != "Alice" {
				t.Errorf("the new request shows %+v", items)
			}
			f.approve(v.Approval, approvals.Choice{})
			if v = f.advance(v.ID); v.State != Done {
				t.Fatalf("the session is %+v", v)
			}
			var given []struct{ FullName string }
			if err := json.Unmarshal(s.told(0).Body.Get("requestedClaims"), &given); err != nil || len(given) != 1 || given[0].FullName != "Alice" {
				t.Errorf("given is %s, %v", s.told(0).Body.Get("requestedClaims"), err)
			}
		})
	}
}
