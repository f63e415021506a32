package consent_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"walletd/internal/approvals"
	"walletd/internal/consent"
	"walletd/internal/policy"
	"walletd/internal/wallettest/fixture"
)

func reject(t *testing.T, f *fixture.Fixture, id string) {
	t.Helper()
	if _, err := f.Pipeline.Reject(t.Context(), f.As(f.Owner), id); err != nil {
		t.Fatal(err)
	}
}

// wantRejected checks that a request is refused because of a rejection, and until when.
func wantRejected(t *testing.T, err error, until time.Time) {
	t.Helper()
	rejected, ok := errors.AsType[*consent.RejectedError](err)
	if !ok || !rejected.Until.Equal(until) || !errors.Is(err, consent.ErrRejected) {
		t.Errorf("got %v, want a rejection until %v", err, until)
	}
}

// A rejection stands against what was asked for, and not against the bytes of the request.
func TestARejectionStandsHoweverTheRequestIsWritten(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	reject(t, f, f.Pending(token, fixture.KeyClaim("zoo")).ID)
	until := f.Clock.Add(consent.RejectedLife)
	for name, claims := range map[string][]string{
		"with another member":      {`{"type":"encryptionKey","salt":"zoo","more":1}`},
		"with another description": {`{"type":"encryptionKey","salt":"zoo","description":"Please, please."}`},
		"with a number to choose":  {`{"type":"encryptionKey","salt":"zoo","mfaCode":[11,12,13]}`},
		"with the salt's bytes":    {`{"type":"encryptionKey","salt":"0x0a9a"}`},
		"beside another claim":     {`{"type":"profile"}`, `{"type":"encryptionKey","salt":"zoo"}`},
	} {
		_, err := f.Ask(token, claims...)
		t.Run(name, func(t *testing.T) { wantRejected(t, err, until) })
	}
	t.Run("by another token of the app", func(t *testing.T) {
		_, err := f.Ask(f.AppToken(fixture.Notes), fixture.KeyClaim("zoo"))
		wantRejected(t, err, until)
	})
	f.Pending(token, fixture.KeyClaim("letters"))
	f.Pending(token, `{"type":"profile"}`)
	f.Pending(f.AppToken(fixture.Another), fixture.KeyClaim("zoo"))
	f.Clock = until
	f.Pending(token, fixture.KeyClaim("zoo"))
}

// After several rejections in a row an app waits, twice as long each time, for a day at most. An approval
// ends the row.
func TestAnAppThatIsRejectedAgainAndAgainWaits(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	ask := func(i int) (consent.Outcome, error) { return f.Ask(token, fixture.KeyClaim(fmt.Sprint("salt ", i))) }
	pause := consent.RejectedLife
	for i := range 14 {
		out, err := ask(i)
		if err != nil || out.Pending == nil {
			t.Fatalf("request %d: %v, %v", i, out, err)
		}
		f.Clock = f.Clock.Add(time.Second)
		reject(t, f, out.Pending.ID)
		if i < 2 {
			continue
		}
		_, err = ask(i + 1)
		wantRejected(t, err, f.Clock.Add(pause))
		f.Clock = f.Clock.Add(pause)
		pause = min(2*pause, 24*time.Hour)
	}
	f.Pending(f.AppToken(fixture.Another), fixture.KeyClaim("of another app"))
	p := f.Pending(token, fixture.KeyClaim("approved"))
	if err := f.Approve(p.ID, approvals.Choice{}); err != nil {
		t.Fatal(err)
	}
	reject(t, f, f.Pending(token, fixture.KeyClaim("after that")).ID)
	f.Pending(token, fixture.KeyClaim("is asked at once"))
}

// At most three requests for the same things wait at once, however many come at the same time.
func TestRequestsThatAreAlikeDoNotPileUp(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	var wg sync.WaitGroup
	var mu sync.Mutex
	waiting := 0
	for i := range 12 {
		c := f.As(token)
		wg.Go(func() {
			out, err := f.Pipeline.Answer(t.Context(), c, fixture.Raw(fmt.Sprintf(`{"type":"encryptionKey","salt":"diary","junk":%d}`, i)))
			mu.Lock()
			defer mu.Unlock()
			if err == nil && out.Pending != nil {
				waiting++
			} else if !errors.Is(err, consent.ErrTooMany) {
				t.Errorf("got %v, %v", out, err)
			}
		})
	}
	wg.Wait()
	if waiting != 3 {
		t.Errorf("%d alike wait", waiting)
	}
	f.Pending(token, fixture.KeyClaim("another"))
}

// Who opens the link of a session asks for it: a rejection does not stand against that.
func TestARejectionDoesNotStandAgainstALinkThatTheOwnerOpens(t *testing.T) {
	f := fixture.New(t)
	f.SetPolicy(policy.Rule{App: policy.Any, Claim: policy.Any, Decision: policy.Ask})
	asks := f.BySession(t, `{"type":"encryptionKey","salt":"diary"}`)
	for range 5 {
		out, err := asks.Ask()
		if err != nil || out.Pending == nil {
			t.Fatalf("got %v, %v", out, err)
		}
		reject(t, f, out.Pending.ID)
	}
}
