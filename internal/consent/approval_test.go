package consent_test

import (
	"bytes"
	"sync"
	"testing"
	"time"

	"walletd/internal/approvals"
	"walletd/internal/auth"
	"walletd/internal/consent"
	"walletd/internal/did"
	"walletd/internal/policy"
	"walletd/internal/store"
	"walletd/internal/wallettest/fixture"
)

func TestTheSameRequest(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	first := f.Pending(token, fixture.KeyClaim("diary"))
	if again := f.Pending(token, fixture.KeyClaim("diary")); *again != *first {
		t.Errorf("asked twice: %v and %v", first, again)
	}
	if other := f.Pending(token, fixture.KeyClaim("letters")); other.ID == first.ID || other.Code == first.Code {
		t.Error("another request is taken for the same")
	}
	if _, err := f.Pipeline.Reject(t.Context(), f.As(f.Owner), first.ID); err != nil {
		t.Fatal(err)
	}
	_, err := f.Ask(token, fixture.KeyClaim("diary"))
	fixture.WantErr(t, err, consent.ErrRejected)
	_, err = f.Collect(token, first.ID)
	fixture.WantErr(t, err, consent.ErrRejected)
	f.Clock = f.Clock.Add(consent.RejectedLife)
	if again := f.Pending(token, fixture.KeyClaim("diary")); again.ID == first.ID {
		t.Error("the no is asked again under the same id")
	}
}

func TestBudgetOfWaitingRequests(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	for i := range consent.WaitingPerApp {
		f.Pending(token, fixture.KeyClaim("salt "+string(rune('a'+i))))
	}
	_, err := f.Ask(token, fixture.KeyClaim("one more"))
	fixture.WantErr(t, err, consent.ErrTooMany)
	f.Pending(f.AppToken(fixture.Another), fixture.KeyClaim("of another app"))
	f.Clock = f.Clock.Add(5 * time.Minute)
	f.Pending(token, fixture.KeyClaim("one more"))
}

func TestAnApprovalIsCollected(t *testing.T) {
	f := fixture.New(t)
	token, other := f.AppToken(fixture.Notes), f.AppToken(fixture.Notes)
	p := f.Pending(token, fixture.KeyClaim("diary"))
	if out, err := f.Collect(token, p.ID); err != nil || out.Pending == nil {
		t.Errorf("got %v and %v before the approval, want it pending", out, err)
	}
	if err := f.Approve(p.ID, approvals.Choice{}); err != nil {
		t.Fatal(err)
	}
	_, err := f.Collect(other, p.ID)
	fixture.WantErr(t, err, auth.ErrNotFound)
	out, err := f.Collect(token, p.ID)
	if err != nil || out.Answer == nil {
		t.Fatalf("got %v and %v, want the answer", out, err)
	}
	sk, _ := fixture.Secret(t, fixture.Notes, did.AccountType())
	if got, want := fixture.Member(t, out.Answer, 0, "key"), fixture.Key(sk, "diary"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if kind, e := f.LastEvent(); kind != "claim.collected" || e.Approval != p.ID {
		t.Errorf("recorded %s %+v", kind, e)
	}
	t.Run("for two minutes", func(t *testing.T) {
		f.Clock = f.Clock.Add(consent.CollectLife)
		_, err := f.Collect(token, p.ID)
		fixture.WantErr(t, err, consent.ErrExpired)
	})
	t.Run("but is asked again after that", func(t *testing.T) {
		if again := f.Pending(token, fixture.KeyClaim("diary")); again.ID == p.ID {
			t.Error("one approval stood for two requests")
		}
	})
	t.Run("not once a rule denies it", func(t *testing.T) {
		p := f.Pending(token, fixture.KeyClaim("letters"))
		if err := f.Approve(p.ID, approvals.Choice{}); err != nil {
			t.Fatal(err)
		}
		f.SetPolicy(policy.Rule{App: fixture.Notes, Claim: policy.Any, Decision: policy.Deny})
		_, err := f.Collect(token, p.ID)
		fixture.WantErr(t, err, consent.ErrDenied)
	})
}

func TestARequestNobodyDecidesExpires(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	p := f.Pending(token, fixture.KeyClaim("diary"))
	f.Clock = f.Clock.Add(5 * time.Minute)
	_, err := f.Collect(token, p.ID)
	fixture.WantErr(t, err, consent.ErrExpired)
	fixture.WantErr(t, f.Approve(p.ID, approvals.Choice{}), consent.ErrExpired)
}

func TestOfTwoWhoDecideOneWins(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	for range 20 {
		f.Clock = f.Clock.Add(25 * time.Hour) // rejections in a row make the next request wait
		p := f.Pending(token, fixture.KeyClaim(store.NewID()))
		yes, no := f.As(f.Owner), f.As(f.Owner)
		var wg sync.WaitGroup
		var errs [2]error
		wg.Go(func() { _, errs[0] = f.Pipeline.Approve(t.Context(), yes, p.ID, approvals.Choice{}, nil) })
		wg.Go(func() { _, errs[1] = f.Pipeline.Reject(t.Context(), no, p.ID) })
		wg.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else {
				fixture.WantErr(t, err, consent.ErrDecided)
			}
		}
		if won != 1 {
			t.Fatalf("%d decisions stand: %v", won, errs)
		}
		out, err := f.Collect(token, p.ID)
		if (errs[0] == nil) != (out.Answer != nil) {
			t.Fatalf("approved: %t, but collected %v, %v", errs[0] == nil, out, err)
		}
	}
}

