package consent_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"walletd/internal/approvals"
	"walletd/internal/auth"
	"walletd/internal/consent"
	"walletd/internal/did"
	"walletd/internal/policy"
	"walletd/internal/store"
	"walletd/internal/wallettest/fixture"
)

func unregisteredPeer(t *testing.T, i int) fixture.Peer {
	t.Helper()
	key, err := did.SecretKeyFromSeed(did.Ed25519, fmt.Appendf(nil, "%032d", i))
	if err != nil {
		t.Fatal(err)
	}
	d, err := did.FromPublicKey(key.Public(), did.Type{Role: did.RoleApplication, Key: did.Ed25519, Hash: did.SHA3})
	if err != nil {
		t.Fatal(err)
	}
	return fixture.Peer{Key: key, DID: d}
}

func TestARefusedUnregisteredAppLeavesNothingBehind(t *testing.T) {
	f := fixture.New(t)
	f.SetPolicy(fixture.AllowAll)
	f.AllowUnregistered()
	for name, claim := range map[string]string{
		"for a claim that is not answered":           `{"type":"prepareTx"}`,
		"for a delegation that is none":              `{"type":"encryptionKey","salt":"a","delegation":"x.y.z"}`,
		"for a claim that is refused once it is met": `{"type":"encryptionKey"}`,
	} {
		t.Run(name, func(t *testing.T) {
			before := f.Footprint()
			_, err := f.AskSigned(f.SignedRequest(unregisteredPeer(t, 1), name, map[string]any{"requestedClaims": fixture.Raw(claim)}))
			if did.CodeOf(err) == "" {
				t.Errorf("got %v, want a refusal", err)
			}
			if after := f.Footprint(); after != before {
				t.Errorf("left %+v, then %+v", before, after)
			}
		})
	}
	t.Run("over the budget", func(t *testing.T) {
		before := f.Footprint()
		for i := range consent.WaitingPerWallet {
			if out, err := f.AskSigned(f.SignedRequest(unregisteredPeer(t, i), "1", nil)); err != nil || out.Pending == nil {
				t.Fatal(out, err)
			}
		}
		full := f.Footprint()
		if full.Accounts != before.Accounts+consent.WaitingPerWallet {
			t.Errorf("%d requests made %d accounts", consent.WaitingPerWallet, full.Accounts-before.Accounts)
		}
		for i := range 10 {
			_, err := f.AskSigned(f.SignedRequest(unregisteredPeer(t, consent.WaitingPerWallet+i), "1", nil))
			fixture.WantErr(t, err, consent.ErrTooMany)
		}
		if after := f.Footprint(); after != full {
			t.Errorf("left %+v, then %+v", full, after)
		}
	})
}

func TestAnAccountIsStoredWithTheRequestThatNeedsIt(t *testing.T) {
	f := fixture.New(t)
	f.AllowUnregistered()
	p := fixture.NewPeer(t, 7)
	before := f.Footprint()
	out, err := f.AskSigned(f.SignedRequest(p, "ask", nil))
	if err != nil || out.Pending == nil {
		t.Fatal(out, err)
	}
	if after := f.Footprint(); after != (fixture.Footprint{Accounts: before.Accounts + 1, Entries: before.Entries + 2, Version: before.Version + 1}) {
		t.Errorf("left %+v, then %+v", before, after)
	}
	if err := f.Approve(out.Pending.ID, approvals.Choice{}); err != nil {
		t.Fatal(err)
	}
	got, err := f.CollectSigned(f.SignedRequest(p, "collect", map[string]any{"approval": out.Pending.ID}), out.Pending.ID)
	if err != nil || got.Answer == nil {
		t.Fatal(got, err)
	}
	if _, account := fixture.Secret(t, p.DID.Address(), did.AccountType()); got.Answer.UserDID != account.Address() {
		t.Errorf("answered as %s, want %s", got.Answer.UserDID, account.Address())
	}
	t.Run("and with the answer, whoever asks first at once", func(t *testing.T) {
		token := f.AppToken(fixture.Notes)
		f.SetPolicy(fixture.AllowAll)
		callers := make([]*auth.Caller, 6)
		for i := range callers {
			callers[i] = f.As(token)
		}
		before := f.Footprint()
		var all sync.WaitGroup
		for _, c := range callers {
			all.Go(func() {
				out, err := f.Pipeline.Answer(t.Context(), c, fixture.Raw(`{"type":"authPrincipal","targetType":{"key":"ethereum"}}`))
				if err != nil && !errors.Is(err, store.ErrChanged) || err == nil && out.Answer == nil {
					t.Errorf("got %v, %v", out, err)
				}
			})
		}
		all.Wait()
		if after := f.Footprint(); after.Accounts != before.Accounts+1 {
			t.Errorf("%d accounts were made", after.Accounts-before.Accounts)
		}
	})
	t.Run("but not with a no", func(t *testing.T) {
		token := f.AppToken(fixture.Notes)
		f.SetPolicy(policy.Rule{App: policy.Any, Claim: policy.Any, Decision: policy.Deny})
		before := f.Footprint()
		_, err := f.Ask(token, `{"type":"authPrincipal","targetType":{"key":"secp256k1"}}`)
		fixture.WantErr(t, err, consent.ErrDenied)
		if after := f.Footprint(); after != (fixture.Footprint{Accounts: before.Accounts, Entries: before.Entries + 1, Version: before.Version}) {
			t.Errorf("left %+v, then %+v", before, after)
		}
	})
}
