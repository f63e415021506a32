// Package store keeps walletd's rows, in SQLite or in PostgreSQL, with one SQL
// text for both. It knows rows, not meanings: what is sealed and what a MAC
// says is for the packages above.
//
//	reads   -> a pool of readers                       (reads.go, reads_door.go)
//	Commit  -> queue -> committer, one per process     (commit.go)
//	                      what waits, in one transaction:   (group.go)
//	                      chains taken -> writes -> records -> durable
//
// Nothing changes without an entry on a chain, and Commit returns when both
// are durable. Each chain's last entry is a row that a transaction takes
// first, so that two replicas never fork a chain (schema/README.md).
package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options says how a store is opened.
type Options struct {
	// Dev must be set for a store made by serve --dev, and only then.
	Dev bool
	// Create makes the store when there is none: for SQLite the directory (0700)
	// and the file, for PostgreSQL the tables. Without it Open answers ErrNotFound.
	Create bool
	// Clock is the time of day; nil means time.Now.
	Clock func() time.Time
}

// Store is an open store. Its methods may be called concurrently.
type Store struct {
	dialect dialect
	where   string // names the store in errors: the file, or "the PostgreSQL database"
	clock   func() time.Time
	newest  atomic.Int64 // milliseconds; the newest time seen in the store

	reader *sql.DB
	writer *sql.DB
	stmts  sync.Map // name -> *sql.Stmt on reader

	committer *committer
	release   func() error // gives the directory back
}

// dialect is what the two databases do differently.
type dialect int

const (
	sqlite dialect = iota
	postgres
)

// Open opens the store at a URL, "sqlite:PATH" or "postgres://…", and brings
// its schema up to date, which needs no key.
//
// SQLite's file and directory must be closed to others (ErrExposed) and are
// held until Close (ErrInUse). PostgreSQL's URL must not hold a password
// (ErrPasswordInURL). ErrNotFound, ErrNewerSchema, ErrDevStore, ErrDamaged.
func Open(ctx context.Context, url string, o Options) (*Store, error) {
	s := &Store{clock: o.Clock}
	if s.clock == nil {
		s.clock = time.Now
	}
	var err error
	scheme, path, _ := strings.Cut(url, ":")
	switch scheme {
	case "sqlite":
		err = s.openSQLite(ctx, path, o.Create)
	case "postgres", "postgresql":
		err = s.openPostgres(ctx, url)
	default:
		return nil, fmt.Errorf("opening the store: %w: its URL begins with sqlite:, postgres:// or postgresql://", ErrInvalid)
	}
	if err == nil {
		err = s.start(ctx, o)
	}
	if err != nil {
		s.shut()
		return nil, fmt.Errorf("opening the store: %w", err)
	}
	return s, nil
}

// start brings the schema up to date and starts the committer.
func (s *Store) start(ctx context.Context, o Options) error {
	if err := s.migrate(ctx, o.Create); err != nil {
		return err
	}
	k, err := many[Keystore](ctx, s, "keystore")
	if err != nil {
		return err
	}
	if len(k) > 0 && k[0].Dev != o.Dev {
		return ErrDevStore
	}
	var newest int64
	if err := s.numbers(ctx, "newest time", nil, &newest); err != nil {
		return err
	}
	s.saw(newest)
	s.committer = startCommitter(s)
	return nil
}

// Close answers what is queued and closes the store. What comes later gets
// ErrUnavailable.
func (s *Store) Close() error {
	s.committer.stop()
	return s.shut()
}

func (s *Store) shut() error {
	var err error
	for _, db := range []*sql.DB{s.reader, s.writer} {
		if db != nil {
			if e := db.Close(); err == nil {
				err = e
			}
		}
	}
	if s.release != nil {
		if e := s.release(); err == nil {
			err = e
		}
	}
	if err != nil {
		return fmt.Errorf("closing the store: %w", err)
	}
	return nil
}

// Ping asks the database for an answer.
func (s *Store) Ping(ctx context.Context) error {
	var newest int64
	return s.numbers(ctx, "newest time", nil, &newest)
}

// Now is the later of the clock and the newest time seen in the store, so that
// a clock that is set back wakes nothing that had ended.
func (s *Store) Now() time.Time {
	now := s.clock()
	if newest := time.UnixMilli(s.newest.Load()); newest.After(now) {
		return newest
	}
	return now
}

// ClockBehind is how far the clock is behind the newest time seen in the store;
// 0 if it is not.
func (s *Store) ClockBehind() time.Duration {
	return max(0, time.UnixMilli(s.newest.Load()).Sub(s.clock()))
}

// saw notes a time (milliseconds) found in the store.
func (s *Store) saw(t int64) {
	for {
		old := s.newest.Load()
		if t <= old || s.newest.CompareAndSwap(old, t) {
			return
		}
	}
}
