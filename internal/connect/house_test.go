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
	"walletd/internal/claims"
	"walletd/internal/consent"
	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/ledger"
	"walletd/internal/secrets"
	"walletd/internal/store"
	"walletd/internal/wallets"
)

// The clock and the seed of the recorded sessions.
var vectorStart = time.Unix(1767225600, 0)

const vectorSeed = "5eb00bbddcf069084889a8ab9155568165f5c453ccb85e70811aaed6f6da5fc19a5ac40b389cd370d086206dec8aa6c43daea6690f20ad3d8d48b2d2ce9e38e4"

// house is a real store and keystore with one wallet, its owner, sessions, and a clock that
// a test can move.
type house struct {
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

// newHouse furnishes a house whose client reaches one app, whatever it is called.
func newHouse(t testing.TB, app http.Handler) *house {
	t.Helper()
	return newHouseAt(t, "sqlite:"+filepath.Join(t.TempDir(), "data", "walletd.db"), app)
}

func newHouseAt(t testing.TB, url string, app http.Handler) *house {
	t.Helper()
	h := &house{t: t, url: url, config: func(*Config) {}}
	h.clock.Store(vectorStart.UnixNano())
	far := httptest.NewServer(app)
	t.Cleanup(far.Close)
	h.client = NewClient(ClientConfig{Allow: loopback, AllowHTTP: true})
	// The app's urls are https and it has no certificate: TLS is for client_test.go.
	h.client.http.Transport.(*http.Transport).DialTLSContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", far.Listener.Addr().String())
	}
	h.open(true)
	t.Cleanup(func() { h.store.Close() })
	text, row := auth.FirstToken(h.now())
	identity, recipient, err := keystore.GenerateRecovery() // opens at once, as a passphrase does not
	if err != nil {
		t.Fatal(err)
	}
	h.identity = bytes.Clone(identity.Reveal())
	slot := keystore.NewSlot{Name: "first", Recipient: recipient}
	if err := h.keystore.Init(t.Context(), []keystore.NewSlot{slot}, row); err != nil {
		t.Fatal(err)
	}
	h.unlock()
	h.operator = text
	seed, err := hex.DecodeString(vectorSeed)
	if err != nil {
		t.Fatal(err)
	}
	h.wallet, h.owner = h.newWallet(wallets.NewWallet{Name: "alice", Seed: seed})
	return h
}

// newWallet makes a wallet, and a token of its owner.
func (h *house) newWallet(n wallets.NewWallet) (wallet, owner string) {
	h.t.Helper()
	operator := h.as(h.operator)
	w, err := h.wallets.Create(h.t.Context(), operator, n)
	if err != nil {
		h.t.Fatal(err)
	}
	token, err := h.auth.CreateToken(h.t.Context(), operator, auth.NewToken{Role: auth.Owner, Wallet: w.Wallet, Name: n.Name})
	if err != nil {
		h.t.Fatal(err)
	}
	return w.Wallet, token.Text
}

// replica is another process on the same store.
func (h *house) replica() *house {
	h.t.Helper()
	other := &house{t: h.t, url: h.url, client: h.client, identity: h.identity, wallet: h.wallet, owner: h.owner, config: h.config}
	other.clock.Store(h.clock.Load())
	other.open(false)
	h.t.Cleanup(func() { other.store.Close() })
	other.unlock()
	return other
}

func (h *house) now() time.Time { return time.Unix(0, h.clock.Load()) }

func (h *house) pass(d time.Duration) { h.clock.Add(int64(d)) }

func (h *house) open(create bool) {
	h.t.Helper()
	st, err := store.Open(h.t.Context(), h.url, store.Options{Create: create, Clock: h.now})
	if err != nil {
		h.t.Fatal(err)
	}
	h.store = st
	h.keystore = keystore.New(st, keystore.Options{})
	h.ledger = ledger.New(st, h.keystore, ledger.Options{})
	h.auth = auth.New(st, h.keystore, h.ledger)
	h.wallets = wallets.New(st, h.keystore, h.ledger, h.auth, zerolog.Nop())
	h.approvals = approvals.New(st, h.auth)
	h.pipeline = consent.New(st, h.ledger, h.auth, h.wallets, h.approvals, append(claims.Types(secrets.KeyInUse), secrets.Types()...), consent.Options{})
	keys, _ := vectorKeys(h.t)
	c := Config{Auth: h.auth, Wallets: h.wallets, Pipeline: h.pipeline, Ledger: h.ledger, Store: st, Client: h.client, Log: zerolog.New(zerolog.NewTestWriter(h.t)), SingleKey: true, Alone: true}
	h.config(&c)
	h.sessions = New(c)
	h.sessions.keys.only = keys[h.key]
	if h.busy {
		h.sessions.Limit = -1
	}
}

