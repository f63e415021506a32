package server

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"time"

	"walletd/api"
	"walletd/internal/store"
)

// maxBehind is how far the clock may be behind the newest time in the store (design section 7).
const maxBehind = 5 * time.Minute

// healthz says that the process answers. Pages of other origins may find that out, and no more: so they can tell
// a walletd that has no token for them from one that is not there.
func (s *Server) healthz(_ context.Context, c *call, _ none) (api.Status, error) {
	c.header.Set("Cross-Origin-Resource-Policy", "cross-origin")
	return api.Status{Status: "ok"}, nil
}

// readyz says whether claims can be answered, and if not, why.
func (s *Server) readyz(ctx context.Context, c *call, _ none) (api.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	state := "ready"
	err := s.store.Ping(ctx)
	var epoch int64
	if err == nil {
		epoch, err = s.store.Epoch(ctx)
	}
	s.noteStore(err)
	switch {
	case s.draining.Load():
		state = "stopping"
	case err != nil:
		state = "store"
	case s.noteClock():
		state = "clock"
	case !s.keystore.Unlocked(epoch):
		state = "locked"
	}
	if state != "ready" {
		c.status = http.StatusServiceUnavailable
	}
	return api.Status{Status: state}, nil
}

// noteStore writes one line to the log when the store stops taking writes, which says why, and one
// when it takes them again, which it finds out by itself.
func (s *Server) noteStore(err error) {
	switch away := err != nil; {
	case errors.Is(err, store.ErrClosed): // the service ends
	case s.away.Swap(away) == away:
	case away:
		s.log.Error().Err(err).Msg("the store takes no writes; nothing is answered until it does")
		time.AfterFunc(time.Second, s.pingUntilBack)
	default:
		s.log.Info().Msg("the store takes writes again")
	}
}

// pingUntilBack asks the store each second until it takes writes again.
func (s *Server) pingUntilBack() {
	err := s.store.Ping(context.Background()) // it has a time limit of its own
	if err != nil && !errors.Is(err, store.ErrClosed) {
		time.AfterFunc(time.Second, s.pingUntilBack)
		return
	}
	s.noteStore(err)
}

// noteClock reports whether the clock is wrong, and writes one line to the log when it becomes so, and one
// when it is right again.
func (s *Server) noteClock() (wrong bool) {
	behind, ahead := s.store.ClockBehind(), s.store.ClockAhead()
	wrong = behind > maxBehind || ahead > store.MaxAhead
	switch {
	case s.clockWrong.Swap(wrong) == wrong:
	case wrong:
		s.log.Error().Stringer("behind the store", behind.Round(time.Second)).Stringer("ahead", ahead.Round(time.Second)).
			Msg("the clock is wrong; apps are not answered until it is set, or accepted with walletd keystore clock --accept")
	default:
		s.log.Info().Msg("the clock is right again")
	}
	return wrong
}

// observeState adds what is measured when it is asked for.
func (s *Server) observeState() {
	is := func(so func() bool) func() float64 {
		return func() float64 {
			if so() {
				return 1
			}
			return 0
		}
	}
	s.metrics.gauge("walletd_unlocked", is(func() bool { return s.keystore.Unlocked(0) })) // epoch 0 is never newer: this process alone is asked
	s.metrics.gauge("walletd_draining", is(s.draining.Load))
	s.metrics.gauge("walletd_store_up", is(func() bool { return !s.away.Load() }))
	s.metrics.gauge("walletd_approvals_waiting", s.counted(func(ctx context.Context) (int64, error) { return s.store.CountWaiting(ctx, s.store.Now().Unix()) }))
	s.metrics.gauge("walletd_sessions_open", s.counted(s.store.CountSessions))
	s.metrics.gauge("walletd_commits_queued", func() float64 { return float64(s.store.Queued()) })
	s.metrics.gauge("walletd_store_transactions", func() float64 { transactions, _ := s.store.Written(); return float64(transactions) })
	s.metrics.gauge("walletd_store_changes", func() float64 { _, changes := s.store.Written(); return float64(changes) })
	s.metrics.gauge("walletd_facts_wallets", func() float64 { return float64(s.store.Kept().Wallets) })
	s.metrics.gauge("walletd_facts_bytes", func() float64 { return float64(s.store.Kept().Bytes) })
	s.metrics.gauge(`walletd_facts_requests{facts="remembered"}`, func() float64 { return float64(s.store.Kept().Recalled) })
	s.metrics.gauge(`walletd_facts_requests{facts="read"}`, func() float64 { return float64(s.store.Kept().Read) })
	s.metrics.gauge(`walletd_facts_requests{facts="again"}`, func() float64 { return float64(s.store.Kept().Again) })
	s.metrics.gauge("walletd_heads_age_seconds", func() float64 { return time.Since(s.ledger.HeadsSigned()).Seconds() })
	s.metrics.gauge(`walletd_connections{state="open"}`, func() float64 { open, _ := s.open.count(); return float64(open) })
	s.metrics.gauge(`walletd_connections{state="answering"}`, func() float64 { _, answering := s.open.count(); return float64(answering) })
	s.metrics.gauge("walletd_waiting", func() float64 { return float64(s.waiting.Load()) })
	s.metrics.gauge("walletd_clock_ahead_seconds", func() float64 { return s.store.ClockAhead().Seconds() })
	s.metrics.gauge("walletd_clock_behind_seconds", func() float64 { return s.store.ClockBehind().Seconds() })
}

// counted is what the store counts, not a number while it does not answer.
func (s *Server) counted(count func(context.Context) (int64, error)) func() float64 {
	return func() float64 {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		n, err := count(ctx)
		if err != nil {
			return math.NaN()
		}
		return float64(n)
	}
}

func (s *Server) writeMetrics(context.Context, *call, none) (raw, error) {
	return raw{"text/plain; version=0.0.4; charset=utf-8", s.metrics.write}, nil
}

func (s *Server) contract(context.Context, *call, none) (raw, error) {
	return raw{"application/yaml", func(w io.Writer) error { _, err := w.Write(s.openAPI); return err }}, nil
}
