package claims

import (
	"testing"
	"time"

	"walletd/internal/did"
	"walletd/internal/store"
)

// The Blocklet restore of reference g.ii: an application's account lives in the wallet, and a
// server that holds its delegation asks for its key.
func TestADelegatedKey(t *testing.T) {
	h := newHouse(t)
	application := did.Type{Role: did.RoleApplication, Key: did.Ed25519, Hash: did.SHA3}
	h.account(another, application)
	from, fromDID := secret(t, another, application)
	server := app(t, notes)
	token := h.appToken(notes)
	h.policy(allowAll)
	good := delegate(t, from, fromDID, server, h.clock, nil)
	salt := fromDID.Address()
	want := key(from, salt)

	p := h.pending(token, delegatedClaim(salt, good))
	v, err := h.door.Approval(t.Context(), h.as(h.owner), p.ID)
	if err != nil || v.Claims[0].Delegation == nil || v.Claims[0].Delegation.From != fromDID.String() || len(v.Claims[0].Unusual) != 2 {
		t.Fatalf("the question shows %+v, %v", v.Claims, err)
	}
	if err := h.approve(p.ID, Choice{Remember: &Remember{Until: "withdrawn"}}); err != nil {
		t.Fatal(err)
	}
	out, err := h.collect(token, p.ID)
	if err != nil || member(t, out.Answer, 0, "key") != want {
		t.Fatalf("got %v, %v, want the delegating account's key", out, err)
	}
	t.Run("is given again under the grant for that very delegation", func(t *testing.T) {
		if got := member(t, h.answer(token, delegatedClaim(salt, good)), 0, "key"); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		grants, _, err := h.door.Grants(t.Context(), h.as(h.owner), store.Page{})
		if err != nil || len(grants) != 1 || !grants[0].Ends.Equal(h.clock.Add(time.Hour)) {
			t.Errorf("the grant outlives the delegation: %+v, %v", grants, err)
		}
	})
	t.Run("is asked about again for another delegation", func(t *testing.T) {
		h.pending(token, delegatedClaim(salt, delegate(t, from, fromDID, server, h.clock.Add(-time.Second), nil)))
	})
	t.Run("is asked about again without the delegation", func(t *testing.T) {
		h.pending(token, keyClaim(salt))
	})
	t.Run("is refused once the delegation is withdrawn", func(t *testing.T) {
		list, _, err := h.door.Delegations(t.Context(), h.as(h.owner), store.Page{})
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		if err := h.door.RevokeDelegation(t.Context(), h.as(h.owner), list[0].Hash); err != nil {
			t.Fatal(err)
		}
		_, err = h.ask(token, delegatedClaim(salt, good))
		wantCode(t, err, "delegation_revoked")
	})
}

func TestADelegationIsRefused(t *testing.T) {
	h := newHouse(t)
	application := did.Type{Role: did.RoleApplication, Key: did.Ed25519, Hash: did.SHA3}
	h.account(another, application)
	from, fromDID := secret(t, another, application)
	server, stranger := app(t, notes), newPeer(t, 5)
	token := h.appToken(notes)
	h.policy(allowAll)
	role := func(role string, claims ...string) map[string]any {
		return map[string]any{"permissions": []any{map[string]any{"role": role, "claims": claims}}}
	}
	at := func(iat, exp time.Time) map[string]any { return map[string]any{"iat": iat.Unix(), "exp": exp.Unix()} }
	for name, c := range map[string]struct{ token, salt, code string }{
		"for another server":             {delegate(t, from, fromDID, stranger.did, h.clock, nil), fromDID.Address(), "delegation_agent_mismatch"},
		"that lists no encryptionKey":    {delegate(t, from, fromDID, server, h.clock, role("DIDConnectAgent", "profile")), fromDID.Address(), "delegation_claim_not_allowed"},
		"of another role":                {delegate(t, from, fromDID, server, h.clock, role("DIDSpaceAgent", "encryptionKey")), fromDID.Address(), "delegation_role_missing"},
		"that has expired":               {delegate(t, from, fromDID, server, h.clock, at(h.clock.Add(-time.Hour), h.clock.Add(-time.Minute))), fromDID.Address(), "delegation_expired"},
		"that lasts too long":            {delegate(t, from, fromDID, server, h.clock, at(h.clock, h.clock.Add(24*time.Hour+time.Second))), fromDID.Address(), "delegation_lifetime"},
		"of an account it does not hold": {delegate(t, stranger.key, stranger.did, server, h.clock, nil), stranger.did.Address(), "account_not_held"},
		"with another salt":              {delegate(t, from, fromDID, server, h.clock, nil), notes, "salt_mismatch"},
		"with the account as a text":     {delegate(t, from, fromDID, server, h.clock, nil), fromDID.String(), "salt_mismatch"},
		"that names another account":     {delegate(t, from, fromDID, server, h.clock, map[string]any{"from": notes}), fromDID.Address(), "delegation_issuer_mismatch"},
		"with the key of another":        {delegate(t, from, fromDID, server, h.clock, map[string]any{"userPk": stranger.pk()}), fromDID.Address(), "delegation_issuer_mismatch"},
		"signed by another": {swapSignature(delegate(t, from, fromDID, server, h.clock, nil), delegate(t, from, fromDID, stranger.did, h.clock, nil)),
			fromDID.Address(), "delegation_bad_signature"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := h.ask(token, delegatedClaim(c.salt, c.token))
			wantCode(t, err, c.code)
			if out.Answer != nil || out.Pending != nil {
				t.Error("something was given")
			}
			if kind, e := h.lastEvent(); kind != "claim.refused" || e.Code != c.code {
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
