// Package events tells those who wait for it that something happened: that the chain of a wallet, on which all that
// is decided stands, has grown. The store tells what this process wrote, and PostgreSQL what others did, at once;
// besides, the store is asked once a second, for all subscribers together and only while there are any, for what it
// did not tell.
package events

import (
	"context"
	"sync"
	"time"

	"walletd/internal/store"
)

// pollEvery is how often the store is asked, once for all subscribers.
const pollEvery = time.Second

// pollSkew is how far back a poll begins: the clocks of two replicas differ by less.
const pollSkew = time.Minute

// Feed tells subscribers that the chain of a wallet has grown. It may be used concurrently.
type Feed struct {
	store *store.Store
	look  chan struct{} // has a value when any chain may have grown

	mu      sync.Mutex
	streams map[string]map[chan struct{}]bool // by the chain that they are for
	stop    context.CancelFunc
}

// New returns the feed of a store, which has one: the store tells only one of what it wrote.
func New(st *store.Store) *Feed {
	f := &Feed{store: st, look: make(chan struct{}, 1), streams: map[string]map[chan struct{}]bool{}}
	st.OnGrowth(f.grew)
	return f
}

// grew notifies the streams of chains that have grown; nil is any chain.
func (f *Feed) grew(chains []string) {
	if chains == nil {
		notify(f.look)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.streams) == 0 {
		return
	}
	for _, chain := range chains {
		for grown := range f.streams[chain] {
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

// Subscribe returns a channel that gets a value when the chain has grown, and what ends it.
func (f *Feed) Subscribe(chain string) (<-chan struct{}, func()) {
	grown := make(chan struct{}, 1)
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.streams) == 0 {
		var ctx context.Context
		ctx, f.stop = context.WithCancel(context.Background())
		go f.run(ctx)
	}
	if f.streams[chain] == nil {
		f.streams[chain] = map[chan struct{}]bool{}
	}
	f.streams[chain][grown] = true
	return grown, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if delete(f.streams[chain], grown); len(f.streams[chain]) == 0 {
			delete(f.streams, chain)
		}
		if len(f.streams) == 0 {
			f.stop()
		}
	}
}

// run polls until ctx ends.
func (f *Feed) run(ctx context.Context) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	seen, since := map[string]store.End{}, f.store.Now().Add(-pollSkew).UnixMilli()
	for {
		since = f.poll(ctx, seen, since)
		if now := f.store.Now(); since > now.UnixMilli() { // an operator has accepted the clock
			since = now.Add(-pollSkew).UnixMilli()
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-f.look:
		}
	}
}

// poll notifies of the chains that have grown since a time, and returns the time that the next poll
// begins at. It begins with the millisecond that this one ended with, in which more may be written;
// seen holds what was seen of it.
func (f *Feed) poll(ctx context.Context, seen map[string]store.End, since int64) int64 {
	for {
		ends, err := f.store.Grown(ctx, since)
		before := since
		for _, end := range ends {
			if seen[end.Chain].Seq < end.Seq {
				seen[end.Chain] = end
				f.grew([]string{end.Chain})
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
