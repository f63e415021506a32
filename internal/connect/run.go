package connect

import (
	"context"
	"time"

	"walletd/internal/did"
	"walletd/internal/store"
)

const (
	// pollEvery is how often Run asks the store for due sessions, which finds decisions of other replicas.
	pollEvery = time.Second
	// pollLimit is how many due sessions are read each time, the first of each wallet before the second
	// of any.
	pollLimit = 512
)

// Run advances all sessions until the context ends: those just opened, those that a restart left, those about which the
// owner has decided on any replica, and those that have expired. When the
// context ends, Run waits until every session at work has reached a state that can be continued later; it waits for
// the reply to an answer that is being posted.
func (s *Sessions) Run(ctx context.Context) error {
	// The leases of a previous process are released before this one leases any session, so that none of its own leases
	// is released.
	if !s.releaseAll(ctx) {
		return nil
	}
	s.workers.start(ctx)
	defer s.workers.stop()
	s.workers.running.Go(func() { s.keys.fill(ctx) })

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
				s.Log.Error().Err(err).Msg("the due sessions cannot be read; retrying each second")
			}
			failing = true
		case failing:
			failing = false
			s.Log.Info().Msg("the due sessions can be read again")
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

// startDue starts the due sessions for which there is a worker. For the length of a lease after the store was
// unavailable at failedAt, it leaves expired leases alone, because their holders could not renew them.
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
			go s.work(ctx, row, s.takeWaiting)
		}
	}
	return nil
}

// work acquires the lease of a session that has a worker, and advances the session.
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
		s.Log.Error().Err(err).Str("session", row.ID).Str("code", did.CodeOf(err)).Msg("a session cannot continue")
	}
}

// releaseAll releases all leases, if no other process works on the store. It retries each second while the store is
// unavailable, and reports whether it succeeded before the context ended.
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
			s.Log.Error().Err(err).Msg("the leases of the previous process cannot be released; retrying each second")
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pollEvery):
		}
	}
}
