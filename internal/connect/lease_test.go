package connect

import (
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"walletd/internal/approvals"
	"walletd/internal/did"
	"walletd/internal/store"
	"walletd/internal/wallettest/postgres"
)

// A replica that was killed leaves its sessions leased: another takes them up when the lease is over, which is 10
// seconds later.
func TestWhatAKilledReplicaHadIsTakenUp(t *testing.T) {
	for name, url := range map[string]func(testing.TB) string{"SQLite": sqliteURL, "PostgreSQL": postgres.Start} {
		t.Run(name, func(t *testing.T) {
			app := newFar(t, 1, did.Ed25519)
			s := &script{t: t, replies: []says{app.asks(), app.ends(nil)}}
			f := newFixtureAt(t, url(t), s)
			f.config = func(c *Config) { c.Alone = false }
			f.restart()
			v := f.begin(appURL)
			row, err := f.store.Session(t.Context(), v.ID)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.sessions.acquireLease(t.Context(), row); err != nil { // and killed
				t.Fatal(err)
			}
			f.pass(9 * time.Second)
			if err := f.sessions.Advance(t.Context(), v.ID); !errors.Is(err, store.ErrChanged) {
				t.Errorf("before the lease is over: %v", err)
			}
			f.running()
			f.pass(time.Second)
			f.await(v.ID, Waiting)
			f.approve(f.get(v.ID).Approval, approvals.Choice{})
			f.await(v.ID, Done)
		})
	}
}

// An exchange may take longer than a lease, and an answer two minutes: who is at work keeps the lease.
func TestALeaseIsRenewed(t *testing.T) {
	app := newFar(t, 1, did.Ed25519)
	slow := func(reply says, open <-chan struct{}) says {
		return func(b []byte) []byte { <-open; return reply(b) }
	}
	for name, tt := range map[string]struct {
		replies func(open <-chan struct{}) []says
		begin   func(f *fixture, id string)
		end     State
	}{
		"of a request": {
			func(open <-chan struct{}) []says { return []says{slow(app.asks(), open)} },
			func(*fixture, string) {}, Waiting,
		},
		"of an answer": {
			func(open <-chan struct{}) []says { return []says{app.asks(), slow(app.ends(nil), open)} },
			func(f *fixture, id string) { f.approve(f.advance(id).Approval, approvals.Choice{}) }, Done,
		},
	} {
		t.Run(name, func(t *testing.T) {
			open := make(chan struct{})
			s := &script{t: t, replies: tt.replies(open)}
			f := newFixture(t, s)
			v := f.begin(appURL)
			tt.begin(f, v.ID)
			asked, answered := s.counts()
			f.sessions.renewEvery = time.Millisecond
			done := make(chan error)
			go func() { done <- f.sessions.Advance(t.Context(), v.ID) }()
			for gets, posts := asked, answered; gets+posts == asked+answered; gets, posts = s.counts() {
				time.Sleep(time.Millisecond)
			}
			other := New(f.sessions.Config) // another replica
			for range 14 {
				f.pass(leaseFor - time.Second)
				for until := int64(0); until < f.now().Add(leaseFor).Unix(); {
					row, err := f.store.Session(t.Context(), v.ID)
					if err != nil {
						t.Fatal(err)
					}
					until = row.HeldUntil
				}
				if err := other.Advance(t.Context(), v.ID); !errors.Is(err, store.ErrChanged) {
					t.Fatalf("the other's Advance: %v", err)
				}
			}
			close(open)
			if err := <-done; err != nil {
				t.Error(err)
			}
			if v = f.get(v.ID); v.State != tt.end {
				t.Errorf("it is %+v", v)
			}
			row, err := f.store.Session(t.Context(), v.ID)
			if err != nil || row.Holder != "" || row.HeldUntil != 0 {
				t.Errorf("when it is over it is held by %q until %d, %v", row.Holder, row.HeldUntil, err)
			}
		})
	}
}

// blip takes the database away as the app receives a request, and gives it back a moment after the
// wallet heard the reply.
type blip struct {
	t      *testing.T
	url    *string
	next   http.Handler
	method string // of the request
	happen atomic.Bool
}

func (b *blip) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == b.method && b.happen.CompareAndSwap(false, true) {
		time.AfterFunc(300*time.Millisecond, postgres.Away(b.t, *b.url))
	}
	b.next.ServeHTTP(w, r)
}

// A database that is away for a moment, whenever, costs a session nothing: what the app was told and
// what it said is written when it is back.
func TestADatabaseThatIsAwayForAMoment(t *testing.T) {
	app := newFar(t, 1, did.Ed25519)
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		for name, end := range map[string]struct {
			reply says
			state State
		}{
			"the end":         {app.ends(nil), Done},
			"another step":    {app.asks(claim("profile")), Waiting},
			"what is refused": {app.asks(claim("swap")), Declined},
		} {
			t.Run(method+" and "+name, func(t *testing.T) {
				url := postgres.Start(t)
				s := &script{t: t, replies: []says{app.asks(), end.reply, app.ends(nil)}}
				f := newFixtureAt(t, url, &blip{t: t, url: &url, next: s, method: method})
				f.sessions.patience = time.Minute
				v := f.begin(appURL)
				v = f.advance(v.ID)
				f.approve(v.Approval, approvals.Choice{})
				if v = f.advance(v.ID); v.State != end.state {
					t.Errorf("it is %+v", v)
				}
				if gets, posts := s.counts(); gets != 1 || posts != 1 && end.state != Declined {
					t.Errorf("%d requests, %d answers", gets, posts)
				}
			})
		}
	}
}

// While the store is away, and whenever it comes back, Run goes on: also where it was away at the
// start.
func TestRunOutlivesTheStoreBeingAway(t *testing.T) {
	app := newFar(t, 1, did.Ed25519)
	request, end := app.asks()(nil), app.ends(nil)(nil)
	f := newFixtureAt(t, postgres.Start(t), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			w.Write(request)
		} else {
			w.Write(end)
		}
	}))
	var ids []string
	for range 6 {
		v := f.begin(appURL)
		f.advance(v.ID)
		ids = append(ids, v.ID, f.begin(appURL).ID) // one waits, one was not opened
	}
	row, err := f.store.Session(t.Context(), f.begin(appURL).ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.sessions.acquireLease(t.Context(), row); err != nil { // and killed
		t.Fatal(err)
	}
	ids = append(ids, row.ID)
	f.sessions.patience = time.Minute
	back := postgres.Away(t, f.url)
	f.running()
	time.Sleep(50 * time.Millisecond) // for it to look
	back()
	for _, id := range ids {
		f.await(id, Waiting)
	}
	postgres.Away(t, f.url)()
	for err := errors.New("not asked"); err != nil; err = f.store.Ping(t.Context()) {
	}
	for _, id := range ids {
		f.approve(f.get(id).Approval, approvals.Choice{})
	}
	for _, id := range ids {
		f.await(id, Done)
	}
}
