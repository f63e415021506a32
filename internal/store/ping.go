package store

import (
	"context"
	"fmt"
	"slices"
	"time"
)

const (
	pingEvery   = time.Second
	pingTimeout = 2 * time.Second
	pingRoom    = 64 * pageSize // what a commit of several callers takes, and more
)

// pings is the outcome of the last Ping.
type pings struct {
	turn chan struct{} // holds one value while somebody asks
	at   time.Time
	err  error
}

// The statements of a Ping take the locks that a Change takes, and the first one writes.
var (
	moveChainNowhere = statement("move chain nowhere")
	deleteNoRecord   = statement("delete no record")
)

// Ping says whether the store takes writes, which a read alone would not show: it makes a change
// durable that changes nothing. It looks at the database's clock too (ClockAhead). It asks the database once a second at most, and answers within two.
func (s *Store) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	select {
	case s.pings.turn <- struct{}{}:
		defer func() { <-s.pings.turn }()
	case <-ctx.Done():
		return fmt.Errorf("%w: %s did not answer within %v", ErrUnavailable, s.where, pingTimeout)
	}
	if s.pings.at.IsZero() || time.Since(s.pings.at) >= pingEvery {
		s.pings.err = s.committer.wait(context.WithoutCancel(ctx), &job{patience: pingTimeout, alone: s.changeNothing})
		// What changes nothing writes a page, for which there may be room in what was set aside, and for no commit.
		if s.pings.err == nil && s.full.Load() {
			if noRoom(s.where, pingRoom) {
				s.pings.err = fmt.Errorf("%w: %s", ErrFull, s.where)
			} else {
				s.full.Store(false)
			}
		}
		s.pings.at = time.Now()
	}
	return s.pings.err
}

func (s *Store) changeNothing(ctx context.Context, c conn) error {
	batch := []stmt{{text: s.db.words().begin}, moveChainNowhere.stmt(ServiceChain), deleteNoRecord.stmt(), {text: "commit"}}
	if clock := s.db.words().clock; clock != "" {
		batch = slices.Insert(batch, 1, stmt{text: clock, rows: true})
	}
	done, err := c.run(ctx, batch)
	if err == nil && s.db.words().clock != "" {
		_, err = s.sawClock(done[1])
	}
	return err
}
