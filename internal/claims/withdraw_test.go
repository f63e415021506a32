package claims

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"walletd/internal/did"
	"walletd/internal/policy"
	"walletd/internal/store"
)

// collectSigned collects with a signed request of its own jti.
func (h *house) collectSigned(r SignedRequest, id string) (Outcome, error) {
	h.t.Helper()
	c, _, err := h.door.AuthenticateSigned(h.t.Context(), r)
	if err != nil {
		return Outcome{}, err
	}
	defer c.Close()
	return h.door.Collect(h.t.Context(), c, id, 0)
}

// grants counts those that hold.
func (h *house) grants() int {
	h.t.Helper()
	views, _, err := h.door.Grants(h.t.Context(), h.as(h.owner), store.Page{})
	if err != nil {
		h.t.Fatal(err)
	}
	return len(views)
}

func TestAWithdrawnAppHasNoTokenLeft(t *testing.T) {
	h := newHouse(t)
	h.policy(allowAll)
	oldest := h.appToken(notes)
	h.clock = h.clock.Add(time.Second)
	for range 100 {
		h.appToken(notes)
	}
	if err := h.door.RevokeApp(t.Context(), h.as(h.owner), app(t, notes)); err != nil {
		t.Fatal(err)
	}
	_, err := h.door.Authenticate(t.Context(), oldest)
	wantErr(t, err, ErrUnauthorized)
}

// What ends a question ends the yes that was not collected, for good: taking the withdrawal back
// does not bring it back.
func TestAnUncollectedYesEndsWithWhatWasWithdrawn(t *testing.T) {
	yes := func(t *testing.T, h *house, token string, claims ...string) *Pending {
		t.Helper()
		p := h.pending(token, claims...)
		if err := h.approve(p.ID, Choice{}); err != nil {
			t.Fatal(err)
		}
		return p
	}
	t.Run("an app that is let in again", func(t *testing.T) {
		h := newHouse(t)
		p := h.knownPeer(7)
		out, err := h.askSigned(h.request(p, "ask", nil))
		if err != nil || out.Pending == nil {
			t.Fatal(out, err)
		}
		if err := h.approve(out.Pending.ID, Choice{}); err != nil {
			t.Fatal(err)
		}
		if err := h.door.RevokeApp(t.Context(), h.as(h.owner), p.did); err != nil {
			t.Fatal(err)
		}
		if _, err := h.door.NameApp(t.Context(), h.as(h.owner), p.did, "let in again"); err != nil {
			t.Fatal(err)
		}
		_, err = h.collectSigned(h.request(p, "collect", map[string]any{"approval": out.Pending.ID}), out.Pending.ID)
		wantErr(t, err, ErrRejected)
		v, err := h.door.Approval(t.Context(), h.as(h.owner), out.Pending.ID)
		if err != nil || v.Status != store.Cancelled {
			t.Errorf("the yes is %s, %v", v.Status, err)
		}
	})
	t.Run("a deny that is taken back", func(t *testing.T) {
		h := newHouse(t)
		token := h.appToken(notes)
		ended, other := yes(t, h, token, keyClaim("diary")), yes(t, h, token, `{"type":"authPrincipal"}`)
		h.policy(policy.Rule{App: notes, Claim: "encryptionKey", Decision: policy.Deny})
		h.policy()
		_, err := h.collect(token, ended.ID)
		wantErr(t, err, ErrRejected)
		if out, err := h.collect(token, other.ID); err != nil || out.Answer == nil {
			t.Errorf("a yes that the deny did not match: %v, %v", out, err)
		}
	})
	t.Run("a delegation", func(t *testing.T) {
		h := newHouse(t)
		token := h.appToken(notes)
		h.account(notes, did.AccountType())
		from, account := secret(t, notes, did.AccountType())
		p := yes(t, h, token, delegatedClaim(account.Address(), delegate(t, from, account, app(t, notes), h.clock, nil)))
		list, _, err := h.door.Delegations(t.Context(), h.as(h.owner), store.Page{})
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		if err := h.door.RevokeDelegation(t.Context(), h.as(h.owner), list[0].Hash); err != nil {
			t.Fatal(err)
		}
		_, err = h.collect(token, p.ID)
		wantErr(t, err, ErrRejected)
	})
	t.Run("a token, and no other's", func(t *testing.T) {
		h := newHouse(t)
		token, spare := h.appToken(notes), h.appToken(notes)
		ended, other := yes(t, h, token, keyClaim("diary")), yes(t, h, spare, keyClaim("diary"))
		if err := h.door.RevokeToken(t.Context(), h.as(h.owner), h.as(token).Token); err != nil {
			t.Fatal(err)
		}
		if v, err := h.door.Approval(t.Context(), h.as(h.owner), ended.ID); err != nil || v.Status != store.Cancelled {
			t.Errorf("the yes is %s, %v", v.Status, err)
		}
		if out, err := h.collect(spare, other.ID); err != nil || out.Answer == nil {
			t.Errorf("the other token's yes: %v, %v", out, err)
		}
	})
	t.Run("also while it is being collected", func(t *testing.T) {
		h := newHouse(t)
		token := h.appToken(notes)
		p := yes(t, h, token, keyClaim("diary"))
		c := h.as(token) // has read the wallet …
		h.policy(policy.Rule{App: notes, Claim: policy.Any, Decision: policy.Deny})
		h.policy() // … as it no longer is
		out, err := h.door.Collect(t.Context(), c, p.ID, 0)
		wantErr(t, err, ErrRejected)
		if out.Answer != nil {
			t.Error("the key was given")
		}
	})
}

