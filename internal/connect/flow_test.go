package connect

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"walletd/internal/approvals"
	"walletd/internal/auth"
	"walletd/internal/consent"
	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/ledger"
	"walletd/internal/store"
	"walletd/internal/wallets"
	"walletd/internal/wallettest/postgres"
)

// killed is a far side that kills the wallet as it receives a POST: nothing is written any more.
func killed(f **fixture, next http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			(*f).store.Close()
		}
		next.ServeHTTP(w, r)
	}
}

func TestAnAnswerIsPostedOnce(t *testing.T) {
	app := newFar(t, 1, did.Ed25519)
	s := &script{t: t, replies: []says{app.asks(), app.ends(nil)}}
	var f *fixture
	f = newFixture(t, killed(&f, s))
	v := f.begin(appURL)
	v = f.advance(v.ID)
	f.approve(v.Approval, approvals.Choice{})
	if err := f.sessions.Advance(t.Context(), v.ID); err == nil {
		t.Fatal("the wallet was not killed")
	}
	for range 3 {
		f.restart()
		if v = f.advance(v.ID); v.State != Unknown {
			t.Fatalf("after the restart it is %+v", v)
		}
	}
	if _, posts := s.counts(); posts != 1 {
		t.Errorf("posted %d times", posts)
	}
}

func TestADeclineIsPostedOnce(t *testing.T) {
	app := newFar(t, 1, did.Ed25519)
	s := &script{t: t, replies: []says{app.asks()}}
	var f *fixture
	f = newFixture(t, killed(&f, s))
	v := f.begin(appURL)
	v = f.advance(v.ID)
	f.reject(v.Approval)
	if err := f.sessions.Advance(t.Context(), v.ID); err == nil {
		t.Fatal("the wallet was not killed")
	}
	f.restart()
	if v = f.advance(v.ID); v.State != Declined || v.Code != "" {
		t.Errorf("after the restart it is %+v", v)
	}
	if _, posts := s.counts(); posts != 1 {
		t.Errorf("posted %d times", posts)
	}
}

func TestAnAnswerThatNeverLeftIsNotPostedEither(t *testing.T) {
	app := newFar(t, 1, did.Ed25519)
	s := &script{t: t, replies: []says{app.asks(), app.ends(nil)}}
	f := newFixture(t, s)
	v := f.advance(f.begin(appURL).ID)
	f.approve(v.Approval, approvals.Choice{})
	row, err := f.store.Session(t.Context(), v.ID)
	if err != nil {
		t.Fatal(err)
	}
	l, err := f.sessions.acquireLease(t.Context(), row)
	if err != nil {
		t.Fatal(err)
	}
	// Killed after the row says posting, before a byte leaves.
	if err := l.write(t.Context(), ledger.SessionAnswering, "", func(r *store.Session) { r.State, r.Posting = string(Answering), true }); err != nil {
		t.Fatal(err)
	}
	f.restart()
	if v = f.advance(v.ID); v.State != Unknown {
		t.Errorf("after the restart it is %+v", v)
	}
	if _, posts := s.counts(); posts != 0 {
		t.Errorf("posted %d times", posts)
	}
}

