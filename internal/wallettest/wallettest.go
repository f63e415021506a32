// Package wallettest gives a test a whole wallet in one line: a real store, a real keystore, the
// real pipeline and server on a loopback port, with one wallet, its owner and an operator. Only
// the far side is made up: apps, which are scripted here and sign with keys of their own.
//
//	w := wallettest.New(t)
//	notes := w.App("Notes")
//	asked := notes.Ask(wallettest.EncryptionKey("notes"))  // 202
//	w.MustApprove(asked.Text("code"))
//	key := notes.Collect(asked.Text("id"))                 // 200
package wallettest

import (
	"bytes"
	"context"
	"crypto/x509"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"walletd/api"
	"walletd/internal/auth"
	"walletd/internal/connect"
	"walletd/internal/core"
	"walletd/internal/events"
	"walletd/internal/keystore"
	"walletd/internal/pages"
	"walletd/internal/passkey"
	"walletd/internal/push"
	"walletd/internal/server"
	"walletd/internal/store"
	"walletd/internal/wallettest/postgres"
)

// Passphrase opens the keystore of every Wallet.
const Passphrase = "correct horse battery staple, for tests"

// Wallet is a running walletd with one wallet in it. Its methods fail the test when the service
// does what no test could go on with.
type Wallet struct {
	t testing.TB

	URL      string // of the server, without a final slash
	Address  string // of the wallet
	Words    string // of the wallet, as they were shown once
	Operator string // tokens
	Owner    string
	Dir      string        // that the store is in; "" on PostgreSQL
	Log      *Log          // all that was logged, down to debug
	Party    passkey.Party // that passkeys belong to: https://wallet.example, unless PublicURL says another

	*core.Core
	Pages  *pages.Pages
	Server *server.Server

	set  settings
	url  string // of the store
	stop func()
}

type settings struct {
	dev      bool
	postgres bool
	clock    func() time.Time
	boot     func() time.Duration
	wrap     func(*server.Config)
	roots    *x509.CertPool
	archives string
}

// Option changes what New makes.
type Option func(*settings)

// PostgreSQL keeps the wallet in PostgreSQL, which is started for the tests.
func PostgreSQL() Option { return func(s *settings) { s.postgres = true } }

// Dev lets the pages approve by a button, as those of serve --dev do.
func Dev() Option { return func(s *settings) { s.dev = true } }

// Clock sets the time of day.
func Clock(now func() time.Time) Option { return func(s *settings) { s.clock = now } }

// Boot sets the time since the machine was started, with which the clock is compared.
func Boot(since func() time.Duration) Option { return func(s *settings) { s.boot = since } }

// Config changes the server's configuration before it is made.
func Config(change func(*server.Config)) Option { return func(s *settings) { s.wrap = change } }

// Archives is the directory that archives of audit logs go into.
func Archives(dir string) Option { return func(s *settings) { s.archives = dir } }

// Roots are trusted where sessions and pushes go, instead of the system's.
func Roots(pool *x509.CertPool) Option { return func(s *settings) { s.roots = pool } }

// New starts a walletd, unlocked, with a wallet called alice and her token. It is stopped with
// the test.
func New(t testing.TB, options ...Option) *Wallet {
	t.Helper()
	w := &Wallet{t: t, Log: &Log{}}
	for _, o := range options {
		o(&w.set)
	}
	if w.set.postgres {
		w.url = postgres.Start(t)
	} else {
		w.Dir = filepath.Join(t.TempDir(), "data")
		w.url = "sqlite:" + filepath.Join(w.Dir, "walletd.db")
	}
	w.setParty()
	w.start(true)
	t.Cleanup(func() { w.Stop() })

	text, row := auth.FirstToken(w.Store.Now())
	w.Operator = text
	slot := keystore.NewSlot{Name: "first", Passphrase: keystore.Passphrase([]byte(Passphrase))}
	if err := w.Keystore.Init(context.Background(), []keystore.NewSlot{slot}, row); err != nil {
		t.Fatalf("making the keystore: %v", err)
	}
	w.UnlockKeystore()
	operator := w.As(w.Operator)
	made, err := operator.CreateWallet(t.Context(), api.NewWallet{Name: "alice"})
	if err != nil {
		t.Fatalf("making the wallet: %v", err)
	}
	w.Address, w.Words = made.Wallet, string(made.Words.Reveal())
	owner, err := operator.CreateToken(t.Context(), api.NewToken{Role: api.RoleOwner, Wallet: w.Address, Name: "alice"})
	if err != nil {
		t.Fatalf("making the owner's token: %v", err)
	}
	w.Owner = string(owner.Token.Reveal())
	return w
}

