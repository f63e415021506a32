package connect

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"walletd/internal/approvals"
	"walletd/internal/auth"
	"walletd/internal/consent"
	"walletd/internal/core"
	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/ledger"
	"walletd/internal/store"
	"walletd/internal/wallets"
)

// The clock and the seed of the recorded sessions.
var vectorStart = time.Unix(1767225600, 0)

const vectorSeed = "5eb00bbddcf069084889a8ab9155568165f5c453ccb85e70811aaed6f6da5fc19a5ac40b389cd370d086206dec8aa6c43daea6690f20ad3d8d48b2d2ce9e38e4"

// fixture is a real store and keystore with one wallet, its owner, sessions, and a clock that
// a test can move.
type fixture struct {
	t         testing.TB
	url       string       // of the store
	clock     atomic.Int64 // unix nanoseconds
	store     *store.Store
	keystore  *keystore.Keystore
	identity  []byte // opens it
	auth      *auth.Auth
	wallets   *wallets.Wallets
	approvals *approvals.Approvals
	pipeline  *consent.Pipeline
	ledger    *ledger.Ledger
	sessions  *Sessions
	client    *Client
	wallet    string
	owner     string // a token
	operator  string // a token
	config    func(*Config)
	busy      bool // no session of any app is let in
	key       int  // which of the recorded keys the channel is offered with
}

// newFixture makes a fixture whose client reaches one app, whatever it is called.
func newFixture(t testing.TB, app http.Handler) *fixture {
	t.Helper()
	return newFixtureAt(t, sqliteURL(t), app)
}

func sqliteURL(t testing.TB) string {
	return "sqlite:" + filepath.Join(t.TempDir(), "data", "walletd.db")
}

func newFixtureAt(t testing.TB, url string, app http.Handler) *fixture {
	t.Helper()
	f := &fixture{t: t, url: url, config: func(*Config) {}}
	f.clock.Store(vectorStart.UnixNano())
	far := httptest.NewServer(app)
	t.Cleanup(far.Close)
	f.client = NewClient(ClientConfig{Allow: loopback, AllowHTTP: true})
	// The app's urls are https and it has no certificate: TLS is for client_test.go.
	f.client.http.Transport.(*http.Transport).DialTLSContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", far.Listener.Addr().String())
	}
	f.open(true)
	t.Cleanup(func() { f.store.Close() })
	text, row := auth.FirstToken(f.now())
	identity, recipient, err := keystore.GenerateRecovery() // opens at once, as a passphrase does not
	if err != nil {
		t.Fatal(err)
	}
	f.identity = bytes.Clone(identity.Reveal())
	slot := keystore.NewSlot{Name: "first", Recipient: recipient}
	if err := f.keystore.Init(t.Context(), []keystore.NewSlot{slot}, row); err != nil {
		t.Fatal(err)
	}
	f.unlock()
	f.operator = text
	seed, err := hex.DecodeString(vectorSeed)
	if err != nil {
		t.Fatal(err)
	}
	f.wallet, f.owner = f.newWallet(wallets.NewWallet{Name: "alice", Seed: seed})
	return f
}

// newWallet makes a wallet, and a token of its owner.
func (f *fixture) newWallet(n wallets.NewWallet) (wallet, owner string) {
	f.t.Helper()
	operator := f.as(f.operator)
	w, err := f.wallets.Create(f.t.Context(), operator, n)
	if err != nil {
		f.t.Fatal(err)
	}
	token, err := f.auth.CreateToken(f.t.Context(), operator, auth.NewToken{Role: auth.Owner, Wallet: w.Wallet, Name: n.Name})
	if err != nil {
		f.t.Fatal(err)
	}
	return w.Wallet, token.Text
}

// replica is another process on the same store.
func (f *fixture) replica() *fixture {
	f.t.Helper()
	other := &fixture{t: f.t, url: f.url, client: f.client, identity: f.identity, wallet: f.wallet, owner: f.owner, config: f.config}
	other.clock.Store(f.clock.Load())
	other.open(false)
	f.t.Cleanup(func() { other.store.Close() })
	other.unlock()
	return other
}

func (f *fixture) now() time.Time { return time.Unix(0, f.clock.Load()) }

func (f *fixture) pass(d time.Duration) { f.clock.Add(int64(d)) }

func (f *fixture) open(create bool) {
	f.t.Helper()
	st, err := store.Open(f.t.Context(), f.url, store.Options{Create: create, Clock: f.now})
	if err != nil {
		f.t.Fatal(err)
	}
	c := core.New(st, core.Options{})
	f.store, f.keystore, f.ledger, f.auth, f.wallets, f.approvals, f.pipeline = st, c.Keystore, c.Ledger, c.Auth, c.Wallets, c.Approvals, c.Pipeline
	keys, _ := vectorKeys(f.t)
	config := Config{Auth: f.auth, Wallets: f.wallets, Pipeline: f.pipeline, Ledger: f.ledger, Store: st, Client: f.client, Log: zerolog.New(zerolog.NewTestWriter(f.t)), SingleKey: true, Alone: true}
	f.config(&config)
	f.sessions = New(config)
	f.sessions.keys.only = keys[f.key]
	if f.busy {
		f.sessions.Limit = -1
	}
}

