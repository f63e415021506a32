package claims

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"walletd/internal/did"
	"walletd/internal/ledger"
	"walletd/internal/policy"
	"walletd/internal/store"
)

// of is the address of an app's ordinary account in the wallet.
func (h *house) of(app string) string { return h.account(app, did.AccountType()).Address }

// seen is the question as its owner sees it.
func (h *house) seen(id string) ApprovalView {
	h.t.Helper()
	v, err := h.door.Approval(h.t.Context(), h.as(h.owner), id)
	if err != nil {
		h.t.Fatal(err)
	}
	return v
}

func TestAYesIsToWhatWasShown(t *testing.T) {
	tests := whatChanges()
	for _, typ := range append(Types(keyInUse), secretTypes()...) {
		name := typ.Name
		if (len(tests[name]) == 0) == (unchanging[name] == "") {
			t.Errorf("%s: it is said neither what can change nor why nothing can", name)
		}
	}
	for typ, list := range tests {
		for _, c := range list {
			t.Run(typ+"/"+c.name, func(t *testing.T) {
				t.Run("between the question and the yes", c.beforeTheYes)
				t.Run("between the yes and the collection", c.afterTheYes)
				t.Run("during the collection", c.during)
			})
		}
	}
}

// begin puts the question, in a house of its own.
func (c changing) begin(t *testing.T) (*house, again, func(), string) {
	t.Helper()
	h := atDawn(t)
	if strings.Contains(t.Name(), "secret") {
		h = newHouse(t)
	}
	asks, change := c.setup(t, h)
	out, err := asks.ask()
	if err != nil || out.Pending == nil {
		t.Fatalf("got %v and %v, want a question", out, err)
	}
	return h, asks, change, out.Pending.ID
}

func wantNothing(t *testing.T, out Outcome, err, want error) {
	t.Helper()
	wantErr(t, err, want)
	if out.Answer != nil {
		t.Errorf("given is %s", out.Answer.Claims)
	}
}

func (c changing) beforeTheYes(t *testing.T) {
	h, asks, change, id := c.begin(t)
	change()
	if err := h.approve(id, Choice{}); c.refused != nil && err == nil {
		out, err := asks.collect(id)
		wantNothing(t, out, err, c.refused)
		return
	} else {
		wantErr(t, err, ErrAnswerChanged)
	}
	wantErr(t, h.approve(id, Choice{}), ErrAnswerChanged) // and it stays so
	if v := h.seen(id); v.Status != store.Cancelled {
		t.Errorf("the question is %s", v.Status)
	}
	out, err := asks.collect(id)
	wantNothing(t, out, err, ErrAnswerChanged)
	if c.refused != nil {
		return
	}
	out, err = asks.ask()
	if err != nil || out.Pending == nil || out.Pending.ID == id {
		t.Fatalf("asked again: %v, %v", out, err)
	}
	if err := h.approve(out.Pending.ID, Choice{}); err != nil {
		t.Errorf("what is shown now cannot be approved: %v", err)
	}
}

func (c changing) afterTheYes(t *testing.T) {
	h, asks, change, id := c.begin(t)
	if err := h.approve(id, Choice{}); err != nil {
		t.Fatal(err)
	}
	change()
	want := c.refused
	if want == nil {
		want = ErrAnswerChanged
	}
	out, err := asks.collect(id)
	wantNothing(t, out, err, want)
	out, err = asks.collect(id)
	wantNothing(t, out, err, want)
	if c.refused != nil {
		return
	}
	if kind, e := h.lastEvent(); kind != "approval.cancelled" || e.Code != "changed" || e.Approval != id {
		t.Errorf("recorded %s %+v", kind, e)
	}
	out, err = asks.ask()
	if err != nil || out.Pending == nil || out.Pending.ID == id {
		t.Fatalf("asked again: %v, %v", out, err)
	}
}

