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

// What a session's answer would hold changes after the person saw it: they see a new question, and
// the app is given what that one shows.
func TestAnAnswerThatChangedIsAskedAboutAnew(t *testing.T) {
	fill := func(h *house, name string) {
		t.Helper()
		if _, err := h.wallets.SetProfile(t.Context(), h.as(h.owner), wallets.Profile{"fullName": name}); err != nil {
			t.Fatal(err)
		}
	}
	for name, change := range map[string]func(t *testing.T, h *house, approval string){
		"before the yes": func(t *testing.T, h *house, approval string) {
			fill(h, "Alice")
			if _, err := h.pipeline.Approve(t.Context(), h.as(h.owner), approval, approvals.Choice{}); !errors.Is(err, consent.ErrAnswerChanged) {
				t.Fatalf("got %v", err)
			}
		},
		"after the yes": func(t *testing.T, h *house, approval string) {
			h.approve(approval, approvals.Choice{})
			fill(h, "Alice")
		},
	} {
		t.Run(name, func(t *testing.T) {
			app := newFar(t, 1, did.Ed25519)
			s := &script{t: t, replies: []says{app.asks(claim("profile", "items", []string{"fullName"})), app.ends(nil)}}
			h := newHouse(t, s)
			v := h.advance(h.begin(appURL).ID)
			first := v.Approval
			change(t, h, first)
			v = h.advance(v.ID)
			if v.State != Waiting || v.Approval == first || v.Approval == "" {
				t.Fatalf("the session is %+v", v)
			}
			if _, posts := s.counts(); posts != 0 {
				t.Fatalf("the app was answered %d times", posts)
			}
			if items := h.approval(v.Approval).Claims[0].Items; len(items) != 1 || items[0].Value != "Alice" {
				t.Errorf("the new question shows %+v", items)
			}
			h.approve(v.Approval, approvals.Choice{})
			if v = h.advance(v.ID); v.State != Done {
				t.Fatalf("the session is %+v", v)
			}
			var given []struct{ FullName string }
			if err := json.Unmarshal(s.told(0).Body["requestedClaims"], &given); err != nil || len(given) != 1 || given[0].FullName != "Alice" {
				t.Errorf("given is %s, %v", s.told(0).Body["requestedClaims"], err)
			}
		})
	}
}
