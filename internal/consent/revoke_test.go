package consent_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"walletd/internal/approvals"
	"walletd/internal/auth"
	"walletd/internal/consent"
	"walletd/internal/did"
	"walletd/internal/policy"
	"walletd/internal/store"
	"walletd/internal/wallettest/fixture"
)

func TestAWithdrawnAppHasNoTokenLeft(t *testing.T) {
	h := fixture.New(t)
	h.Policy(fixture.AllowAll)
	oldest := h.AppToken(fixture.Notes)
	h.Clock = h.Clock.Add(time.Second)
	for range 100 {
		h.AppToken(fixture.Notes)
	}
	if err := h.Pipeline.RevokeApp(t.Context(), h.As(h.Owner), fixture.App(t, fixture.Notes)); err != nil {
		t.Fatal(err)
	}
	_, err := h.Auth.Authenticate(t.Context(), oldest)
	fixture.WantErr(t, err, auth.ErrUnauthorized)
}

// What ends a question ends the yes that was not collected, for good: taking the withdrawal back
// does not bring it back.
func TestAnUncollectedYesEndsWithWhatWasWithdrawn(t *testing.T) {
	yes := func(t *testing.T, h *fixture.House, token string, claims ...string) *consent.Pending {
		t.Helper()
		p := h.Pending(token, claims...)
		if err := h.Approve(p.ID, approvals.Choice{}); err != nil {
			t.Fatal(err)
		}
		return p
	}
	t.Run("an app that is let in again", func(t *testing.T) {
		h := fixture.New(t)
		p := h.KnownPeer(7)
		out, err := h.AskSigned(h.Request(p, "ask", nil))
		if err != nil || out.Pending == nil {
			t.Fatal(out, err)
		}
		if err := h.Approve(out.Pending.ID, approvals.Choice{}); err != nil {
			t.Fatal(err)
		}
		if err := h.Pipeline.RevokeApp(t.Context(), h.As(h.Owner), p.DID); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Auth.NameApp(t.Context(), h.As(h.Owner), p.DID, "let in again"); err != nil {
			t.Fatal(err)
		}
		_, err = h.CollectSigned(h.Request(p, "collect", map[string]any{"approval": out.Pending.ID}), out.Pending.ID)
		fixture.WantErr(t, err, consent.ErrRejected)
		v, err := h.Approvals.Get(t.Context(), h.As(h.Owner), out.Pending.ID)
		if err != nil || v.Status != store.Cancelled {
			t.Errorf("the yes is %s, %v", v.Status, err)
		}
	})
	t.Run("a deny that is taken back", func(t *testing.T) {
		h := fixture.New(t)
		token := h.AppToken(fixture.Notes)
		ended, other := yes(t, h, token, fixture.KeyClaim("diary")), yes(t, h, token, `{"type":"authPrincipal"}`)
		h.Policy(policy.Rule{App: fixture.Notes, Claim: "encryptionKey", Decision: policy.Deny})
		h.Policy()
		_, err := h.Collect(token, ended.ID)
		fixture.WantErr(t, err, consent.ErrRejected)
		if out, err := h.Collect(token, other.ID); err != nil || out.Answer == nil {
			t.Errorf("a yes that the deny did not match: %v, %v", out, err)
		}
	})
	t.Run("a delegation", func(t *testing.T) {
		h := fixture.New(t)
		token := h.AppToken(fixture.Notes)
		h.Account(fixture.Notes, did.AccountType())
		from, account := fixture.Secret(t, fixture.Notes, did.AccountType())
		p := yes(t, h, token, fixture.DelegatedClaim(account.Address(), fixture.Delegate(t, from, account, fixture.App(t, fixture.Notes), h.Clock, nil)))
		list, _, err := h.Auth.Delegations(t.Context(), h.As(h.Owner), store.Page{})
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		if err := h.Pipeline.RevokeDelegation(t.Context(), h.As(h.Owner), list[0].Hash); err != nil {
			t.Fatal(err)
		}
		_, err = h.Collect(token, p.ID)
		fixture.WantErr(t, err, consent.ErrRejected)
	})
	t.Run("a token, and no other's", func(t *testing.T) {
		h := fixture.New(t)
		token, spare := h.AppToken(fixture.Notes), h.AppToken(fixture.Notes)
		ended, other := yes(t, h, token, fixture.KeyClaim("diary")), yes(t, h, spare, fixture.KeyClaim("diary"))
		if err := h.Pipeline.RevokeToken(t.Context(), h.As(h.Owner), h.As(token).Token); err != nil {
			t.Fatal(err)
		}
		if v, err := h.Approvals.Get(t.Context(), h.As(h.Owner), ended.ID); err != nil || v.Status != store.Cancelled {
			t.Errorf("the yes is %s, %v", v.Status, err)
		}
		if out, err := h.Collect(spare, other.ID); err != nil || out.Answer == nil {
			t.Errorf("the other token's yes: %v, %v", out, err)
		}
	})
	t.Run("also while it is being collected", func(t *testing.T) {
		h := fixture.New(t)
		token := h.AppToken(fixture.Notes)
		p := yes(t, h, token, fixture.KeyClaim("diary"))
		c := h.As(token) // has read the wallet …
		h.Policy(policy.Rule{App: fixture.Notes, Claim: policy.Any, Decision: policy.Deny})
		h.Policy() // … as it no longer is
		out, err := h.Pipeline.Collect(t.Context(), c, p.ID, 0)
		fixture.WantErr(t, err, consent.ErrRejected)
		if out.Answer != nil {
			t.Error("the key was given")
		}
	})
}

