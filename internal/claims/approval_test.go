package claims

import (
	"bytes"
	"sync"
	"testing"
	"time"

	"walletd/internal/did"
	"walletd/internal/policy"
	"walletd/internal/store"
)

func TestTheSameQuestion(t *testing.T) {
	h := newHouse(t)
	token := h.appToken(notes)
	first := h.pending(token, keyClaim("diary"))
	if again := h.pending(token, keyClaim("diary")); *again != *first {
		t.Errorf("asked twice: %v and %v", first, again)
	}
	if other := h.pending(token, keyClaim("letters")); other.ID == first.ID || other.Code == first.Code {
		t.Error("another question is taken for the same")
	}
	if _, err := h.door.Reject(t.Context(), h.as(h.owner), first.ID); err != nil {
		t.Fatal(err)
	}
	_, err := h.ask(token, keyClaim("diary"))
	wantErr(t, err, ErrRejected)
	_, err = h.collect(token, first.ID)
	wantErr(t, err, ErrRejected)
	h.clock = h.clock.Add(rejectedFor)
	if again := h.pending(token, keyClaim("diary")); again.ID == first.ID {
		t.Error("the no is asked again under the same id")
	}
}

func TestBudgetOfQuestions(t *testing.T) {
	h := newHouse(t)
	token := h.appToken(notes)
	for i := range waitingPerApp {
		h.pending(token, keyClaim("salt "+string(rune('a'+i))))
	}
	_, err := h.ask(token, keyClaim("one more"))
	wantErr(t, err, ErrTooMany)
	h.pending(h.appToken(another), keyClaim("of another app"))
	h.clock = h.clock.Add(5 * time.Minute)
	h.pending(token, keyClaim("one more"))
}

func TestAYesIsCollected(t *testing.T) {
	h := newHouse(t)
	token, stranger := h.appToken(notes), h.appToken(notes)
	p := h.pending(token, keyClaim("diary"))
	if out, err := h.collect(token, p.ID); err != nil || out.Pending == nil {
		t.Errorf("got %v and %v before the yes, want it pending", out, err)
	}
	if err := h.approve(p.ID, Choice{}); err != nil {
		t.Fatal(err)
	}
	_, err := h.collect(stranger, p.ID)
	wantErr(t, err, ErrNotFound)
	out, err := h.collect(token, p.ID)
	if err != nil || out.Answer == nil {
		t.Fatalf("got %v and %v, want the answer", out, err)
	}
	sk, _ := secret(t, notes, did.AccountType())
	if got, want := member(t, out.Answer, 0, "key"), key(sk, "diary"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if kind, e := h.lastEvent(); kind != "claim.collected" || e.Approval != p.ID {
		t.Errorf("recorded %s %+v", kind, e)
	}
	t.Run("for two minutes", func(t *testing.T) {
		h.clock = h.clock.Add(collectFor)
		_, err := h.collect(token, p.ID)
		wantErr(t, err, ErrExpired)
	})
	t.Run("but is asked anew after that", func(t *testing.T) {
		if again := h.pending(token, keyClaim("diary")); again.ID == p.ID {
			t.Error("one yes stood for two questions")
		}
	})
	t.Run("not once a rule denies it", func(t *testing.T) {
		p := h.pending(token, keyClaim("letters"))
		if err := h.approve(p.ID, Choice{}); err != nil {
			t.Fatal(err)
		}
		h.policy(policy.Rule{App: notes, Claim: policy.Any, Decision: policy.Deny})
		_, err := h.collect(token, p.ID)
		wantErr(t, err, ErrDenied)
	})
}

func TestAQuestionNobodyAnswersExpires(t *testing.T) {
	h := newHouse(t)
	token := h.appToken(notes)
	p := h.pending(token, keyClaim("diary"))
	h.clock = h.clock.Add(5 * time.Minute)
	_, err := h.collect(token, p.ID)
	wantErr(t, err, ErrExpired)
	wantErr(t, h.approve(p.ID, Choice{}), ErrExpired)
}

func TestOfTwoWhoDecideOneWins(t *testing.T) {
	h := newHouse(t)
	token := h.appToken(notes)
	for range 20 {
		p := h.pending(token, keyClaim(store.NewID()))
		yes, no := h.as(h.owner), h.as(h.owner)
		var wg sync.WaitGroup
		var errs [2]error
		wg.Go(func() { _, errs[0] = h.door.Approve(t.Context(), yes, p.ID, Choice{}) })
		wg.Go(func() { _, errs[1] = h.door.Reject(t.Context(), no, p.ID) })
		wg.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else {
				wantErr(t, err, ErrDecided)
			}
		}
		if won != 1 {
			t.Fatalf("%d decisions stand: %v", won, errs)
		}
		out, err := h.collect(token, p.ID)
		if (errs[0] == nil) != (out.Answer != nil) {
			t.Fatalf("approved: %t, but collected %v, %v", errs[0] == nil, out, err)
		}
	}
}

func TestAChoiceMustHaveBeenOffered(t *testing.T) {
	h := newHouse(t)
	token := h.appToken(notes)
	other := h.account(another, did.AccountType())
	mine := h.account(notes, did.Type{Role: did.RoleAccount, Key: did.Secp256k1, Hash: did.SHA3})
	numbers := `{"type":"encryptionKey","salt":"mfa","mfaCode":[11,22,33]}`
	for name, c := range map[string]struct {
		claim  string
		choice Choice
	}{
		"a number that was not shown":         {numbers, Choice{MFACode: 12}},
		"no number where one was asked for":   {numbers, Choice{}},
		"a number where none was asked for":   {keyClaim("a"), Choice{MFACode: 11}},
		"an account nobody left open":         {keyClaim("b"), Choice{Account: mine.Address}},
		"an account of another app":           {`{"type":"authPrincipal"}`, Choice{Account: other.Address}},
		"an account where the app names one":  {`{"type":"authPrincipal","target":"` + mine.Address + `"}`, Choice{Account: mine.Address}},
		"profile items where none are wanted": {keyClaim("c"), Choice{Items: &[]string{"email"}}},
	} {
		t.Run(name, func(t *testing.T) {
			p := h.pending(token, c.claim)
			wantErr(t, h.approve(p.ID, c.choice), ErrChoice)
		})
	}
	t.Run("but the number on the page is answered", func(t *testing.T) {
		p := h.pending(token, numbers)
		if err := h.approve(p.ID, Choice{MFACode: 22}); err != nil {
			t.Fatal(err)
		}
		out, err := h.collect(token, p.ID)
		if err != nil || !bytes.Contains(out.Answer.Claims[0], []byte(`"mfaCode":[22]`)) {
			t.Errorf("got %s, %v", out.Answer.Claims, err)
		}
	})
	t.Run("and an account of the app's own is taken", func(t *testing.T) {
		p := h.pending(token, `{"type":"authPrincipal","meta":{"n":2}}`)
		if err := h.approve(p.ID, Choice{Account: mine.Address}); err != nil {
			t.Fatal(err)
		}
		out, err := h.collect(token, p.ID)
		if err != nil || out.Answer.UserDID != mine.Address {
			t.Errorf("got %v, %v", out, err)
		}
	})
}