// Killed after the pipeline has decided, and recorded that, before the row says so: what it
// said is asked for once more.
func TestKilledBetweenTheDecisionAndTheRow(t *testing.T) {
	app := newFar(t, 1, did.Ed25519)
	tests := []struct {
		name  string
		until func(f *fixture, id string) // brings the session to where it is killed
		do    func(ctx context.Context, l *leased) error
		ends  State
	}{
		{"as it asks the owner", func(f *fixture, id string) { f.step(id) }, func(ctx context.Context, l *leased) error {
			out, err := l.Pipeline.Answer(ctx, l.caller, l.request.claims)
			if err == nil && out.Pending == nil {
				err = errors.New("nobody was asked")
			}
			return err
		}, Done},
		{"as it collects an approval", func(f *fixture, id string) { f.approve(f.advance(id).Approval, approvals.Choice{}) }, func(ctx context.Context, l *leased) error {
			out, err := l.Pipeline.Collect(ctx, l.caller, l.row.Approval, 0)
			if err == nil && out.Answer == nil {
				err = errors.New("nothing was collected")
			}
			return err
		}, Done},
		{"as it declines", func(f *fixture, id string) { f.reject(f.advance(id).Approval) }, func(ctx context.Context, l *leased) error {
			_, err := l.Pipeline.Decline(ctx, l.caller, consent.DeclineAuth, "")
			return err
		}, Declined},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &script{t: t, replies: []says{app.asks(), app.ends(nil)}}
			f := newFixture(t, s)
			v := f.begin(appURL)
			tt.until(f, v.ID)
			row, err := f.store.Session(t.Context(), v.ID)
			if err != nil {
				t.Fatal(err)
			}
			l, err := f.sessions.acquireLease(t.Context(), row)
			if err != nil {
				t.Fatal(err)
			}
			if err := tt.do(t.Context(), l); err != nil {
				t.Fatal(err)
			}
			f.restart()
			for v = f.advance(v.ID); v.Ended.IsZero(); v = f.advance(v.ID) {
				f.approve(v.Approval, approvals.Choice{})
			}
			if v.State != tt.ends {
				t.Errorf("ended %+v", v)
			}
			waiting, _, err := f.approvals.List(t.Context(), f.as(f.owner), "all", store.Page{})
			if err != nil || len(waiting) != 1 {
				t.Errorf("the owner was asked %d times, %v", len(waiting), err)
			}
			if gets, posts := s.counts(); gets != 1 || posts != 1 {
				t.Errorf("%d requests, %d answers", gets, posts)
			}
		})
	}
}