// What changes after the collection has read is given as it was read, or not at all.
func (c changing) during(t *testing.T) {
	h, asks, change, id := c.begin(t)
	if err := h.approve(id, Choice{}); err != nil {
		t.Fatal(err)
	}
	caller := asks.caller()
	a, err := h.door.approval(t.Context(), caller, id)
	if err != nil {
		t.Fatal(err)
	}
	content := a.Content()
	q, v, err := h.door.stands(t.Context(), caller, a, Choice{})
	if err != nil {
		if content.Shown.Claims[0].Missing == "" {
			t.Fatal(err)
		}
		return // nothing is given of what is missing
	}
	told, err := q.show(t.Context())
	if err != nil || !content.Shown.gives(told, "") {
		t.Fatalf("what was read is not what was shown: %v", err)
	}
	change()
	if _, err := q.release(t.Context(), v, ledger.ClaimCollected); err != nil {
		if !errors.Is(err, store.ErrExists) {
			wantErr(t, err, store.ErrChanged)
		}
	}
	if c.refused == nil {
		out, err := asks.collect(id)
		wantNothing(t, out, err, ErrAnswerChanged)
	}
}

// What does not change is collected, of every type, as often as the same app comes in its time.
func TestWhatDoesNotChangeIsCollected(t *testing.T) {
	h := newHouse(t)
	h.profile(wholeProfile())
	h.card(newPeer(t, 9), "mine", h.of(notes), "")
	h.asset(ticket, h.of(notes))
	for _, claim := range []string{`{"type":"authPrincipal"}`, profileClaim, keyClaim("diary"), textClaim("Hello", "sha3"), agreeClaim, cardClaim, assetClaim, eitherClaim, pairClaim} {
		asks := h.byToken(claim)
		out, err := asks.ask()
		if err != nil || out.Pending == nil {
			t.Fatalf("%s: %v, %v", claim, out, err)
		}
		if err := h.approve(out.Pending.ID, Choice{}); err != nil {
			t.Fatalf("%s: %v", claim, err)
		}
		for range 2 {
			if got, err := asks.collect(out.Pending.ID); err != nil || got.Answer == nil {
				t.Errorf("%s: %v, %v", claim, got, err)
			}
		}
	}
}

