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
	running  sync.WaitGroup
	sessions map[string]place // by id
	active   map[place]int    // by wallet, by origin, and by both
	// turnedAway holds the origins of sessions that found no worker, by id: it is known once a row
	// was opened, which is not to be done each time that it is looked at.
	turnedAway map[string]string
	waiting    bool          // a session found no worker since a worker became free last
	free       chan struct{} // says that a worker is free and somebody waits for one
}

// place is where a session is at work.
type place struct{ wallet, origin string }

func newWorkers() *workers {
	return &workers{sessions: map[string]place{}, active: map[place]int{}, turnedAway: map[string]string{}, free: make(chan struct{}, 1)}
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
	w.running.Wait()
}

// acquire takes a worker for a session, which leave gives back, and returns the context to work
// with. It never waits: false if Run does not run, the session is at work already, or there is no
// worker. The origin is "" where it is not known yet.
func (w *workers) acquire(id, wallet, origin string) (context.Context, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, twice := w.sessions[id]; twice || w.ctx == nil {
		return nil, false
	}
	if origin == "" {
		origin = w.turnedAway[id]
	}
	if !w.hasRoom(wallet, origin) {
		w.waiting = true
		return nil, false
	}
	delete(w.turnedAway, id)
	w.put(id, place{wallet, origin})
	w.running.Add(1)
	return w.ctx, true
}

// setOrigin says where a session at work goes. It returns false if there is no worker for that; the
// session is then to leave.
func (w *workers) setOrigin(id, origin string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.sessions[id]
	if s.origin == origin {
		return true
	}
	w.remove(id)
	if w.hasRoom(s.wallet, origin) {
		w.put(id, place{s.wallet, origin})
		return true
	}
	w.put(id, s)
	if len(w.turnedAway) >= maxTurnedAway {
		clear(w.turnedAway)
	}
	w.turnedAway[id], w.waiting = origin, true
	return false
}

// release gives the worker of a session back. next says that another session may be begun at once
// with it; otherwise that waits for the next look at the store.
func (w *workers) release(id string, next bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.remove(id)
	w.running.Done()
	if next && w.waiting {
		w.waiting = false
		select {
		case w.free <- struct{}{}:
		default:
		}
	}
}

func (w *workers) hasRoom(wallet, origin string) bool {
	here := w.active[place{wallet, ""}]
	if here == 0 {
		return true
	}
	if here >= perWallet || len(w.sessions) >= perProcess {
		return false
	}
	return origin == "" || w.active[place{"", origin}] < perOrigin && w.active[place{wallet, origin}] < perWalletOrigin
}

func (w *workers) put(id string, s place) {
	w.sessions[id] = s
	for _, key := range s.counted() {
		w.active[key]++
	}
}

func (w *workers) remove(id string) {
	for _, key := range w.sessions[id].counted() {
		if w.active[key]--; w.active[key] == 0 {
			delete(w.active, key)
		}
	}
	delete(w.sessions, id)
}

// counted are the counts that a session at work is part of.
func (s place) counted() []place {
	if s.origin == "" {
		return []place{{s.wallet, ""}}
	}
	return []place{{s.wallet, ""}, {"", s.origin}, s}
}
