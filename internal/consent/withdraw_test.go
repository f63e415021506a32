package consent_test

import (
	"fmt"
	"testing"
	"time"

	"walletd/internal/approvals"
	"walletd/internal/auth"
	"walletd/internal/consent"
	"walletd/internal/did"
	"walletd/internal/store"
	"walletd/internal/wallettest/fixture"
)

func withdraw(t *testing.T, f *fixture.Fixture, token, id string) error {
	t.Helper()
	return f.Pipeline.Withdraw(t.Context(), f.As(token), id)
}

func TestAnAppWithdrawsItsQuestion(t *testing.T) {
	f := fixture.New(t)
	app := f.AppToken(fixture.Notes)
	second := f.AppToken(fixture.Notes)
	waiting := f.Pending(app, fixture.KeyClaim("diary"))
	fixture.WantErr(t, withdraw(t, f, second, waiting.ID), auth.ErrNotFound)
	fixture.WantErr(t, withdraw(t, f, f.Owner, waiting.ID), auth.ErrForbidden)
	for range 2 {
		if err := withdraw(t, f, app, waiting.ID); err != nil {
			t.Fatal(err)
		}
	}
	if kind, e := f.LastEvent(); kind != "approval.cancelled" || e.Code != "withdrawn" || e.Approval != waiting.ID {
		t.Errorf("recorded %s %+v", kind, e)
	}
	if v := f.Approval(waiting.ID); v.Status != store.Cancelled {
		t.Errorf("it is %s", v.Status)
	}
	fixture.WantErr(t, f.Approve(waiting.ID, approvals.Choice{}), consent.ErrDecided)
	_, err := f.Collect(app, waiting.ID)
	fixture.WantErr(t, err, consent.ErrExpired)

	// What was approved and not collected is not given.
	waiting = f.Pending(app, fixture.KeyClaim("diary"))
	if err := f.Approve(waiting.ID, approvals.Choice{}); err != nil {
		t.Fatal(err)
	}
	if err := withdraw(t, f, app, waiting.ID); err != nil {
		t.Fatal(err)
	}
	if out, err := f.Collect(app, waiting.ID); err == nil {
		t.Errorf("it is given: %v", out)
	}

	// A rejection stays one.
	waiting = f.Pending(app, fixture.KeyClaim("letters"))
	if _, err := f.Pipeline.Reject(t.Context(), f.As(f.Owner), waiting.ID); err != nil {
		t.Fatal(err)
	}
	fixture.WantErr(t, withdraw(t, f, app, waiting.ID), consent.ErrRejected)
	_, err = f.Ask(app, fixture.KeyClaim("letters"))
	fixture.WantErr(t, err, consent.ErrRejected)
}

func TestAskingAndWithdrawingInTurnWearsNobodyDown(t *testing.T) {
	f := fixture.New(t)
	app := f.AppToken(fixture.Notes)
	again := func(claim string) error {
		out, err := f.Ask(app, claim)
		if err != nil {
			return err
		}
		return withdraw(t, f, app, out.Pending.ID)
	}
	for range 3 {
		if err := again(fixture.KeyClaim("diary")); err != nil {
			t.Fatal(err)
		}
	}
	fixture.WantErr(t, again(fixture.KeyClaim("diary")), consent.ErrTooMany)
	var err error
	asked := 3
	for ; err == nil && asked < 100; asked++ {
		err = again(fixture.KeyClaim(fmt.Sprint("diary ", asked)))
	}
	fixture.WantErr(t, err, consent.ErrTooMany)
	if asked-1 != approvals.PerApp {
		t.Errorf("the owner was asked %d times", asked-1)
	}
	f.Clock = f.Clock.Add(5 * time.Minute)
	if err := again(fixture.KeyClaim("diary")); err != nil {
		t.Errorf("after a while: %v", err)
	}
}

func TestAnOwnerTakesARejectionBack(t *testing.T) {
	f := fixture.New(t)
	app := f.AppToken(fixture.Notes)
	reject := func(id string) {
		t.Helper()
		if _, err := f.Pipeline.Reject(t.Context(), f.As(f.Owner), id); err != nil {
			t.Fatal(err)
		}
	}
	takeBack := func(token, id string) error {
		_, err := f.Pipeline.TakeBack(t.Context(), f.As(token), id)
		return err
	}
	waiting := f.Pending(app, fixture.KeyClaim("diary"))
	fixture.WantErr(t, takeBack(f.Owner, waiting.ID), consent.ErrDecided)
	reject(waiting.ID)
	_, err := f.Ask(app, fixture.KeyClaim("diary"))
	fixture.WantErr(t, err, consent.ErrRejected)
	fixture.WantErr(t, takeBack(app, waiting.ID), auth.ErrForbidden)
	if err := takeBack(f.Owner, waiting.ID); err != nil {
		t.Fatal(err)
	}
	fixture.WantErr(t, takeBack(f.Owner, waiting.ID), consent.ErrDecided)
	if kind, e := f.LastEvent(); kind != "approval.cancelled" || e.Code != "taken_back" || e.By != "owner" || e.App != did.Prefixed(fixture.Notes) {
		t.Errorf("recorded %s %+v", kind, e)
	}
	_, err = f.Collect(app, waiting.ID) // the question itself is closed
	fixture.WantErr(t, err, consent.ErrExpired)
	waiting = f.Pending(app, fixture.KeyClaim("diary"))
	if err := f.Approve(waiting.ID, approvals.Choice{}); err != nil {
		t.Fatal(err)
	}

	// Rejections that were taken back make no pause longer.
	for i := range 5 {
		waiting := f.Pending(app, fixture.KeyClaim(fmt.Sprint("other ", i)))
		reject(waiting.ID)
		if err := takeBack(f.Owner, waiting.ID); err != nil {
			t.Fatal(err)
		}
	}
	f.Pending(app, fixture.KeyClaim("other 0"))
}