// A yes makes the app and its delegation known, for the other questions that wait too.
func TestWhatAYesChangesItselfIsNoChange(t *testing.T) {
	t.Run("of an app that was never asked about", func(t *testing.T) {
		h := newHouse(t)
		token := h.appToken(notes)
		first, second := h.pending(token, keyClaim("a")), h.pending(token, keyClaim("b"))
		if v := h.seen(second.ID); len(v.Unusual) != 1 || !strings.HasPrefix(v.Unusual[0], "The first request") {
			t.Errorf("shown is %q", v.Unusual)
		}
		for _, p := range []*Pending{first, second} {
			if err := h.approve(p.ID, Choice{}); err != nil {
				t.Fatal(err)
			}
		}
		for _, p := range []*Pending{first, second} {
			if out, err := h.collect(token, p.ID); err != nil || out.Answer == nil {
				t.Errorf("%v, %v", out, err)
			}
		}
		if v := h.seen(h.pending(token, keyClaim("c")).ID); len(v.Unusual) != 0 {
			t.Errorf("shown is %q", v.Unusual)
		}
	})
	t.Run("of a stranger", func(t *testing.T) {
		h := newHouse(t)
		h.openToStrangers()
		p := newPeer(t, 7)
		out, err := h.askSigned(h.request(p, "ask", nil))
		if err != nil || len(h.seen(out.Pending.ID).Unusual) != 2 {
			t.Fatal(out, err)
		}
		if _, err := h.door.NameApp(t.Context(), h.as(h.owner), p.did, "Peer"); err != nil { // the owner has met it meanwhile
			t.Fatal(err)
		}
		if err := h.approve(out.Pending.ID, Choice{}); err != nil {
			t.Error(err)
		}
	})
	t.Run("of a delegation", func(t *testing.T) {
		h := newHouse(t)
		token := h.appToken(notes)
		application := did.Type{Role: did.RoleApplication, Key: did.Ed25519, Hash: did.SHA3}
		h.account(another, application)
		from, fromDID := secret(t, another, application)
		good := delegate(t, from, fromDID, app(t, notes), h.clock, nil)
		first := h.pending(token, delegatedClaim(fromDID.Address(), good))
		second := h.pending(token, strings.Replace(delegatedClaim(fromDID.Address(), good), "{", `{"description":"Once more",`, 1))
		for _, p := range []*Pending{first, second} {
			if err := h.approve(p.ID, Choice{}); err != nil {
				t.Fatal(err)
			}
			if out, err := h.collect(token, p.ID); err != nil || out.Answer == nil {
				t.Errorf("%v, %v", out, err)
			}
		}
	})
	t.Run("but an app that the owner withdrew is shown so", func(t *testing.T) {
		h := newHouse(t)
		token := h.appToken(notes)
		p := h.pending(token, keyClaim("a"))
		if err := h.approve(p.ID, Choice{}); err != nil {
			t.Fatal(err)
		}
		asked := h.pending(token, keyClaim("b"))
		a, err := h.door.approval(t.Context(), h.as(token), asked.ID)
		if err != nil {
			t.Fatal(err)
		}
		row, content := a.Row(), a.Content()
		old, err := h.door.app(t.Context(), h.as(h.owner), row.App)
		if err != nil {
			t.Fatal(err)
		}
		owner := h.as(h.owner)
		w, err := h.door.putApp(owner, old.Row(), row.App, store.Revoked, old.Content())
		if err != nil {
			t.Fatal(err)
		}
		if err := owner.record(t.Context(), ledger.Event{Kind: ledger.AppNamed, By: "test"}, w); err != nil {
			t.Fatal(err)
		}
		wantErr(t, h.approve(asked.ID, Choice{}), ErrAnswerChanged)
		if len(content.Shown.First) != 0 {
			t.Errorf("%+v", content.Shown)
		}
	})
}

func TestAChosenAccountChangesNothingElse(t *testing.T) {
	h := newHouse(t)
	token := h.appToken(notes)
	own, mine := h.of(notes), h.account(notes, did.Type{Role: did.RoleAccount, Key: did.Secp256k1, Hash: did.SHA3}).Address
	h.card(newPeer(t, 9), "first", own, "")
	h.card(newPeer(t, 9), "second", mine, "")
	t.Run("but who answers", func(t *testing.T) {
		p := h.pending(token, `{"type":"authPrincipal"}`, `{"type":"profile","items":["did"]}`, keyClaim("diary"))
		if err := h.approve(p.ID, Choice{Account: "did:abt:" + mine}); err != nil {
			t.Fatal(err)
		}
		out, err := h.collect(token, p.ID)
		if err != nil || out.Answer.UserDID != mine || member(t, out.Answer, 1, "did") != "did:abt:"+mine {
			t.Errorf("%v, %v", out, err)
		}
	})
	t.Run("and not which credential is presented", func(t *testing.T) {
		p := h.pending(token, `{"type":"authPrincipal"}`, cardClaim)
		if got := h.seen(p.ID).Claims[1].Presents.DID; got != "first" {
			t.Fatalf("shown is %s", got)
		}
		wantErr(t, h.approve(p.ID, Choice{Account: mine}), ErrChoice)
		if err := h.approve(p.ID, Choice{}); err != nil {
			t.Errorf("the question does not wait any more: %v", err)
		}
	})
}

func TestAQuestionAskedAgainIsShownAsItIsNow(t *testing.T) {
	h := newHouse(t)
	token := h.appToken(notes)
	first := h.pending(token, profileClaim)
	if again := h.pending(token, profileClaim); again.ID != first.ID {
		t.Error("the same question is asked twice")
	}
	h.profile(wholeProfile())
	second := h.pending(token, profileClaim)
	if second.ID == first.ID || h.seen(second.ID).Claims[0].Items[0].Value != "Alice Bean" {
		t.Errorf("shown is %+v", h.seen(second.ID).Claims)
	}
	if v := h.seen(first.ID); v.Status != store.Cancelled {
		t.Errorf("the first question is %s", v.Status)
	}
	_, err := h.collect(token, first.ID)
	wantErr(t, err, ErrAnswerChanged)
}