// Open serves a store that is there, locked, as a new version of walletd does that is started on
// it. It is stopped with the test. The wallet's names and tokens are the caller's to fill in.
func Open(t testing.TB, url string, options ...Option) *Wallet {
	t.Helper()
	w := &Wallet{t: t, Log: &Log{}, url: url}
	for _, o := range options {
		o(&w.set)
	}
	w.setParty()
	w.start(false)
	t.Cleanup(func() { w.Stop() })
	return w
}

// Replica serves the same store a second time, unlocked, with a process's own memory: the wallet is in PostgreSQL. It
// has the options that are given here, not those of w, and is stopped with the test.
func (w *Wallet) Replica(more ...Option) *Wallet {
	w.t.Helper()
	other := Open(w.t, w.url, append([]Option{PostgreSQL()}, more...)...)
	other.Address, other.Words, other.Operator, other.Owner = w.Address, w.Words, w.Operator, w.Owner
	other.UnlockKeystore()
	return other
}

func (w *Wallet) setParty() {
	w.t.Helper()
	var err error
	if w.Party, err = passkey.ParseParty("https://wallet.example"); err != nil {
		w.t.Fatal(err)
	}
}

// start opens the store and serves it.
func (w *Wallet) start(create bool) {
	w.t.Helper()
	st, err := store.Open(context.Background(), w.url, store.Options{Create: create, Clock: w.set.clock, Boot: w.set.boot})
	if err != nil {
		w.t.Fatalf("opening the store: %v", err)
	}
	log := zerolog.New(w.Log).Level(zerolog.DebugLevel)
	metrics := server.NewMetrics()
	w.Core = core.New(st, core.Options{
		Keystore: keystore.Options{Argon2: &keystore.Argon2Params{MemoryKiB: 8 << 10, Time: 1, Threads: 4}},
		Party:    w.Party, Archives: w.set.archives, Log: log, Count: metrics.Count,
	})
	loopback := connect.ClientConfig{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}, AllowHTTP: true, Roots: w.set.roots}
	client := connect.NewClient(loopback)
	pusher := push.New(push.Config{
		Store: st, Keystore: w.Keystore, Ledger: w.Ledger, Auth: w.Auth, Approvals: w.Approvals, Client: client, Contact: "mailto:operator@wallet.example", Log: log,
	})
	sessions := connect.New(connect.Config{
		Auth: w.Auth, Wallets: w.Wallets, Pipeline: w.Pipeline, Ledger: w.Ledger,
		Store: st, Client: client, Log: log, SingleKey: true, Alone: !w.set.postgres,
	})
	feed := events.New(st)
	people, err := pages.New(pages.Config{
		Auth: w.Auth, Wallets: w.Wallets, Approvals: w.Approvals, Pipeline: w.Pipeline, Owners: w.Owners, Secrets: w.Secrets, Backups: w.Backups,
		Keystore: w.Keystore, Store: st, Feed: feed, Sessions: sessions, Push: pusher, Describe: server.Describe, Log: log, Dev: w.set.dev,
	})
	if err != nil {
		w.t.Fatalf("making the pages: %v", err)
	}
	w.Pages = people
	config := server.Config{
		Auth: w.Auth, Wallets: w.Wallets, Approvals: w.Approvals, Pipeline: w.Pipeline, Owners: w.Owners, Secrets: w.Secrets, Backups: w.Backups, Archives: w.Archives, Ledger: w.Ledger,
		Keystore: w.Keystore, Store: st, Feed: feed, Pages: people.Routes(), Sessions: sessions, Push: pusher, Log: log, Metrics: metrics, OpenAPI: api.OpenAPI,
	}
	if w.set.wrap != nil {
		w.set.wrap(&config)
	}
	if w.Server, err = server.New(config); err != nil {
		w.t.Fatalf("making the server: %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatalf("listening: %v", err)
	}
	w.URL = "http://" + l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { w.Ledger.Run(ctx) })
	work.Go(func() { pusher.Run(ctx) })
	work.Go(func() {
		if err := sessions.Run(ctx); err != nil {
			w.t.Errorf("running sessions: %v", err)
		}
	})
	work.Go(func() {
		if err := w.Server.Serve(ctx, l, w.Server.Handler(), nil); err != nil {
			w.t.Errorf("serving: %v", err)
		}
	})
	w.stop = sync.OnceFunc(func() {
		cancel()
		work.Wait()
		if err := st.Close(); err != nil {
			w.t.Errorf("closing the store: %v", err)
		}
	})
}

