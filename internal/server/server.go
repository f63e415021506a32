// Package server is walletd's HTTP: who calls, one answer helper, one table of errors.
//
//	guard -> router -> handle: read the body, identify the caller, decode, call, encode
//	                     |  any error, a panic too
//	                     v
//	                   the table (problem.go) -> problem+json
//
// It decides nothing. Each operation is one call into claims, the door, or, for an operator's
// work on the keystore, into keystore. The shapes on the wire are this package's own and stand
// beside the operations that use them; api/openapi.yaml describes them, and a test walks it
// against the router both ways (design section 8).
package server

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"sync/atomic"

	"github.com/go-chi/chi/v5"
	"github.com/rs/zerolog"

	"walletd/internal/claims"
	"walletd/internal/connect"
	"walletd/internal/keystore"
	"walletd/internal/store"
)

// Config is what a Server is made of. Door, Keystore, Store and Sessions must be set.
type Config struct {
	Door     *claims.Door
	Keystore *keystore.Keystore
	Store    *store.Store
	// Sessions are the DID Connect sessions of the store; whoever makes them runs them.
	Sessions *connect.Sessions
	// Log hears of what is this service's own fault, once each. No secret and no text of a
	// caller goes to it.
	Log zerolog.Logger
	// Metrics is what Door counts into (claims.Options.Count); nil makes one.
	Metrics *Metrics
	// OpenAPI is the contract, served at /openapi.yaml.
	OpenAPI []byte
	// Hosts are the names and addresses the service is called by, with or without a port. It
	// always answers to localhost and loopback addresses.
	Hosts []string
	// Proxies are the sources that may connect beside this machine, and whose X-Forwarded-*
	// headers count (--behind-tls-proxy). Empty: all may connect, no such header counts.
	Proxies []netip.Prefix
	// Apps says that apps are served on a listener of their own (--apps-listen): then Handler
	// answers no app route, and AppsHandler does.
	Apps bool
}

// Server answers HTTP for one door. It may be used concurrently.
type Server struct {
	door     *claims.Door
	keystore *keystore.Keystore
	store    *store.Store
	sessions *connect.Sessions
	news     news
	log      zerolog.Logger
	metrics  *Metrics
	openAPI  []byte
	hosts    hosts
	proxies  proxies
	apps     bool
	waiting  atomic.Int64 // requests that wait for a person
	huge     atomic.Int64 // huge requests that are being answered

	stops context.Context // ends when a listener is told to stop
	stop  context.CancelFunc
}

// New returns a Server. The error says what of the Config is missing.
func New(c Config) (*Server, error) {
	if c.Door == nil || c.Keystore == nil || c.Store == nil || c.Sessions == nil {
		return nil, errors.New("a server needs a door, its keystore, its store and its sessions")
	}
	s := &Server{
		door: c.Door, keystore: c.Keystore, store: c.Store, sessions: c.Sessions, news: news{store: c.Store}, log: c.Log, metrics: c.Metrics,
		openAPI: c.OpenAPI, hosts: newHosts(c.Hosts), proxies: c.Proxies, apps: c.Apps,
	}
	if s.metrics == nil {
		s.metrics = NewMetrics()
	}
	s.stops, s.stop = context.WithCancel(context.Background())
	s.observeState()
	return s, nil
}

// Handler answers everything, but not the routes of apps if they have a listener of their own.
func (s *Server) Handler() http.Handler {
	r := s.router()
	if s.apps {
		s.secretRoutes(r, claims.Owner)
	} else {
		s.appRoutes(r)
		s.secretRoutes(r, claims.App, claims.Owner)
	}
	s.peopleRoutes(r)
	s.statusRoutes(r)
	r.Get("/metrics", handle(s, s.writeMetrics))
	r.Get("/openapi.yaml", handle(s, s.contract))
	return r
}

// AppsHandler answers what apps may reach, and the probes.
func (s *Server) AppsHandler() http.Handler {
	r := s.router()
	s.appRoutes(r)
	s.secretRoutes(r, claims.App)
	s.statusRoutes(r)
	return r
}

func (s *Server) router() *chi.Mux {
	r := chi.NewRouter()
	r.Use(s.observe, s.guard)
	r.NotFound(s.answer(func(http.ResponseWriter, *http.Request) error { return store.ErrNotFound }))
	r.MethodNotAllowed(s.answer(func(w http.ResponseWriter, req *http.Request) error {
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
			if r.Match(chi.NewRouteContext(), method, req.URL.EscapedPath()) {
				w.Header().Add("Allow", method)
			}
		}
		return errMethod
	}))
	return r
}

// appRoutes are what an app may reach.
func (s *Server) appRoutes(r chi.Router) {
	r = r.With(s.onTime)
	r.Post("/v1/claims", handle(s, s.ask))
	r.Get("/v1/claims/{id}", handle(s, s.collect))
	r.Post("/v1/claims/{id}", handle(s, s.collectSigned))
}

