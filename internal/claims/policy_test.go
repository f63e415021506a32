package claims

import (
	"errors"
	"fmt"
	"testing"

	"walletd/internal/did"
	"walletd/internal/policy"
	"walletd/internal/store"
)

const (
	notes   = "zNKpPiDfyQ5h7LWfhsYHaxdizUx7ung399sm"
	another = "zNKneXNUdTiVHHGBfwBc7D3QwTgW5YD3NCkF"
)

func app(t *testing.T, address string) did.DID {
	t.Helper()
	d, err := did.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func text(s string) *string { return &s }

func TestAnAllowSpeaksOfKnownAppsOnly(t *testing.T) {
	h := newHouse(t)
	h.openToStrangers()
	p := newPeer(t, 7)
	h.policy(policy.Rule{App: p.did.String(), Claim: policy.Any, Decision: policy.Allow})
	if out, err := h.askSigned(h.request(p, "1", nil)); err != nil || out.Pending == nil {
		t.Errorf("got %v and %v of a stranger that a rule names, want a question", out, err)
	}
	t.Run("also when the row of its withdrawal is deleted", func(t *testing.T) {
		if _, err := h.door.NameApp(t.Context(), h.as(h.owner), p.did, "known"); err != nil {
			t.Fatal(err)
		}
		if out, err := h.askSigned(h.request(p, "2", nil)); err != nil || out.Answer == nil {
			t.Fatalf("got %v and %v of a known app", out, err)
		}
		if err := h.door.RevokeApp(t.Context(), h.as(h.owner), p.did); err != nil {
			t.Fatal(err)
		}
		h.exec(`delete from apps`)
		if out, err := h.askSigned(h.request(p, "3", nil)); err != nil || out.Pending == nil {
			t.Errorf("got %v and %v, want a question", out, err)
		}
	})
	t.Run("but a deny of anybody it names", func(t *testing.T) {
		h.policy(policy.Rule{App: p.did.String(), Claim: policy.Any, Decision: policy.Deny})
		_, err := h.askSigned(h.request(p, "4", nil))
		wantErr(t, err, ErrDenied)
	})
}

// A wallet that is made again from its words counts its versions anew; its rules are not those of
// before.
func TestAPolicyDiesWithItsWallet(t *testing.T) {
	h := newHouse(t)
	token := h.appToken(notes)
	h.policy(allowAll)
	h.answer(token, keyClaim("diary")) // the policy is in the cache
	before, err := h.store.Wallet(t.Context(), h.wallet)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.door.DeleteWallet(t.Context(), h.as(h.owner), h.wallet); err != nil {
		t.Fatal(err)
	}
	if _, err := h.door.CreateWallet(t.Context(), h.as(h.operator), NewWallet{Name: "alice", Words: []byte(words)}); err != nil {
		t.Fatal(err)
	}
	h.owner = h.token(h.operator, NewToken{Role: Owner, Wallet: h.wallet}).Text
	token = h.appToken(notes)
	h.policy(policy.Rule{App: policy.Any, Claim: policy.Any, Decision: policy.Deny})
	for { // until the new wallet's version is the one that was cached
		w, err := h.store.Wallet(t.Context(), h.wallet)
		if err != nil {
			t.Fatal(err)
		}
		if w.Version == before.Version {
			break
		}
		if w.Version > before.Version {
			t.Fatalf("the new wallet is at version %d already, the old one was at %d", w.Version, before.Version)
		}
		if _, err := h.door.NameApp(t.Context(), h.as(h.owner), app(t, another), "raises the version"); err != nil {
			t.Fatal(err)
		}
	}
	_, err = h.ask(token, keyClaim("diary"))
	wantErr(t, err, ErrDenied)
}

// A test of the policy says of each of the thirteen types what the service does with it.
func TestAPolicyTestKnowsEveryType(t *testing.T) {
	types := []string{
		"authPrincipal", "encryptionKey", "profile", "signature", "agreement", "verifiableCredential", "asset", "assetOrVC", "keyPair", "prepareTx",
		"secretStorageKey", "secret.read", "secret.write",
	}
	never := map[string]bool{"agreement": true, "keyPair": true} // only a person decides these
	for _, decision := range []policy.Decision{policy.Deny, policy.Allow, policy.Ask} {
		h := newHouse(t)
		h.appToken(notes)
		for _, name := range types {
			h.policy(policy.Rule{App: notes, Claim: name, Decision: decision})
			v, err := h.door.TestPolicy(t.Context(), h.as(h.owner), policy.Rule{App: notes, Claim: name})
			if err != nil {
				t.Fatal(err)
			}
			want, rule := decision, 1
			if never[name] && decision != policy.Deny {
				want, rule = policy.Ask, 0
			}
			if v.Decision != want || v.Rule != rule {
				t.Errorf("%s of %s: %+v", decision, name, v)
			}
		}
	}
	t.Run("and denies a secret as the service does", func(t *testing.T) {
		h := newHouse(t)
		token := h.appToken(notes)
		h.policy(policy.Rule{App: notes, Claim: "secret.read", Decision: policy.Deny})
		_, err := h.door.ReadSecret(t.Context(), h.as(token), did.DID{}, "m.test", false)
		wantErr(t, err, ErrDenied)
	})
}

// A deny comes before anything is looked up, so that an app that is denied finds out nothing: neither
// which accounts a wallet holds nor what is kept there, and it gets no account either.
func TestADenyTellsNothing(t *testing.T) {
	h := newHouse(t)
	h.policy(allowSecrets()...)
	token, p := h.appToken(notes), newPeer(t, 7)
	if _, err := h.write(token, "kept", "one", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := h.door.NameApp(t.Context(), h.as(h.owner), p.did, "Peer"); err != nil {
		t.Fatal(err)
	}
	h.policy(policy.Rule{App: policy.Any, Claim: policy.Any, Decision: policy.Deny})
	target := func(address string) string { return fmt.Sprintf(`{"type":"authPrincipal","target":%q}`, address) }
	read := func(name string) error {
		_, err := h.door.ReadSecret(t.Context(), h.as(token), did.DID{}, name, false)
		return err
	}
	ask := func(claim string) error { _, err := h.ask(token, claim); return err }
	remove := func(name string) error {
		_, err := h.door.DeleteSecret(t.Context(), h.as(token), did.DID{}, name, "x")
		return err
	}
	for name, pair := range map[string][2]error{
		"an account that is held": {ask(target(h.wallet)), ask(target(another))},
		"a delegation":            {ask(delegatedClaim("diary", "none")), ask(keyClaim("diary"))},
		"a credential":            {ask(cardClaim), ask(profileClaim)},
		"a secret":                {read("kept"), read("none")},
		"a secret to delete":      {remove("kept"), remove("none")},
	} {
		if !errors.Is(pair[0], ErrDenied) || !errors.Is(pair[1], ErrDenied) || pair[0].Error() != pair[1].Error() {
			t.Errorf("%s: %v, and without it %v", name, pair[0], pair[1])
		}
	}
	if _, err := h.askSigned(h.request(p, "first", nil)); !errors.Is(err, ErrDenied) {
		t.Errorf("got %v", err)
	}
	if a, err := h.store.AccountOf(t.Context(), h.wallet, p.did.Address(), did.AccountType().String()); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the app has the account %s, %v", a.Address, err)
	}
}
