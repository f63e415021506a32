package store

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// MaxAhead is how far the clock may be ahead of what it is checked against before nothing is written.
const MaxAhead = 30 * time.Second

// rebaseEvery is how often what the clock of a process that is alone is checked against is taken anew,
// so that the many small steps of a year do not add up.
const rebaseEvery = time.Hour

// rightFor is how far the clock may go on before it is checked again: what was started with the machine is asked by a
// system call.
const rightFor = 10 * time.Millisecond

// ErrClockAhead: the clock is more than MaxAhead ahead of the database's, or, in SQLite, has jumped that far
// ahead of the time since the machine was started. It is ErrUnavailable too, and of a write it says that
// nothing happened.
var ErrClockAhead = fmt.Errorf("%w: the clock of this machine is ahead", ErrUnavailable)

// reference is what the clock is checked against: what time it was at one moment, by the database or, where
// a process is alone, by the clock itself, and how long ago that is by the time since the machine was
// started. It is safe for concurrent use.
type reference struct {
	boot func() time.Duration // nil: nothing is checked

	mu   sync.Mutex
	wall time.Time // zero: not known
	at   time.Duration
}

func (r *reference) set(wall time.Time) {
	if r.boot == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	// Without the process's own clock, by which two times would differ by what has passed, whatever was set.
	r.wall, r.at = wall.Round(0), r.boot()
}

// now returns what the time is by the reference; the zero Time if that is not known.
func (r *reference) now() time.Time {
	if r.boot == nil {
		return time.Time{}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.wall.IsZero() {
		return time.Time{}
	}
	return r.wall.Add(r.boot() - r.at)
}

// isOld reports whether the reference is to be taken anew.
func (r *reference) isOld() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.boot()-r.at >= rebaseEvery
}

// startClock takes the first reference.
func (s *Store) startClock(ctx context.Context) error {
	clock := s.db.words().clock
	if clock == "" {
		if countsSuspend {
			s.reference.set(s.clock())
		}
		return nil
	}
	var at, epoch int64
	err := s.db.read(ctx, clock, nil, func(scan func(...any) error) error { return scan(&at, &epoch) })
	if err != nil {
		return s.translateFor(ctx, err)
	}
	s.reference.set(time.UnixMilli(at))
	return nil
}

// ClockAhead is how far the clock is ahead of the database's as it was last seen, or, in SQLite, how far it
// has jumped ahead of the time since the machine was started; 0 if it is not, or cannot be checked.
func (s *Store) ClockAhead() time.Duration {
	now := s.reference.now()
	if now.IsZero() {
		return 0
	}
	clock := s.clock()
	ahead := clock.Sub(now)
	if s.db.words().clock == "" && ahead.Abs() <= MaxAhead && s.reference.isOld() {
		s.reference.set(clock)
	}
	return max(0, ahead)
}

// CheckClock returns ErrClockAhead if the clock is more than MaxAhead ahead. Before that it asks the database
// again, once a second at most, whose clock may have been set.
func (s *Store) CheckClock(ctx context.Context) error {
	// A clock that was not ahead, and went on by so little since, is not ahead by more than that.
	clock := s.clock().UnixNano()
	if since := clock - s.wasRight.Load(); since >= 0 && since < rightFor.Nanoseconds() {
		return nil
	}
	if s.ClockAhead() <= MaxAhead {
		s.wasRight.Store(clock)
		return nil
	}
	if s.db.words().clock != "" {
		if err := s.Ping(ctx); err != nil {
			return err
		}
	}
	if ahead := s.ClockAhead(); ahead > MaxAhead {
		return aheadBy(ahead)
	}
	return nil
}

func aheadBy(d time.Duration) error {
	return fmt.Errorf("%w by %v", ErrClockAhead, d.Round(time.Second))
}

