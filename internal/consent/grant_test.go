package consent_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"walletd/internal/approvals"
	"walletd/internal/auth"
	"walletd/internal/consent"
	"walletd/internal/policy"
	"walletd/internal/store"
	"walletd/internal/wallettest/fixture"
)

func TestAGrantRemembersAYes(t *testing.T) {
	h := fixture.New(t)
	token := h.AppToken(fixture.Notes)
	remember := func(t *testing.T, salt string, r approvals.Remember) {
		t.Helper()
		p := h.Pending(token, fixture.KeyClaim(salt))
		if err := h.Approve(p.ID, approvals.Choice{Remember: &r}); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("a number of times", func(t *testing.T) {
		remember(t, "times", approvals.Remember{Times: 2})
		h.Answer(token, fixture.KeyClaim("times"))
		h.Answer(token, fixture.KeyClaim("times"))
		h.Pending(token, fixture.KeyClaim("times"))
	})
	t.Run("a number of times, whoever asks at once", func(t *testing.T) {
		remember(t, "at once", approvals.Remember{Times: 5})
		callers := make([]*auth.Caller, 12)
		for i := range callers {
			callers[i] = h.As(token)
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		given := 0
		for _, c := range callers {
			wg.Go(func() {
				out, err := h.Pipeline.Answer(t.Context(), c, fixture.Raw(fixture.KeyClaim("at once")))
				if err != nil && !errors.Is(err, store.ErrChanged) {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				if out.Answer != nil {
					given++
				}
			})
		}
		wg.Wait()
		if given > 5 {
			t.Errorf("given %d times, granted 5", given)
		}
	})
	t.Run("for a while", func(t *testing.T) {
		remember(t, "while", approvals.Remember{Seconds: 60})
		h.Answer(token, fixture.KeyClaim("while"))
		h.Clock = h.Clock.Add(time.Minute)
		h.Pending(token, fixture.KeyClaim("while"))
	})
	t.Run("until it is withdrawn", func(t *testing.T) {
		remember(t, "until", approvals.Remember{Until: "withdrawn"})
		h.Answer(token, fixture.KeyClaim("until"))
		h.Restart()
		h.Answer(token, fixture.KeyClaim("until"))
		grants, _, err := h.Approvals.ListGrants(t.Context(), h.As(h.Owner), store.Page{})
		if err != nil || len(grants) != 1 {
			t.Fatalf("grants %v, %v", grants, err)
		}
		if err := h.Approvals.RevokeGrant(t.Context(), h.As(h.Owner), grants[0].ID); err != nil {
			t.Fatal(err)
		}
		h.Pending(token, fixture.KeyClaim("until"))
	})
	t.Run("for the salt's bytes, not its text", func(t *testing.T) {
		remember(t, "zoo", approvals.Remember{Times: 1})
		h.Answer(token, fixture.KeyClaim("0x0a9a"))
	})
	for name, r := range map[string]approvals.Remember{
		"not without an end it knows": {}, "not for two ends": {Seconds: 1, Times: 1}, "not for a negative time": {Seconds: -1},
		"not until something else": {Until: "tomorrow"},
	} {
		t.Run(name, func(t *testing.T) {
			p := h.Pending(token, fixture.KeyClaim(name))
			fixture.WantErr(t, h.Approve(p.ID, approvals.Choice{Remember: &r}), approvals.ErrChoice)
		})
	}
}

func TestRevokingEndsWhatHangsOnIt(t *testing.T) {
	setup := func(t *testing.T) (h *fixture.House, token string, waiting *consent.Pending) {
		h = fixture.New(t)
		token = h.AppToken(fixture.Notes)
		p := h.Pending(token, fixture.KeyClaim("granted"))
		if err := h.Approve(p.ID, approvals.Choice{Remember: &approvals.Remember{Until: "withdrawn"}}); err != nil {
			t.Fatal(err)
		}
		h.Answer(token, fixture.KeyClaim("granted"))
		return h, token, h.Pending(token, fixture.KeyClaim("waiting"))
	}
	t.Run("a token", func(t *testing.T) {
		h, token, waiting := setup(t)
		spare := h.AppToken(fixture.Notes)
		if err := h.Pipeline.RevokeToken(t.Context(), h.As(h.Owner), h.As(token).Token); err != nil {
			t.Fatal(err)
		}
		_, err := h.Auth.Authenticate(t.Context(), token)
		fixture.WantErr(t, err, auth.ErrUnauthorized)
		fixture.WantErr(t, h.Approve(waiting.ID, approvals.Choice{}), consent.ErrDecided)
		h.Pending(spare, fixture.KeyClaim("granted"))
	})
	t.Run("an app", func(t *testing.T) {
		h, token, waiting := setup(t)
		if err := h.Pipeline.RevokeApp(t.Context(), h.As(h.Owner), fixture.App(t, fixture.Notes)); err != nil {
			t.Fatal(err)
		}
		_, err := h.Auth.Authenticate(t.Context(), token)
		fixture.WantErr(t, err, auth.ErrUnauthorized)
		fixture.WantErr(t, h.Approve(waiting.ID, approvals.Choice{}), consent.ErrDecided)
		h.Pending(h.AppToken(fixture.Notes), fixture.KeyClaim("granted"))
	})
	t.Run("a deny that matches now", func(t *testing.T) {
		h, token, waiting := setup(t)
		h.Policy(policy.Rule{App: fixture.Notes, Claim: "encryptionKey", Decision: policy.Deny})
		fixture.WantErr(t, h.Approve(waiting.ID, approvals.Choice{}), consent.ErrDecided)
		h.Policy()
		h.Pending(token, fixture.KeyClaim("granted"))
	})
}
