package connect

import (
	"context"
	"sync"
)

// How many sessions are at work at one time in this process. A session that waits for a person is
// not at work; one that waits for its app's server is, for as long as that server may take. So each
// wallet, each origin, and each wallet at one origin has a bound of its own, and a wallet that has no
// session at work gets one begun in any case: nobody's silent server keeps anybody else waiting.
const (
	perWallet       = 16
	perOrigin       = 128
	perWalletOrigin = 8
	perProcess      = 256

	// maxTurnedAway bounds the sessions whose origin is remembered while they wait for a worker.
	maxTurnedAway = 4096
)

// workers are the sessions at work in this process. Safe for concurrent use.
type workers struct {
	mu       sync.Mutex
	ctx      context.Context // of Run; nil while it does not run
	going    sync.WaitGroup
	sessions map[string]at // by id
	count    map[at]int    // by wallet, by origin, and by both
	// turnedAway holds the origins of sessions that found no worker, by id: it is known once a row
	// was opened, which is not to be done each time that it is looked at.
	turnedAway map[string]string
	missed     bool          // a session found no worker since a worker became free last
	free       chan struct{} // says that a worker is free and somebody waits for one
}

// at is where a session is at work.
type at struct{ wallet, origin string }

func newWorkers() *workers {
	return &workers{sessions: map[string]at{}, count: map[at]int{}, turnedAway: map[string]string{}, free: make(chan struct{}, 1)}
}

// start lets sessions begin, until stop, with a context that ends with ctx.
func (w *workers) start(ctx context.Context) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ctx = ctx
}

// stop lets no session begin any more, and returns when those at work have come to a rest.
func (w *workers) stop() {
	w.mu.Lock()
	w.ctx = nil
	w.mu.Unlock()
	w.going.Wait()
}

// enter takes a worker for a session, which leave gives back, and returns the context to work
// with. It never waits: false if Run does not run, the session is at work already, or there is no
// worker. The origin is "" where it is not known yet.
func (w *workers) enter(id, wallet, origin string) (context.Context, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, twice := w.sessions[id]; twice || w.ctx == nil {
		return nil, false
	}
	if origin == "" {
		origin = w.turnedAway[id]
	}
	if !w.room(wallet, origin) {
		w.missed = true
		return nil, false
	}
	delete(w.turnedAway, id)
	w.put(id, at{wallet, origin})
	w.going.Add(1)
	return w.ctx, true
}

// locate says where a session at work goes. It returns false if there is no worker for that; the
// session is then to leave.
func (w *workers) locate(id, origin string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.sessions[id]
	if s.origin == origin {
		return true
	}
	w.remove(id)
	if w.room(s.wallet, origin) {
		w.put(id, at{s.wallet, origin})
		return true
	}
	w.put(id, s)
	if len(w.turnedAway) >= maxTurnedAway {
		clear(w.turnedAway)
	}
	w.turnedAway[id], w.missed = origin, true
	return false
}

// leave gives the worker of a session back. next says that another session may be begun at once
// with it; otherwise that waits for the next look at the store.
func (w *workers) leave(id string, next bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.remove(id)
	w.going.Done()
	if next && w.missed {
		w.missed = false
		select {
		case w.free <- struct{}{}:
		default:
		}
	}
}

func (w *workers) room(wallet, origin string) bool {
	here := w.count[at{wallet, ""}]
	if here == 0 {
		return true
	}
	if here >= perWallet || len(w.sessions) >= perProcess {
		return false
	}
	return origin == "" || w.count[at{"", origin}] < perOrigin && w.count[at{wallet, origin}] < perWalletOrigin
}

func (w *workers) put(id string, s at) {
	w.sessions[id] = s
	for _, key := range s.counted() {
		w.count[key]++
	}
}

func (w *workers) remove(id string) {
	for _, key := range w.sessions[id].counted() {
		if w.count[key]--; w.count[key] == 0 {
			delete(w.count, key)
		}
	}
	delete(w.sessions, id)
}

// counted are the counts that a session at work is part of.
func (s at) counted() []at {
	if s.origin == "" {
		return []at{{s.wallet, ""}}
	}
	return []at{{s.wallet, ""}, {"", s.origin}, s}
}
