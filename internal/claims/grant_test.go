package claims

import (
	"errors"
	"sync"
	"testing"
	"time"

	"walletd/internal/policy"
	"walletd/internal/store"
)

func TestAGrantRemembersAYes(t *testing.T) {
	h := newHouse(t)
	token := h.appToken(notes)
	remember := func(t *testing.T, salt string, r Remember) {
		t.Helper()
		p := h.pending(token, keyClaim(salt))
		if err := h.approve(p.ID, Choice{Remember: &r}); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("a number of times", func(t *testing.T) {
		remember(t, "times", Remember{Times: 2})
		h.answer(token, keyClaim("times"))
		h.answer(token, keyClaim("times"))
		h.pending(token, keyClaim("times"))
	})
	t.Run("a number of times, whoever asks at once", func(t *testing.T) {
		remember(t, "at once", Remember{Times: 5})
		callers := make([]*Caller, 12)
		for i := range callers {
			callers[i] = h.as(token)
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		given := 0
		for _, c := range callers {
			wg.Go(func() {
				out, err := h.door.Answer(t.Context(), c, raw(keyClaim("at once")))
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
		remember(t, "while", Remember{Seconds: 60})
		h.answer(token, keyClaim("while"))
		h.clock = h.clock.Add(time.Minute)
		h.pending(token, keyClaim("while"))
	})
	t.Run("until it is withdrawn", func(t *testing.T) {
		remember(t, "until", Remember{Until: "withdrawn"})
		h.answer(token, keyClaim("until"))
		h.restart()
		h.answer(token, keyClaim("until"))
		grants, _, err := h.door.Grants(t.Context(), h.as(h.owner), store.Page{})
		if err != nil || len(grants) != 1 {
			t.Fatalf("grants %v, %v", grants, err)
		}
		if err := h.door.RevokeGrant(t.Context(), h.as(h.owner), grants[0].ID); err != nil {
			t.Fatal(err)
		}
		h.pending(token, keyClaim("until"))
	})
	t.Run("for the salt's bytes, not its text", func(t *testing.T) {
		remember(t, "zoo", Remember{Times: 1})
		h.answer(token, keyClaim("0x0a9a"))
	})
	for name, r := range map[string]Remember{
		"not without an end it knows": {}, "not for two ends": {Seconds: 1, Times: 1}, "not for a negative time": {Seconds: -1},
		"not until something else": {Until: "tomorrow"},
	} {
		t.Run(name, func(t *testing.T) {
			p := h.pending(token, keyClaim(name))
			wantErr(t, h.approve(p.ID, Choice{Remember: &r}), ErrChoice)
		})
	}
}

func TestRevokingEndsWhatHangsOnIt(t *testing.T) {
	setup := func(t *testing.T) (h *house, token string, waiting *Pending) {
		h = newHouse(t)
		token = h.appToken(notes)
		p := h.pending(token, keyClaim("granted"))
		if err := h.approve(p.ID, Choice{Remember: &Remember{Until: "withdrawn"}}); err != nil {
			t.Fatal(err)
		}
		h.answer(token, keyClaim("granted"))
		return h, token, h.pending(token, keyClaim("waiting"))
	}
	t.Run("a token", func(t *testing.T) {
		h, token, waiting := setup(t)
		spare := h.appToken(notes)
		if err := h.door.RevokeToken(t.Context(), h.as(h.owner), h.as(token).Token); err != nil {
			t.Fatal(err)
		}
		_, err := h.door.Authenticate(t.Context(), token)
		wantErr(t, err, ErrUnauthorized)
		wantErr(t, h.approve(waiting.ID, Choice{}), ErrDecided)
		h.pending(spare, keyClaim("granted"))
	})
	t.Run("an app", func(t *testing.T) {
		h, token, waiting := setup(t)
		if err := h.door.RevokeApp(t.Context(), h.as(h.owner), app(t, notes)); err != nil {
			t.Fatal(err)
		}
		_, err := h.door.Authenticate(t.Context(), token)
		wantErr(t, err, ErrUnauthorized)
		wantErr(t, h.approve(waiting.ID, Choice{}), ErrDecided)
		h.pending(h.appToken(notes), keyClaim("granted"))
	})
	t.Run("a deny that matches now", func(t *testing.T) {
		h, token, waiting := setup(t)
		h.policy(policy.Rule{App: notes, Claim: "encryptionKey", Decision: policy.Deny})
		wantErr(t, h.approve(waiting.ID, Choice{}), ErrDecided)
		h.policy()
		h.pending(token, keyClaim("granted"))
	})
}