// peopleRoutes are what owners and operators may reach.
func (s *Server) peopleRoutes(r chi.Router) {
	r.Get("/v1/approvals", handle(s, s.approvals))
	r.Get("/v1/approvals/{id}", handle(s, s.approval))
	r.Post("/v1/approvals/{id}/approve", handle(s, s.approve))
	r.Post("/v1/approvals/{id}/reject", handle(s, s.reject))

	r.Get("/v1/sessions", handle(s, s.listSessions))
	r.Post("/v1/sessions", handle(s, only(claims.Owner, s.openSession)))
	r.Get("/v1/sessions/{id}", handle(s, s.session))
	r.Delete("/v1/sessions/{id}", handle(s, s.cancelSession))
	r.Get("/v1/events", handle(s, s.events))

	r.Get("/v1/wallets", handle(s, s.wallets))
	r.Post("/v1/wallets", handle(s, s.createWallet))
	r.Get("/v1/wallets/{wallet}", handle(s, s.wallet))
	r.Patch("/v1/wallets/{wallet}", handle(s, s.changeWallet))
	r.Delete("/v1/wallets/{wallet}", handle(s, s.deleteWallet))
	r.Get("/v1/wallets/{wallet}/accounts", handle(s, s.accounts))
	r.Post("/v1/wallets/{wallet}/accounts", handle(s, s.addAccount))
	r.Get("/v1/wallets/{wallet}/profile", handle(s, s.profile))
	r.Put("/v1/wallets/{wallet}/profile", handle(s, s.setProfile))
	r.Get("/v1/wallets/{wallet}/credentials", handle(s, s.credentials))
	r.Post("/v1/wallets/{wallet}/credentials", handle(s, s.addCredential))
	r.Get("/v1/wallets/{wallet}/credentials/{id}", handle(s, s.credential))
	r.Delete("/v1/wallets/{wallet}/credentials/{id}", handle(s, s.removeCredential))
	r.Post("/v1/wallets/{wallet}/derive", handle(s, s.derive))
	r.Post("/v1/wallets/{wallet}/backup", handle(s, s.createBackup))
	r.Post("/v1/wallets/{wallet}/backup/inspect", handle(s, s.inspectBackup))
	r.Post("/v1/restore", handle(s, s.restore))

	r.Get("/v1/wallets/{wallet}/policy", handle(s, s.policy))
	r.Put("/v1/wallets/{wallet}/policy", handle(s, s.setPolicy))
	r.Post("/v1/wallets/{wallet}/policy/test", handle(s, s.testPolicy))
	r.Get("/v1/wallets/{wallet}/grants", handle(s, s.grants))
	r.Delete("/v1/wallets/{wallet}/grants/{id}", handle(s, s.withdrawGrant))
	r.Get("/v1/wallets/{wallet}/apps", handle(s, s.knownApps))
	r.Put("/v1/wallets/{wallet}/apps/{app}", handle(s, s.nameApp))
	r.Delete("/v1/wallets/{wallet}/apps/{app}", handle(s, s.removeApp))
	r.Get("/v1/wallets/{wallet}/delegations", handle(s, s.delegations))
	r.Delete("/v1/wallets/{wallet}/delegations/{hash}", handle(s, s.revokeDelegation))

	r.Get("/v1/wallets/{wallet}/audit", handle(s, only(claims.Owner, s.record)))
	r.Get("/v1/wallets/{wallet}/audit/verify", handle(s, only(claims.Owner, s.verify)))
	r.Get("/v1/wallets/{wallet}/audit/export", handle(s, only(claims.Owner, s.export)))
	r.Get("/v1/audit", handle(s, only(claims.Operator, s.record)))
	r.Get("/v1/audit/verify", handle(s, only(claims.Operator, s.verify)))
	r.Get("/v1/audit/export", handle(s, only(claims.Operator, s.export)))

	r.Post("/v1/tokens", handle(s, s.createToken))
	r.Get("/v1/tokens", handle(s, s.tokens))
	r.Delete("/v1/tokens/{id}", handle(s, s.revokeToken))

	r.Get("/v1/keystore", handle(s, only(claims.Operator, s.keystoreState)))
	r.Post("/v1/keystore/unlock", handle(s, only(claims.Operator, s.unlock)))
	r.Post("/v1/keystore/lock", handle(s, only(claims.Operator, s.lock)))
	r.Get("/v1/keystore/slots", handle(s, only(claims.Operator, s.slots)))
	r.Post("/v1/keystore/slots", handle(s, only(claims.Operator, s.addSlot)))
	r.Post("/v1/keystore/slots/{id}/remove", handle(s, only(claims.Operator, s.removeSlot)))
	r.Post("/v1/keystore/rotate", handle(s, only(claims.Operator, s.rotate)))
	r.Post("/v1/keystore/snapshot", handle(s, only(claims.Operator, s.snapshot)))
}

func (s *Server) statusRoutes(r chi.Router) {
	r.Get("/healthz", handle(s, s.healthz))
	r.Get("/readyz", handle(s, s.readyz))
}