func TestTwoCallersDoNotBothAsk(t *testing.T) {
	app := newFar(t, 1, did.Ed25519)
	open := make(chan struct{})
	slow := app.asks()
	s := &script{t: t, replies: []says{func(b []byte) []byte { <-open; return slow(b) }, app.asks()}}
	f := newFixture(t, s)
	v := f.begin(appURL)
	done := make(chan error)
	go func() { done <- f.sessions.Advance(t.Context(), v.ID) }()
	for gets := 0; gets == 0; gets, _ = s.counts() {
		time.Sleep(time.Millisecond)
	}
	other := New(f.sessions.Config) // another replica
	if err := other.Advance(t.Context(), v.ID); !errors.Is(err, store.ErrChanged) {
		t.Errorf("the other's Advance: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := other.Cancel(ctx, f.as(f.owner), v.ID); !errors.Is(err, ErrBusy) {
		t.Errorf("cancelling what is at work: %v", err)
	}
	close(open)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if gets, _ := s.counts(); gets != 1 {
		t.Errorf("asked %d times", gets)
	}
	if v = f.get(v.ID); v.State != Waiting {
		t.Errorf("it is %s", v.State)
	}
}

func TestAHoldThatRanOutWritesNothing(t *testing.T) {
	app := newFar(t, 1, did.Ed25519)
	s := &script{t: t, replies: []says{app.asks(), app.ends(nil)}}
	f := newFixture(t, s)
	v := f.advance(f.begin(appURL).ID)
	f.approve(v.Approval, approvals.Choice{})
	row, _ := f.store.Session(t.Context(), v.ID)
	slow, err := f.sessions.acquireLease(t.Context(), row)
	if err != nil {
		t.Fatal(err)
	}
	f.pass(leaseFor + time.Second)
	if v = f.advance(v.ID); v.State != Done {
		t.Fatalf("the second to hold it comes to %s", v.State)
	}
	if err := slow.runLeased(t.Context(), slow.advance); !errors.Is(err, store.ErrChanged) {
		t.Errorf("the first to hold it: %v", err)
	}
	if _, posts := s.counts(); posts != 1 {
		t.Errorf("posted %d times", posts)
	}
}

func TestExpiry(t *testing.T) {
	app := newFar(t, 1, did.Ed25519)
	s := &script{t: t, replies: []says{app.asks()}}
	f := newFixture(t, s)
	v := f.advance(f.begin(appURL).ID)
	f.pass(5*time.Minute + time.Second)
	if v = f.advance(v.ID); v.State != Expired {
		t.Errorf("it is %s", v.State)
	}
	if _, posts := s.counts(); posts != 0 {
		t.Error("an answer was sent")
	}
	unopened := f.begin(appURL)
	f.pass(sessionLife)
	if v := f.advance(unopened.ID); v.State != Expired {
		t.Errorf("one that nobody opened is %s", v.State)
	}
	if gets, _ := s.counts(); gets != 1 {
		t.Error("an old link was opened")
	}
}

func TestALongWait(t *testing.T) {
	app := newFar(t, 1, did.Ed25519)
	s := &script{t: t, replies: []says{app.asks(), app.sends(app.reply(vectorStart.Add(6*time.Minute), map[string]any{"status": "ok"}))}}
	f := newFixture(t, s)
	v := f.advance(f.begin(appURL).ID)
	f.pass(4*time.Minute + 55*time.Second)
	f.approve(v.Approval, approvals.Choice{})
	f.pass(time.Minute) // the app's own request has expired by now
	if v = f.advance(v.ID); v.State != Done {
		t.Errorf("it is %+v", v)
	}
	if got := s.told(0); string(got.Body.Get("iat")) != `"1767225955"` {
		t.Errorf("the answer was issued at %s", got.Body.Get("iat"))
	}
}

func TestCancel(t *testing.T) {
	app := newFar(t, 1, did.Ed25519)
	s := &script{t: t, replies: []says{app.asks(), app.ends(nil)}}
	f := newFixture(t, s)
	cancel := func(id string) View {
		t.Helper()
		v, err := f.sessions.Cancel(t.Context(), f.as(f.owner), id)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	if v := cancel(f.begin(appURL).ID); v.State != Declined || v.Code != "cancelled" {
		t.Errorf("before it asked: %+v", v)
	}
	if gets, posts := s.counts(); gets+posts != 0 {
		t.Error("a cancelled link was opened")
	}
	v := f.advance(f.begin(appURL).ID)
	question := v.Approval
	if v = cancel(v.ID); v.State != Declined || v.Code != "cancelled" {
		t.Errorf("while it waited: %+v", v)
	}
	if s.action(0) != "declineAuth" {
		t.Errorf("the app was told %s", s.action(0))
	}
	if a := f.approval(question); a.Status != "cancelled" {
		t.Errorf("its request is %s", a.Status)
	}
	if again := cancel(v.ID); again.Code != "cancelled" {
		t.Errorf("cancelled twice: %+v", again)
	}
	if _, posts := s.counts(); posts != 1 {
		t.Errorf("%d answers were sent", posts)
	}
	if _, err := f.sessions.Cancel(t.Context(), f.as(f.owner), "none"); !errors.Is(err, ErrNotFound) {
		t.Errorf("cancelling nothing: %v", err)
	}
}

func TestClockSkew(t *testing.T) {
	app := newFar(t, 1, did.Ed25519)
	behind := vectorStart.Add(-4 * time.Minute)
	s := &script{t: t, replies: []says{
		app.sends(app.reply(behind.Add(-6*time.Minute), map[string]any{"url": appURL})),
		app.sends(app.reply(behind.Add(-6*time.Minute), map[string]any{"status": "ok"}))}}
	v := newFixture(t, s).through(appURL)
	if v.State != Done || v.Skew != -10*time.Minute {
		t.Errorf("ended %+v", v)
	}
	if got := s.told(0); string(got.Body.Get("iat")) != `"1767225000"` {
		t.Errorf("the answer was issued at %s", got.Body.Get("iat"))
	}
}

func TestBusyAtTheLimit(t *testing.T) {
	app := newFar(t, 1, did.Ed25519)
	other := newFar(t, 2, did.Ed25519)
	s := &script{t: t, replies: []says{app.asks(), app.asks(), app.ends(nil), other.asks()}}
	f := newFixture(t, s)
	f.sessions.Limit = 1
	if v := f.advance(f.begin(appURL).ID); v.State != Waiting {
		t.Fatalf("the first is %s", v.State)
	}
	if v := f.advance(f.begin(appURL).ID); v.State != Declined || v.Code != "busy" {
		t.Errorf("the second is %+v", v)
	}
	if s.action(0) != "busy" {
		t.Errorf("the app was told %s", s.action(0))
	}
	if v := f.advance(f.begin(appURL).ID); v.State != Waiting {
		t.Errorf("another app's is %s", v.State)
	}
	f.begin(appURL)
	if _, err := f.sessions.Open(t.Context(), f.as(f.owner), link(appURL)); !errors.Is(err, ErrTooMany) {
		t.Errorf("one link too many: %v", err)
	}
}

func TestUnsealedSecrets(t *testing.T) {
	app := newFar(t, 1, did.Ed25519)
	secret := claim("encryptionKey", "salt", "notes")
	for _, refuse := range []bool{false, true} {
		s := &script{t: t, replies: []says{app.asks(), app.asks(secret), app.ends(nil)}}
		f := newFixture(t, s)
		f.sessions.RefuseUnsealed = refuse
		v := f.through(appURL)
		if refuse && (v.State != Declined || v.Code != "request_unsealed") || !refuse && v.State != Done {
			t.Errorf("refusing %v: %+v", refuse, v)
		}
	}
	s := &script{t: t, replies: []says{app.asks(), app.asks(secret, claim("profile")), app.ends(nil)}}
	f := newFixture(t, s)
	f.sessions.RefuseUnsealed = true
	if _, err := f.wallets.SetProfile(t.Context(), f.as(f.owner), wallets.Profile{"fullName": "Alice"}); err != nil {
		t.Fatal(err)
	}
	if v := f.through(appURL); v.State != Done {
		t.Errorf("among other claims it cannot come sealed: %+v", v)
	}
}

func TestLocked(t *testing.T) {
	app := newFar(t, 1, did.Ed25519)
	s := &script{t: t, replies: []says{app.asks(), app.ends(nil)}}
	f := newFixture(t, s)
	v := f.advance(f.begin(appURL).ID)
	f.approve(v.Approval, approvals.Choice{})
	if err := f.keystore.Lock(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	if err := f.sessions.Advance(t.Context(), v.ID); !errors.Is(err, keystore.ErrLocked) {
		t.Errorf("while locked: %v", err)
	}
	f.unlock()
	if v = f.advance(v.ID); v.State != Done {
		t.Errorf("after it was unlocked: %+v", v)
	}
}

func TestAForgedRowIsNotUsed(t *testing.T) {
	app := newFar(t, 1, did.Ed25519)
	for name, change := range map[string]string{
		"another state":     `update sessions set state = 'asked'`,
		"posting taken off": `update sessions set posting = not posting`,
		"another app":       `update sessions set app = 'z1'`,
		"a longer life":     `update sessions set expires = expires + 1`,
		"other content":     `update sessions set sealed = x'00'`,
	} {
		t.Run(name, func(t *testing.T) {
			s := &script{t: t, replies: []says{app.asks(), app.ends(nil)}}
			f := newFixture(t, s)
			v := f.advance(f.begin(appURL).ID)
			f.approve(v.Approval, approvals.Choice{})
			f.store.Close()
			db, err := sql.Open("sqlite", strings.TrimPrefix(f.url, "sqlite:"))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := db.Exec(change); err != nil {
				t.Fatal(err)
			}
			db.Close()
			f.open(false)
			f.unlock()
			if err := f.sessions.Advance(t.Context(), v.ID); !errors.Is(err, ledger.ErrForged) {
				t.Errorf("Advance: %v", err)
			}
			if _, posts := s.counts(); posts != 0 {
				t.Error("an answer was sent")
			}
			if list, _, err := f.sessions.List(t.Context(), f.as(f.owner), store.Page{}); err != nil || len(list) != 0 {
				t.Errorf("listed %v, %v", list, err)
			}
			if !strings.Contains(f.kinds(), "row.forged") {
				t.Errorf("the audit log does not say so: %s", f.kinds())
			}
		})
	}
}

func TestAForgedApprovalIsNotUsed(t *testing.T) {
	app := newFar(t, 1, did.Ed25519)
	s := &script{t: t, replies: []says{app.asks(), app.ends(nil)}}
	f := newFixture(t, s)
	v := f.advance(f.begin(appURL).ID)
	f.store.Close()
	db, err := sql.Open("sqlite", strings.TrimPrefix(f.url, "sqlite:"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`update approvals set state = 'approved', decided = $1`, f.now().Unix()); err != nil {
		t.Fatal(err)
	}
	db.Close()
	f.open(false)
	f.unlock()
	if v = f.advance(v.ID); v.State != Declined || v.Code != "forged" {
		t.Errorf("it is %+v", v)
	}
	if s.action(0) != "declineAuth" {
		t.Errorf("the app was told %s", s.action(0))
	}
}

func TestOpenRefusesLinks(t *testing.T) {
	f := newFixture(t, &script{t: t})
	owner := f.as(f.owner)
	if _, err := f.sessions.Open(t.Context(), owner, "https://abtwallet.io/"); !errors.Is(err, ErrLink) {
		t.Errorf("no link: %v", err)
	}
	_, err := f.sessions.Open(t.Context(), owner, link("https://user:secret@dapp.example/auth"))
	wantRule(t, err, RuleUserinfo)
	if _, err := f.sessions.Open(t.Context(), &auth.Caller{Role: auth.App}, link(appURL)); !errors.Is(err, auth.ErrForbidden) {
		t.Errorf("an app's: %v", err)
	}
	f.client = NewClient(ClientConfig{})
	f.restart()
	_, err = f.sessions.Open(t.Context(), f.as(f.owner), link("http://dapp.example/auth"))
	wantRule(t, err, RuleScheme)
}

// The channel's private key and shared key are in the row, and only there sealed.
func TestNothingSecretIsInTheClear(t *testing.T) {
	app := newFar(t, 1, did.Ed25519)
	f := newFixture(t, &script{t: t, replies: []says{app.asks()}})
	v := f.advance(f.begin(appURL).ID)
	row, err := f.store.Session(t.Context(), v.ID)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(row)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"dapp.example", "Notes", "authInfo"} {
		if strings.Contains(string(text)+string(row.Sealed), secret) {
			t.Errorf("the row shows %q", secret)
		}
	}
}

func TestRun(t *testing.T) {
	app := newFar(t, 1, did.Ed25519)
	s := &script{t: t}
	const n = 12
	for range n {
		s.replies = append(s.replies, app.asks())
	}
	for range n {
		s.replies = append(s.replies, app.ends(nil))
	}
	f := newFixture(t, s)
	first := f.begin(appURL) // before Run: what a restart left
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := f.sessions.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	ids := []string{first.ID}
	for range n - 1 {
		ids = append(ids, f.begin(appURL).ID)
	}
	for _, id := range ids {
		f.await(id, Waiting)
	}
	for _, id := range ids {
		f.approve(f.get(id).Approval, approvals.Choice{})
	}
	for _, id := range ids {
		f.await(id, Done)
	}
	stop()
	running.Wait()
	if gets, posts := s.counts(); gets != n || posts != n {
		t.Errorf("%d requests and %d answers for %d sessions", gets, posts, n)
	}
}

// await waits until Run has brought a session to a state.
func (f *fixture) await(id string, state State) {
	f.t.Helper()
	for end := time.Now().Add(3 * time.Minute); ; time.Sleep(5 * time.Millisecond) { // on a machine that is busy
		v := f.get(id)
		if v.State == state {
			return
		}
		if !v.Ended.IsZero() {
			f.t.Fatalf("it is %+v", v)
		}
		if time.Now().After(end) {
			f.t.Fatalf("it does not come to %s: %+v", state, v)
		}
	}
}

func TestTwoReplicas(t *testing.T) {
	app := newFar(t, 1, did.Ed25519)
	request, end := app.asks()(nil), app.ends(nil)(nil)
	var gets, posts atomic.Int32
	f := newFixtureAt(t, postgres.Start(t), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			gets.Add(1)
			w.Write(request)
		} else {
			posts.Add(1)
			w.Write(end)
		}
	}))
	f.config = func(c *Config) { c.Alone = false }
	f.store.Close()
	f.open(false)
	f.unlock()
	other := f.replica()
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for _, replica := range []*fixture{f, other} {
		running.Go(func() {
			if err := replica.sessions.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	const n = 20
	var ids []string
	for i := range n {
		ids = append(ids, []*fixture{f, other}[i%2].begin(appURL).ID)
	}
	for _, id := range ids {
		f.await(id, Waiting)
	}
	for i, id := range ids {
		[]*fixture{f, other}[i/2%2].approve(f.get(id).Approval, approvals.Choice{}) // here or there
	}
	for _, id := range ids {
		other.await(id, Done)
	}
	stop()
	running.Wait()
	if gets.Load() != n || posts.Load() != n {
		t.Errorf("%d requests and %d answers for %d sessions", gets.Load(), posts.Load(), n)
	}
}
