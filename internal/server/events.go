package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"walletd/api"
	"walletd/internal/store"
)

// Times of a stream of events.
const (
	pollEvery  = time.Second      // how often the store is asked, once for all streams
	aliveEvery = 15 * time.Second // a comment, so that a proxy keeps the connection
	eventPage  = 200
)

// pollSkew is how far back a poll begins: the clocks of two replicas differ by less.
const pollSkew = time.Minute

// growth notifies streams when the chain of a wallet has grown. The store tells it at once; besides it
// asks the store, once for all streams and only while there are any, for what it was not told of. newGrowth
// makes one.
type growth struct {
	store *store.Store
	look  chan struct{} // has a value when any chain may have grown

	mu      sync.Mutex
	streams map[string]map[chan struct{}]bool // by the chain that they are for
	stop    context.CancelFunc
}

func newGrowth(st *store.Store) *growth {
	g := &growth{store: st, look: make(chan struct{}, 1), streams: map[string]map[chan struct{}]bool{}}
	st.OnGrowth(g.grew)
	return g
}

// grew notifies the streams of chains that have grown; nil is any chain.
func (g *growth) grew(chains []string) {
	if chains == nil {
		notify(g.look)
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.streams) == 0 {
		return
	}
	for _, chain := range chains {
		for grown := range g.streams[chain] {
			notify(grown)
		}
	}
}

// notify leaves a value in a channel that holds one, unless the last was not taken yet.
func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// subscribe returns a channel that gets a value when the chain has grown, and what ends it.
func (g *growth) subscribe(chain string) (<-chan struct{}, func()) {
	grown := make(chan struct{}, 1)
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.streams) == 0 {
		var ctx context.Context
		ctx, g.stop = context.WithCancel(context.Background())
		go g.run(ctx)
	}
	if g.streams[chain] == nil {
		g.streams[chain] = map[chan struct{}]bool{}
	}
	g.streams[chain][grown] = true
	return grown, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if delete(g.streams[chain], grown); len(g.streams[chain]) == 0 {
			delete(g.streams, chain)
		}
		if len(g.streams) == 0 {
			g.stop()
		}
	}
}

// run polls until ctx ends.
func (g *growth) run(ctx context.Context) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	seen, since := map[string]store.End{}, g.store.Now().Add(-pollSkew).UnixMilli()
	for {
		since = g.poll(ctx, seen, since)
		if now := g.store.Now(); since > now.UnixMilli() { // an operator has accepted the clock
			since = now.Add(-pollSkew).UnixMilli()
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-g.look:
		}
	}
}

// poll notifies of the chains that have grown since a time, and returns the time that the next poll
// begins at. It begins with the millisecond that this one ended with, in which more may be written;
// seen holds what was seen of it.
func (g *growth) poll(ctx context.Context, seen map[string]store.End, since int64) int64 {
	for {
		ends, err := g.store.Grown(ctx, since)
		before := since
		for _, end := range ends {
			if seen[end.Chain].Seq < end.Seq {
				seen[end.Chain] = end
				g.grew([]string{end.Chain})
			}
			since = max(since, end.Time)
		}
		for chain, end := range seen {
			if end.Time < since {
				delete(seen, chain)
			}
		}
		if err != nil || len(ends) < store.GrownAtOnce || since == before {
			return since
		}
	}
}

// events streams what is new on the owner's record (server-sent events): each entry is an event
// with its kind as name, its number as id and the entry as data. A client that comes back with
// Last-Event-ID misses nothing; one without begins with what is new; one with an id that the record
// never had is told so, and begins with what is new. The stream ends when the token does or the
// keystore is locked.
func (s *Server) events(ctx context.Context, c *call, _ none) (raw, error) {
	end, err := s.store.ChainEnd(ctx, c.caller.WalletID)
	if err != nil {
		return raw{}, fmt.Errorf("looking for the end of the record: %w", err)
	}
	after, greeting := end.Seq, ": walletd\n\n"
	if id := c.request.Header.Get("Last-Event-ID"); id != "" {
		seq, err := strconv.ParseInt(id, 10, 64)
		if err == nil && seq >= 0 && seq <= end.Seq {
			after = seq
		} else {
			greeting = fmt.Sprintf("event: %s\nid: %d\ndata: {\"seq\":%d,\"kind\":%q}\n\n", api.StreamReset, end.Seq, end.Seq, api.StreamReset)
		}
	}
	give, ok := s.streams.take(c.caller)
	if !ok {
		return raw{}, errStreams
	}
	token, _ := bearer(c.request)
	wallet := c.caller.WalletID
	c.header.Set("X-Accel-Buffering", "no") // nginx would hold the events back
	return raw{"text/event-stream", func(w io.Writer) error {
		defer give()
		s.waiting.Add(1)
		defer s.waiting.Add(-1)
		ctx, cancel := s.stopping(ctx)
		defer cancel()
		grown, end := s.growth.subscribe(wallet)
		defer end()
		c.caller.Close() // no keys are held between events
		alive := time.NewTicker(aliveEvery)
		defer alive.Stop()
		if err := write(w, greeting); err != nil {
			return nil
		}
		for {
			next, err := s.sendEvents(ctx, w, token, after)
			if err != nil {
				return nil // the client, its token or the service went away
			}
			after = next
			select {
			case <-ctx.Done():
				return nil
			case <-grown:
			case <-alive.C:
				if err := write(w, ":\n\n"); err != nil {
					return nil
				}
			}
		}
	}}, nil
}

// sendEvents writes what came after a number and returns the last one written. The token is looked
// at again each time: one that was revoked hears nothing more.
func (s *Server) sendEvents(ctx context.Context, w io.Writer, token string, after int64) (int64, error) {
	caller, err := s.auth.Authenticate(ctx, token)
	if err != nil {
		return after, err
	}
	defer caller.Close()
	for {
		entries, err := s.wallets.AuditEntries(ctx, caller, after, eventPage)
		if err != nil {
			return after, err
		}
		for _, e := range entries {
			data, err := json.Marshal(recordOf(e))
			if err != nil {
				return after, err
			}
			if err := write(w, fmt.Sprintf("event: %s\nid: %d\ndata: %s\n\n", e.Kind, e.Seq, data)); err != nil {
				return after, err
			}
			after = e.Seq
		}
		if len(entries) < eventPage {
			return after, nil
		}
	}
}

// write sends a piece of a stream now; a client that does not take it in time is cut off.
func write(w io.Writer, text string) error {
	rw, ok := w.(http.ResponseWriter)
	if !ok {
		return errors.New("not a stream")
	}
	control := http.NewResponseController(rw)
	if err := control.SetWriteDeadline(time.Now().Add(bodyTime)); err != nil {
		return err
	}
	if _, err := io.WriteString(w, text); err != nil {
		return err
	}
	return control.Flush()
}
