package claims

import "testing"

func TestAJTIIsUsedUpWhateverCameOfIt(t *testing.T) {
	h := newHouse(t)
	p := h.knownPeer(7)
	ask := func(jti, salt string) SignedRequest {
		return h.request(p, jti, map[string]any{"requestedClaims": raw(keyClaim(salt))})
	}
	question, err := h.askSigned(ask("ask", "diary"))
	if err != nil || question.Pending == nil {
		t.Fatal(question, err)
	}
	t.Run("by a repeated question", func(t *testing.T) {
		again := ask("again", "diary")
		if out, err := h.askSigned(again); err != nil || out.Pending == nil || out.Pending.ID != question.Pending.ID {
			t.Fatal(out, err)
		}
		_, err := h.askSigned(again)
		wantCode(t, err, "jti_replayed")
	})
	t.Run("by a poll", func(t *testing.T) {
		poll := h.request(p, "poll", map[string]any{"approval": question.Pending.ID})
		if out, err := h.collectSigned(poll, question.Pending.ID); err != nil || out.Pending == nil {
			t.Fatal(out, err)
		}
		if err := h.approve(question.Pending.ID, Choice{}); err != nil {
			t.Fatal(err)
		}
		out, err := h.collectSigned(poll, question.Pending.ID)
		wantCode(t, err, "jti_replayed")
		if out.Answer != nil {
			t.Error("the poll that was answered before the yes collects the key")
		}
		if out, err := h.collectSigned(h.request(p, "fresh", map[string]any{"approval": question.Pending.ID}), question.Pending.ID); err != nil || out.Answer == nil {
			t.Errorf("a fresh request: %v, %v", out, err)
		}
	})
	t.Run("by a question that was rejected just before", func(t *testing.T) {
		out, err := h.askSigned(ask("letters", "letters"))
		if err != nil || out.Pending == nil {
			t.Fatal(out, err)
		}
		if _, err := h.door.Reject(t.Context(), h.as(h.owner), out.Pending.ID); err != nil {
			t.Fatal(err)
		}
		again := ask("letters again", "letters")
		_, err = h.askSigned(again)
		wantErr(t, err, ErrRejected)
		h.policy(allowAll)
		_, err = h.askSigned(again)
		wantCode(t, err, "jti_replayed")
		h.policy()
	})
	t.Run("by a question over the budget", func(t *testing.T) {
		for i := range waitingPerApp {
			if _, err := h.askSigned(ask("many "+string(rune('a'+i)), "many "+string(rune('a'+i)))); err != nil {
				t.Fatal(err)
			}
		}
		over := ask("over", "over")
		_, err := h.askSigned(over)
		wantErr(t, err, ErrTooMany)
		h.policy(allowAll)
		_, err = h.askSigned(over)
		wantCode(t, err, "jti_replayed")
	})
}
