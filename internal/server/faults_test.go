package server_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"walletd/internal/store"
	"walletd/internal/wallettest"
)

func TestTwoApprovalsAtOnce(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]wallettest.Option{"SQLite": nil, "PostgreSQL": {wallettest.PostgreSQL()}} {
		t.Run(name, func(t *testing.T) {
			w := wallettest.New(t, options...)
			asked := w.App("Notes").Ask(notesKey...).Must(202)
			path := "/v1/approvals/" + asked.Text("id") + "/"
			answers := make([]*wallettest.Response, 8)
			var all sync.WaitGroup
			for i := range answers {
				all.Go(func() {
					answers[i] = w.Do("POST", path+[]string{"approve", "reject"}[i%2], w.Owner, members{})
				})
			}
			all.Wait()
			won := 0
			for _, a := range answers {
				if a.Status == http.StatusOK {
					won++
					continue
				}
				a.Refused(409, "already_decided")
			}
			if won != 1 {
				t.Errorf("%d answers won", won)
			}
		})
	}
}

func TestTooManyQuestions(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	notes := w.App("Notes")
	for i := range 20 {
		notes.Ask(wallettest.EncryptionKey(string(rune('a' + i)))).Must(202)
	}
	refused := notes.Ask(wallettest.EncryptionKey("one more")).Refused(429, "rate_limited")
	if refused.Header.Get("Retry-After") == "" {
		t.Error("it does not say when to ask again")
	}
	notes.Ask(wallettest.EncryptionKey("a")).Must(202) // that one waits already
	w.App("Other").Ask(notesKey...).Must(202)
}

func TestWrongPassphrasesAreCounted(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	w.LockKeystore()
	for range 2 {
		w.Do("POST", "/v1/keystore/unlock", w.Operator, members{"passphrase": "wrong"}).Refused(403, "wrong_secret")
	}
	w.Restart()
	if got := w.Do("GET", "/v1/keystore", w.Operator, nil).Must(200).Members()["failures"]; got != 2.0 {
		t.Errorf("%v failures after a restart, want 2", got)
	}
	w.UnlockKeystore()
}

// A store that can be read and takes no writes is not ready: nothing could be put on record.
func TestReadyIsAboutWriting(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	w.Do("GET", "/readyz", "", nil).Must(200)
	other, err := sql.Open("sqlite", filepath.Join(w.Dir, "walletd.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	conn, err := other.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, step := range []struct {
		statement, says string
		status          int
	}{{"begin immediate", "store", 503}, {"rollback", "ready", 200}} {
		if _, err := conn.ExecContext(t.Context(), step.statement); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
			got := w.Do("GET", "/readyz", "", nil)
			if got.Status == step.status && got.Text("status") == step.says {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("after %q readyz says %d %q", step.statement, got.Status, got.Text("status"))
			}
		}
	}
}

// A key without its record would be given to nobody's knowledge: with a full disk there is none.
func TestFullDisk(t *testing.T) {
	w := wallettest.New(t)
	w.Rules(everything)
	notes := w.App("Notes")
	notes.Ask(notesKey...).Must(200)

	// A file may not grow beyond what the longest has now. Reading goes on.
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatalf("this system has no limit of file sizes: %v", err)
	}
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	longest := int64(0)
	files, err := os.ReadDir(w.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if info, err := f.Info(); err == nil {
			longest = max(longest, info.Size())
		}
	}
	full := before
	full.Cur = uint64(longest)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &full); err != nil {
		t.Fatal(err)
	}
	var refused *wallettest.Response
	for range 50 { // until what was set aside is used up
		if refused = notes.Ask(notesKey...); refused.Status != http.StatusOK {
			break
		}
	}
	ready := func(status int, says string) {
		t.Helper()
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) { // the store is asked once a second
			got := w.Do("GET", "/readyz", "", nil)
			if got.Status == status && got.Text("status") == says {
				return
			}
			if time.Now().After(deadline) {
				t.Errorf("readyz says %d %q, want %d %q", got.Status, got.Text("status"), status, says)
				return
			}
		}
	}
	ready(503, "store")
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	ready(200, "ready")
	refused.Refused(507, "storage_full")
	notes.Ask(notesKey...).Must(200)
	if found := w.Do("GET", w.Path("/audit/verify"), w.Owner, nil).Must(200).Members(); found["ok"] != true {
		t.Errorf("the record: %v", found)
	}
}

// Wherever the file is damaged, the answer is the right key or a refusal, never another key.
//
// It does not run beside tests that start processes: those share the lock of the directory until
// they are another program.
func TestDamagedFile(t *testing.T) {
	w := wallettest.New(t)
	w.Rules(everything)
	notes := w.App("Notes")
	want := notes.Ask(notesKey...).Key()
	w.Stop()
	path := filepath.Join(w.Dir, "walletd.db")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for at := 0; at < len(whole); at += len(whole)/24 + 1 {
		damaged := bytes.Clone(whole)
		for i := range min(512, len(whole)-at) {
			damaged[at+i] ^= 0x55
		}
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		st, err := store.Open(context.Background(), "sqlite:"+path, store.Options{})
		if err != nil {
			if refused++; !errors.Is(err, store.ErrDamaged) && !errors.Is(err, store.ErrNewerSchema) && !errors.Is(err, store.ErrNotFound) {
				t.Errorf("damaged at %d it is %v", at, err)
			}
			continue
		}
		st.Close()
		w.Restart()
		if w.Do("POST", "/v1/keystore/unlock", w.Operator, members{"passphrase": wallettest.Passphrase}).Status != http.StatusOK {
			refused++
		} else if got := notes.Ask(notesKey...); got.Status != http.StatusOK {
			refused++
		} else if got.Key() != want {
			t.Fatalf("damaged at %d it gives another key", at)
		}
		w.Stop()
	}
	if refused == 0 {
		t.Error("no damage was noticed; does the test do any?")
	}
}

