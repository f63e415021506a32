package connect

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/store"
)

const (
	// workers bounds the sessions at work at one time in this process.
	workers = 64
	// look is how often the store is looked at for what other replicas decided.
	look       = time.Second
	sweepEvery = 10 * time.Minute
)

// work is what Run and Open share.
type work struct {
	on     atomic.Bool
	opened chan store.Session // held for whoever takes it
	slots  chan struct{}
	going  sync.WaitGroup
	ids    sync.Map // of the sessions at work here
}

func newWork() *work {
	return &work{opened: make(chan store.Session, workers), slots: make(chan struct{}, workers)}
}

func (w *work) running() bool { return w.on.Load() }

// hand gives an opened session to Run. One that finds no room is found again when its hold ends.
func (w *work) hand(row store.Session) {
	select {
	case w.opened <- row:
	default:
	}
}

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
	s.work.going.Go(func() { s.keys.fill(ctx) })
	s.work.on.Store(true)
	defer s.work.going.Wait()
	defer s.work.on.Store(false)

	tick, sweep := time.NewTicker(look), time.NewTicker(sweepEvery)
	defer tick.Stop()
	defer sweep.Stop()
	for {
		news := s.Door.Changed()
		s.due(ctx)
		select {
		case <-ctx.Done():
			return nil
		case row := <-s.work.opened:
			s.begin(ctx, row, s.handed)
		case <-news:
		case <-tick.C:
		case <-sweep.C:
			if err := s.Store.SweepSessions(ctx, s.Store.Now().Add(-keepEnded).Unix()); err != nil {
				s.Log.Error().Err(err).Msg("forgetting old sessions")
			}
		}
	}
}

// due begins what is due.
func (s *Sessions) due(ctx context.Context) {
	rows, err := s.Store.DueSessions(ctx, s.Store.Now().Unix(), workers)
	if err != nil && ctx.Err() == nil {
		s.Log.Error().Err(err).Msg("looking for sessions that are due")
	}
	for _, row := range rows {
		s.begin(ctx, row, s.hold)
	}
}

// begin advances a session in a goroutine of its own, unless it is at work here.
func (s *Sessions) begin(ctx context.Context, row store.Session, take func(context.Context, store.Session) (*held, error)) {
	if _, at := s.work.ids.LoadOrStore(row.ID, true); at {
		return
	}
	select {
	case s.work.slots <- struct{}{}:
	case <-ctx.Done():
		s.work.ids.Delete(row.ID)
		return
	}
	s.work.going.Go(func() {
		defer func() { <-s.work.slots }()
		defer s.work.ids.Delete(row.ID)
		h, err := take(ctx, row)
		if err == nil {
			err = h.finish(ctx, h.advance)
		}
		switch {
		case err == nil || ctx.Err() != nil || retriable(err) || errors.Is(err, keystore.ErrLocked):
		default:
			s.Log.Error().Err(err).Str("session", row.ID).Str("code", did.CodeOf(err)).Msg("a session does not go on")
		}
	})
}
