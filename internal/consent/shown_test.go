package consent_test

import (
	"bytes"
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

func TestAnApprovalIsForWhatWasShown(t *testing.T) {
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
				t.Run("between the request and the approval", c.beforeApproval)
				t.Run("between the approval and the collection", c.afterApproval)
				t.Run("during the collection", c.during)
			})
		}
	}
}

// begin puts the request, in a fixture of its own.
func (c changing) begin(t *testing.T) (*fixture.Fixture, fixture.Repeatable, func(), string) {
	t.Helper()
	f := fixture.AtRecordedStart(t)
	if strings.Contains(t.Name(), "secret") {
		f = fixture.New(t)
	}
	asks, change := c.setup(t, f)
	out, err := asks.Ask()
	if err != nil || out.Pending == nil {
		t.Fatalf("got %v and %v, want a pending request", out, err)
	}
	return f, asks, change, out.Pending.ID
}

func wantNothing(t *testing.T, out consent.Outcome, err, want error) {
	t.Helper()
	fixture.WantErr(t, err, want)
	if out.Answer != nil {
		t.Errorf("given is %s", out.Answer.Claims)
	}
}

func (c changing) beforeApproval(t *testing.T) {
	f, asks, change, id := c.begin(t)
	change()
	if err := f.Approve(id, approvals.Choice{}); c.refused != nil && err == nil {
		out, err := asks.Collect(id)
		wantNothing(t, out, err, c.refused)
		return
	} else {
		fixture.WantErr(t, err, consent.ErrAnswerChanged)
	}
	fixture.WantErr(t, f.Approve(id, approvals.Choice{}), consent.ErrAnswerChanged) // and it stays so
	if v := f.Approval(id); v.Status != store.Cancelled {
		t.Errorf("the request is %s", v.Status)
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
	if err := f.Approve(out.Pending.ID, approvals.Choice{}); err != nil {
		t.Errorf("what is shown now cannot be approved: %v", err)
	}
}

func (c changing) afterApproval(t *testing.T) {
	f, asks, change, id := c.begin(t)
	if err := f.Approve(id, approvals.Choice{}); err != nil {
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
	if kind, e := f.LastEvent(); kind != "approval.cancelled" || e.Code != "changed" || e.Approval != id {
		t.Errorf("recorded %s %+v", kind, e)
	}
	out, err = asks.Ask()
	if err != nil || out.Pending == nil || out.Pending.ID == id {
		t.Fatalf("asked again: %v, %v", out, err)
	}
}

// What changes after the collection has read is given as it was read, or not at all.
func (c changing) during(t *testing.T) {
	f, asks, change, id := c.begin(t)
	if err := f.Approve(id, approvals.Choice{}); err != nil {
		t.Fatal(err)
	}
	caller := asks.Caller()
	a, err := f.Approvals.Open(t.Context(), caller, id)
	if err != nil {
		t.Fatal(err)
	}
	content := a.Content()
	req, v, err := f.Pipeline.RecheckApproved(t.Context(), caller, a, approvals.Choice{})
	if err != nil {
		if content.Shown.Claims[0].NotHeld == "" {
			t.Fatal(err)
		}
		return // nothing is given of what is missing
	}
	shown, err := req.ComputeShown(t.Context())
	if err != nil || !content.Shown.Matches(shown, approvals.Choice{}) {
		t.Fatalf("what was read is not what was shown: %v", err)
	}
	change()
	given, err := req.Release(t.Context(), v, ledger.ClaimCollected)
	if err != nil {
		if !errors.Is(err, store.ErrExists) {
			fixture.WantErr(t, err, store.ErrChanged)
		}
	}
	if c.refused == nil {
		out, err := asks.Collect(id)
		if c.again && given.Answer != nil {
			if err != nil || !bytes.Contains(out.Answer.Claims[0], []byte(`\\\"id\\\":\\\"other\\\"`)) {
				t.Errorf("given again is %v, %v", out, err)
			}
			return
		}
		wantNothing(t, out, err, consent.ErrAnswerChanged)
	}
}

// What does not change is collected, of every type, as often as the same app comes in its time.
func TestWhatDoesNotChangeIsCollected(t *testing.T) {
	f := fixture.New(t)
	f.SetProfile(fixture.WholeProfile())
	f.AddCredential(fixture.NewPeer(t, 9), "mine", f.AccountAddress(fixture.Notes), "")
	f.AddAsset(fixture.Ticket, f.AccountAddress(fixture.Notes))
	for _, claim := range []string{`{"type":"authPrincipal"}`, profileClaim, fixture.KeyClaim("diary"), fixture.TextClaim("Hello", "sha3"), agreeClaim, cardClaim, assetClaim, eitherClaim, fixture.PairClaim} {
		asks := f.ByToken(claim)
		out, err := asks.Ask()
		if err != nil || out.Pending == nil {
			t.Fatalf("%s: %v, %v", claim, out, err)
		}
		if err := f.Approve(out.Pending.ID, approvals.Choice{}); err != nil {
			t.Fatalf("%s: %v", claim, err)
		}
		for range 2 {
			if got, err := asks.Collect(out.Pending.ID); err != nil || got.Answer == nil {
				t.Errorf("%s: %v, %v", claim, got, err)
			}
		}
	}
}

// An approval registers the app and its delegation, for the other requests that wait too.
func TestWhatAnApprovalChangesItselfIsNoChange(t *testing.T) {
	t.Run("of an app that was never asked about", func(t *testing.T) {
		f := fixture.New(t)
		token := f.AppToken(fixture.Notes)
		first, second := f.Pending(token, fixture.KeyClaim("a")), f.Pending(token, fixture.KeyClaim("b"))
		if v := f.Approval(second.ID); len(v.Unusual) != 1 || !strings.HasPrefix(v.Unusual[0], "This is the first request") {
			t.Errorf("shown is %q", v.Unusual)
		}
		for _, p := range []*consent.Pending{first, second} {
			if err := f.Approve(p.ID, approvals.Choice{}); err != nil {
				t.Fatal(err)
			}
		}
		for _, p := range []*consent.Pending{first, second} {
			if out, err := f.Collect(token, p.ID); err != nil || out.Answer == nil {
				t.Errorf("%v, %v", out, err)
			}
		}
		if v := f.Approval(f.Pending(token, fixture.KeyClaim("c")).ID); len(v.Unusual) != 0 {
			t.Errorf("shown is %q", v.Unusual)
		}
	})
	t.Run("of an unregistered app", func(t *testing.T) {
		f := fixture.New(t)
		f.AllowUnregistered()
		p := fixture.NewPeer(t, 7)
		out, err := f.AskSigned(f.SignedRequest(p, "ask", nil))
		if err != nil || len(f.Approval(out.Pending.ID).Unusual) != 2 {
			t.Fatal(out, err)
		}
		if _, err := f.Auth.NameApp(t.Context(), f.As(f.Owner), p.DID, "Peer"); err != nil { // the owner has met it meanwhile
			t.Fatal(err)
		}
		if err := f.Approve(out.Pending.ID, approvals.Choice{}); err != nil {
			t.Error(err)
		}
	})
	t.Run("of a delegation", func(t *testing.T) {
		f := fixture.New(t)
		token := f.AppToken(fixture.Notes)
		application := did.Type{Role: did.RoleApplication, Key: did.Ed25519, Hash: did.SHA3}
		f.Account(fixture.Another, application)
		from, fromDID := fixture.Secret(t, fixture.Another, application)
		good := fixture.Delegate(t, from, fromDID, fixture.ParseDID(t, fixture.Notes), f.Clock, nil)
		first := f.Pending(token, fixture.DelegatedClaim(fromDID.Address(), good))
		second := f.Pending(token, strings.Replace(fixture.DelegatedClaim(fromDID.Address(), good), "{", `{"description":"Once more",`, 1))
		for _, p := range []*consent.Pending{first, second} {
			if err := f.Approve(p.ID, approvals.Choice{}); err != nil {
				t.Fatal(err)
			}
			if out, err := f.Collect(token, p.ID); err != nil || out.Answer == nil {
				t.Errorf("%v, %v", out, err)
			}
		}
	})
	t.Run("but an app that the owner revoked is shown so", func(t *testing.T) {
		f := fixture.New(t)
		token := f.AppToken(fixture.Notes)
		p := f.Pending(token, fixture.KeyClaim("a"))
		if err := f.Approve(p.ID, approvals.Choice{}); err != nil {
			t.Fatal(err)
		}
		asked := f.Pending(token, fixture.KeyClaim("b"))
		a, err := f.Approvals.Open(t.Context(), f.As(token), asked.ID)
		if err != nil {
			t.Fatal(err)
		}
		row, content := a.Row(), a.Content()
		old, err := f.Auth.App(t.Context(), f.As(f.Owner), row.App)
		if err != nil {
			t.Fatal(err)
		}
		owner := f.As(f.Owner)
		w, err := f.Auth.PutApp(owner, old.Row(), row.App, store.Revoked, old.Content())
		if err != nil {
			t.Fatal(err)
		}
		if err := owner.Record(t.Context(), ledger.Event{Kind: ledger.AppNamed, By: "test"}, w); err != nil {
			t.Fatal(err)
		}
		fixture.WantErr(t, f.Approve(asked.ID, approvals.Choice{}), consent.ErrAnswerChanged)
		if len(content.Shown.UntilApproved) != 0 {
			t.Errorf("%+v", content.Shown)
		}
	})
}

func TestAChosenAccountChangesNothingElse(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	own, mine := f.AccountAddress(fixture.Notes), f.Account(fixture.Notes, did.Type{Role: did.RoleAccount, Key: did.Secp256k1, Hash: did.SHA3}).Address
	f.AddCredential(fixture.NewPeer(t, 9), "first", own, "")
	f.AddCredential(fixture.NewPeer(t, 9), "second", mine, "")
	t.Run("but who answers", func(t *testing.T) {
		p := f.Pending(token, `{"type":"authPrincipal"}`, `{"type":"profile","items":["did"]}`, fixture.KeyClaim("diary"))
		if err := f.Approve(p.ID, approvals.Choice{Account: "did:abt:" + mine}); err != nil {
			t.Fatal(err)
		}
		out, err := f.Collect(token, p.ID)
		if err != nil || out.Answer.UserDID != mine || fixture.Member(t, out.Answer, 1, "did") != "did:abt:"+mine {
			t.Errorf("%v, %v", out, err)
		}
	})
	t.Run("and not which credential is presented", func(t *testing.T) {
		p := f.Pending(token, `{"type":"authPrincipal"}`, cardClaim)
		if got := f.Approval(p.ID).Claims[1].Presents.DID; got != "first" {
			t.Fatalf("shown is %s", got)
		}
		fixture.WantErr(t, f.Approve(p.ID, approvals.Choice{Account: mine}), approvals.ErrChoice)
		if err := f.Approve(p.ID, approvals.Choice{}); err != nil {
			t.Errorf("the request does not wait any more: %v", err)
		}
	})
}

func TestARepeatedRequestIsShownAsItIsNow(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	first := f.Pending(token, profileClaim)
	if again := f.Pending(token, profileClaim); again.ID != first.ID {
		t.Error("the same request is asked twice")
	}
	f.SetProfile(fixture.WholeProfile())
	second := f.Pending(token, profileClaim)
	if second.ID == first.ID || f.Approval(second.ID).Claims[0].Items[0].Value != "Alice Bean" {
		t.Errorf("shown is %+v", f.Approval(second.ID).Claims)
	}
	if v := f.Approval(first.ID); v.Status != store.Cancelled {
		t.Errorf("the first request is %s", v.Status)
	}
	_, err := f.Collect(token, first.ID)
	fixture.WantErr(t, err, consent.ErrAnswerChanged)
}

// An approval serves a client of secret storage for as long as it gives what was shown.
func TestAnApprovalOfASecretIsForThatSecret(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	f.SetPolicy(policy.Rule{App: policy.Any, Claim: "secret.write", Decision: policy.Allow})
	out, err := f.WriteSecret(token, "diary", "one", "")
	tag := fixture.OwnRouteBody(t, out, err)["etag"]
	if out, err = f.ReadSecret(token, "diary"); err != nil || out.Pending == nil {
		t.Fatal(out, err)
	}
	id := out.Pending.ID
	if err := f.Approve(id, approvals.Choice{}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		out, err = f.ReadSecret(token, "diary")
		if got := fixture.OwnRouteBody(t, out, err)["value"]; got != "one" {
			t.Errorf("got %q", got)
		}
	}
	out, err = f.WriteSecret(token, "diary", "two", tag)
	fixture.OwnRouteBody(t, out, err)
	if out, err = f.ReadSecret(token, "diary"); err != nil || out.Pending == nil || out.Pending.ID == id {
		t.Errorf("the approval of one secret serves another: %v, %v", out, err)
	}
	_, err = f.Collect(token, id)
	fixture.WantErr(t, err, consent.ErrAnswerChanged)
}

// An approval of an earlier version does not say what was shown.
func TestAnApprovalOfAnEarlierVersionIsRequestedAgain(t *testing.T) {
	for _, state := range []string{store.Pending, store.Approved} {
		t.Run(state, func(t *testing.T) {
			f := fixture.New(t)
			token := f.AppToken(fixture.Notes)
			p := f.Pending(token, fixture.KeyClaim("diary"))
			if state == store.Approved {
				if err := f.Approve(p.ID, approvals.Choice{}); err != nil {
					t.Fatal(err)
				}
			}
			owner := f.As(f.Owner)
			a, err := f.Approvals.Open(t.Context(), owner, p.ID)
			if err != nil {
				t.Fatal(err)
			}
			row, content := a.Row(), a.Content()
			content.Shown = nil
			if row.Sealed, err = owner.Wallet.Seal(row, content); err != nil {
				t.Fatal(err)
			}
			f.Exec(`update approvals set sealed = x'` + hex.EncodeToString(row.Sealed) + `', mac = x'` + hex.EncodeToString(owner.Wallet.MAC(row)) + `'`)
			if v := f.Approval(p.ID); v.Claims[0].Type != "encryptionKey" {
				t.Errorf("shown is %+v", v)
			}
			if state == store.Pending {
				fixture.WantErr(t, f.Approve(p.ID, approvals.Choice{}), consent.ErrAnswerChanged)
			}
			out, err := f.Collect(token, p.ID)
			wantNothing(t, out, err, consent.ErrAnswerChanged)
			if again := f.Pending(token, fixture.KeyClaim("diary")); again.ID == p.ID {
				t.Error("it still waits")
			}
		})
	}
}

// The audit log holds one digest of what was asked and shown: with the request, the approval and the answer.
func TestWhatWasShownIsRecorded(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	p := f.Pending(token, profileClaim)
	_, asked := f.LastEvent()
	if err := f.Approve(p.ID, approvals.Choice{}); err != nil {
		t.Fatal(err)
	}
	_, approved := f.LastEvent()
	if _, err := f.Collect(token, p.ID); err != nil {
		t.Fatal(err)
	}
	_, given := f.LastEvent()
	if len(asked.Digest) != 64 || approved.Digest != asked.Digest || given.Digest != asked.Digest {
		t.Errorf("recorded %q, %q and %q", asked.Digest, approved.Digest, given.Digest)
	}
	f.SetProfile(fixture.WholeProfile())
	f.Pending(token, profileClaim)
	if _, other := f.LastEvent(); other.Digest == asked.Digest {
		t.Error("another answer has the same digest")
	}
}
