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

func TestARevokedAppHasNoTokenLeft(t *testing.T) {
	f := fixture.New(t)
	f.SetPolicy(fixture.AllowAll)
	oldest := f.AppToken(fixture.Notes)
	f.Clock = f.Clock.Add(time.Second)
	for range 100 {
		f.AppToken(fixture.Notes)
	}
	if err := f.Pipeline.RevokeApp(t.Context(), f.As(f.Owner), fixture.ParseDID(t, fixture.Notes)); err != nil {
		t.Fatal(err)
	}
	_, err := f.Auth.Authenticate(t.Context(), oldest)
	fixture.WantErr(t, err, auth.ErrUnauthorized)
}

// What ends a request ends the approval that was not collected, for good: taking the revocation back
// does not bring it back.
func TestAnUncollectedApprovalIsCancelledByARevocation(t *testing.T) {
	approvedRequest := func(t *testing.T, f *fixture.Fixture, token string, claims ...string) *consent.Pending {
		t.Helper()
		p := f.Pending(token, claims...)
		if err := f.Approve(p.ID, approvals.Choice{}); err != nil {
			t.Fatal(err)
		}
		return p
	}
	t.Run("an app that is let in again", func(t *testing.T) {
		f := fixture.New(t)
		p := f.RegisteredPeer(7)
		out, err := f.AskSigned(f.SignedRequest(p, "ask", nil))
		if err != nil || out.Pending == nil {
			t.Fatal(out, err)
		}
		if err := f.Approve(out.Pending.ID, approvals.Choice{}); err != nil {
			t.Fatal(err)
		}
		if err := f.Pipeline.RevokeApp(t.Context(), f.As(f.Owner), p.DID); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Auth.NameApp(t.Context(), f.As(f.Owner), p.DID, "let in again"); err != nil {
			t.Fatal(err)
		}
		_, err = f.CollectSigned(f.SignedRequest(p, "collect", map[string]any{"approval": out.Pending.ID}), out.Pending.ID)
		fixture.WantErr(t, err, consent.ErrRejected)
		v, err := f.Approvals.Get(t.Context(), f.As(f.Owner), out.Pending.ID)
		if err != nil || v.Status != store.Cancelled {
			t.Errorf("the approval is %s, %v", v.Status, err)
		}
	})
	t.Run("a deny that is taken back", func(t *testing.T) {
		f := fixture.New(t)
		token := f.AppToken(fixture.Notes)
		ended, other := approvedRequest(t, f, token, fixture.KeyClaim("diary")), approvedRequest(t, f, token, `{"type":"authPrincipal"}`)
		f.SetPolicy(policy.Rule{App: fixture.Notes, Claim: "encryptionKey", Decision: policy.Deny})
		f.SetPolicy()
		_, err := f.Collect(token, ended.ID)
		fixture.WantErr(t, err, consent.ErrRejected)
		if out, err := f.Collect(token, other.ID); err != nil || out.Answer == nil {
			t.Errorf("an approval that the deny did not match: %v, %v", out, err)
		}
	})
	t.Run("a delegation", func(t *testing.T) {
		f := fixture.New(t)
		token := f.AppToken(fixture.Notes)
		f.Account(fixture.Notes, did.AccountType())
		from, account := fixture.Secret(t, fixture.Notes, did.AccountType())
		p := approvedRequest(t, f, token, fixture.DelegatedClaim(account.Address(), fixture.Delegate(t, from, account, fixture.ParseDID(t, fixture.Notes), f.Clock, nil)))
		list, _, err := f.Auth.Delegations(t.Context(), f.As(f.Owner), store.Page{})
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		if err := f.Pipeline.RevokeDelegation(t.Context(), f.As(f.Owner), list[0].Hash); err != nil {
			t.Fatal(err)
		}
		_, err = f.Collect(token, p.ID)
		fixture.WantErr(t, err, consent.ErrRejected)
	})
	t.Run("a token, and no other's", func(t *testing.T) {
		f := fixture.New(t)
		token, spare := f.AppToken(fixture.Notes), f.AppToken(fixture.Notes)
		ended, other := approvedRequest(t, f, token, fixture.KeyClaim("diary")), approvedRequest(t, f, spare, fixture.KeyClaim("diary"))
		if err := f.Pipeline.RevokeToken(t.Context(), f.As(f.Owner), f.As(token).Token); err != nil {
			t.Fatal(err)
		}
		if v, err := f.Approvals.Get(t.Context(), f.As(f.Owner), ended.ID); err != nil || v.Status != store.Cancelled {
			t.Errorf("the approval is %s, %v", v.Status, err)
		}
		if out, err := f.Collect(spare, other.ID); err != nil || out.Answer == nil {
			t.Errorf("the other token's approval: %v, %v", out, err)
		}
	})
	t.Run("also while it is being collected", func(t *testing.T) {
		f := fixture.New(t)
		token := f.AppToken(fixture.Notes)
		p := approvedRequest(t, f, token, fixture.KeyClaim("diary"))
		c := f.As(token) // has read the wallet …
		f.SetPolicy(policy.Rule{App: fixture.Notes, Claim: policy.Any, Decision: policy.Deny})
		f.SetPolicy() // … as it no longer is
		out, err := f.Pipeline.Collect(t.Context(), c, p.ID, 0)
		fixture.WantErr(t, err, consent.ErrRejected)
		if out.Answer != nil {
			t.Error("the key was given")
		}
	})
}

