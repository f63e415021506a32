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

func TestAGrantRemembersAnApproval(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	remember := func(t *testing.T, salt string, r approvals.Remember) {
		t.Helper()
		p := f.Pending(token, fixture.KeyClaim(salt))
		if err := f.Approve(p.ID, approvals.Choice{Remember: &r}); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("a number of times", func(t *testing.T) {
		remember(t, "times", approvals.Remember{Times: 2})
		f.Answer(token, fixture.KeyClaim("times"))
		f.Answer(token, fixture.KeyClaim("times"))
		f.Pending(token, fixture.KeyClaim("times"))
	})
	t.Run("a number of times, whoever asks at once", func(t *testing.T) {
		remember(t, "at once", approvals.Remember{Times: 5})
		callers := make([]*auth.Caller, 12)
		for i := range callers {
			callers[i] = f.As(token)
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		given := 0
		for _, c := range callers {
			wg.Go(func() {
				out, err := f.Pipeline.Answer(t.Context(), c, fixture.Raw(fixture.KeyClaim("at once")))
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
		f.Answer(token, fixture.KeyClaim("while"))
		f.Clock = f.Clock.Add(time.Minute)
		f.Pending(token, fixture.KeyClaim("while"))
	})
	t.Run("until it is revoked", func(t *testing.T) {
		remember(t, "until", approvals.Remember{Until: "withdrawn"})
		f.Answer(token, fixture.KeyClaim("until"))
		f.Restart()
		f.Answer(token, fixture.KeyClaim("until"))
		grants, _, err := f.Approvals.ListGrants(t.Context(), f.As(f.Owner), store.Page{})
		if err != nil || len(grants) != 1 {
			t.Fatalf("grants %v, %v", grants, err)
		}
		if err := f.Approvals.RevokeGrant(t.Context(), f.As(f.Owner), grants[0].ID); err != nil {
			t.Fatal(err)
		}
		f.Pending(token, fixture.KeyClaim("until"))
	})
	t.Run("for the salt's bytes, not its text", func(t *testing.T) {
		remember(t, "zoo", approvals.Remember{Times: 1})
		f.Answer(token, fixture.KeyClaim("0x0a9a"))
	})
	for name, r := range map[string]approvals.Remember{
		"not without an end it knows": {}, "not for two ends": {Seconds: 1, Times: 1}, "not for a negative time": {Seconds: -1},
		"not until something else": {Until: "tomorrow"},
	} {
		t.Run(name, func(t *testing.T) {
			p := f.Pending(token, fixture.KeyClaim(name))
			fixture.WantErr(t, f.Approve(p.ID, approvals.Choice{Remember: &r}), approvals.ErrChoice)
		})
	}
}

func TestRevokingEndsWhatHangsOnIt(t *testing.T) {
	setup := func(t *testing.T) (f *fixture.Fixture, token string, waiting *consent.Pending) {
		f = fixture.New(t)
		token = f.AppToken(fixture.Notes)
		p := f.Pending(token, fixture.KeyClaim("granted"))
		if err := f.Approve(p.ID, approvals.Choice{Remember: &approvals.Remember{Until: "withdrawn"}}); err != nil {
			t.Fatal(err)
		}
		f.Answer(token, fixture.KeyClaim("granted"))
		return f, token, f.Pending(token, fixture.KeyClaim("waiting"))
	}
	t.Run("a token", func(t *testing.T) {
		f, token, waiting := setup(t)
		spare := f.AppToken(fixture.Notes)
		if err := f.Pipeline.RevokeToken(t.Context(), f.As(f.Owner), f.As(token).Token); err != nil {
			t.Fatal(err)
		}
		_, err := f.Auth.Authenticate(t.Context(), token)
		fixture.WantErr(t, err, auth.ErrUnauthorized)
		fixture.WantErr(t, f.Approve(waiting.ID, approvals.Choice{}), consent.ErrDecided)
		f.Pending(spare, fixture.KeyClaim("granted"))
	})
	t.Run("an app", func(t *testing.T) {
		f, token, waiting := setup(t)
		if err := f.Pipeline.RevokeApp(t.Context(), f.As(f.Owner), fixture.ParseDID(t, fixture.Notes)); err != nil {
			t.Fatal(err)
		}
		_, err := f.Auth.Authenticate(t.Context(), token)
		fixture.WantErr(t, err, auth.ErrUnauthorized)
		fixture.WantErr(t, f.Approve(waiting.ID, approvals.Choice{}), consent.ErrDecided)
		f.Pending(f.AppToken(fixture.Notes), fixture.KeyClaim("granted"))
	})
	t.Run("a deny that matches now", func(t *testing.T) {
		f, token, waiting := setup(t)
		f.SetPolicy(policy.Rule{App: fixture.Notes, Claim: "encryptionKey", Decision: policy.Deny})
		fixture.WantErr(t, f.Approve(waiting.ID, approvals.Choice{}), consent.ErrDecided)
		f.SetPolicy()
		f.Pending(token, fixture.KeyClaim("granted"))
	})
}