// A request that was read before a withdrawal and goes on after it finds the door closed.
func TestWhatIsUnderWayEndsWithWhatWasWithdrawn(t *testing.T) {
	t.Run("a question of a token", func(t *testing.T) {
		h := newHouse(t)
		token, spare := h.appToken(notes), h.appToken(notes)
		c := h.as(token)
		if err := h.door.RevokeToken(t.Context(), h.as(h.owner), c.Token); err != nil {
			t.Fatal(err)
		}
		out, err := h.door.Answer(t.Context(), c, raw(keyClaim("diary")))
		wantErr(t, err, ErrUnauthorized)
		if out.Pending != nil {
			t.Error("the question waits")
		}
		h.pending(spare, keyClaim("diary"))
	})
	t.Run("a question of an app that signs", func(t *testing.T) {
		h := newHouse(t)
		p := h.knownPeer(7)
		c, asked, err := h.door.AuthenticateSigned(t.Context(), h.request(p, "1", nil))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := h.door.RevokeApp(t.Context(), h.as(h.owner), p.did); err != nil {
			t.Fatal(err)
		}
		_, err = h.door.Answer(t.Context(), c, asked)
		wantCode(t, err, "app_unknown")
	})
	t.Run("an answer under a rule", func(t *testing.T) {
		h := newHouse(t)
		token := h.appToken(notes)
		h.policy(allowAll)
		h.answer(token, keyClaim("diary"))
		c := h.as(token)
		if err := h.door.RevokeToken(t.Context(), h.as(h.owner), c.Token); err != nil {
			t.Fatal(err)
		}
		out, err := h.door.Answer(t.Context(), c, raw(keyClaim("diary")))
		wantErr(t, err, ErrUnauthorized)
		if out.Answer != nil {
			t.Error("the key was given")
		}
	})
	t.Run("a yes, when the question was put in the database afterwards", func(t *testing.T) {
		h := newHouse(t)
		token := h.appToken(notes)
		p := h.pending(token, keyClaim("diary"))
		row, err := h.store.Approval(t.Context(), p.ID)
		if err != nil {
			t.Fatal(err)
		}
		id := h.as(token).Token
		if err := h.door.RevokeToken(t.Context(), h.as(h.owner), id); err != nil {
			t.Fatal(err)
		}
		h.exec(`update approvals set state = 'pending', decided = 0, decided_by = '', answer = x'', mac = ?`, row.MAC)
		wantErr(t, h.approve(p.ID, Choice{Remember: &Remember{Until: "withdrawn"}}), ErrExpired)
		if n := h.grants(); n != 0 {
			t.Errorf("%d grants were made", n)
		}
	})
}