// In is the same wallet for a subtest, which fails in its place.
func (w *Wallet) In(t testing.TB) *Wallet {
	sub := *w
	sub.t = t
	return &sub
}

// Stop stops the server and closes the store. The files are then still there to be looked at.
func (w *Wallet) Stop() { w.stop() }

// Restart stops all of it and starts it again on the same store, locked, on another port.
func (w *Wallet) Restart() {
	w.t.Helper()
	w.Stop()
	w.start(false)
}

// UnlockKeystore opens the keystore with Passphrase.
func (w *Wallet) UnlockKeystore() {
	w.t.Helper()
	if _, err := w.As(w.Operator).Unlock(w.t.Context(), api.SlotSecret{Passphrase: api.NewSecretText([]byte(Passphrase))}); err != nil {
		w.t.Fatalf("unlocking: %v", err)
	}
}

// LockKeystore locks the keystore.
func (w *Wallet) LockKeystore() {
	w.t.Helper()
	if _, err := w.As(w.Operator).Lock(w.t.Context()); err != nil {
		w.t.Fatalf("locking: %v", err)
	}
}

// Path returns a path under the wallet: Path("/policy").
func (w *Wallet) Path(rest string) string { return "/v1/wallets/" + w.Address + rest }

// Rules sets the wallet's policy.
func (w *Wallet) Rules(rules ...Members) {
	w.t.Helper()
	if rules == nil {
		rules = []Members{}
	}
	w.Do("PUT", w.Path("/policy"), w.Owner, Members{"rules": rules}).Must(http.StatusOK)
}

// Waiting returns the approval that waits under a short code.
func (w *Wallet) Waiting(code string) Members {
	w.t.Helper()
	var waiting struct{ Items []Members }
	w.Do("GET", "/v1/approvals?limit=200", w.Owner, nil).Must(http.StatusOK).Into(&waiting)
	for _, a := range waiting.Items {
		if a["code"] == code {
			return a
		}
	}
	w.t.Fatalf("no approval waits under the code %q", code)
	return nil
}

// MustApprove says yes to the question with a short code; choice, if given, is the body.
func (w *Wallet) MustApprove(code string, choice ...Members) {
	w.t.Helper()
	body := Members{}
	if len(choice) > 0 {
		body = choice[0]
	}
	w.Do("POST", "/v1/approvals/"+w.Waiting(code)["id"].(string)+"/approve", w.Owner, body).Must(http.StatusOK)
}

// MustReject says no to the question with a short code.
func (w *Wallet) MustReject(code string) {
	w.t.Helper()
	w.Do("POST", "/v1/approvals/"+w.Waiting(code)["id"].(string)+"/reject", w.Owner, Members{}).Must(http.StatusOK)
}

// Log is a log in memory. It may be written and read concurrently.
type Log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write adds to the log.
func (l *Log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

// String returns all of the log.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
