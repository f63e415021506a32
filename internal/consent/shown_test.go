package consent_test

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"walletd/internal/approvals"
	"walletd/internal/claims"
	"walletd/internal/consent"
	"walletd/internal/did"
	"walletd/internal/ledger"
	"walletd/internal/policy"
	"walletd/internal/secrets"
	"walletd/internal/store"
	"walletd/internal/wallettest/fixture"
)

func TestAYesIsToWhatWasShown(t *testing.T) {
	tests := whatChanges()
	for _, typ := range append(claims.Types(secrets.KeyInUse), secrets.Types()...) {
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
func (c changing) begin(t *testing.T) (*fixture.House, fixture.Again, func(), string) {
	t.Helper()
	h := fixture.AtDawn(t)
	if strings.Contains(t.Name(), "secret") {
		h = fixture.New(t)
	}
	asks, change := c.setup(t, h)
	out, err := asks.Ask()
	if err != nil || out.Pending == nil {
		t.Fatalf("got %v and %v, want a question", out, err)
	}
	return h, asks, change, out.Pending.ID
}

func wantNothing(t *testing.T, out consent.Outcome, err, want error) {
	t.Helper()
	fixture.WantErr(t, err, want)
	if out.Answer != nil {
		t.Errorf("given is %s", out.Answer.Claims)
	}
}

func (c changing) beforeTheYes(t *testing.T) {
	h, asks, change, id := c.begin(t)
	change()
	if err := h.Approve(id, approvals.Choice{}); c.refused != nil && err == nil {
		out, err := asks.Collect(id)
		wantNothing(t, out, err, c.refused)
		return
	} else {
		fixture.WantErr(t, err, consent.ErrAnswerChanged)
	}
	fixture.WantErr(t, h.Approve(id, approvals.Choice{}), consent.ErrAnswerChanged) // and it stays so
	if v := h.Seen(id); v.Status != store.Cancelled {
		t.Errorf("the question is %s", v.Status)
	}
	out, err := asks.Collect(id)
	wantNothing(t, out, err, consent.ErrAnswerChanged)
	if c.refused != nil {
		return
	}
	out, err = asks.Ask()
	if err != nil || out.Pending == nil || out.Pending.ID == id {
		t.Fatalf("asked again: %v, %v", out, err)
	}
	if err := h.Approve(out.Pending.ID, approvals.Choice{}); err != nil {
		t.Errorf("what is shown now cannot be approved: %v", err)
	}
}

func (c changing) afterTheYes(t *testing.T) {
	h, asks, change, id := c.begin(t)
	if err := h.Approve(id, approvals.Choice{}); err != nil {
		t.Fatal(err)
	}
	change()
	want := c.refused
	if want == nil {
		want = consent.ErrAnswerChanged
	}
	out, err := asks.Collect(id)
	wantNothing(t, out, err, want)
	out, err = asks.Collect(id)
	wantNothing(t, out, err, want)
	if c.refused != nil {
		return
	}
	if kind, e := h.LastEvent(); kind != "approval.cancelled" || e.Code != "changed" || e.Approval != id {
		t.Errorf("recorded %s %+v", kind, e)
	}
	out, err = asks.Ask()
	if err != nil || out.Pending == nil || out.Pending.ID == id {
		t.Fatalf("asked again: %v, %v", out, err)
	}
}

// What changes after the collection has read is given as it was read, or not at all.
func (c changing) during(t *testing.T) {
	h, asks, change, id := c.begin(t)
	if err := h.Approve(id, approvals.Choice{}); err != nil {
		t.Fatal(err)
	}
	caller := asks.Caller()
	a, err := h.Approvals.Open(t.Context(), caller, id)
	if err != nil {
		t.Fatal(err)
	}
	content := a.Content()
	q, v, err := h.Pipeline.Stands(t.Context(), caller, a, approvals.Choice{})
	if err != nil {
		if content.Shown.Claims[0].Missing == "" {
			t.Fatal(err)
		}
		return // nothing is given of what is missing
	}
	told, err := q.Show(t.Context())
	if err != nil || !content.Shown.Gives(told, "") {
		t.Fatalf("what was read is not what was shown: %v", err)
	}
	change()
	if _, err := q.Release(t.Context(), v, ledger.ClaimCollected); err != nil {
		if !errors.Is(err, store.ErrExists) {
			fixture.WantErr(t, err, store.ErrChanged)
		}
	}
	if c.refused == nil {
		out, err := asks.Collect(id)
		wantNothing(t, out, err, consent.ErrAnswerChanged)
	}
}

// What does not change is collected, of every type, as often as the same app comes in its time.
func TestWhatDoesNotChangeIsCollected(t *testing.T) {
	h := fixture.New(t)
	h.Profile(fixture.WholeProfile())
	h.Card(fixture.NewPeer(t, 9), "mine", h.Of(fixture.Notes), "")
	h.Asset(fixture.Ticket, h.Of(fixture.Notes))
	for _, claim := range []string{`{"type":"authPrincipal"}`, profileClaim, fixture.KeyClaim("diary"), fixture.TextClaim("Hello", "sha3"), agreeClaim, cardClaim, assetClaim, eitherClaim, fixture.PairClaim} {
		asks := h.ByToken(claim)
		out, err := asks.Ask()
		if err != nil || out.Pending == nil {
			t.Fatalf("%s: %v, %v", claim, out, err)
		}
		if err := h.Approve(out.Pending.ID, approvals.Choice{}); err != nil {
			t.Fatalf("%s: %v", claim, err)
		}
		for range 2 {
			if got, err := asks.Collect(out.Pending.ID); err != nil || got.Answer == nil {
				t.Errorf("%s: %v, %v", claim, got, err)
			}
		}
	}
}

// A yes makes the app and its delegation known, for the other questions that wait too.
func TestWhatAYesChangesItselfIsNoChange(t *testing.T) {
	t.Run("of an app that was never asked about", func(t *testing.T) {
		h := fixture.New(t)
		token := h.AppToken(fixture.Notes)
		first, second := h.Pending(token, fixture.KeyClaim("a")), h.Pending(token, fixture.KeyClaim("b"))
		if v := h.Seen(second.ID); len(v.Unusual) != 1 || !strings.HasPrefix(v.Unusual[0], "The first request") {
			t.Errorf("shown is %q", v.Unusual)
		}
		for _, p := range []*consent.Pending{first, second} {
			if err := h.Approve(p.ID, approvals.Choice{}); err != nil {
				t.Fatal(err)
			}
		}
		for _, p := range []*consent.Pending{first, second} {
			if out, err := h.Collect(token, p.ID); err != nil || out.Answer == nil {
				t.Errorf("%v, %v", out, err)
			}
		}
		if v := h.Seen(h.Pending(token, fixture.KeyClaim("c")).ID); len(v.Unusual) != 0 {
			t.Errorf("shown is %q", v.Unusual)
		}
	})
	t.Run("of a stranger", func(t *testing.T) {
		h := fixture.New(t)
		h.OpenToStrangers()
		p := fixture.NewPeer(t, 7)
		out, err := h.AskSigned(h.Request(p, "ask", nil))
		if err != nil || len(h.Seen(out.Pending.ID).Unusual) != 2 {
			t.Fatal(out, err)
		}
		if _, err := h.Auth.NameApp(t.Context(), h.As(h.Owner), p.DID, "Peer"); err != nil { // the owner has met it meanwhile
			t.Fatal(err)
		}
		if err := h.Approve(out.Pending.ID, approvals.Choice{}); err != nil {
			t.Error(err)
		}
	})
	t.Run("of a delegation", func(t *testing.T) {
		h := fixture.New(t)
		token := h.AppToken(fixture.Notes)
		application := did.Type{Role: did.RoleApplication, Key: did.Ed25519, Hash: did.SHA3}
		h.Account(fixture.Another, application)
		from, fromDID := fixture.Secret(t, fixture.Another, application)
		good := fixture.Delegate(t, from, fromDID, fixture.App(t, fixture.Notes), h.Clock, nil)
		first := h.Pending(token, fixture.DelegatedClaim(fromDID.Address(), good))
		second := h.Pending(token, strings.Replace(fixture.DelegatedClaim(fromDID.Address(), good), "{", `{"description":"Once more",`, 1))
		for _, p := range []*consent.Pending{first, second} {
			if err := h.Approve(p.ID, approvals.Choice{}); err != nil {
				t.Fatal(err)
			}
			if out, err := h.Collect(token, p.ID); err != nil || out.Answer == nil {
				t.Errorf("%v, %v", out, err)
			}
		}
	})
	t.Run("but an app that the owner withdrew is shown so", func(t *testing.T) {
		h := fixture.New(t)
		token := h.AppToken(fixture.Notes)
		p := h.Pending(token, fixture.KeyClaim("a"))
		if err := h.Approve(p.ID, approvals.Choice{}); err != nil {
			t.Fatal(err)
		}
		asked := h.Pending(token, fixture.KeyClaim("b"))
		a, err := h.Approvals.Open(t.Context(), h.As(token), asked.ID)
		if err != nil {
			t.Fatal(err)
		}
		row, content := a.Row(), a.Content()
		old, err := h.Auth.App(t.Context(), h.As(h.Owner), row.App)
		if err != nil {
			t.Fatal(err)
		}
		owner := h.As(h.Owner)
		w, err := h.Auth.PutApp(owner, old.Row(), row.App, store.Revoked, old.Content())
		if err != nil {
			t.Fatal(err)
		}
		if err := owner.Record(t.Context(), ledger.Event{Kind: ledger.AppNamed, By: "test"}, w); err != nil {
			t.Fatal(err)
		}
		fixture.WantErr(t, h.Approve(asked.ID, approvals.Choice{}), consent.ErrAnswerChanged)
		if len(content.Shown.First) != 0 {
			t.Errorf("%+v", content.Shown)
		}
	})
}

func TestAChosenAccountChangesNothingElse(t *testing.T) {
	h := fixture.New(t)
	token := h.AppToken(fixture.Notes)
	own, mine := h.Of(fixture.Notes), h.Account(fixture.Notes, did.Type{Role: did.RoleAccount, Key: did.Secp256k1, Hash: did.SHA3}).Address
	h.Card(fixture.NewPeer(t, 9), "first", own, "")
	h.Card(fixture.NewPeer(t, 9), "second", mine, "")
	t.Run("but who answers", func(t *testing.T) {
		p := h.Pending(token, `{"type":"authPrincipal"}`, `{"type":"profile","items":["did"]}`, fixture.KeyClaim("diary"))
		if err := h.Approve(p.ID, approvals.Choice{Account: "did:abt:" + mine}); err != nil {
			t.Fatal(err)
		}
		out, err := h.Collect(token, p.ID)
		if err != nil || out.Answer.UserDID != mine || fixture.Member(t, out.Answer, 1, "did") != "did:abt:"+mine {
			t.Errorf("%v, %v", out, err)
		}
	})
	t.Run("and not which credential is presented", func(t *testing.T) {
		p := h.Pending(token, `{"type":"authPrincipal"}`, cardClaim)
		if got := h.Seen(p.ID).Claims[1].Presents.DID; got != "first" {
			t.Fatalf("shown is %s", got)
		}
		fixture.WantErr(t, h.Approve(p.ID, approvals.Choice{Account: mine}), approvals.ErrChoice)
		if err := h.Approve(p.ID, approvals.Choice{}); err != nil {
			t.Errorf("the question does not wait any more: %v", err)
		}
	})
}

func TestAQuestionAskedAgainIsShownAsItIsNow(t *testing.T) {
	h := fixture.New(t)
	token := h.AppToken(fixture.Notes)
	first := h.Pending(token, profileClaim)
	if again := h.Pending(token, profileClaim); again.ID != first.ID {
		t.Error("the same question is asked twice")
	}
	h.Profile(fixture.WholeProfile())
	second := h.Pending(token, profileClaim)
	if second.ID == first.ID || h.Seen(second.ID).Claims[0].Items[0].Value != "Alice Bean" {
		t.Errorf("shown is %+v", h.Seen(second.ID).Claims)
	}
	if v := h.Seen(first.ID); v.Status != store.Cancelled {
		t.Errorf("the first question is %s", v.Status)
	}
	_, err := h.Collect(token, first.ID)
	fixture.WantErr(t, err, consent.ErrAnswerChanged)
}

// A yes serves a client of secret storage for as long as it gives what was shown.
func TestAYesToASecretIsToThatSecret(t *testing.T) {
	h := fixture.New(t)
	token := h.AppToken(fixture.Notes)
	h.Policy(policy.Rule{App: policy.Any, Claim: "secret.write", Decision: policy.Allow})
	out, err := h.Write(token, "diary", "one", "")
	tag := fixture.Own(t, out, err)["etag"]
	if out, err = h.ReadSecret(token, "diary"); err != nil || out.Pending == nil {
		t.Fatal(out, err)
	}
	id := out.Pending.ID
	if err := h.Approve(id, approvals.Choice{}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		out, err = h.ReadSecret(token, "diary")
		if got := fixture.Own(t, out, err)["value"]; got != "one" {
			t.Errorf("got %q", got)
		}
	}
	out, err = h.Write(token, "diary", "two", tag)
	fixture.Own(t, out, err)
	if out, err = h.ReadSecret(token, "diary"); err != nil || out.Pending == nil || out.Pending.ID == id {
		t.Errorf("the yes to one secret serves another: %v, %v", out, err)
	}
	_, err = h.Collect(token, id)
	fixture.WantErr(t, err, consent.ErrAnswerChanged)
}

// An approval of an earlier version does not say what was shown.
func TestAnApprovalOfAnEarlierVersionIsAskedAnew(t *testing.T) {
	for _, state := range []string{store.Pending, store.Approved} {
		t.Run(state, func(t *testing.T) {
			h := fixture.New(t)
			token := h.AppToken(fixture.Notes)
			p := h.Pending(token, fixture.KeyClaim("diary"))
			if state == store.Approved {
				if err := h.Approve(p.ID, approvals.Choice{}); err != nil {
					t.Fatal(err)
				}
			}
			owner := h.As(h.Owner)
			a, err := h.Approvals.Open(t.Context(), owner, p.ID)
			if err != nil {
				t.Fatal(err)
			}
			row, content := a.Row(), a.Content()
			content.Shown = nil
			if row.Sealed, err = owner.Wallet.Seal(row, content); err != nil {
				t.Fatal(err)
			}
			h.Exec(`update approvals set sealed = x'` + hex.EncodeToString(row.Sealed) + `', mac = x'` + hex.EncodeToString(owner.Wallet.MAC(row)) + `'`)
			if v := h.Seen(p.ID); v.Claims[0].Type != "encryptionKey" {
				t.Errorf("shown is %+v", v)
			}
			if state == store.Pending {
				fixture.WantErr(t, h.Approve(p.ID, approvals.Choice{}), consent.ErrAnswerChanged)
			}
			out, err := h.Collect(token, p.ID)
			wantNothing(t, out, err, consent.ErrAnswerChanged)
			if again := h.Pending(token, fixture.KeyClaim("diary")); again.ID == p.ID {
				t.Error("it still waits")
			}
		})
	}
}

// The record holds one digest of what was asked and shown: with the question, the yes and the answer.
func TestWhatWasShownIsOnRecord(t *testing.T) {
	h := fixture.New(t)
	token := h.AppToken(fixture.Notes)
	p := h.Pending(token, profileClaim)
	_, asked := h.LastEvent()
	if err := h.Approve(p.ID, approvals.Choice{}); err != nil {
		t.Fatal(err)
	}
	_, yes := h.LastEvent()
	if _, err := h.Collect(token, p.ID); err != nil {
		t.Fatal(err)
	}
	_, given := h.LastEvent()
	if len(asked.Digest) != 64 || yes.Digest != asked.Digest || given.Digest != asked.Digest {
		t.Errorf("recorded %q, %q and %q", asked.Digest, yes.Digest, given.Digest)
	}
	h.Profile(fixture.WholeProfile())
	h.Pending(token, profileClaim)
	if _, other := h.LastEvent(); other.Digest == asked.Digest {
		t.Error("another answer has the same digest")
	}
}
