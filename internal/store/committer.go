package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxQueue  = 1024
	maxGroup  = 1024
	maxGather = time.Millisecond
	// maxGatherPostgres and maxApart bound how long a group of PostgreSQL waits, and how many groups do not.
	maxGatherPostgres = 5 * time.Millisecond
	maxApart          = 64
	touchEvery        = time.Minute
	touchAtOnce       = 64 // tokens whose use is written in one transaction, between those of others
)

// committer is the one goroutine that writes. It takes what waits and makes it
// one transaction: while one group is on its way to the disk the next gathers.
type committer struct {
	store *Store
	conn  conn // nil until needed, and after it broke

	mu     sync.RWMutex // held for reading while something is queued
	closed bool
	queue  chan *job
	ended  chan struct{}
	ends   chainEnds
	expect int // how many jobs come at a time, as far as the last ones tell; the loop's alone

	// These are the loop's alone, and of PostgreSQL; see gather.
	last     int           // how many jobs the last group had
	took     time.Duration // for them to be written
	followed bool          // others waited by then
	merged   bool          // all callers come together, as far as the last group tells
	apart    int           // groups that do not wait for the last one's callers
	backOff  int           // how many that are next time

	transactions, changes atomic.Int64 // see Written

	touchMu sync.Mutex
	touched map[string]int64 // token -> last use
	due     []use            // of touched, to be written now; the loop's alone
}

// use is the last use of a token.
type use struct {
	token string
	at    int64
}

// job is one caller's wait: for a Change, or for something that is done alone.
type job struct {
	change *Change
	alone  func(context.Context, conn) error
	// patience is how long the caller waits, and how long alone may take; 0: the store's.
	patience time.Duration

	state atomic.Int32 // queued -> taken or left
	done  chan struct{}
	first int64 // number of the change's first entry
	err   error
}

const (
	queued int32 = iota
	taken        // by the committer: an answer will come
	left         // by the caller, whose context ended
)

func startCommitter(s *Store) *committer {
	c := &committer{store: s, queue: make(chan *job, maxQueue), ended: make(chan struct{}), touched: make(map[string]int64)}
	go c.loop()
	return c
}

// Queued is how many changes, and other work of the committer, wait for their turn.
func (s *Store) Queued() int { return len(s.committer.queue) }

// Written says how many transactions this process has made durable since the store was opened, and how many changes
// they held. What is written without an entry, a lease, is a transaction that holds none.
func (s *Store) Written() (transactions, changes int64) {
	return s.committer.transactions.Load(), s.committer.changes.Load()
}

// stop answers what is queued and ends. It says whether it was the first.
func (c *committer) stop() bool {
	c.mu.Lock()
	first := !c.closed
	if first {
		c.closed = true
		close(c.queue)
	}
	c.mu.Unlock()
	<-c.ended
	return first
}

func (c *committer) commit(ctx context.Context, change Change) (int64, error) {
	j := &job{change: &change}
	if err := c.wait(ctx, j); err != nil {
		return 0, err
	}
	return j.first, nil
}

// wait queues a job and waits for its answer. Every way out of here has one: if the database does
// not answer in time, ErrUnavailable.
func (c *committer) wait(ctx context.Context, j *job) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if j.patience == 0 {
		j.patience = c.store.patience
	}
	late := time.NewTimer(j.patience)
	defer late.Stop()
	j.done = make(chan struct{})
	if err := c.enqueue(ctx, j, late.C); err != nil {
		return err
	}
	ended := ctx.Done()
	for {
		select {
		case <-j.done:
			return j.err
		case <-ended:
			if j.state.CompareAndSwap(queued, left) {
				return ctx.Err()
			}
			ended = nil
		case <-late.C:
			j.state.CompareAndSwap(queued, left)
			return c.tooLate(j)
		}
	}
}

func (c *committer) tooLate(j *job) error {
	return fmt.Errorf("%w: %s did not answer within %v", ErrUnavailable, c.store.where, j.patience)
}

func (c *committer) enqueue(ctx context.Context, j *job, late <-chan time.Time) error {
	c.mu.RLock() // the queue isn't closed while we hold it
	defer c.mu.RUnlock()
	if c.closed {
		return ErrClosed
	}
	select {
	case c.queue <- j:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-late:
		return c.tooLate(j)
	}
}

func (c *committer) loop() {
	defer close(c.ended)
	ticker := time.NewTicker(touchEvery)
	defer ticker.Stop()
	at := make(chan struct{})
	close(at)
	for open := true; open; {
		var now chan struct{} // never, or at once
		if len(c.due) > 0 {
			now = at
		}
		select {
		case <-ticker.C:
			c.collectTouched()
		case <-now:
			c.writeTouched(touchAtOnce)
		case j, ok := <-c.queue:
			if open = ok; ok {
				jobs := c.gather(j)
				began := time.Now()
				c.serve(jobs)
				c.last, c.took, c.followed = len(jobs), time.Since(began), len(c.queue) > 0
			}
		}
	}
	if c.collectTouched(); len(c.due) > 0 {
		c.writeTouched(len(c.due))
	}
	c.drop(false)
}