// A request that was read before a withdrawal and goes on after it is refused.
func TestWhatIsUnderWayEndsWithWhatWasWithdrawn(t *testing.T) {
	t.Run("a question of a token", func(t *testing.T) {
		h := fixture.New(t)
		token, spare := h.AppToken(fixture.Notes), h.AppToken(fixture.Notes)
		c := h.As(token)
		if err := h.Pipeline.RevokeToken(t.Context(), h.As(h.Owner), c.Token); err != nil {
			t.Fatal(err)
		}
		out, err := h.Pipeline.Answer(t.Context(), c, fixture.Raw(fixture.KeyClaim("diary")))
		fixture.WantErr(t, err, auth.ErrUnauthorized)
		if out.Pending != nil {
			t.Error("the question waits")
		}
		h.Pending(spare, fixture.KeyClaim("diary"))
	})
	t.Run("a question of an app that signs", func(t *testing.T) {
		h := fixture.New(t)
		p := h.KnownPeer(7)
		c, asked, err := h.Auth.AuthenticateSigned(t.Context(), h.Request(p, "1", nil))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := h.Pipeline.RevokeApp(t.Context(), h.As(h.Owner), p.DID); err != nil {
			t.Fatal(err)
		}
		_, err = h.Pipeline.Answer(t.Context(), c, asked)
		fixture.WantCode(t, err, "app_unknown")
	})
	t.Run("an answer under a rule", func(t *testing.T) {
		h := fixture.New(t)
		token := h.AppToken(fixture.Notes)
		h.Policy(fixture.AllowAll)
		h.Answer(token, fixture.KeyClaim("diary"))
		c := h.As(token)
		if err := h.Pipeline.RevokeToken(t.Context(), h.As(h.Owner), c.Token); err != nil {
			t.Fatal(err)
		}
		out, err := h.Pipeline.Answer(t.Context(), c, fixture.Raw(fixture.KeyClaim("diary")))
		fixture.WantErr(t, err, auth.ErrUnauthorized)
		if out.Answer != nil {
			t.Error("the key was given")
		}
	})
	t.Run("a yes, when the question was put in the database afterwards", func(t *testing.T) {
		h := fixture.New(t)
		token := h.AppToken(fixture.Notes)
		p := h.Pending(token, fixture.KeyClaim("diary"))
		row, err := h.Store.Approval(t.Context(), p.ID)
		if err != nil {
			t.Fatal(err)
		}
		id := h.As(token).Token
		if err := h.Pipeline.RevokeToken(t.Context(), h.As(h.Owner), id); err != nil {
			t.Fatal(err)
		}
		h.Exec(`update approvals set state = 'pending', decided = 0, decided_by = '', answer = x'', mac = ?`, row.MAC)
		fixture.WantErr(t, h.Approve(p.ID, approvals.Choice{Remember: &approvals.Remember{Until: "withdrawn"}}), consent.ErrExpired)
		if n := h.Grants(); n != 0 {
			t.Errorf("%d grants were made", n)
		}
	})
}

// Questions that come while their token is revoked don't wait for an answer that would be of no use.
func TestNoQuestionOutlivesItsToken(t *testing.T) {
	h := fixture.New(t)
	for round := range 15 {
		token := h.Token(h.Owner, auth.NewToken{Role: auth.App, Wallet: h.Wallet, App: fixture.Notes})
		owner, callers := h.As(h.Owner), make([]*auth.Caller, 8)
		for i := range callers {
			callers[i] = h.As(token.Text)
		}
		var all sync.WaitGroup
		for i, c := range callers {
			all.Go(func() {
				_, err := h.Pipeline.Answer(t.Context(), c, fixture.Raw(fixture.KeyClaim(fmt.Sprint(round, " ", i))))
				if err != nil && !errors.Is(err, auth.ErrUnauthorized) {
					t.Error(err)
				}
			})
		}
		if err := h.Pipeline.RevokeToken(t.Context(), owner, token.ID); err != nil {
			t.Error(err)
		}
		all.Wait()
		views, _, err := h.Approvals.List(t.Context(), h.As(h.Owner), store.Pending, store.Page{})
		if err != nil || len(views) != 0 {
			t.Fatalf("round %d: %d questions of a revoked token wait, %v", round, len(views), err)
		}
	}
}

