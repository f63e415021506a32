package store

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	growthChannel = "walletd_grown" // of LISTEN and NOTIFY
	growthPayload = 7000            // bytes of one notification; PostgreSQL takes 8000
	listenAgain   = time.Second

	// notifyEvery is how long notifications are gathered after the last ones were sent. PostgreSQL commits one transaction
	// with notifications at a time, the wait for the disk included, on all its databases; and each one wakes a process of
	// the server, and of ours, for every replica. So they are not a part of the commits that they tell of.
	notifyEvery    = 80 * time.Millisecond
	notifyPatience = time.Second // for the database to take some
)

// growth tells one function which chains have grown, and the other replicas.
type growth struct {
	mu     sync.Mutex
	tell   func(chains []string)
	stop   context.CancelFunc // of what listens and what notifies; nil without either
	done   sync.WaitGroup
	untold map[string]bool // chains of which the other replicas were not notified yet
	grown  chan struct{}   // holds a value while there are such chains; nil if nobody is notified
}

// startNotifying starts what notifies the other replicas.
func (s *Store) startNotifying() {
	if s.db.words().notify == "" {
		return
	}
	g := &s.growth
	g.untold, g.grown = make(map[string]bool), make(chan struct{}, 1)
	var ctx context.Context
	ctx, g.stop = context.WithCancel(context.Background())
	g.done.Go(func() { s.notify(ctx) })
}

// notify tells the other replicas which chains have grown, until ctx ends: at once, and then of all that grew meanwhile.
// What cannot be told is dropped.
func (s *Store) notify(ctx context.Context) {
	g := &s.growth
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-g.grown:
			_ = s.sendNotifications()
		}
		select {
		case <-ctx.Done():
		case <-time.After(notifyEvery):
		}
	}
	_ = s.sendNotifications()
}

// sendNotifications waits for no disk: what is lost with the server is lost to connections that break with it.
func (s *Store) sendNotifications() error {
	g := &s.growth
	g.mu.Lock()
	chains := slices.Sorted(maps.Keys(g.untold))
	clear(g.untold)
	g.mu.Unlock()
	if len(chains) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), notifyPatience)
	defer cancel()
	c, err := s.db.conn(ctx)
	if err != nil {
		return err
	}
	words := s.db.words()
	batch := []stmt{{text: words.begin}, {text: "set local synchronous_commit = off"}}
	batch = append(append(batch, notifications(words, chains)...), stmt{text: "commit"})
	_, err = c.run(ctx, batch)
	c.close(err != nil)
	return err
}

// OnGrowth has tell called with the names of the chains that have grown: after each commit of this
// process, and on PostgreSQL after those of the other replicas too, within a tenth of a second. With nil it is
// told that any chain may have grown, because the connection that listens was made anew. tell must not
// block, and may be called by several goroutines at once. It is a hint, of which some are missed when a
// connection breaks, and those of other replicas behind a pooler that gives each transaction another
// connection; Grown finds what was missed. OnGrowth may be called once.
func (s *Store) OnGrowth(tell func(chains []string)) {
	g := &s.growth
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tell = tell
	if db, ok := s.db.(*postgresDB); ok {
		ctx, stop := context.WithCancel(context.Background())
		stopNotifying := g.stop
		g.stop = func() { stop(); stopNotifying() }
		g.done.Go(func() { db.listen(ctx, tell) })
	}
}

// grew tells of chains that have grown.
func (g *growth) grew(chains []string) {
	g.mu.Lock()
	tell := g.tell
	if g.grown != nil && len(chains) > 0 {
		for _, chain := range chains {
			g.untold[chain] = true
		}
		select {
		case g.grown <- struct{}{}:
		default:
		}
	}
	g.mu.Unlock()
	if tell != nil && len(chains) > 0 {
		tell(chains)
	}
}

func (g *growth) close() {
	g.mu.Lock()
	stop := g.stop
	g.tell, g.stop = nil, nil
	g.mu.Unlock()
	if stop != nil {
		stop()
	}
	g.done.Wait()
}

// notifications are the statements that tell other replicas.
func notifications(words words, chains []string) []stmt {
	if words.notify == "" {
		return nil
	}
	var batch []stmt
	for len(chains) > 0 {
		n, size := 0, 0
		for n < len(chains) && (n == 0 || size+len(chains[n]) < growthPayload) {
			size += len(chains[n]) + 1
			n++
		}
		batch = append(batch, stmt{text: words.notify, args: []any{strings.Join(chains[:n], " ")}, rows: true})
		chains = chains[n:]
	}
	return batch
}

// listen hears of the commits of all replicas until ctx ends, on a connection of its own.
func (d *postgresDB) listen(ctx context.Context, tell func(chains []string)) {
	for ctx.Err() == nil {
		if err := d.listenOnce(ctx, tell); err == nil {
			return // behind a pooler there is nothing to listen to
		}
		select {
		case <-ctx.Done():
		case <-time.After(listenAgain):
		}
	}
}

// listenOnce returns nil if this cannot work, and else the error that ended the connection.
func (d *postgresDB) listenOnce(ctx context.Context, tell func(chains []string)) error {
	pooled, err := d.acquire(ctx)
	if err != nil {
		return err
	}
	if d.pooled.Load() {
		pooled.Release()
		return nil
	}
	conn := pooled.Hijack()
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = conn.Close(ctx)
	}()
	if _, err := conn.Exec(ctx, "listen "+growthChannel); err != nil {
		return err
	}
	tell(nil)
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		tell(strings.Fields(n.Payload))
	}
}
