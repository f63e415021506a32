package connect

import (
	"context"
	"sync"
)

// How many sessions this process works on at one time. A session that waits for the owner is not at work; one that
// waits for its app's server is, for as long as that server may take. So each wallet, each origin, and each wallet at
// one origin has a bound of its own, and a wallet without a session at work always gets a worker: an app's slow server
// does not block other wallets.
const (
	perWallet       = 64
	perOrigin       = 128
	perWalletOrigin = 32
	perProcess      = 256

	// maxTurnedAway bounds the sessions whose origin is kept in memory while they wait for a worker.
	maxTurnedAway = 4096
)

// workers holds the sessions that this process works on. It is safe for concurrent use.
type workers struct {
	mu       sync.Mutex
	ctx      context.Context // of Run; nil while it does not run
	running  sync.WaitGroup
	sessions map[string]place // by id
	active   map[place]int    // by wallet, by origin, and by both
	// turnedAway holds the origins of sessions that found no worker, by id, so that their rows need not
	// be opened again to find the origin.
	turnedAway map[string]string
	waiting    bool          // a session has found no worker since one became free
	free       chan struct{} // receives a value when a worker is free and a session waits for one
}

// place is the wallet and the origin of a session at work.
type place struct{ wallet, origin string }

func newWorkers() *workers {
	return &workers{sessions: map[string]place{}, active: map[place]int{}, turnedAway: map[string]string{}, free: make(chan struct{}, 1)}
}

// start lets acquire succeed until stop, and return ctx.
func (w *workers) start(ctx context.Context) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ctx = ctx
}

// stop makes acquire fail, and waits until all workers are released.
func (w *workers) stop() {
	w.mu.Lock()
	w.ctx = nil
	w.mu.Unlock()
	w.running.Wait()
}

// acquire acquires a worker for a session, which release releases, and returns the context to work with. It never waits:
// it returns false if Run does not run, if the session is at work already, or if there is no worker. origin is "" if it
// is not known yet.
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
		w.turnAway(id, origin)
		return nil, false
	}
	delete(w.turnedAway, id)
	w.put(id, place{wallet, origin})
	w.running.Add(1)
	return w.ctx, true
}

// setOrigin sets the origin of a session at work. If there is no worker for the origin, it returns false, and the caller
// releases the session.
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
	w.turnAway(id, origin)
	return false
}

// turnAway notes that a session found no worker, and its origin, if that is known: so it is not leased before there is a
// worker for it.
func (w *workers) turnAway(id, origin string) {
	w.waiting = true
	if origin == "" {
		return
	}
	if len(w.turnedAway) >= maxTurnedAway {
		clear(w.turnedAway)
	}
	w.turnedAway[id] = origin
}

// release releases the worker of a session. With next, a session that waits for a worker may start at once; otherwise it
// starts at the next poll of the store.
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

// counted returns the keys under which a session at work is counted.
func (s place) counted() []place {
	if s.origin == "" {
		return []place{{s.wallet, ""}}
	}
	return []place{{s.wallet, ""}, {"", s.origin}, s}
}
