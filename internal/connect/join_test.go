package connect

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"walletd/internal/approvals"
	"walletd/internal/auth"
	"walletd/internal/consent"
	"walletd/internal/did"
	"walletd/internal/ledger"
	"walletd/internal/policy"
	"walletd/internal/wallettest/postgres"
)

var bothStores = map[string]func(testing.TB) string{"SQLite": sqliteURL, "PostgreSQL": postgres.Start}

// allows has rules allow an app its account and its keys, once the owner has approved one of its requests.
func (f *fixture) allows(app *far) {
	f.t.Helper()
	v := f.advance(f.begin(appURL).ID)
	f.approve(v.Approval, approvals.Choice{})
	f.advance(v.ID)
	var rules []policy.Rule
	for _, claim := range []string{"authPrincipal", "encryptionKey"} {
		rules = append(rules, policy.Rule{App: app.did.String(), Claim: claim, Decision: policy.Allow})
	}
	if _, err := f.pipeline.SetPolicy(f.t.Context(), f.as(f.owner), policy.Policy{Rules: rules}); err != nil {
		f.t.Fatal(err)
	}
}

// since returns the kinds of the entries after one of the wallet's record.
func (f *fixture) since(seq int64) []string {
	f.t.Helper()
	rows, err := f.store.Records(f.t.Context(), f.wallet, seq, 1000)
	if err != nil {
		f.t.Fatal(err)
	}
	var list []string
	for _, r := range rows {
		list = append(list, r.Kind)
	}
	return list
}

// length is how many entries the wallet's record has.
func (f *fixture) length() int64 {
	f.t.Helper()
	end, err := f.store.ChainEnd(f.t.Context(), f.wallet)
	if err != nil {
		f.t.Fatal(err)
	}
	return end.Seq
}