// sawClock takes the database's clock (unix milliseconds) and the keystore's epoch from the answer to
// words.clock, and returns the epoch.
func (s *Store) sawClock(r result) (epoch int64, err error) {
	var at int64
	if len(r.rows) != 1 || len(r.rows[0]) != 2 || !assign(&at, r.rows[0][0]) || !assign(&epoch, r.rows[0][1]) {
		return 0, fmt.Errorf("%w: the database's clock", ErrDamaged)
	}
	s.reference.set(time.UnixMilli(at))
	return epoch, nil
}

// latest is the newest time (unix milliseconds) that may be written: MaxAhead past the reference, or what is
// in the store already, unless epoch says that AcceptClock may have lowered that. 0 is no bound.
func (s *Store) latest(epoch int64) int64 {
	now := s.reference.now()
	if now.IsZero() {
		return 0
	}
	latest := now.Add(MaxAhead).UnixMilli()
	if epoch <= s.epoch.Load() {
		latest = max(latest, s.newest.Load())
	}
	return latest
}

// noteEpoch reads the newest time in the store anew when the keystore's epoch was raised: AcceptClock, of
// whichever replica, lowers it.
func (s *Store) noteEpoch(ctx context.Context, epoch int64) error {
	for seen := s.epoch.Load(); epoch > seen; seen = s.epoch.Load() {
		was := s.newest.Load()
		var newest int64
		if err := s.scalars(ctx, newestTime, nil, &newest); err != nil {
			return err
		}
		if s.newest.CompareAndSwap(was, newest) {
			s.epoch.CompareAndSwap(seen, epoch)
		}
	}
	return nil
}

// NewestEnd reads the end of the chain that holds the newest time; the zero End if there is none.
func (s *Store) NewestEnd(ctx context.Context) (End, error) {
	ends, err := many(ctx, s, newestChain)
	if err != nil || len(ends) == 0 {
		return End{}, err
	}
	return ends[0], nil
}

// AcceptClock goes on from what the clock says, where a time from the future is in the store, or where the clock
// has jumped and is right now: it lowers the newest time of every chain to the clock's, and commits c, whose
// entries get that time. c must raise the keystore's epoch, from which other replicas notice. Entries that were
// made in the future stay as they are. ErrClockAhead if the clock is not within MaxAhead of the database's.
// Besides: what Commit says of the parts of c.
func (s *Store) AcceptClock(ctx context.Context, c Change) error {
	now := s.clock()
	for _, entries := range append([]ChainEntries{{Entries: c.Entries}}, c.Also...) {
		for i := range entries.Entries {
			entries.Entries[i].Time = now.UnixMilli()
		}
	}
	err := c.check()
	j := &job{change: &c}
	if err == nil {
		err = s.committer.wait(ctx, &job{patience: s.patience, alone: func(ctx context.Context, conn conn) error {
			return j.acceptClock(ctx, s, conn, now)
		}})
	}
	if err == nil {
		err = j.err
	}
	if err != nil {
		return fmt.Errorf("accepting the clock: %w", err)
	}
	return nil
}

// acceptClock applies the change. What refuses it is j.err; then nothing is left of it.
func (j *job) acceptClock(ctx context.Context, s *Store, conn conn, now time.Time) error {
	g := &group{accepts: now}
	g.add(j)
	refused, err := g.together(ctx, s, conn, g.jobs)
	if err != nil {
		return s.translate(err)
	}
	apart := time.Duration(0)
	if wall := s.reference.now(); s.db.words().clock != "" && !wall.IsZero() {
		apart = now.Sub(wall).Abs()
	}
	switch {
	case len(refused) > 0:
		j.err = ErrChanged
	case apart > MaxAhead:
		j.err = fmt.Errorf("%w, or behind, by %v", ErrClockAhead, apart.Round(time.Second))
	}
	if j.err != nil {
		_, err := conn.run(ctx, []stmt{{text: "rollback"}})
		return err
	}
	if err := g.finish(ctx, s, conn); err != nil {
		return err
	}
	if s.db.words().clock == "" {
		s.reference.set(now)
	}
	s.newest.Store(now.UnixMilli()) // none is newer; with the epoch that c raised it is read anew
	return nil
}
