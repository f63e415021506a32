package store

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"
)

// watched is the committer's connection, of which the batches are counted and which can break.
type watched struct {
	conn
	batches int
	breaks  func(batch []stmt) (before, after bool) // whether it breaks before the batch is run, or before its answer arrives
}

func (w *watched) run(ctx context.Context, batch []stmt) ([]result, error) {
	w.batches++
	var before, after bool
	if w.breaks != nil {
		before, after = w.breaks(batch)
	}
	if before {
		w.conn.close(true)
		return nil, io.ErrUnexpectedEOF
	}
	done, err := w.conn.run(ctx, batch)
	if after && err == nil {
		w.conn.close(true)
		return nil, io.ErrUnexpectedEOF
	}
	return done, err
}

// watch puts itself between the committer and its connection.
func watch(t *testing.T, s *Store) *watched {
	t.Helper()
	w := &watched{}
	err := s.committer.wait(t.Context(), &job{alone: func(_ context.Context, c conn) error {
		w.conn = c
		s.committer.conn = w
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// claimed is a change as a claim makes it.
func claimed(seen Wallet, epoch int64, jti string) Change {
	c := change(seen.ID)
	c.Epoch, c.Seen = epoch, &seen
	if jti != "" {
		c.Nonce = &Nonce{Wallet: seen.ID, Issuer: "app", JTI: jti, Until: 2_000_000_000}
	}
	return c
}

// onPostgres is each for PostgreSQL alone, with a chain that was written before.
func onPostgres(t *testing.T, f func(t *testing.T, s *Store, w Wallet, epoch int64, open func() *Store)) {
	each(t, func(t *testing.T, open func() *Store) {
		s := open()
		if s.db.words().guards == nil {
			return
		}
		made(t, s)
		must(t, s, "w")
		w, err := s.Wallet(t.Context(), "w")
		if err != nil {
			t.Fatal(err)
		}
		k, err := s.Keystore(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		f(t, s, w, k.Epoch, open)
	})
}

func TestAClaimIsCommittedInOneRoundTrip(t *testing.T) {
	onPostgres(t, func(t *testing.T, s *Store, w Wallet, epoch int64, open func() *Store) {
		ctx, conn, other := t.Context(), watch(t, s), open()
		commit := func(c Change, batches int, want error) {
			t.Helper()
			before := conn.batches
			if _, err := s.Commit(ctx, c); !errors.Is(err, want) {
				t.Errorf("got %v, want %v", err, want)
			}
			if got := conn.batches - before; got != batches && batches > 0 {
				t.Errorf("it took %d round trips, want %d", got, batches)
			}
		}
		commit(claimed(w, epoch, ""), 1, nil)
		commit(claimed(w, epoch, "one"), 1, nil)
		commit(claimed(w, epoch, "one"), 0, ErrReplayed)
		commit(claimed(w, epoch, "two"), 1, nil)
		commit(claimed(w, epoch, "three"), 1, nil)
		commit(claimed(w, epoch+1, ""), 0, ErrChanged)

		// Another replica writes to the chain, and then raises the version.
		must(t, other, "w")
		commit(claimed(w, epoch, ""), 0, nil)
		must(t, other, "w", InsertAccount(Account{Wallet: "w", Address: "new", App: "app", Path: "m/9"}))
		commit(claimed(w, epoch, ""), 0, ErrChanged)
		if n := fits(t, s, "w"); n != 8 {
			t.Errorf("the chain has %d entries, want 8", n)
		}
	})
}

// A connection that breaks leaves open whether what was sent on it was committed. The committer finds out.
func TestATransactionOfUnknownOutcomeHappensOnce(t *testing.T) {
	onPostgres(t, func(t *testing.T, s *Store, w Wallet, epoch int64, _ func() *Store) {
		conn := watch(t, s)
		commits := func(batch []stmt) bool {
			return slices.ContainsFunc(batch, func(st stmt) bool { return st.text == "commit" })
		}
		for i, breaks := range []func([]stmt) (bool, bool){
			func(batch []stmt) (bool, bool) { return commits(batch), false },
			func(batch []stmt) (bool, bool) { return false, commits(batch) },
		} {
			broken := false
			conn.breaks = func(batch []stmt) (before, after bool) {
				if !broken {
					before, after = breaks(batch)
					broken = before || after
				}
				return before, after
			}
			before := fits(t, s, "w")
			receipt, err := s.Commit(t.Context(), claimed(w, epoch, NewID()))
			if err != nil || !broken {
				t.Fatalf("case %d: %v, broken: %v", i, err, broken)
			}
			if after := fits(t, s, "w"); after != before+1 || receipt.Seq() != after {
				t.Errorf("case %d: the chain had %d entries and has %d; the receipt is of %d", i, before, after, receipt.Seq())
			}
			must(t, s, "w") // the chain is remembered again
		}
	})
}