// Questions that come while their token is revoked don't wait for an answer that would be of no use.
func TestNoQuestionOutlivesItsToken(t *testing.T) {
	h := newHouse(t)
	for round := range 15 {
		token := h.token(h.owner, NewToken{Role: App, Wallet: h.wallet, App: notes})
		owner, callers := h.as(h.owner), make([]*Caller, 8)
		for i := range callers {
			callers[i] = h.as(token.Text)
		}
		var all sync.WaitGroup
		for i, c := range callers {
			all.Go(func() {
				_, err := h.door.Answer(t.Context(), c, raw(keyClaim(fmt.Sprint(round, " ", i))))
				if err != nil && !errors.Is(err, ErrUnauthorized) {
					t.Error(err)
				}
			})
		}
		if err := h.door.RevokeToken(t.Context(), owner, token.ID); err != nil {
			t.Error(err)
		}
		all.Wait()
		views, _, err := h.door.Approvals(t.Context(), h.as(h.owner), store.Pending, store.Page{})
		if err != nil || len(views) != 0 {
			t.Fatalf("round %d: %d questions of a revoked token wait, %v", round, len(views), err)
		}
	}
}

// A yes that is remembered and a withdrawal at the same time: if both went through, no grant is left.
func TestNoGrantOutlivesAWithdrawalAtTheSameTime(t *testing.T) {
	h := newHouse(t)
	name := app(t, notes)
	for kind, withdraw := range map[string]func(owner *Caller, token string) error{
		"of a token": func(owner *Caller, token string) error { return h.door.RevokeToken(t.Context(), owner, token) },
		"of an app":  func(owner *Caller, _ string) error { return h.door.RevokeApp(t.Context(), owner, name) },
		"by a deny": func(owner *Caller, _ string) error {
			return second(h.door.SetPolicy(t.Context(), owner, policy.Policy{Rules: []policy.Rule{{App: notes, Claim: policy.Any, Decision: policy.Deny}}}))
		},
	} {
		t.Run(kind, func(t *testing.T) {
			for i := range 15 {
				h.policy()
				token := h.token(h.owner, NewToken{Role: App, Wallet: h.wallet, App: notes})
				p := h.pending(token.Text, keyClaim(fmt.Sprint(kind, i)))
				a, b := h.as(h.owner), h.as(h.owner)
				var both sync.WaitGroup
				both.Go(func() {
					_, err := h.door.Approve(t.Context(), a, p.ID, Choice{Remember: &Remember{Until: "withdrawn"}})
					if err != nil && !errors.Is(err, ErrDecided) && !errors.Is(err, ErrExpired) {
						t.Error(err)
					}
				})
				both.Go(func() {
					if err := withdraw(b, token.ID); err != nil {
						t.Error(err)
					}
				})
				both.Wait()
				if n := h.grants(); n != 0 {
					t.Fatalf("round %d: %d grants outlived their withdrawal", i, n)
				}
			}
		})
	}
}

// An app that uses a counted grant without pause cannot hold off its end.
func TestAWithdrawalGoesThroughWhateverTheAppDoes(t *testing.T) {
	for kind, withdraw := range map[string]func(h *house, owner *Caller, token, grant string) error{
		"of a token": func(h *house, owner *Caller, token, _ string) error {
			return h.door.RevokeToken(t.Context(), owner, token)
		},
		"of an app": func(h *house, owner *Caller, _, _ string) error {
			return h.door.RevokeApp(t.Context(), owner, app(t, notes))
		},
		"of a grant": func(h *house, owner *Caller, _, grant string) error {
			return h.door.RevokeGrant(t.Context(), owner, grant)
		},
		"by a deny": func(h *house, owner *Caller, _, _ string) error {
			return second(h.door.SetPolicy(t.Context(), owner, policy.Policy{Rules: []policy.Rule{{App: policy.Any, Claim: policy.Any, Decision: policy.Deny}}}))
		},
	} {
		t.Run(kind, func(t *testing.T) {
			h := newHouse(t)
			token := h.token(h.owner, NewToken{Role: App, Wallet: h.wallet, App: notes})
			p := h.pending(token.Text, keyClaim("diary"))
			if err := h.approve(p.ID, Choice{Remember: &Remember{Times: 1_000_000}}); err != nil {
				t.Fatal(err)
			}
			grants, _, err := h.door.Grants(t.Context(), h.as(h.owner), store.Page{})
			if err != nil || len(grants) != 1 {
				t.Fatal(grants, err)
			}
			owner := h.as(h.owner)
			given, stop := make(chan bool), make(chan bool)
			var app sync.WaitGroup
			for range 8 {
				app.Go(func() {
					for {
						c, err := h.door.Authenticate(t.Context(), token.Text)
						if err != nil {
							return
						}
						out, _ := h.door.Answer(t.Context(), c, raw(keyClaim("diary")))
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
			if n := h.grants(); n != 0 {
				t.Errorf("%d grants hold", n)
			}
		})
	}
}