// A request that was read before a revocation and goes on after it is refused.
func TestARequestUnderWayIsCancelledByARevocation(t *testing.T) {
	t.Run("a request of a token", func(t *testing.T) {
		f := fixture.New(t)
		token, spare := f.AppToken(fixture.Notes), f.AppToken(fixture.Notes)
		c := f.As(token)
		if err := f.Pipeline.RevokeToken(t.Context(), f.As(f.Owner), c.Token); err != nil {
			t.Fatal(err)
		}
		out, err := f.Pipeline.Answer(t.Context(), c, fixture.Raw(fixture.KeyClaim("diary")))
		fixture.WantErr(t, err, auth.ErrUnauthorized)
		if out.Pending != nil {
			t.Error("the request waits")
		}
		f.Pending(spare, fixture.KeyClaim("diary"))
	})
	t.Run("a request of an app that signs", func(t *testing.T) {
		f := fixture.New(t)
		p := f.RegisteredPeer(7)
		c, asked, err := f.Auth.AuthenticateSigned(t.Context(), f.SignedRequest(p, "1", nil))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := f.Pipeline.RevokeApp(t.Context(), f.As(f.Owner), p.DID); err != nil {
			t.Fatal(err)
		}
		_, err = f.Pipeline.Answer(t.Context(), c, asked)
		fixture.WantCode(t, err, "app_unknown")
	})
	t.Run("an answer under a rule", func(t *testing.T) {
		f := fixture.New(t)
		token := f.AppToken(fixture.Notes)
		f.SetPolicy(fixture.AllowAll)
		f.Answer(token, fixture.KeyClaim("diary"))
		c := f.As(token)
		if err := f.Pipeline.RevokeToken(t.Context(), f.As(f.Owner), c.Token); err != nil {
			t.Fatal(err)
		}
		out, err := f.Pipeline.Answer(t.Context(), c, fixture.Raw(fixture.KeyClaim("diary")))
		fixture.WantErr(t, err, auth.ErrUnauthorized)
		if out.Answer != nil {
			t.Error("the key was given")
		}
	})
	t.Run("an approval, when the request was put in the database afterwards", func(t *testing.T) {
		f := fixture.New(t)
		token := f.AppToken(fixture.Notes)
		p := f.Pending(token, fixture.KeyClaim("diary"))
		row, err := f.Store.Approval(t.Context(), p.ID)
		if err != nil {
			t.Fatal(err)
		}
		id := f.As(token).Token
		if err := f.Pipeline.RevokeToken(t.Context(), f.As(f.Owner), id); err != nil {
			t.Fatal(err)
		}
		f.Exec(`update approvals set state = 'pending', decided = 0, decided_by = '', answer = x'', mac = ?`, row.MAC)
		fixture.WantErr(t, f.Approve(p.ID, approvals.Choice{Remember: &approvals.Remember{Until: "withdrawn"}}), consent.ErrExpired)
		if n := f.Grants(); n != 0 {
			t.Errorf("%d grants were made", n)
		}
	})
}

// Questions that come while their token is revoked don't wait for an answer that would be of no use.
func TestNoRequestOutlivesItsToken(t *testing.T) {
	f := fixture.New(t)
	for round := range 15 {
		token := f.Token(f.Owner, auth.NewToken{Role: auth.App, Wallet: f.Wallet, App: fixture.Notes})
		owner, callers := f.As(f.Owner), make([]*auth.Caller, 8)
		for i := range callers {
			callers[i] = f.As(token.Text)
		}
		var all sync.WaitGroup
		for i, c := range callers {
			all.Go(func() {
				_, err := f.Pipeline.Answer(t.Context(), c, fixture.Raw(fixture.KeyClaim(fmt.Sprint(round, " ", i))))
				if err != nil && !errors.Is(err, auth.ErrUnauthorized) {
					t.Error(err)
				}
			})
		}
		if err := f.Pipeline.RevokeToken(t.Context(), owner, token.ID); err != nil {
			t.Error(err)
		}
		all.Wait()
		views, _, err := f.Approvals.List(t.Context(), f.As(f.Owner), store.Pending, store.Page{})
		if err != nil || len(views) != 0 {
			t.Fatalf("round %d: %d requests of a revoked token wait, %v", round, len(views), err)
		}
	}
}

