package store

import (
	"context"
	"strings"
	"sync"
	"time"
)

const (
	growthChannel = "walletd_grown" // of LISTEN and NOTIFY
	growthPayload = 7000            // bytes of one notification; PostgreSQL takes 8000
	listenAgain   = time.Second
)

// growth tells one function which chains have grown.
type growth struct {
	mu   sync.Mutex
	tell func(chains []string)
	stop context.CancelFunc // of the listener; nil without one
	done sync.WaitGroup
}

// OnGrowth has tell called with the names of the chains that have grown: after each commit of this
// process, and on PostgreSQL after those of the other replicas too, within milliseconds. With nil it is
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
		var ctx context.Context
		ctx, g.stop = context.WithCancel(context.Background())
		g.done.Go(func() { db.listen(ctx, tell) })
	}
}

// grew tells of chains that have grown.
func (g *growth) grew(chains []string) {
	g.mu.Lock()
	tell := g.tell
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

// notifications are the statements that tell other replicas, as a part of the transaction.
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
