package consent_test

import (
	"errors"
	"fmt"
	"testing"

	"walletd/internal/auth"
	"walletd/internal/consent"
	"walletd/internal/did"
	"walletd/internal/policy"
	"walletd/internal/secrets"
	"walletd/internal/store"
	"walletd/internal/wallets"
	"walletd/internal/wallettest/fixture"
)

func text(s string) *string { return &s }

func TestAnAllowAppliesToRegisteredAppsOnly(t *testing.T) {
	f := fixture.New(t)
	f.AllowUnregistered()
	p := fixture.NewPeer(t, 7)
	f.SetPolicy(policy.Rule{App: p.DID.String(), Claim: policy.Any, Decision: policy.Allow})
	if out, err := f.AskSigned(f.SignedRequest(p, "1", nil)); err != nil || out.Pending == nil {
		t.Errorf("got %v and %v of an unregistered app that a rule names, want a pending request", out, err)
	}
	t.Run("also when the row of its revocation is deleted", func(t *testing.T) {
		if _, err := f.Auth.NameApp(t.Context(), f.As(f.Owner), p.DID, "known"); err != nil {
			t.Fatal(err)
		}
		if out, err := f.AskSigned(f.SignedRequest(p, "2", nil)); err != nil || out.Answer == nil {
			t.Fatalf("got %v and %v of a known app", out, err)
		}
		if err := f.Pipeline.RevokeApp(t.Context(), f.As(f.Owner), p.DID); err != nil {
			t.Fatal(err)
		}
		f.Exec(`delete from apps`)
		if out, err := f.AskSigned(f.SignedRequest(p, "3", nil)); err != nil || out.Pending == nil {
			t.Errorf("got %v and %v, want a pending request", out, err)
		}
	})
	t.Run("but a deny of anybody it names", func(t *testing.T) {
		f.SetPolicy(policy.Rule{App: p.DID.String(), Claim: policy.Any, Decision: policy.Deny})
		_, err := f.AskSigned(f.SignedRequest(p, "4", nil))
		fixture.WantErr(t, err, consent.ErrDenied)
	})
}

// A wallet that is restored from its words counts its versions from the start; its rules are not those of
// before.
func TestAPolicyDiesWithItsWallet(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	f.SetPolicy(fixture.AllowAll)
	f.Answer(token, fixture.KeyClaim("diary")) // the policy is in the cache
	before, err := f.Store.Wallet(t.Context(), f.Wallet)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Wallets.Delete(t.Context(), f.As(f.Owner), f.Wallet); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Wallets.Create(t.Context(), f.As(f.Operator), wallets.NewWallet{Name: "alice", Words: []byte(fixture.Words)}); err != nil {
		t.Fatal(err)
	}
	f.Owner = f.Token(f.Operator, auth.NewToken{Role: auth.Owner, Wallet: f.Wallet}).Text
	token = f.AppToken(fixture.Notes)
	f.SetPolicy(policy.Rule{App: policy.Any, Claim: policy.Any, Decision: policy.Deny})
	for { // until the new wallet's version is the one that was cached
		w, err := f.Store.Wallet(t.Context(), f.Wallet)
		if err != nil {
			t.Fatal(err)
		}
		if w.Version == before.Version {
			break
		}
		if w.Version > before.Version {
			t.Fatalf("the new wallet is at version %d already, the old one was at %d", w.Version, before.Version)
		}
		if _, err := f.Auth.NameApp(t.Context(), f.As(f.Owner), fixture.ParseDID(t, fixture.Another), "raises the version"); err != nil {
			t.Fatal(err)
		}
	}
	_, err = f.Ask(token, fixture.KeyClaim("diary"))
	fixture.WantErr(t, err, consent.ErrDenied)
}

// A test of the policy says of each of the thirteen types what the service does with it.
func TestAPolicyTestKnowsEveryType(t *testing.T) {
	types := []string{
		"authPrincipal", "encryptionKey", "profile", "signature", "agreement", "verifiableCredential", "asset", "assetOrVC", "keyPair", "prepareTx",
		"secretStorageKey", "secret.read", "secret.write",
	}
	never := map[string]bool{"agreement": true, "keyPair": true} // only the owner decides these
	for _, decision := range []policy.Decision{policy.Deny, policy.Allow, policy.Ask} {
		f := fixture.New(t)
		f.AppToken(fixture.Notes)
		for _, name := range types {
			f.SetPolicy(policy.Rule{App: fixture.Notes, Claim: name, Decision: decision})
			v, err := f.Pipeline.TestPolicy(t.Context(), f.As(f.Owner), policy.Rule{App: fixture.Notes, Claim: name}, true)
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
		f := fixture.New(t)
		token := f.AppToken(fixture.Notes)
		f.SetPolicy(policy.Rule{App: fixture.Notes, Claim: "secret.read", Decision: policy.Deny})
		_, err := f.Secrets.Read(t.Context(), f.As(token), did.DID{}, "m.test", false)
		fixture.WantErr(t, err, consent.ErrDenied)
	})
}

// A deny comes before anything is looked up, so that an app that is denied finds out nothing: neither
// which accounts a wallet holds nor what is kept there, and it gets no account either.
func TestADenyTellsNothing(t *testing.T) {
	f := fixture.New(t)
	f.SetPolicy(fixture.AllowSecrets()...)
	token, p := f.AppToken(fixture.Notes), fixture.NewPeer(t, 7)
	if _, err := f.WriteSecret(token, "kept", "one", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Auth.NameApp(t.Context(), f.As(f.Owner), p.DID, "Peer"); err != nil {
		t.Fatal(err)
	}
	f.SetPolicy(policy.Rule{App: policy.Any, Claim: policy.Any, Decision: policy.Deny})
	target := func(address string) string { return fmt.Sprintf(`{"type":"authPrincipal","target":%q}`, address) }
	read := func(name string) error {
		_, err := f.Secrets.Read(t.Context(), f.As(token), did.DID{}, name, false)
		return err
	}
	ask := func(claim string) error { _, err := f.Ask(token, claim); return err }
	remove := func(name string) error {
		_, err := f.Secrets.Delete(t.Context(), f.As(token), did.DID{}, name, secrets.Match{OneOf: []string{"x"}})
		return err
	}
	for name, pair := range map[string][2]error{
		"an account that is held": {ask(target(f.Wallet)), ask(target(fixture.Another))},
		"a delegation":            {ask(fixture.DelegatedClaim("diary", "none")), ask(fixture.KeyClaim("diary"))},
		"a credential":            {ask(cardClaim), ask(profileClaim)},
		"a secret":                {read("kept"), read("none")},
		"a secret to delete":      {remove("kept"), remove("none")},
	} {
		if !errors.Is(pair[0], consent.ErrDenied) || !errors.Is(pair[1], consent.ErrDenied) || pair[0].Error() != pair[1].Error() {
			t.Errorf("%s: %v, and without it %v", name, pair[0], pair[1])
		}
	}
	if _, err := f.AskSigned(f.SignedRequest(p, "first", nil)); !errors.Is(err, consent.ErrDenied) {
		t.Errorf("got %v", err)
	}
	if a, err := f.Store.AccountOf(t.Context(), f.Wallet, p.DID.Address(), did.AccountType().String()); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the app has the account %s, %v", a.Address, err)
	}
}