// written is Store.Written when all that can be read is counted too, which it is soon after it is committed: it makes one
// transaction of its own, without a change, whose turn in the store's queue comes after it.
func (f *fixture) written() (transactions, changes int64) {
	f.t.Helper()
	if err := f.store.ClearUnlockFailures(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
	return f.store.Written()
}

// A session is written when it is opened, before each answer, and at its end; once more for each question to the owner,
// whose decision is a write too. Nothing else of it is written, and its record has all its entries.
func TestWhatASessionWrites(t *testing.T) {
	app := newFar(t, 1, did.Ed25519)
	ask, key, end := app.asks(), app.asks(claim("encryptionKey", "salt", "notes")), app.ends(nil)
	for name, url := range bothStores {
		t.Run(name, func(t *testing.T) {
			s := &script{t: t, replies: []says{ask, end}}
			f := newFixtureAt(t, url(t), s)
			f.allows(app)
			f.sessions.renewEvery = time.Hour
			f.running()
			s.replies = []says{ask, end}
			f.await(f.begin(appURL).ID, Done) // so that it runs, and has released what an earlier process leased
			for _, tt := range []struct {
				name    string
				replies []says
				decides bool // the owner, of the last request
				writes  int64
				entries []string
			}{
				{"a login", []says{ask, end}, false, 3, []string{
					"session.opened",
					"session.asked", "claim.allowed", "session.answering",
					"session.ended"}},
				{"a login with a key", []says{ask, key, end}, false, 4, []string{
					"session.opened",
					"session.asked", "claim.allowed", "session.answering",
					"session.asked", "claim.allowed", "session.answering",
					"session.ended"}},
				{"a login and what the owner decides", []says{ask, app.asks(claim("profile")), end}, true, 6, []string{
					"session.opened",
					"session.asked", "claim.allowed", "session.answering",
					"session.asked", "claim.asked", "session.waiting",
					"approval.approved",
					"claim.collected", "session.answering",
					"session.ended"}},
			} {
				s.mu.Lock()
				s.replies = tt.replies
				s.mu.Unlock()
				before := f.length()
				transactions, changes := f.written()
				v := f.begin(appURL)
				if tt.decides {
					f.await(v.ID, Waiting)
					f.approve(f.get(v.ID).Approval, approvals.Choice{})
				}
				f.await(v.ID, Done)
				done, changed := f.written()
				if done -= transactions + 1; done != tt.writes || changed-changes != tt.writes {
					t.Errorf("%s made %d transactions of %d changes, want %d", tt.name, done, changed-changes, tt.writes)
				}
				if entries := f.since(before); !slices.Equal(entries, tt.entries) {
					t.Errorf("%s has the entries %v", tt.name, entries)
				}
			}
		})
	}
}

// leaseOf leases a session as Advance does.
func (f *fixture) leaseOf(id string) *leased {
	f.t.Helper()
	row, err := f.store.Session(f.t.Context(), id)
	if err != nil {
		f.t.Fatal(err)
	}
	l, err := f.sessions.acquireLease(f.t.Context(), row)
	if err != nil {
		f.t.Fatal(err)
	}
	return l
}

// What is committed together is there together after a kill: at once after the commit, or before it.
func TestKilledAtAJointCommit(t *testing.T) {
	app := newFar(t, 1, did.Ed25519)
	answer := func(ctx context.Context, l *leased) error {
		if err := l.fetchRequest(ctx); err != nil {
			return err
		}
		defer l.joining()()
		_, err := l.Pipeline.Answer(ctx, l.caller, l.request.claims)
		return err
	}
	approved := func(f *fixture, id string) { f.approve(f.advance(id).Approval, approvals.Choice{}) }
	for name, url := range bothStores {
		for _, tt := range []struct {
			name   string
			rule   bool                   // allows it
			until  func(*fixture, string) // brings the session to where it is killed
			commit func(context.Context, *leased) error
			// after is what is in the record, and how the session goes on, killed after the commit; it is posted so often.
			after []string
			ends  State
			posts int
			// Killed before the commit, it goes on as if nothing had been; so often the request is fetched.
			gets    int
			resumes State
		}{
			{"of an answer that a rule allows", true, func(*fixture, string) {}, answer,
				[]string{"session.asked", "claim.allowed", "session.answering"}, Unknown, 0, 2, Done},
			{"of a question to the owner", false, func(*fixture, string) {}, answer,
				[]string{"session.asked", "account.created", "claim.asked", "session.waiting"}, Done, 1, 2, Done},
			{"of an answer that the owner approved", false, approved, func(ctx context.Context, l *leased) error {
				defer l.joining()()
				_, err := l.Pipeline.Collect(ctx, l.caller, l.row.Approval, 0)
				return err
			}, []string{"claim.collected", "session.answering"}, Unknown, 0, 1, Done},
			{"of a decline", false, func(f *fixture, id string) { f.reject(f.advance(id).Approval) }, func(ctx context.Context, l *leased) error {
				defer l.joining()()
				l.content.Declining = &ending{}
				_, err := l.Pipeline.Decline(ctx, l.caller, consent.DeclineAuth, "")
				return err
			}, []string{"session.declined", "session.answering"}, Declined, 0, 1, Declined},
		} {
			for _, before := range []bool{true, false} {
				when := map[bool]string{true: "before", false: "after"}[before]
				t.Run(name+"/"+when+" that "+tt.name, func(t *testing.T) {
					s := &script{t: t, replies: []says{app.asks(), app.ends(nil)}}
					f := newFixtureAt(t, url(t), s)
					if tt.rule {
						f.allows(app)
						s.replies = []says{app.asks(), app.ends(nil)}
					}
					gets, posts := s.counts()
					v := f.begin(appURL)
					tt.until(f, v.ID)
					l := f.leaseOf(v.ID)
					entries := f.length()
					fetched := tt.gets == 2
					if before {
						if fetched {
							if err := l.fetchRequest(t.Context()); err != nil {
								t.Fatal(err)
							}
							s.replies = []says{app.asks(), app.ends(nil)}
						}
					} else if err := tt.commit(t.Context(), l); err != nil {
						t.Fatal(err)
					}
					f.restart()
					want, ends, got, sent := tt.after, tt.ends, 1, tt.posts
					if before {
						want, ends, got, sent = nil, tt.resumes, tt.gets, 1
					}
					if now := f.since(entries); !slices.Equal(now, want) {
						t.Errorf("in the record is %v, want %v", now, want)
					}
					for v = f.advance(v.ID); v.Ended.IsZero(); v = f.advance(v.ID) {
						f.approve(v.Approval, approvals.Choice{})
					}
					if v.State != ends {
						t.Errorf("it ended %+v", v)
					}
					if g, p := s.counts(); g-gets != got || p-posts != sent {
						t.Errorf("it was fetched %d times and posted %d times, want %d and %d", g-gets, p-posts, got, sent)
					}
				})
			}
		}
	}
}

// Killed as the app replies to an answer with another request: that is in no row, and the session says that the answer
// may have reached the app.
func TestKilledWithTheNextRequestInHand(t *testing.T) {
	app := newFar(t, 1, did.Ed25519)
	for name, url := range bothStores {
		t.Run(name, func(t *testing.T) {
			s := &script{t: t, replies: []says{app.asks(), app.ends(nil)}}
			var f *fixture
			var armed atomic.Bool
			f = newFixtureAt(t, url(t), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPost && armed.Load() {
					f.store.Close()
				}
				s.ServeHTTP(w, r)
			}))
			f.allows(app)
			s.replies = []says{app.asks(), app.asks(claim("encryptionKey", "salt", "notes")), app.ends(nil)}
			_, posts := s.counts()
			entries := f.length()
			v := f.begin(appURL)
			armed.Store(true)
			if err := f.sessions.Advance(t.Context(), v.ID); err == nil {
				t.Fatal("it was not killed")
			}
			f.restart()
			if v = f.advance(v.ID); v.State != Unknown || v.Account == "" {
				t.Errorf("after the restart it is %+v", v)
			}
			if want := []string{"session.opened", "session.asked", "claim.allowed", "session.answering", "session.ended"}; !slices.Equal(f.since(entries), want) {
				t.Errorf("in the record is %v", f.since(entries))
			}
			if _, p := s.counts(); p-posts != 1 {
				t.Errorf("posted %d times", p-posts)
			}
		})
	}
}