func TestAChoiceMustHaveBeenOffered(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	other := f.Account(fixture.Another, did.AccountType())
	mine := f.Account(fixture.Notes, did.Type{Role: did.RoleAccount, Key: did.Secp256k1, Hash: did.SHA3})
	numbers := `{"type":"encryptionKey","salt":"mfa","mfaCode":[11,22,33]}`
	for name, c := range map[string]struct {
		claim  string
		choice approvals.Choice
	}{
		"a number that was not shown":         {numbers, approvals.Choice{MFACode: 12}},
		"no number where one was asked for":   {numbers, approvals.Choice{}},
		"a number where none was asked for":   {fixture.KeyClaim("a"), approvals.Choice{MFACode: 11}},
		"an account nobody left open":         {fixture.KeyClaim("b"), approvals.Choice{Account: mine.Address}},
		"an account of another app":           {`{"type":"authPrincipal"}`, approvals.Choice{Account: other.Address}},
		"an account where the app names one":  {`{"type":"authPrincipal","target":"` + mine.Address + `"}`, approvals.Choice{Account: mine.Address}},
		"profile items where none are wanted": {fixture.KeyClaim("c"), approvals.Choice{Items: &[]string{"email"}}},
	} {
		t.Run(name, func(t *testing.T) {
			p := f.Pending(token, c.claim)
			fixture.WantErr(t, f.Approve(p.ID, c.choice), approvals.ErrChoice)
		})
	}
	t.Run("but the number on the page is answered", func(t *testing.T) {
		p := f.Pending(token, numbers)
		if err := f.Approve(p.ID, approvals.Choice{MFACode: 22}); err != nil {
			t.Fatal(err)
		}
		out, err := f.Collect(token, p.ID)
		if err != nil || !bytes.Contains(out.Answer.Claims[0], []byte(`"mfaCode":[22]`)) {
			t.Errorf("got %s, %v", out.Answer.Claims, err)
		}
	})
	t.Run("and an account of the app's own is taken", func(t *testing.T) {
		p := f.Pending(token, `{"type":"authPrincipal","meta":{"n":2}}`)
		if err := f.Approve(p.ID, approvals.Choice{Account: mine.Address}); err != nil {
			t.Fatal(err)
		}
		out, err := f.Collect(token, p.ID)
		if err != nil || out.Answer.UserDID != mine.Address {
			t.Errorf("got %v, %v", out, err)
		}
	})
}
