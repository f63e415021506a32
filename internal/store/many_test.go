package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

// Claims of many wallets that wait together: those that saw what is no more so, or use a nonce twice, are refused, and
// touch none of the others.
func TestClaimsOfManyWalletsAreOneGroup(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s, ctx := made(t, open()), t.Context()
		k, err := s.Keystore(ctx)
		if err != nil {
			t.Fatal(err)
		}
		const many = 150 // more than one statement inserts
		var wallets []Wallet
		for i := range many {
			w := Wallet{ID: fmt.Sprint("wallet ", i), Generation: 1, SealedKey: []byte("key"), Sealed: []byte("content"), Created: 5}
			must(t, s, ServiceChain, InsertWallet(w))
			if w, err = s.Wallet(ctx, w.ID); err != nil {
				t.Fatal(err)
			}
			wallets = append(wallets, w)
		}
		// The first round's chains were never seen, those of the others are remembered where that is done.
		for round := range int64(3) {
			want := make(map[string]error)
			var changes []Change
			for i, w := range wallets {
				c := claimed(w, k.Epoch, fmt.Sprint("a nonce of round ", round))
				if i%10 == 3 {
					stale := *c.Seen
					stale.Version--
					c.Seen = &stale
					want[c.Entries[0].ID] = ErrChanged
				}
				if i%10 == 5 {
					other := *c.Seen
					other.SealedKey = []byte("another key")
					c.Seen = &other
					want[c.Entries[0].ID] = ErrChanged
				}
				if i%10 == 7 && round > 0 {
					c.Nonce.JTI = "a nonce of round 0"
					want[c.Entries[0].ID] = ErrReplayed
				}
				if i%10 == 9 {
					c.Nonce = nil
				}
				changes = append(changes, c)
			}
			written, _ := s.Written()
			for i, err := range together(t, s, changes) {
				if id := changes[i].Entries[0].ID; !errors.Is(err, want[id]) || (err == nil) != (want[id] == nil) {
					t.Errorf("round %d, wallet %d: got %v, want %v", round, i, err, want[id])
				}
			}
			if now, _ := s.Written(); now-written != 2 { // and the one that held them up
				t.Errorf("round %d: %d transactions", round, now-written)
			}
		}
		for i, w := range wallets {
			want := map[int]int64{3: 0, 5: 0, 7: 1}
			n, refused := want[i%10]
			if !refused {
				n = 3
			}
			if got := fits(t, s, w.ID); got != n {
				t.Errorf("the chain of wallet %d has %d entries, want %d", i, got, n)
			}
		}
	})
}

// Rows that are long come in several statements, of which PostgreSQL keeps each in memory.
func TestLongRowsAreInsertedInPieces(t *testing.T) {
	onPostgres(t, func(t *testing.T, s *Store, w Wallet, epoch int64, open func() *Store) {
		err := s.committer.do(t.Context(), func(ctx context.Context, c conn) error {
			return c.script(ctx, "do $$ begin execute format('alter database %I set temp_file_limit = 0', current_database()); end $$")
		})
		if err != nil {
			t.Fatal(err)
		}
		s = open()
		var changes []Change
		for range 40 {
			c := claimed(w, epoch, "")
			c.Entries[0].Sealed = make([]byte, 256<<10)
			changes = append(changes, c)
		}
		for _, err := range together(t, s, changes) {
			if err != nil {
				t.Fatal(err)
			}
		}
		rows := [][]any{{"long", make([]byte, 3<<20)}, {"short", []byte{1}}, {"short", []byte{2}}}
		if n := fitting(rows); n != 1 {
			t.Errorf("%d rows come with one that is longer than all may be", n)
		}
		if n := fitting(rows[1:]); n != 2 {
			t.Errorf("%d short rows come together", n)
		}
	})
}

// together commits the changes as one group.
func together(t *testing.T, s *Store, changes []Change) []error {
	t.Helper()
	held, release := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		err := s.committer.do(t.Context(), func(context.Context, conn) error {
			close(held)
			<-release
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-held
	errs := make([]error, len(changes))
	for i, c := range changes {
		all.Go(func() { _, errs[i] = s.Commit(t.Context(), c) })
	}
	for s.Queued() < len(changes) {
		time.Sleep(time.Millisecond)
	}
	close(release)
	all.Wait()
	return errs
}