// The answer to a joint commit is lost: the session finds out that it happened, and decides anew, since what the
// commit allowed was released to nobody.
func TestAJointCommitWhoseAnswerIsLost(t *testing.T) {
	app := newFar(t, 1, did.Ed25519)
	for name, url := range bothStores {
		for _, rule := range []bool{true, false} {
			t.Run(name+"/"+map[bool]string{true: "of an answer", false: "of a question"}[rule], func(t *testing.T) {
				s := &script{t: t, replies: []says{app.asks(), app.ends(nil)}}
				f := newFixtureAt(t, url(t), s)
				if rule {
					f.allows(app)
					s.replies = []says{app.asks(), app.ends(nil)}
				}
				_, posts := s.counts()
				v := f.begin(appURL)
				l := f.leaseOf(v.ID)
				if err := l.fetchRequest(t.Context()); err != nil {
					t.Fatal(err)
				}
				l.caller.Session.Join = func(ctx context.Context, kind ledger.Kind, o auth.Outcome) (auth.Joint, error) {
					j, err := l.join(ctx, kind, o)
					j.Committed = func() {}
					return j, err
				}
				if _, err := l.Pipeline.Answer(t.Context(), l.caller, l.request.claims); err != nil {
					t.Fatal(err)
				}
				if err := l.runLeased(t.Context(), func(ctx context.Context) error {
					if err := l.requestConsent(ctx); err != nil {
						return err
					}
					return l.advance(ctx)
				}); err != nil {
					t.Fatal(err)
				}
				if v = f.get(v.ID); !rule {
					if v.State != Waiting {
						t.Fatalf("it is %+v", v)
					}
					f.approve(v.Approval, approvals.Choice{})
					v = f.advance(v.ID)
				}
				if v.State != Done {
					t.Errorf("it is %+v", v)
				}
				if _, p := s.counts(); p-posts != 1 {
					t.Errorf("posted %d times", p-posts)
				}
			})
		}
	}
}