func TestClockBehindTheStore(t *testing.T) {
	var mu sync.Mutex
	now := time.Now()
	w := wallettest.New(t, wallettest.Clock(func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}))
	w.Rules(everything)
	notes := w.App("Notes")
	notes.Ask(notesKey...).Must(200)
	mu.Lock()
	now = now.Add(-6 * time.Minute)
	mu.Unlock()
	if got := w.Do("GET", "/readyz", "", nil).Must(503).Text("status"); got != "clock" {
		t.Errorf("readyz says %q", got)
	}
	notes.Ask(notesKey...).Refused(503, "clock")
}

// A clock that has jumped ahead answers no app and writes nothing, until it is right again; or until an operator
// says that it is right.
func TestClockThatHasJumped(t *testing.T) {
	var clock, boot atomic.Int64
	clock.Store(time.Now().UnixMilli())
	w := wallettest.New(t, wallettest.Clock(func() time.Time { return time.UnixMilli(clock.Load()) }),
		wallettest.Boot(func() time.Duration { return time.Duration(boot.Load()) * time.Millisecond }))
	w.Rules(everything)
	notes := w.App("Notes")
	jump := func(d time.Duration) { clock.Add(d.Milliseconds()) }
	readyz := func(status int, want string) {
		t.Helper()
		if got := w.Do("GET", "/readyz", "", nil).Must(status).Text("status"); got != want {
			t.Errorf("readyz says %q, not %q", got, want)
		}
	}
	notes.Ask(notesKey...).Must(200)
	jump(13 * time.Hour)
	readyz(503, "clock")
	notes.Ask(notesKey...).Refused(503, "clock")
	w.Do("POST", "/v1/tokens", w.Operator, members{"role": "operator", "name": "x"}).Refused(503, "clock")
	jump(-13 * time.Hour)
	readyz(200, "ready")
	notes.Ask(notesKey...).Must(200)

	jump(13 * time.Hour)
	w.Do("POST", "/v1/keystore/clock", w.Operator, members{"passphrase": "not that one, no"}).Refused(403, "wrong_secret")
	w.Do("POST", "/v1/keystore/clock", w.Operator, members{"passphrase": wallettest.Passphrase}).Must(200)
	readyz(200, "ready")
	notes.Ask(notesKey...).Must(200)

	// It was not right after all, and something is recorded.
	jump(-13 * time.Hour)
	readyz(503, "clock")
	notes.Ask(notesKey...).Refused(503, "clock")
	got := w.Do("POST", "/v1/keystore/clock", w.Operator, members{"passphrase": wallettest.Passphrase}).Must(200)
	if state := got.Text("state"); state != "unlocked" {
		t.Errorf("it is %s", state)
	}
	readyz(200, "ready")
	notes.Ask(notesKey...).Must(200)
	w.Do("GET", "/v1/audit/verify", w.Operator, nil).Must(200)
}

func TestQuestionsAndAnswersEnd(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	now := time.Now()
	w := wallettest.New(t, wallettest.Clock(func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}))
	later := func(d time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(d)
	}
	notes := w.App("Notes")
	first := notes.Ask(notesKey...).Must(202)
	later(5 * time.Minute)
	notes.Collect(first.Text("id")).Refused(410, "expired")
	w.Do("POST", "/v1/approvals/"+first.Text("id")+"/approve", w.Owner, members{}).Refused(410, "expired")

	second := notes.Ask(notesKey...).Must(202)
	w.MustApprove(second.Text("code"))
	later(119 * time.Second)
	notes.Collect(second.Text("id")).Must(200)
	later(2 * time.Second)
	notes.Collect(second.Text("id")).Refused(410, "expired")

	third := notes.Ask(notesKey...).Must(202)
	w.MustReject(third.Text("code"))
	later(9 * time.Minute)
	notes.Ask(notesKey...).Refused(403, "rejected")
	later(2 * time.Minute)
	notes.Ask(notesKey...).Must(202)
}

// Waiting ends with the owner's word, not with its time.
func TestCollectWaitsForThePerson(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	notes := w.App("Notes")
	asked := notes.Ask(notesKey...).Must(202)
	got := make(chan *wallettest.Response, 1)
	began := time.Now()
	go func() { got <- w.Do("GET", "/v1/claims/"+asked.Text("id")+"?wait=30", notes.Token, nil) }()
	w.MustApprove(asked.Text("code"))
	(<-got).Must(200)
	if time.Since(began) > 20*time.Second {
		t.Error("it waited on")
	}
}
