package connect

import (
	"context"
	"time"

	"walletd/internal/did"
	"walletd/internal/store"
)

const (
	// pollEvery is how often the store is looked at for what other replicas decided.
	pollEvery = time.Second
	// pollLimit is how many of the sessions that are due are looked at each time, the first of each
	// wallet before the second of any.
	pollLimit  = 512
	sweepEvery = 10 * time.Minute
)

// Run moves all sessions on until the context ends: those just opened, those a restart left, those
// whose person has decided, on whichever replica, and those whose time is over. It forgets what
// ended long ago. It returns when what was at work has come to a rest; an answer that is being
// posted is waited for.
func (s *Sessions) Run(ctx context.Context) error {
	// Whatever a process before this one leased is given back before a session is begun here, or one
	// that is at work would lose its lease.
	if !s.releaseAll(ctx) {
		return nil
	}
	s.workers.start(ctx)
	defer s.workers.stop()
	s.workers.running.Go(func() { s.keys.fill(ctx) })
	s.workers.running.Go(func() { s.sweep(ctx) })

	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	var failedAt time.Time
	failing := false
	for {
		events := s.Ledger.Changed()
		err := s.startDue(ctx, failedAt)
		switch {
		case err != nil && ctx.Err() == nil:
			failedAt = s.Store.Now()
			if !failing {
				s.Log.Error().Err(err).Msg("the store does not say which sessions are due; it is asked each second")
			}
			failing = true
		case failing:
			failing = false
			s.Log.Info().Msg("the store says again which sessions are due")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-events:
		case <-s.workers.free:
		case <-tick.C:
		}
	}
}

// sweep forgets what ended long ago.
func (s *Sessions) sweep(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := s.Store.SweepSessions(ctx, s.Store.Now().Add(-endedRetention).Unix()); err != nil && ctx.Err() == nil {
			s.Log.Error().Err(err).Msg("forgetting old sessions")
		}
	}
}

// startDue begins what is due and has a worker. Where the store was away, leases that ran out are left
// alone for as long as one lasts: their holders could not renew them.
func (s *Sessions) startDue(ctx context.Context, failedAt time.Time) error {
	now := s.Store.Now()
	rows, err := s.Store.DueSessions(ctx, now.Unix(), pollLimit)
	if err != nil {
		return err
	}
	storeWasAway := now.Sub(failedAt) < leaseFor
	for _, row := range rows {
		if storeWasAway && row.Holder != "" && row.HeldUntil != 0 {
			continue
		}
		if ctx, ok := s.workers.acquire(row.ID, row.Wallet, ""); ok {
			go s.work(ctx, row, s.acquireLease)
		}
	}
	return nil
}

// work advances a session that has a worker.
func (s *Sessions) work(ctx context.Context, row store.Session, acquire func(context.Context, store.Session) (*leased, error)) {
	l, err := acquire(ctx, row)
	switch {
	case err != nil:
	case s.workers.setOrigin(row.ID, origin(l.content.URL)):
		err = l.runLeased(ctx, l.advance)
	default:
		err = l.runLeased(ctx, func(context.Context) error { return nil })
	}
	s.workers.release(row.ID, err == nil)
	if err != nil && ctx.Err() == nil && !retriable(err) {
		s.Log.Error().Err(err).Str("session", row.ID).Str("code", did.CodeOf(err)).Msg("a session does not go on")
	}
}

// releaseAll gives back what is leased, if no other process works on the store; while the store is
// away it tries again each second. It reports whether it did before the context ended.
func (s *Sessions) releaseAll(ctx context.Context) bool {
	if !s.Alone {
		return true
	}
	for failing := false; ; failing = true {
		err := s.Store.ReleaseSessions(ctx)
		if err == nil {
			return true
		}
		if !failing && ctx.Err() == nil {
			s.Log.Error().Err(err).Msg("the leases of sessions that a restart left cannot be given back; it is tried again each second")
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pollEvery):
		}
	}
}
