package connect

import (
	"context"
	"errors"
	"time"

	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/store"
)

const (
	// look is how often the store is looked at for what other replicas decided.
	look = time.Second
	// lookAt is how many of the sessions that are due are looked at each time, the first of each
	// wallet before the second of any.
	lookAt     = 512
	sweepEvery = 10 * time.Minute
)

// Run moves all sessions on until the context ends: those just opened, those a restart left, those
// whose person has decided, on whichever replica, and those whose time is over. It forgets what
// ended long ago. It returns when what was at work has come to a rest; an answer that is being
// posted is waited for.
func (s *Sessions) Run(ctx context.Context) error {
	if s.Alone {
		if err := s.Store.ReleaseSessions(ctx); err != nil {
			return err
		}
	}
	s.workers.start(ctx)
	defer s.workers.stop()
	s.workers.going.Go(func() { s.keys.fill(ctx) })
	s.workers.going.Go(func() { s.sweep(ctx) })

	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		news := s.Door.Changed()
		s.due(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-news:
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
		if err := s.Store.SweepSessions(ctx, s.Store.Now().Add(-keepEnded).Unix()); err != nil && ctx.Err() == nil {
			s.Log.Error().Err(err).Msg("forgetting old sessions")
		}
	}
}

// due begins what is due and has a worker.
func (s *Sessions) due(ctx context.Context) {
	rows, err := s.Store.DueSessions(ctx, s.Store.Now().Unix(), lookAt)
	if err != nil && ctx.Err() == nil {
		s.Log.Error().Err(err).Msg("looking for sessions that are due")
	}
	for _, row := range rows {
		if ctx, ok := s.workers.enter(row.ID, row.Wallet, ""); ok {
			go s.work(ctx, row, s.hold)
		}
	}
}

// work advances a session that has a worker.
func (s *Sessions) work(ctx context.Context, row store.Session, take func(context.Context, store.Session) (*held, error)) {
	h, err := take(ctx, row)
	switch {
	case err != nil:
	case s.workers.locate(row.ID, origin(h.content.URL)):
		err = h.finish(ctx, h.advance)
	default:
		err = h.finish(ctx, func(context.Context) error { return nil })
	}
	s.workers.leave(row.ID, err == nil)
	if err != nil && ctx.Err() == nil && !retriable(err) && !errors.Is(err, keystore.ErrLocked) {
		s.Log.Error().Err(err).Str("session", row.ID).Str("code", did.CodeOf(err)).Msg("a session does not go on")
	}
}