// Two replicas find out at the same time that the owner has approved: one of them records and posts the answer.
func TestTwoReplicasCollectOneApproval(t *testing.T) {
	app := newFar(t, 1, did.Ed25519)
	s := &script{t: t, replies: []says{app.asks(), app.ends(nil)}}
	f := newFixtureAt(t, postgres.Start(t), s)
	other := f.replica()
	v := f.advance(f.begin(appURL).ID)
	f.approve(v.Approval, approvals.Choice{})
	row, err := f.store.Session(t.Context(), v.ID)
	if err != nil {
		t.Fatal(err)
	}
	var both []*leased
	for _, replica := range []*fixture{f, other} {
		l, err := replica.sessions.takeWaiting(t.Context(), row)
		if err != nil {
			t.Fatal(err)
		}
		both = append(both, l)
	}
	if err := both[0].runLeased(t.Context(), both[0].advance); err != nil {
		t.Error(err)
	}
	if err := both[1].runLeased(t.Context(), both[1].advance); err == nil {
		t.Error("the second collects it too")
	}
	if v = f.get(v.ID); v.State != Done {
		t.Errorf("it is %+v", v)
	}
	if _, posts := s.counts(); posts != 1 || strings.Count(f.kinds(), "claim.collected") != 1 {
		t.Errorf("posted %d times; the record is %s", posts, f.kinds())
	}
}

// What a session commits beside an entry releases nothing, whatever its kind: the receipt is that of the outcome.
func TestOnlyTheOutcomeReleases(t *testing.T) {
	f := newFixture(t, &script{t: t})
	c, err := f.auth.SessionCaller(t.Context(), auth.Session{ID: "s", Wallet: f.wallet})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for kind, releases := range map[ledger.Kind]bool{ledger.SessionAsked: false, ledger.SessionDeclined: true} {
		before := f.length()
		beside := []ledger.Event{c.Event(ledger.ClaimAllowed)}
		receipt, err := c.Commit(t.Context(), ledger.Change{Before: beside, Event: c.Event(kind), After: beside})
		if err != nil || receipt.Releases() != releases || receipt.Seq() != before+2 {
			t.Errorf("of %s: %+v, %v", kind, receipt, err)
		}
		if want := []string{"claim.allowed", kind.String(), "claim.allowed"}; !slices.Equal(f.since(before), want) {
			t.Errorf("in the record is %v", f.since(before))
		}
	}
}

// No answer is sent unless the row says posting for this very answer.
func TestWithoutARowThatSaysSoNothingIsSent(t *testing.T) {
	app := newFar(t, 1, did.Ed25519)
	s := &script{t: t, replies: []says{app.asks(), app.ends(nil)}}
	f := newFixture(t, s)
	v := f.advance(f.begin(appURL).ID)
	f.approve(v.Approval, approvals.Choice{})
	l := f.leaseOf(v.ID)
	out, err := l.Pipeline.Collect(t.Context(), l.caller, l.row.Approval, 0)
	if err != nil || out.Answer == nil {
		t.Fatal(out, err)
	}
	if err := l.post(t.Context(), out.Answer.Signed); !errors.Is(err, errNotSent) {
		t.Errorf("got %v", err)
	}
	if _, posts := s.counts(); posts != 0 {
		t.Errorf("posted %d times", posts)
	}
}

// The row that says posting holds nothing that is only needed to go on.
func TestARowThatSaysPostingHoldsNoKey(t *testing.T) {
	app := newFar(t, 1, did.Ed25519)
	s := &script{t: t, replies: []says{app.asks()}}
	f := newFixture(t, s)
	f.allows(app)
	s.replies = []says{app.asks()}
	l := f.leaseOf(f.begin(appURL).ID)
	if err := l.fetchRequest(t.Context()); err != nil {
		t.Fatal(err)
	}
	leave := l.joining()
	_, err := l.Pipeline.Answer(t.Context(), l.caller, l.request.claims)
	leave()
	if err != nil {
		t.Fatal(err)
	}
	row, err := f.store.Session(t.Context(), l.row.ID)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := ledger.Open[content](t.Context(), l.caller.Wallet, row)
	if err != nil {
		t.Fatal(err)
	}
	c := opened.Content()
	if text, _ := json.Marshal(c); !row.Posting || len(c.Key) > 0 || c.Reply != nil || c.SharedKey != "" || c.Account == "" {
		t.Errorf("posting %v: %s", row.Posting, text)
	}
}
