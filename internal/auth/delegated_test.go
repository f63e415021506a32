package auth_test

import (
	"testing"
	"time"

	"walletd/internal/approvals"
	"walletd/internal/did"
	"walletd/internal/store"
	"walletd/internal/wallettest/fixture"
)

// The Blocklet restore of reference g.ii: an application's account lives in the wallet, and a
// server that holds its delegation asks for its key.
func TestADelegatedKey(t *testing.T) {
	f := fixture.New(t)
	application := did.Type{Role: did.RoleApplication, Key: did.Ed25519, Hash: did.SHA3}
	f.Account(fixture.Another, application)
	from, fromDID := fixture.Secret(t, fixture.Another, application)
	server := fixture.ParseDID(t, fixture.Notes)
	token := f.AppToken(fixture.Notes)
	f.SetPolicy(fixture.AllowAll)
	good := fixture.Delegate(t, from, fromDID, server, f.Clock, nil)
	salt := fromDID.Address()
	want := fixture.Key(from, salt)

	p := f.Pending(token, fixture.DelegatedClaim(salt, good))
	v, err := f.Approvals.Get(t.Context(), f.As(f.Owner), p.ID)
	if err != nil || v.Claims[0].Delegation == nil || v.Claims[0].Delegation.From != fromDID.String() || len(v.Claims[0].Unusual) != 2 {
		t.Fatalf("the request shows %+v, %v", v.Claims, err)
	}
	if err := f.Approve(p.ID, approvals.Choice{Remember: &approvals.Remember{Until: "withdrawn"}}); err != nil {
		t.Fatal(err)
	}
	out, err := f.Collect(token, p.ID)
	if err != nil || fixture.Member(t, out.Answer, 0, "key") != want {
		t.Fatalf("got %v, %v, want the delegating account's key", out, err)
	}
	t.Run("is given again under the grant for that very delegation", func(t *testing.T) {
		if got := fixture.Member(t, f.Answer(token, fixture.DelegatedClaim(salt, good)), 0, "key"); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		grants, _, err := f.Approvals.ListGrants(t.Context(), f.As(f.Owner), store.Page{})
		if err != nil || len(grants) != 1 || !grants[0].Ends.Equal(f.Clock.Add(time.Hour)) {
			t.Errorf("the grant outlives the delegation: %+v, %v", grants, err)
		}
	})
	t.Run("is asked about again for another delegation", func(t *testing.T) {
		f.Pending(token, fixture.DelegatedClaim(salt, fixture.Delegate(t, from, fromDID, server, f.Clock.Add(-time.Second), nil)))
	})
	t.Run("is asked about again without the delegation", func(t *testing.T) {
		f.Pending(token, fixture.KeyClaim(salt))
	})
	t.Run("is refused once the delegation is revoked", func(t *testing.T) {
		list, _, err := f.Auth.Delegations(t.Context(), f.As(f.Owner), store.Page{})
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		if err := f.Pipeline.RevokeDelegation(t.Context(), f.As(f.Owner), list[0].Hash); err != nil {
			t.Fatal(err)
		}
		_, err = f.Ask(token, fixture.DelegatedClaim(salt, good))
		fixture.WantCode(t, err, "delegation_revoked")
	})
}

func TestADelegationIsRefused(t *testing.T) {
	f := fixture.New(t)
	application := did.Type{Role: did.RoleApplication, Key: did.Ed25519, Hash: did.SHA3}
	f.Account(fixture.Another, application)
	from, fromDID := fixture.Secret(t, fixture.Another, application)
	server, other := fixture.ParseDID(t, fixture.Notes), fixture.NewPeer(t, 5)
	token := f.AppToken(fixture.Notes)
	f.SetPolicy(fixture.AllowAll)
	role := func(role string, claims ...string) map[string]any {
		return map[string]any{"permissions": []any{map[string]any{"role": role, "claims": claims}}}
	}
	at := func(iat, exp time.Time) map[string]any { return map[string]any{"iat": iat.Unix(), "exp": exp.Unix()} }
	for name, c := range map[string]struct{ token, salt, code string }{
		"for another server":             {fixture.Delegate(t, from, fromDID, other.DID, f.Clock, nil), fromDID.Address(), "delegation_agent_mismatch"},
		"that lists no encryptionKey":    {fixture.Delegate(t, from, fromDID, server, f.Clock, role("DIDConnectAgent", "profile")), fromDID.Address(), "delegation_claim_not_allowed"},
		"of another role":                {fixture.Delegate(t, from, fromDID, server, f.Clock, role("DIDSpaceAgent", "encryptionKey")), fromDID.Address(), "delegation_role_missing"},
		"that has expired":               {fixture.Delegate(t, from, fromDID, server, f.Clock, at(f.Clock.Add(-time.Hour), f.Clock.Add(-time.Minute))), fromDID.Address(), "delegation_expired"},
		"that lasts too long":            {fixture.Delegate(t, from, fromDID, server, f.Clock, at(f.Clock, f.Clock.Add(24*time.Hour+time.Second))), fromDID.Address(), "delegation_lifetime"},
		"of an account it does not hold": {fixture.Delegate(t, other.Key, other.DID, server, f.Clock, nil), other.DID.Address(), "account_not_held"},
		"with another salt":              {fixture.Delegate(t, from, fromDID, server, f.Clock, nil), fixture.Notes, "salt_mismatch"},
		"with the account as a text":     {fixture.Delegate(t, from, fromDID, server, f.Clock, nil), fromDID.String(), "salt_mismatch"},
		"that names another account":     {fixture.Delegate(t, from, fromDID, server, f.Clock, map[string]any{"from": fixture.Notes}), fromDID.Address(), "delegation_issuer_mismatch"},
		"with the key of another":        {fixture.Delegate(t, from, fromDID, server, f.Clock, map[string]any{"userPk": other.PK()}), fromDID.Address(), "delegation_issuer_mismatch"},
		"signed by another": {swapSignature(fixture.Delegate(t, from, fromDID, server, f.Clock, nil), fixture.Delegate(t, from, fromDID, other.DID, f.Clock, nil)),
			fromDID.Address(), "delegation_bad_signature"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := f.Ask(token, fixture.DelegatedClaim(c.salt, c.token))
			fixture.WantCode(t, err, c.code)
			if out.Answer != nil || out.Pending != nil {
				t.Error("something was given")
			}
			if kind, e := f.LastEvent(); kind != "claim.refused" || e.Code != c.code {
				t.Errorf("recorded %s %q", kind, e.Code)
			}
		})
	}
}

// swapSignature puts another token's signature under a token.
func swapSignature(token, other string) string {
	dot := func(s string) int {
		i := len(s) - 1
		for s[i] != '.' {
			i--
		}
		return i
	}
	return token[:dot(token)] + other[dot(other):]
}