// A yes that is remembered and a withdrawal at the same time: if both went through, no grant is left.
func TestNoGrantOutlivesAWithdrawalAtTheSameTime(t *testing.T) {
	h := fixture.New(t)
	name := fixture.App(t, fixture.Notes)
	for kind, withdraw := range map[string]func(owner *auth.Caller, token string) error{
		"of a token": func(owner *auth.Caller, token string) error { return h.Pipeline.RevokeToken(t.Context(), owner, token) },
		"of an app":  func(owner *auth.Caller, _ string) error { return h.Pipeline.RevokeApp(t.Context(), owner, name) },
		"by a deny": func(owner *auth.Caller, _ string) error {
			return second(h.Pipeline.SetPolicy(t.Context(), owner, policy.Policy{Rules: []policy.Rule{{App: fixture.Notes, Claim: policy.Any, Decision: policy.Deny}}}))
		},
	} {
		t.Run(kind, func(t *testing.T) {
			for i := range 15 {
				h.Policy()
				token := h.Token(h.Owner, auth.NewToken{Role: auth.App, Wallet: h.Wallet, App: fixture.Notes})
				p := h.Pending(token.Text, fixture.KeyClaim(fmt.Sprint(kind, i)))
				a, b := h.As(h.Owner), h.As(h.Owner)
				var both sync.WaitGroup
				both.Go(func() {
					_, err := h.Pipeline.Approve(t.Context(), a, p.ID, approvals.Choice{Remember: &approvals.Remember{Until: "withdrawn"}})
					if err != nil && !errors.Is(err, consent.ErrDecided) && !errors.Is(err, consent.ErrExpired) {
						t.Error(err)
					}
				})
				both.Go(func() {
					if err := withdraw(b, token.ID); err != nil {
						t.Error(err)
					}
				})
				both.Wait()
				if n := h.Grants(); n != 0 {
					t.Fatalf("round %d: %d grants outlived their withdrawal", i, n)
				}
			}
		})
	}
}

// An app that uses a counted grant without pause cannot hold off its end.
func TestAWithdrawalGoesThroughWhateverTheAppDoes(t *testing.T) {
	for kind, withdraw := range map[string]func(h *fixture.House, owner *auth.Caller, token, grant string) error{
		"of a token": func(h *fixture.House, owner *auth.Caller, token, _ string) error {
			return h.Pipeline.RevokeToken(t.Context(), owner, token)
		},
		"of an app": func(h *fixture.House, owner *auth.Caller, _, _ string) error {
			return h.Pipeline.RevokeApp(t.Context(), owner, fixture.App(t, fixture.Notes))
		},
		"of a grant": func(h *fixture.House, owner *auth.Caller, _, grant string) error {
			return h.Approvals.RevokeGrant(t.Context(), owner, grant)
		},
		"by a deny": func(h *fixture.House, owner *auth.Caller, _, _ string) error {
			return second(h.Pipeline.SetPolicy(t.Context(), owner, policy.Policy{Rules: []policy.Rule{{App: policy.Any, Claim: policy.Any, Decision: policy.Deny}}}))
		},
	} {
		t.Run(kind, func(t *testing.T) {
			h := fixture.New(t)
			token := h.Token(h.Owner, auth.NewToken{Role: auth.App, Wallet: h.Wallet, App: fixture.Notes})
			p := h.Pending(token.Text, fixture.KeyClaim("diary"))
			if err := h.Approve(p.ID, approvals.Choice{Remember: &approvals.Remember{Times: 1_000_000}}); err != nil {
				t.Fatal(err)
			}
			grants, _, err := h.Approvals.ListGrants(t.Context(), h.As(h.Owner), store.Page{})
			if err != nil || len(grants) != 1 {
				t.Fatal(grants, err)
			}
			owner := h.As(h.Owner)
			given, stop := make(chan bool), make(chan bool)
			var app sync.WaitGroup
			for range 8 {
				app.Go(func() {
					for {
						c, err := h.Auth.Authenticate(t.Context(), token.Text)
						if err != nil {
							return
						}
						out, _ := h.Pipeline.Answer(t.Context(), c, fixture.Raw(fixture.KeyClaim("diary")))
						c.Close()
						if out.Answer == nil {
							select {
							case <-stop:
								return
							default:
								continue
							}
						}
						select {
						case given <- true:
						case <-stop:
						}
					}
				})
			}
			<-given // the app is at it
			go func() {
				for range given {
				}
			}()
			if err := withdraw(h, owner, token.ID, grants[0].ID); err != nil {
				t.Error(err)
			}
			close(stop)
			app.Wait()
			close(given)
			if n := h.Grants(); n != 0 {
				t.Errorf("%d grants hold", n)
			}
		})
	}
}