func (f *fixture) unlock() {
	f.t.Helper()
	secret, err := keystore.ParseIdentity(f.identity)
	if err != nil {
		f.t.Fatal(err)
	}
	if err := f.keystore.Unlock(f.t.Context(), "walletd", secret); err != nil {
		f.t.Fatal(err)
	}
}

// restart is what a kill and a new start come to: nothing is left but the store.
func (f *fixture) restart() {
	f.t.Helper()
	f.store.Close()
	f.open(false)
	f.unlock()
	if err := f.store.ReleaseSessions(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) as(token string) *auth.Caller {
	f.t.Helper()
	c, err := f.auth.Authenticate(context.Background(), token)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(c.Close)
	return c
}

// link is the deep link to a url.
func link(url string) string {
	escaped := strings.NewReplacer("%", "%25", ":", "%3A", "/", "%2F", "?", "%3F", "&", "%26", "=", "%3D", "+", "%2B").Replace(url)
	return "https://abtwallet.io/i/?action=requestAuth&url=" + escaped
}

// begin opens a session.
func (f *fixture) begin(url string) View {
	f.t.Helper()
	v, err := f.sessions.Open(f.t.Context(), f.as(f.owner), link(url))
	if err != nil {
		f.t.Fatalf("opening %s: %v", url, err)
	}
	if v.State != Asked || v.ID == "" {
		f.t.Fatalf("opened as %+v", v)
	}
	return v
}

func (f *fixture) get(id string) View {
	f.t.Helper()
	v, err := f.sessions.Get(f.t.Context(), f.as(f.owner), id)
	if err != nil {
		f.t.Fatal(err)
	}
	return v
}

// advance does what is due in a session.
func (f *fixture) advance(id string) View {
	f.t.Helper()
	if err := f.sessions.Advance(f.t.Context(), id); err != nil {
		f.t.Fatalf("advancing: %v", err)
	}
	return f.get(id)
}

// step does one thing in a session and is killed then.
func (f *fixture) step(id string) View {
	f.t.Helper()
	row, err := f.store.Session(f.t.Context(), id)
	if err != nil {
		f.t.Fatal(err)
	}
	if row.Ended == 0 {
		l, err := f.sessions.acquireLease(f.t.Context(), row)
		if err != nil {
			f.t.Fatalf("holding: %v", err)
		}
		if err := l.step(f.t.Context()); err != nil {
			f.t.Fatalf("one step: %v", err)
		}
	}
	f.restart()
	return f.get(id)
}

func (f *fixture) approve(id string, c approvals.Choice) {
	f.t.Helper()
	if _, err := f.pipeline.Approve(f.t.Context(), f.as(f.owner), id, c, nil); err != nil {
		f.t.Fatalf("approving: %v", err)
	}
}

func (f *fixture) reject(id string) {
	f.t.Helper()
	if _, err := f.pipeline.Reject(f.t.Context(), f.as(f.owner), id); err != nil {
		f.t.Fatalf("rejecting: %v", err)
	}
}

func (f *fixture) approval(id string) approvals.View {
	f.t.Helper()
	v, err := f.approvals.Get(f.t.Context(), f.as(f.owner), id)
	if err != nil {
		f.t.Fatal(err)
	}
	return v
}

// kinds are the entries of the wallet's record.
func (f *fixture) kinds() string {
	f.t.Helper()
	rows, err := f.store.Records(f.t.Context(), f.wallet, 0, 1000)
	if err != nil {
		f.t.Fatal(err)
	}
	var list []string
	for _, r := range rows {
		list = append(list, r.Kind)
	}
	return fmt.Sprint(list)
}

// account makes the wallet's account of an app.
func (f *fixture) account(app string) {
	f.t.Helper()
	d, err := did.Parse(app)
	if err != nil {
		f.t.Fatal(err)
	}
	if _, err := f.wallets.CreateAccount(f.t.Context(), f.as(f.owner), d, did.AccountType()); err != nil {
		f.t.Fatal(err)
	}
}

// Advance takes a session through its steps until it waits for the owner or has ended. It may be called at any time,
// and does only what is due. If somebody else has the session's lease, the error is store.ErrChanged.
func (s *Sessions) Advance(ctx context.Context, id string) error {
	row, err := s.Store.Session(ctx, id)
	if err != nil {
		return fmt.Errorf("advancing a session: %w", err)
	}
	if row.Ended != 0 {
		return nil
	}
	l, err := s.acquireLease(ctx, row)
	if err != nil {
		return fmt.Errorf("advancing session %s: %w", id, err)
	}
	return l.runLeased(ctx, l.advance)
}
