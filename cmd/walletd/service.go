package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"walletd/api"
	"walletd/internal/connect"
	"walletd/internal/core"
	"walletd/internal/events"
	"walletd/internal/keystore"
	"walletd/internal/pages"
	"walletd/internal/push"
	"walletd/internal/secret"
	"walletd/internal/server"
	"walletd/internal/store"
)

// service is a walletd in this process, wired.
type service struct {
	*core.Core
	sessions *connect.Sessions
	push     *push.Pusher
	pages    *pages.Pages
	server   *server.Server
	drain    time.Duration // how long to go on answering when told to stop
	log      zerolog.Logger
}

// openService opens a store and wires a service to it. Of sessions, how they are held is given; what
// they are wired to is put in here.
func openService(ctx context.Context, url string, o store.Options, plan listenPlan, sessions connect.Config, log zerolog.Logger) (*service, error) {
	st, err := store.Open(ctx, url, o)
	if err != nil {
		return nil, err
	}
	count, build := server.NewMetrics(), readBuild()
	count.Build(build.Version, build.Revision)
	c := core.New(st, core.Options{
		Keystore: keystore.Options{Dev: o.Dev}, Party: plan.party, Archives: plan.archives, Log: log, Count: count.Count,
	})
	s := &service{Core: c, drain: plan.drain, log: log}
	sessions.Auth, sessions.Wallets, sessions.Pipeline, sessions.Ledger = c.Auth, c.Wallets, c.Pipeline, c.Ledger
	sessions.Store, sessions.Log, sessions.SingleKey, sessions.Alone = st, log, o.Dev, isSQLite(url)
	s.sessions = connect.New(sessions)
	s.push = push.New(push.Config{
		Store: st, Keystore: c.Keystore, Ledger: c.Ledger, Auth: c.Auth, Approvals: c.Approvals, Client: sessions.Client, Contact: plan.contact, Log: log,
	})
	feed := events.New(st)
	s.pages, err = pages.New(pages.Config{
		Auth: c.Auth, Wallets: c.Wallets, Approvals: c.Approvals, Pipeline: c.Pipeline, Owners: c.Owners, Secrets: c.Secrets, Backups: c.Backups,
		Keystore: c.Keystore, Store: st, Feed: feed, Sessions: s.sessions, Push: s.push, Describe: server.Describe, Log: log, Dev: o.Dev, Brand: plan.brand,
	})
	if err != nil {
		st.Close()
		return nil, err
	}
	s.server, err = server.New(server.Config{
		Auth: c.Auth, Wallets: c.Wallets, Approvals: c.Approvals, Pipeline: c.Pipeline, Owners: c.Owners, Ledger: c.Ledger, Secrets: c.Secrets, Backups: c.Backups,
		Archives: c.Archives, Keystore: c.Keystore, Store: st, Feed: feed, Pages: s.pages.Routes(), Sessions: s.sessions, Push: s.push, Log: log, Metrics: count,
		OpenAPI: api.OpenAPI, Hosts: plan.hosts, Proxies: plan.proxies, Apps: plan.apps != nil, Connections: plan.connections, Rates: plan.rates, Idle: plan.idle,
	})
	if err != nil {
		st.Close()
		return nil, err
	}
	return s, nil
}

func (s *service) close() {
	if err := s.Store.Close(); err != nil {
		s.log.Error().Err(err).Msg("closing the store")
	}
}

// serve answers until ctx ends or a listener fails, then drains. What is given besides
// runs meanwhile.
func (s *service) serve(ctx context.Context, listeners []listener, besides func(context.Context)) error {
	ctx, stop := context.WithCancel(s.draining(ctx))
	defer stop()
	// What signs and sweeps goes on until the last answer is given.
	background, end := context.WithCancel(context.WithoutCancel(ctx))
	var behind, front sync.WaitGroup
	behind.Go(func() { s.Ledger.Run(background) })
	behind.Go(func() { besides(ctx) })
	behind.Go(func() {
		s.Keystore.Run(background, func(err error) { s.log.Error().Err(err).Msg("looking at all wallets after an unlock") })
	})
	behind.Go(func() { s.push.Run(ctx) })
	behind.Go(func() { s.emptyAtLocks(background) })
	behind.Go(func() {
		if err := s.sessions.Run(ctx); err != nil && ctx.Err() == nil {
			s.log.Error().Err(err).Msg("sessions do not go on")
		}
	})

	failed := make([]error, len(listeners))
	for i, l := range listeners {
		front.Go(func() {
			defer stop() // one that fails takes the others down, in order
			switch l.answers {
			case "apps":
				failed[i] = s.server.Serve(ctx, l, s.server.AppsHandler(), l.tls)
			case "metrics":
				failed[i] = s.server.ServeMetrics(ctx, l)
			default:
				failed[i] = s.server.Serve(ctx, l, s.server.Handler(), l.tls)
			}
		})
	}
	front.Wait()
	s.signEnds(background)
	end()
	behind.Wait()
	s.log.Info().Msg("stopped")
	return errors.Join(failed...)
}

// How long after a lock what was under way before it is waited for: what ends at once, and then the
// rest. The longest answer takes as long, and within it a stream notices that it is over.
const (
	soonOver = time.Second
	lastOver = 75 * time.Second
)

// emptyAtLocks removes from memory what a lock leaves there: copies of keys that libraries made, and
// what the buffers of connections held, as tokens and keys given. Between locks it counts the processors, which
// secret.Sweep uses one of, and returns memory that nothing uses.
func (s *service) emptyAtLocks(ctx context.Context) {
	count := time.NewTicker(followEvery)
	defer count.Stop()
	var idle idleMemory
	for {
		select {
		case <-ctx.Done():
			return
		case <-count.C:
			useProcessors()
			idle.look()
			continue
		case <-s.Keystore.Locked():
		}
		locked := time.Now()
		over := s.isOver(ctx, locked, soonOver)
		s.forget()
		secret.Sweep()
		if !over {
			s.isOver(ctx, locked, lastOver)
			s.forget()
			secret.Sweep()
		}
	}
}

// forget removes what is remembered of wallets. Requests that began before a lock may remember something after it.
func (s *service) forget() {
	s.Store.ForgetAll()
	s.Pipeline.Forget()
}

// isOver closes connections from before a time as soon as nothing is answered on them, and reports
// whether within a time all were closed, and all wallets.
func (s *service) isOver(ctx context.Context, before time.Time, within time.Duration) bool {
	const step = 50 * time.Millisecond
	for end := time.Now().Add(within); s.server.CloseIdle(before) > 0 || s.Keystore.OpenWallets() > 0; {
		if time.Now().After(end) || !pause(ctx, step) {
			return false
		}
	}
	return pause(ctx, step) // the end of what was there is told before it is quite gone
}

// draining returns a context that ends some time after another: until then requests are answered,
// and proxies learn that they had better go elsewhere.
func (s *service) draining(ctx context.Context) context.Context {
	drained, end := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() {
		if s.drain > 0 {
			s.log.Info().Stringer("for", s.drain).Msg("draining: not ready any more, and still answering")
		}
		s.server.Drain()
		time.AfterFunc(s.drain, end)
	})
	return drained
}

// signEnds signs the ends of the records, so that a stop leaves no entry without a head.
func (s *service) signEnds(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := s.Ledger.SignHeads(ctx); err != nil {
		s.log.Error().Err(err).Msg("signing the ends of the records before the stop")
	}
}
