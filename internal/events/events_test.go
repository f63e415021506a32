package events

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"walletd/internal/store"
)

func TestTheGrowthOfManyChainsIsNoticedByOnePoll(t *testing.T) {
	s, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "data", "walletd.db"), store.Options{Create: true, Patience: 10 * time.Minute}) // for as many changes at once
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	grow := func(n int) {
		t.Helper()
		var writing sync.WaitGroup
		for i := range n {
			writing.Go(func() {
				entry := store.Entry{ID: store.NewID(), Time: s.Now().UnixMilli(), Kind: "test", Sealed: []byte("x")}
				if _, err := s.Commit(t.Context(), store.Change{Chain: fmt.Sprintf("chain %d", i), Entries: []store.Entry{entry}, Epoch: -1}); err != nil {
					t.Error(err)
				}
			})
		}
		writing.Wait()
	}
	f := &Feed{store: s, streams: map[string]map[chan struct{}]bool{}} // which the store tells nothing
	const chains = store.GrownAtOnce + 200
	grown := make([]chan struct{}, chains)
	for i := range grown {
		grown[i] = make(chan struct{}, 1)
		f.streams[fmt.Sprintf("chain %d", i)] = map[chan struct{}]bool{grown[i]: true}
	}
	notified := func() (n int) {
		for _, c := range grown {
			select {
			case <-c:
				n++
			default:
			}
		}
		return n
	}
	seen, since := map[string]store.End{}, time.Now().Add(-pollSkew).UnixMilli()
	grow(chains)
	since = f.poll(t.Context(), seen, since)
	if n := notified(); n != chains {
		t.Errorf("%d of %d streams are notified", n, chains)
	}
	since = f.poll(t.Context(), seen, since)
	if n := notified(); n != 0 {
		t.Errorf("%d streams are notified of nothing", n)
	}
	grow(3)
	f.poll(t.Context(), seen, since)
	if n := notified(); n != 3 {
		t.Errorf("%d of 3 streams are notified", n)
	}
}