// gather takes what else waits. If as many as came together before are not there yet, it waits for them a little: their
// callers have just been answered, and a transaction costs about the same for one as for many. Whoever is alone waits for
// nobody.
//
// A transaction of PostgreSQL costs much more than a change in it, and takes longer than callers need to come back. So
// half of them would always be on their way while the other half gathers: those who wait already then wait for the callers
// of the last transaction too, for as long as half of it took. If these do not come back in time, the next groups do not
// wait, each time twice as many.
func (c *committer) gather(first *job) []*job {
	jobs := make([]*job, 1, max(1, c.expect))
	jobs[0] = first
	var late <-chan time.Time
	wait, tries := maxGather, false
	if c.followed && c.store.db.words().guards != nil {
		if tries = c.apart == 0; tries {
			c.expect = max(c.expect, 1+len(c.queue)+c.last)
		} else {
			c.apart--
		}
	}
	if tries || c.merged {
		wait = max(wait, min(c.took/2, maxGatherPostgres))
	}
	for len(jobs) < maxGroup {
		select {
		case j, ok := <-c.queue:
			if !ok {
				return jobs
			}
			jobs = append(jobs, j)
			continue
		default:
		}
		if len(jobs) >= c.expect {
			break
		}
		if late == nil {
			timer := time.NewTimer(wait)
			defer timer.Stop()
			late = timer.C
		}
		select {
		case j, ok := <-c.queue:
			if !ok {
				return jobs
			}
			jobs = append(jobs, j)
			continue
		case <-late:
		}
		break
	}
	switch came := len(jobs) >= c.expect-c.expect/4; {
	case tries && !came:
		c.backOff = min(max(1, 2*c.backOff), maxApart)
		c.merged, c.apart, c.expect = false, c.backOff, len(jobs)
	case tries:
		c.merged, c.backOff = true, 0
	case !came:
		c.merged = false
	}
	c.expect = max(len(jobs), c.expect-c.expect/4)
	if len(jobs) == 1 {
		c.expect = 1
	}
	return jobs
}

// serve does the jobs in their order, changes in groups as large as can be.
func (c *committer) serve(jobs []*job) {
	var g group
	for _, j := range jobs {
		if !j.state.CompareAndSwap(queued, taken) {
			continue
		}
		if j.change != nil && g.admits(j.change) {
			g.add(j)
			continue
		}
		c.write(&g)
		g = group{}
		if j.change != nil {
			g.add(j)
			continue
		}
		if j.err = c.within(j.patience, func(ctx context.Context) error { return j.alone(ctx, c.conn) }); j.err == nil {
			c.transactions.Add(1)
		}
		close(j.done)
	}
	c.write(&g)
}

// write commits a group and answers all of it.
func (c *committer) write(g *group) {
	if len(g.jobs) == 0 {
		return
	}
	err := c.within(c.store.patience, func(ctx context.Context) error { return g.commit(ctx, c.store, c.conn) })
	if errors.Is(err, ErrDamaged) && len(g.jobs) > 1 {
		// Perhaps one wallet's chain only: its neighbours go on without it.
		for _, j := range g.jobs {
			c.write(&group{jobs: []*job{j}})
		}
		return
	}
	if err == nil {
		c.transactions.Add(1)
		for _, end := range g.ends {
			c.store.sawAt(end.Time, g.epoch)
		}
		if c.store.db.words().guards != nil {
			c.ends.note(g.ends)
		}
		for wallet := range g.raised {
			c.store.kept.forget(wallet)
		}
		c.store.growth.grew(g.moved)
	}
	for _, j := range g.jobs {
		if err != nil {
			j.first, j.err = 0, err
		}
		if j.err == nil {
			c.changes.Add(1)
		}
		close(j.done)
	}
}

// maxTries is how often a transaction that the database gave up for another's
// sake (a deadlock), or lost before it could be committed, is tried.
const maxTries = 5

// within runs f with a connection and a time limit, again if it was given up
// before anything could be committed. After an error no transaction is open.
func (c *committer) within(limit time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	for try := 1; ; try++ {
		if c.conn == nil {
			conn, err := c.store.db.conn(ctx)
			if err != nil {
				return c.store.translate(err)
			}
			c.conn = conn
		}
		err := f(ctx)
		if err == nil {
			return nil
		}
		c.rollback(ctx)
		if err = c.store.translate(err); !errors.Is(err, errGivenUp) {
			return err
		}
		if try == maxTries || ctx.Err() != nil {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		time.Sleep(time.Duration(try) * 5 * time.Millisecond)
	}
}

// rollback ends the transaction that is open, if one is. A connection that can't is
// dropped.
func (c *committer) rollback(ctx context.Context) {
	rollback := stmt{text: "rollback"}
	_, err := c.conn.run(ctx, []stmt{rollback})
	if err != nil { // SQLite may have done so itself, and then wants one to be open
		_, err = c.conn.run(ctx, []stmt{{text: c.store.db.words().begin}, rollback})
	}
	if err != nil {
		c.drop(true)
	}
}

func (c *committer) drop(broken bool) {
	if c.conn != nil {
		c.conn.close(broken)
		c.conn = nil
	}
}

// touch notes a token's use for the next writeTouched.
func (c *committer) touch(token string, at int64) {
	c.touchMu.Lock()
	defer c.touchMu.Unlock()
	c.touched[token] = max(at, c.touched[token])
}

// collectTouched takes the uses noted, to be written.
func (c *committer) collectTouched() {
	c.touchMu.Lock()
	touched := c.touched
	c.touched = make(map[string]int64)
	c.touchMu.Unlock()
	for _, token := range slices.Sorted(maps.Keys(touched)) { // in order: two replicas wait, never for each other
		c.due = append(c.due, use{token, touched[token]})
	}
}

// writeTouched writes so many of the uses that are due. They are a convenience: an error only loses them.
func (c *committer) writeTouched(atMost int) {
	some := c.due[:min(len(c.due), atMost)]
	if c.due = c.due[len(some):]; len(c.due) == 0 {
		c.due = nil
	}
	batch := []stmt{{text: c.store.db.words().begin}}
	for _, u := range some {
		batch = append(batch, touchToken.stmt(u.at, u.token))
	}
	batch = append(batch, stmt{text: "commit"})
	_ = c.within(c.store.patience, func(ctx context.Context) error {
		_, err := c.conn.run(ctx, batch)
		return err
	})
}
