// Package server is walletd's HTTP: who calls, one answer helper, one table of errors.
//
//	guard -> router -> serve: check the source, read the body, decode, identify the caller, call, encode
//	                     |  any error, a panic too
//	                     v
//	                   the table of problems (problem.go) -> problem+json
//
// It decides nothing. The table of routes (routes.go) says for each operation who may call it, how
// large its body may be and whether secrets go over it; each operation is one call into claims or,
// for an operator's work on the keystore, into keystore. What goes over the wire is of package api. A
// test compares every column of the table with api/openapi.yaml, both ways (design section 8).
package server

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/httprate"
	"github.com/rs/zerolog"

	"walletd/internal/approvals"
	"walletd/internal/archive"
	"walletd/internal/auth"
	"walletd/internal/backup"
	"walletd/internal/connect"
	"walletd/internal/consent"
	"walletd/internal/events"
	"walletd/internal/keystore"
	"walletd/internal/ledger"
	"walletd/internal/owner"
	"walletd/internal/push"
	"walletd/internal/secrets"
	"walletd/internal/store"
	"walletd/internal/wallets"
)

// Config is what a Server is made of. What is set first, up to Push, must be.
type Config struct {
	Auth      *auth.Auth
	Wallets   *wallets.Wallets
	Approvals *approvals.Approvals
	Pipeline  *consent.Pipeline
	Owners    *owner.Owners
	Secrets   *secrets.Secrets
	Backups   *backup.Backups
	Archives  *archive.Archives
	Ledger    *ledger.Ledger
	Keystore  *keystore.Keystore
	Store     *store.Store
	Feed      *events.Feed // of the store
	// Sessions are the DID Connect sessions of the store; whoever makes them runs them.
	Sessions *connect.Sessions
	// Push is what browsers subscribe to; whoever makes it runs it.
	Push *push.Pusher
	// Log hears of what is this service's own fault, once each. No secret and no text of a
	// caller goes to it.
	Log zerolog.Logger
	// Metrics is what the pipeline and the ledger count into; nil makes one.
	Metrics *Metrics
	// OpenAPI is the contract, served at /openapi.yaml.
	OpenAPI []byte
	// Hosts are the names and addresses the service is called by, with or without a port. It
	// always answers to localhost and loopback addresses.
	Hosts []string
	// Proxies are the sources that may connect beside this machine, and whose X-Forwarded-*
	// headers count (--behind-tls-proxy). Empty: all may connect, no such header counts.
	Proxies []netip.Prefix
	// Connections bounds the open connections of all listeners; zero is 1024. A few more are taken
	// for operators and probes.
	Connections int
	// Idle is how long a connection may be idle before it is closed; zero is 2 minutes. A proxy in
	// front must close its own before, or it sends a request on one that is just being closed.
	Idle time.Duration
	// Rates bounds requests of each token and address, but not those of probes.
	Rates Rates
	// Pages are the pages for people, which Handler answers beside the contract; nil for none.
	Pages *chi.Mux
	// Apps says that apps are served on a listener of their own (--apps-listen): then Handler
	// answers no app route, and AppsHandler does.
	Apps bool
}

// Server answers HTTP for one keystore. It may be used concurrently.
type Server struct {
	auth      *auth.Auth
	wallets   *wallets.Wallets
	approvals *approvals.Approvals
	pipeline  *consent.Pipeline
	owners    *owner.Owners
	secrets   *secrets.Secrets
	backups   *backup.Backups
	archive   *archive.Archives
	ledger    *ledger.Ledger
	keystore  *keystore.Keystore
	store     *store.Store
	sessions  *connect.Sessions
	push      *push.Pusher
	feed      *events.Feed
	log       zerolog.Logger
	metrics   *Metrics
	openAPI   []byte
	hosts     hosts
	proxies   proxies
	pages     *chi.Mux
	apps      bool
	cross     *http.CrossOriginProtection
	limits    *limits
	open      *connections
	rates     rates
	pairings  *httprate.RateLimiter // of those begun from one address
	idle      time.Duration
	draining  atomic.Bool
	waiting   atomic.Int64 // requests that wait for an owner
	waits     shares       // of those that may wait
	streams   shares       // of events
	huge      hugeBodies
	away      atomic.Bool // whether the store took no writes when it was asked last
	// clockWrong is what the last /readyz found.
	clockWrong atomic.Bool

	stops context.Context // ends when a listener is told to stop
	stop  context.CancelFunc
}

// New returns a Server. The error says what of the Config is missing.
func New(c Config) (*Server, error) {
	if c.Auth == nil || c.Wallets == nil || c.Approvals == nil || c.Pipeline == nil || c.Owners == nil || c.Secrets == nil || c.Backups == nil || c.Archives == nil || c.Ledger == nil ||
		c.Keystore == nil || c.Store == nil || c.Feed == nil || c.Sessions == nil || c.Push == nil {
		return nil, errors.New("a server needs its packages, its keystore, its store, its feed, its sessions and its push")
	}
	s := &Server{
		auth: c.Auth, wallets: c.Wallets, approvals: c.Approvals, pipeline: c.Pipeline, owners: c.Owners, secrets: c.Secrets, backups: c.Backups, archive: c.Archives, ledger: c.Ledger,
		keystore: c.Keystore, store: c.Store, sessions: c.Sessions, push: c.Push, feed: c.Feed, log: c.Log, metrics: c.Metrics,
		openAPI: c.OpenAPI, hosts: newHosts(c.Hosts), proxies: c.Proxies, pages: c.Pages, apps: c.Apps, cross: http.NewCrossOriginProtection(),
	}
	if s.metrics == nil {
		s.metrics = NewMetrics()
	}
	s.limits = &limits{metrics: s.metrics, log: s.log}
	if c.Connections == 0 {
		c.Connections = defaultConnections
	}
	s.open = &connections{limit: c.Connections, bites: s.limits.bite, opened: map[*connection]struct{}{}, served: map[net.Conn]time.Time{}}
	if s.idle = c.Idle; s.idle == 0 {
		s.idle = defaultIdle
	}
	s.rates = newRates(c.Rates, s.limits.bite)
	s.pairings = newPairingLimit()
	s.waits = shares{name: "waits", ofToken: waitsOfToken, ofWallet: waitsOfWallet, bites: s.limits.bite}
	s.streams = shares{name: "streams", ofToken: streamsOfToken, ofWallet: streamsOfWallet, bites: s.limits.bite}
	s.huge = hugeBodies{shares: shares{name: "huge_bodies", ofToken: hugeOfToken, ofWallet: hugeOfWallet, bites: s.limits.bite}}
	s.stops, s.stop = context.WithCancel(context.Background())
	s.observeState()
	return s, nil
}

// Handler answers everything, but not the routes of apps if they have a listener of their own.
func (s *Server) Handler() http.Handler {
	if s.apps {
		return s.router(people)
	}
	return s.router(everybody)
}

// AppsHandler answers what apps may call, and the probes.
func (s *Server) AppsHandler() http.Handler { return s.router(appsAlone) }
