package claims_test

import (
	"strings"
	"testing"

	"walletd/internal/approvals"
	"walletd/internal/auth"
	"walletd/internal/consent"
	"walletd/internal/delegation"
	"walletd/internal/did"
	"walletd/internal/wallettest/fixture"
)

// An app of an Ethereum chain that names no type of account means an Ethereum account (reference f.1, p).
func TestAnEthereumSignInIsAnsweredByAnEthereumAccount(t *testing.T) {
	ethereum := map[string]any{"type": "ethereum", "id": "1", "host": "none"}
	const anyType = `{"type":"authPrincipal","target":"","description":"Sign in"}`
	for name, c := range map[string]struct {
		chain any
		claim string
		want  did.Type
	}{
		"of a chain that the request names":           {ethereum, anyType, did.EthereumType()},
		"of a chain that the claim of an older names": {nil, `{"type":"authPrincipal","chainInfo":{"type":"ethereum"}}`, did.EthereumType()},
		"but not if a type is asked for":              {ethereum, `{"type":"authPrincipal","targetType":{"key":"ed25519"}}`, did.AccountType()},
		"nor if the claim names another chain":        {ethereum, `{"type":"authPrincipal","chainInfo":{"type":"arcblock"}}`, did.AccountType()},
		"nor of another chain":                        {map[string]any{"type": "arcblock"}, anyType, did.AccountType()},
		"nor of a chain that is no object":            {"ethereum", anyType, did.AccountType()},
		"nor without a chain":                         {nil, anyType, did.AccountType()},
	} {
		t.Run(name, func(t *testing.T) {
			f := fixture.New(t)
			p := f.RegisteredPeer(7)
			_, want := fixture.Secret(t, p.DID.Address(), c.want)
			asks := map[string]any{"requestedClaims": fixture.Raw(c.claim)}
			if c.chain != nil {
				asks["chainInfo"] = c.chain
			}
			approve := func(out consent.Outcome, err error) string {
				t.Helper()
				if err != nil || out.Pending == nil {
					t.Fatal(out, err)
				}
				if got := f.Approval(out.Pending.ID); got.Account != want.Address() {
					t.Errorf("the owner is shown %s, want %s", got.Account, want.Address())
				}
				if err := f.Approve(out.Pending.ID, approvals.Choice{}); err != nil {
					t.Fatal(err)
				}
				return out.Pending.ID
			}
			signer := func(out consent.Outcome, err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
				token, err := did.ReadToken(out.Answer.Signed.UserInfo)
				if err != nil || token.Signer != want {
					t.Errorf("answered by %s (%v), want %s", token.Signer, err, want)
				}
			}
			t.Run("signed", func(t *testing.T) {
				id := approve(f.AskSigned(f.SignedRequest(p, "one", asks)))
				// The collection names the approval, and need not name the chain again.
				signer(f.CollectSigned(f.SignedRequest(p, "two", map[string]any{"requestedClaims": asks["requestedClaims"], "approval": id}), id))
			})
			t.Run("in a session", func(t *testing.T) {
				body := map[string]any{"action": "responseAuth", "challenge": "C0FFEE", "url": "https://dapp.example.test/auth"}
				for name, value := range asks {
					body[name] = value
				}
				conn, err := delegation.VerifyReply(delegation.Reply{AppPk: p.PK(), AuthInfo: p.Sign(t, f.Clock, body)}, f.Clock)
				if err != nil {
					t.Fatal(err)
				}
				caller := func() *auth.Caller {
					c, err := f.Auth.SessionCaller(t.Context(), auth.Session{ID: "s1", Wallet: f.Wallet, Connect: conn, Challenge: "C0FFEE", Origin: "https://dapp.example.test"})
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(c.Close)
					return c
				}
				id := approve(f.Pipeline.Answer(t.Context(), caller(), fixture.Raw(c.claim)))
				signer(f.Pipeline.Collect(t.Context(), caller(), id, 0))
			})
		})
	}
}

func TestARequestWithATokenNamesTheChainInItsClaim(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	f.SetPolicy(fixture.AllowAll)
	if got := f.Answer(token, `{"type":"authPrincipal","chainInfo":{"type":"ethereum"}}`).UserDID; !strings.HasPrefix(got, "0x") {
		t.Errorf("answered by %s", got)
	}
}