// An approval that is remembered and a revocation at the same time: if both went through, no grant is left.
func TestNoGrantOutlivesAConcurrentRevocation(t *testing.T) {
	f := fixture.New(t)
	name := fixture.ParseDID(t, fixture.Notes)
	for kind, revoke := range map[string]func(owner *auth.Caller, token string) error{
		"of a token": func(owner *auth.Caller, token string) error { return f.Pipeline.RevokeToken(t.Context(), owner, token) },
		"of an app":  func(owner *auth.Caller, _ string) error { return f.Pipeline.RevokeApp(t.Context(), owner, name) },
		"by a deny": func(owner *auth.Caller, _ string) error {
			return second(f.Pipeline.SetPolicy(t.Context(), owner, policy.Policy{Rules: []policy.Rule{{App: fixture.Notes, Claim: policy.Any, Decision: policy.Deny}}}))
		},
	} {
		t.Run(kind, func(t *testing.T) {
			for i := range 15 {
				f.SetPolicy()
				token := f.Token(f.Owner, auth.NewToken{Role: auth.App, Wallet: f.Wallet, App: fixture.Notes})
				p := f.Pending(token.Text, fixture.KeyClaim(fmt.Sprint(kind, i)))
				a, b := f.As(f.Owner), f.As(f.Owner)
				var both sync.WaitGroup
				both.Go(func() {
					_, err := f.Pipeline.Approve(t.Context(), a, p.ID, approvals.Choice{Remember: &approvals.Remember{Until: "withdrawn"}}, nil)
					if err != nil && !errors.Is(err, consent.ErrDecided) && !errors.Is(err, consent.ErrExpired) {
						t.Error(err)
					}
				})
				both.Go(func() {
					if err := revoke(b, token.ID); err != nil {
						t.Error(err)
					}
				})
				both.Wait()
				if n := f.Grants(); n != 0 {
					t.Fatalf("round %d: %d grants outlived their revocation", i, n)
				}
			}
		})
	}
}

// An app that uses a counted grant without pause cannot hold off its end.
func TestARevocationSucceedsWhateverTheAppDoes(t *testing.T) {
	for kind, revoke := range map[string]func(f *fixture.Fixture, owner *auth.Caller, token, grant string) error{
		"of a token": func(f *fixture.Fixture, owner *auth.Caller, token, _ string) error {
			return f.Pipeline.RevokeToken(t.Context(), owner, token)
		},
		"of an app": func(f *fixture.Fixture, owner *auth.Caller, _, _ string) error {
			return f.Pipeline.RevokeApp(t.Context(), owner, fixture.ParseDID(t, fixture.Notes))
		},
		"of a grant": func(f *fixture.Fixture, owner *auth.Caller, _, grant string) error {
			return f.Approvals.RevokeGrant(t.Context(), owner, grant)
		},
		"by a deny": func(f *fixture.Fixture, owner *auth.Caller, _, _ string) error {
			return second(f.Pipeline.SetPolicy(t.Context(), owner, policy.Policy{Rules: []policy.Rule{{App: policy.Any, Claim: policy.Any, Decision: policy.Deny}}}))
		},
	} {
		t.Run(kind, func(t *testing.T) {
			f := fixture.New(t)
			token := f.Token(f.Owner, auth.NewToken{Role: auth.App, Wallet: f.Wallet, App: fixture.Notes})
			p := f.Pending(token.Text, fixture.KeyClaim("diary"))
			if err := f.Approve(p.ID, approvals.Choice{Remember: &approvals.Remember{Times: 1_000_000}}); err != nil {
				t.Fatal(err)
			}
			grants, _, err := f.Approvals.ListGrants(t.Context(), f.As(f.Owner), store.Page{})
			if err != nil || len(grants) != 1 {
				t.Fatal(grants, err)
			}
			owner := f.As(f.Owner)
			given, stop := make(chan bool), make(chan bool)
			var app sync.WaitGroup
			for range 8 {
				app.Go(func() {
					for {
						c, err := f.Auth.Authenticate(t.Context(), token.Text)
						if err != nil {
							return
						}
						out, _ := f.Pipeline.Answer(t.Context(), c, fixture.Raw(fixture.KeyClaim("diary")))
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
			if err := revoke(f, owner, token.ID, grants[0].ID); err != nil {
				t.Error(err)
			}
			close(stop)
			app.Wait()
			close(given)
			if n := f.Grants(); n != 0 {
				t.Errorf("%d grants hold", n)
			}
		})
	}
}