func (h *house) unlock() {
	h.t.Helper()
	secret, err := keystore.ParseIdentity(h.identity)
	if err != nil {
		h.t.Fatal(err)
	}
	if err := h.keystore.Unlock(h.t.Context(), "walletd", secret); err != nil {
		h.t.Fatal(err)
	}
}

// restart is what a kill and a new start come to: nothing is left but the store.
func (h *house) restart() {
	h.t.Helper()
	h.store.Close()
	h.open(false)
	h.unlock()
	if err := h.store.ReleaseSessions(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) as(token string) *auth.Caller {
	h.t.Helper()
	c, err := h.auth.Authenticate(context.Background(), token)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(c.Close)
	return c
}

// link is the deep link to a url.
func link(url string) string {
	escaped := strings.NewReplacer("%", "%25", ":", "%3A", "/", "%2F", "?", "%3F", "&", "%26", "=", "%3D", "+", "%2B").Replace(url)
	return "https://abtwallet.io/i/?action=requestAuth&url=" + escaped
}

// begin opens a session.
func (h *house) begin(url string) View {
	h.t.Helper()
	v, err := h.sessions.Open(h.t.Context(), h.as(h.owner), link(url))
	if err != nil {
		h.t.Fatalf("opening %s: %v", url, err)
	}
	if v.State != Asked || v.ID == "" {
		h.t.Fatalf("opened as %+v", v)
	}
	return v
}

func (h *house) get(id string) View {
	h.t.Helper()
	v, err := h.sessions.Get(h.t.Context(), h.as(h.owner), id)
	if err != nil {
		h.t.Fatal(err)
	}
	return v
}

// advance does what is due in a session.
func (h *house) advance(id string) View {
	h.t.Helper()
	if err := h.sessions.Advance(h.t.Context(), id); err != nil {
		h.t.Fatalf("advancing: %v", err)
	}
	return h.get(id)
}

// step does one thing in a session and is killed then.
func (h *house) step(id string) View {
	h.t.Helper()
	row, err := h.store.Session(h.t.Context(), id)
	if err != nil {
		h.t.Fatal(err)
	}
	if row.Ended == 0 {
		held, err := h.sessions.hold(h.t.Context(), row)
		if err != nil {
			h.t.Fatalf("holding: %v", err)
		}
		if err := held.once(h.t.Context()); err != nil {
			h.t.Fatalf("one step: %v", err)
		}
	}
	h.restart()
	return h.get(id)
}

func (h *house) approve(id string, c approvals.Choice) {
	h.t.Helper()
	if _, err := h.pipeline.Approve(h.t.Context(), h.as(h.owner), id, c); err != nil {
		h.t.Fatalf("approving: %v", err)
	}
}

func (h *house) reject(id string) {
	h.t.Helper()
	if _, err := h.pipeline.Reject(h.t.Context(), h.as(h.owner), id); err != nil {
		h.t.Fatalf("rejecting: %v", err)
	}
}

func (h *house) approval(id string) approvals.View {
	h.t.Helper()
	v, err := h.approvals.Get(h.t.Context(), h.as(h.owner), id)
	if err != nil {
		h.t.Fatal(err)
	}
	return v
}

// kinds are the entries of the wallet's record.
func (h *house) kinds() string {
	h.t.Helper()
	rows, err := h.store.Records(h.t.Context(), h.wallet, 0, 1000)
	if err != nil {
		h.t.Fatal(err)
	}
	var list []string
	for _, r := range rows {
		list = append(list, r.Kind)
	}
	return fmt.Sprint(list)
}

// account makes the wallet's account of an app.
func (h *house) account(app string) {
	h.t.Helper()
	d, err := did.Parse(app)
	if err != nil {
		h.t.Fatal(err)
	}
	if _, err := h.wallets.CreateAccount(h.t.Context(), h.as(h.owner), d, did.AccountType()); err != nil {
		h.t.Fatal(err)
	}
}