// A yes serves a client of secret storage for as long as it gives what was shown.
func TestAYesToASecretIsToThatSecret(t *testing.T) {
	h := newHouse(t)
	token := h.appToken(notes)
	h.policy(policy.Rule{App: policy.Any, Claim: "secret.write", Decision: policy.Allow})
	out, err := h.write(token, "diary", "one", "")
	tag := own(t, out, err)["etag"]
	if out, err = h.readSecret(token, "diary"); err != nil || out.Pending == nil {
		t.Fatal(out, err)
	}
	id := out.Pending.ID
	if err := h.approve(id, Choice{}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		out, err = h.readSecret(token, "diary")
		if got := own(t, out, err)["value"]; got != "one" {
			t.Errorf("got %q", got)
		}
	}
	out, err = h.write(token, "diary", "two", tag)
	own(t, out, err)
	if out, err = h.readSecret(token, "diary"); err != nil || out.Pending == nil || out.Pending.ID == id {
		t.Errorf("the yes to one secret serves another: %v, %v", out, err)
	}
	_, err = h.collect(token, id)
	wantErr(t, err, ErrAnswerChanged)
}

// An approval of an earlier version does not say what was shown.
func TestAnApprovalOfAnEarlierVersionIsAskedAnew(t *testing.T) {
	for _, state := range []string{store.Pending, store.Approved} {
		t.Run(state, func(t *testing.T) {
			h := newHouse(t)
			token := h.appToken(notes)
			p := h.pending(token, keyClaim("diary"))
			if state == store.Approved {
				if err := h.approve(p.ID, Choice{}); err != nil {
					t.Fatal(err)
				}
			}
			owner := h.as(h.owner)
			a, err := h.door.approval(t.Context(), owner, p.ID)
			if err != nil {
				t.Fatal(err)
			}
			row, content := a.Row(), a.Content()
			content.Shown = nil
			if row.Sealed, err = owner.Wallet.Seal(row, content); err != nil {
				t.Fatal(err)
			}
			h.exec(`update approvals set sealed = x'` + hex.EncodeToString(row.Sealed) + `', mac = x'` + hex.EncodeToString(owner.Wallet.MAC(row)) + `'`)
			if v := h.seen(p.ID); v.Claims[0].Type != "encryptionKey" {
				t.Errorf("shown is %+v", v)
			}
			if state == store.Pending {
				wantErr(t, h.approve(p.ID, Choice{}), ErrAnswerChanged)
			}
			out, err := h.collect(token, p.ID)
			wantNothing(t, out, err, ErrAnswerChanged)
			if again := h.pending(token, keyClaim("diary")); again.ID == p.ID {
				t.Error("it still waits")
			}
		})
	}
}

// The record holds one digest of what was asked and shown: with the question, the yes and the answer.
func TestWhatWasShownIsOnRecord(t *testing.T) {
	h := newHouse(t)
	token := h.appToken(notes)
	p := h.pending(token, profileClaim)
	_, asked := h.lastEvent()
	if err := h.approve(p.ID, Choice{}); err != nil {
		t.Fatal(err)
	}
	_, yes := h.lastEvent()
	if _, err := h.collect(token, p.ID); err != nil {
		t.Fatal(err)
	}
	_, given := h.lastEvent()
	if len(asked.Digest) != 64 || yes.Digest != asked.Digest || given.Digest != asked.Digest {
		t.Errorf("recorded %q, %q and %q", asked.Digest, yes.Digest, given.Digest)
	}
	h.profile(wholeProfile())
	h.pending(token, profileClaim)
	if _, other := h.lastEvent(); other.Digest == asked.Digest {
		t.Error("another answer has the same digest")
	}
}
