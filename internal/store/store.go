// Package store keeps walletd's rows, in SQLite or in PostgreSQL, with one SQL
// text for both. It knows rows, not meanings: what is sealed and what a MAC
// says is for the packages above.
//
//	reads   -> a pool of readers                       (conn.go; one file and one .sql per table)
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
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"path/filepath"
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
	// Boot is the time since the machine was started, suspension included, by which a jump of the clock is
	// noticed; nil means the machine's. With Clock and without Boot the clock is checked against nothing.
	Boot func() time.Duration
	// NoCopy leaves out the copy of a SQLite store that is made before its schema is brought up to date.
	NoCopy bool
	// Migrating is called before the schema of a store that has one is brought up to date, which may take
	// minutes; it may be nil.
	Migrating func(Migration)
	// KeepDecided is how long Sweep leaves what was decided and what has ended; 0 means for ever.
	KeepDecided time.Duration
	// Patience is how long a call waits for the database before it returns
	// ErrUnavailable; 0 means 5 seconds.
	Patience time.Duration
}

const defaultPatience = 5 * time.Second

// Migration says how the schema of a store is brought up to date.
type Migration struct {
	From, To int64  // versions of the schema
	Copy     string // of the store as it was, a file; "" if none was made
}

// Store is an open store. Its methods may be called concurrently.
type Store struct {
	db          database
	where       string // names the store in errors: the file, or "the PostgreSQL database"
	dev         bool
	clock       func() time.Time
	patience    time.Duration
	keepDecided time.Duration
	newest      atomic.Int64 // milliseconds; the newest time seen in the store
	epoch       atomic.Int64 // the keystore's, as of newest

	reference reference
	wasRight  atomic.Int64 // unix nanoseconds of the clock when it was last found not to be ahead

	expanded  map[expansion]string // the committer's alone
	committer *committer
	growth    growth
	kept      kept
	snapshots sync.Mutex // held while one is made
	spools    sync.Mutex // held while one becomes a file
	pings     pings
	full      atomic.Bool // SQLite: something had no room, and Ping has not found any since
}

// Open opens the store at a URL, "sqlite:PATH" or "postgres://…", and brings
// its schema up to date, which needs no key. Before that a SQLite store is copied
// to before-schema-N/walletd.db beside it, in the place of an earlier copy of that
// name; ErrFull if there is no room for it.
//
// SQLite's file and directory must be closed to others (ErrExposed) and are
// held until Close (ErrInUse). PostgreSQL's URL must not hold a password
// (ErrPasswordInURL); a server on another machine is spoken to over TLS with
// its name verified unless the URL says otherwise. Besides: ErrNotFound,
// ErrNewerSchema, ErrDevStore, ErrDamaged, ErrUnavailable.
func Open(ctx context.Context, url string, o Options) (*Store, error) {
	s := &Store{dev: o.Dev, clock: o.Clock, keepDecided: o.KeepDecided, expanded: make(map[expansion]string), pings: pings{turn: make(chan struct{}, 1)}}
	switch s.reference.boot = o.Boot; {
	case s.clock == nil && o.Boot == nil:
		s.clock, s.reference.boot = time.Now, sinceBoot
	case s.clock == nil:
		s.clock = time.Now
	}
	if s.patience = o.Patience; s.patience == 0 {
		s.patience = defaultPatience
	}
	err := s.connect(ctx, url, o.Create)
	if err == nil {
		if err = s.start(ctx, o); err != nil {
			s.db.close()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("opening the store: %w", s.translateFor(ctx, err))
	}
	return s, nil
}

func (s *Store) connect(ctx context.Context, url string, create bool) error {
	scheme, path, _ := strings.Cut(url, ":")
	switch {
	case scheme == "sqlite" && path != "":
		path, err := filepath.Abs(path)
		if err != nil {
			return err
		}
		s.where = path
		db, err := openSQLite(ctx, path, create, s.patience)
		if err != nil {
			return err
		}
		s.db = db
	case scheme == "postgres" || scheme == "postgresql":
		s.where = "the PostgreSQL database"
		db, err := openPostgres(url, s.patience)
		if err != nil {
			return err
		}
		s.db = db
	default:
		return fmt.Errorf("%w: a store's URL is sqlite:PATH or postgres://…", ErrInvalid)
	}
	return nil
}

// start brings the schema up to date and starts the committer.
func (s *Store) start(ctx context.Context, o Options) error {
	if err := s.migrate(ctx, o); err != nil {
		return err
	}
	k, err := many(ctx, s, getKeystore)
	if err != nil {
		return err
	}
	if len(k) > 0 && k[0].Dev != s.dev {
		return ErrDevStore
	}
	var newest int64
	if err := s.scalars(ctx, newestTime, nil, &newest); err != nil {
		return err
	}
	s.saw(newest)
	if len(k) > 0 {
		s.epoch.Store(k[0].Epoch)
	}
	if err := s.startClock(ctx); err != nil {
		return err
	}
	s.startNotifying()
	s.committer = startCommitter(s)
	return nil
}

// Close answers what is queued, waits for a snapshot that is being made, and closes the store. What comes later gets
// ErrUnavailable.
func (s *Store) Close() error {
	if !s.committer.stop() {
		return nil
	}
	s.growth.close()
	s.snapshots.Lock() // whose connection is to be closed before the file is
	defer s.snapshots.Unlock()
	if err := s.db.close(); err != nil {
		return fmt.Errorf("closing the store: %w", err)
	}
	return nil
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

// sawAt is saw of a time that was read with the keystore's epoch, unless it is from before that was raised.
func (s *Store) sawAt(t, epoch int64) {
	if epoch >= s.epoch.Load() {
		s.saw(t)
	}
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

// NewID returns 128 random bits as 26 letters and digits of lower case base32.
func NewID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding).EncodeToString(b[:])
}

// Time is a time of a row, in unix seconds; 0 is the zero Time.
func Time(unix int64) time.Time {
	if unix == 0 {
		return time.Time{}
	}
	return time.Unix(unix, 0)
}
