package consent_test

import (
	"testing"
	"walletd/internal/approvals"
	"walletd/internal/auth"
	"walletd/internal/consent"
	"walletd/internal/wallettest/fixture"
)

func TestAJTIIsUsedUpWhateverCameOfIt(t *testing.T) {
	f := fixture.New(t)
	p := f.RegisteredPeer(7)
	ask := func(jti, salt string) auth.SignedRequest {
		return f.SignedRequest(p, jti, map[string]any{"requestedClaims": fixture.Raw(fixture.KeyClaim(salt))})
	}
	question, err := f.AskSigned(ask("ask", "diary"))
	if err != nil || question.Pending == nil {
		t.Fatal(question, err)
	}
	t.Run("by a repeated request", func(t *testing.T) {
		again := ask("again", "diary")
		if out, err := f.AskSigned(again); err != nil || out.Pending == nil || out.Pending.ID != question.Pending.ID {
			t.Fatal(out, err)
		}
		_, err := f.AskSigned(again)
		fixture.WantCode(t, err, "jti_replayed")
	})
	t.Run("by a poll", func(t *testing.T) {
		poll := f.SignedRequest(p, "poll", map[string]any{"approval": question.Pending.ID})
		if out, err := f.CollectSigned(poll, question.Pending.ID); err != nil || out.Pending == nil {
			t.Fatal(out, err)
		}
		if err := f.Approve(question.Pending.ID, approvals.Choice{}); err != nil {
			t.Fatal(err)
		}
		out, err := f.CollectSigned(poll, question.Pending.ID)
		fixture.WantCode(t, err, "jti_replayed")
		if out.Answer != nil {
			t.Error("the poll that was answered before the approval collects the key")
		}
		if out, err := f.CollectSigned(f.SignedRequest(p, "fresh", map[string]any{"approval": question.Pending.ID}), question.Pending.ID); err != nil || out.Answer == nil {
			t.Errorf("a fresh request: %v, %v", out, err)
		}
	})
	t.Run("by a request that was rejected just before", func(t *testing.T) {
		out, err := f.AskSigned(ask("letters", "letters"))
		if err != nil || out.Pending == nil {
			t.Fatal(out, err)
		}
		if _, err := f.Pipeline.Reject(t.Context(), f.As(f.Owner), out.Pending.ID); err != nil {
			t.Fatal(err)
		}
		again := ask("letters again", "letters")
		_, err = f.AskSigned(again)
		fixture.WantErr(t, err, consent.ErrRejected)
		f.SetPolicy(fixture.AllowAll)
		_, err = f.AskSigned(again)
		fixture.WantCode(t, err, "jti_replayed")
		f.SetPolicy()
	})
	t.Run("by a request over the budget", func(t *testing.T) {
		for i := range consent.WaitingPerApp {
			if _, err := f.AskSigned(ask("many "+string(rune('a'+i)), "many "+string(rune('a'+i)))); err != nil {
				t.Fatal(err)
			}
		}
		over := ask("over", "over")
		_, err := f.AskSigned(over)
		fixture.WantErr(t, err, consent.ErrTooMany)
		f.SetPolicy(fixture.AllowAll)
		_, err = f.AskSigned(over)
		fixture.WantCode(t, err, "jti_replayed")
	})
}
