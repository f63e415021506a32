package consent_test

import (
	"testing"
	"walletd/internal/approvals"
	"walletd/internal/auth"
	"walletd/internal/consent"
	"walletd/internal/wallettest/fixture"
)

func TestAJTIIsUsedUpWhateverCameOfIt(t *testing.T) {
	h := fixture.New(t)
	p := h.KnownPeer(7)
	ask := func(jti, salt string) auth.SignedRequest {
		return h.Request(p, jti, map[string]any{"requestedClaims": fixture.Raw(fixture.KeyClaim(salt))})
	}
	question, err := h.AskSigned(ask("ask", "diary"))
	if err != nil || question.Pending == nil {
		t.Fatal(question, err)
	}
	t.Run("by a repeated question", func(t *testing.T) {
		again := ask("again", "diary")
		if out, err := h.AskSigned(again); err != nil || out.Pending == nil || out.Pending.ID != question.Pending.ID {
			t.Fatal(out, err)
		}
		_, err := h.AskSigned(again)
		fixture.WantCode(t, err, "jti_replayed")
	})
	t.Run("by a poll", func(t *testing.T) {
		poll := h.Request(p, "poll", map[string]any{"approval": question.Pending.ID})
		if out, err := h.CollectSigned(poll, question.Pending.ID); err != nil || out.Pending == nil {
			t.Fatal(out, err)
		}
		if err := h.Approve(question.Pending.ID, approvals.Choice{}); err != nil {
			t.Fatal(err)
		}
		out, err := h.CollectSigned(poll, question.Pending.ID)
		fixture.WantCode(t, err, "jti_replayed")
		if out.Answer != nil {
			t.Error("the poll that was answered before the yes collects the key")
		}
		if out, err := h.CollectSigned(h.Request(p, "fresh", map[string]any{"approval": question.Pending.ID}), question.Pending.ID); err != nil || out.Answer == nil {
			t.Errorf("a fresh request: %v, %v", out, err)
		}
	})
	t.Run("by a question that was rejected just before", func(t *testing.T) {
		out, err := h.AskSigned(ask("letters", "letters"))
		if err != nil || out.Pending == nil {
			t.Fatal(out, err)
		}
		if _, err := h.Pipeline.Reject(t.Context(), h.As(h.Owner), out.Pending.ID); err != nil {
			t.Fatal(err)
		}
		again := ask("letters again", "letters")
		_, err = h.AskSigned(again)
		fixture.WantErr(t, err, consent.ErrRejected)
		h.Policy(fixture.AllowAll)
		_, err = h.AskSigned(again)
		fixture.WantCode(t, err, "jti_replayed")
		h.Policy()
	})
	t.Run("by a question over the budget", func(t *testing.T) {
		for i := range consent.WaitingPerApp {
			if _, err := h.AskSigned(ask("many "+string(rune('a'+i)), "many "+string(rune('a'+i)))); err != nil {
				t.Fatal(err)
			}
		}
		over := ask("over", "over")
		_, err := h.AskSigned(over)
		fixture.WantErr(t, err, consent.ErrTooMany)
		h.Policy(fixture.AllowAll)
		_, err = h.AskSigned(over)
		fixture.WantCode(t, err, "jti_replayed")
	})
}
