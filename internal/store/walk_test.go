package store

import (
	"bytes"
	"fmt"
	"iter"
	"testing"
)

// A chain is read whole, however long its rows are, and never more than about a megabyte of it at once.
func TestAChainIsReadWhole(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := made(t, open())
		var sizes []int
		for _, part := range []struct{ rows, size, together int }{{700, 10, 700}, {25, 200 << 10, 5}, {600, 10, 600}, {1, 3 << 20, 1}, {3, 10, 3}} {
			for range part.rows / part.together {
				c := change("long")
				c.Entries = nil
				for range part.together {
					sizes = append(sizes, part.size)
					c.Entries = append(c.Entries, Entry{ID: fmt.Sprint("e", len(sizes)), Time: 1_700_000_000_000, Kind: "k", Sealed: bytes.Repeat([]byte{1}, part.size)})
				}
				if _, err := s.Commit(t.Context(), c); err != nil {
					t.Fatal(err)
				}
			}
		}
		checker := Checker{Chain: "long"}
		for r, err := range s.AllRecords(t.Context(), "long", 0) {
			if err != nil {
				t.Fatal(err)
			}
			if err := checker.Add(r); err != nil {
				t.Fatal(err)
			}
			if len(r.Sealed) != sizes[r.Seq-1] {
				t.Fatalf("entry %d has %d bytes", r.Seq, len(r.Sealed))
			}
		}
		if checker.Seq != int64(len(sizes)) {
			t.Errorf("%d of %d entries were read", checker.Seq, len(sizes))
		}
		next, stop := iter.Pull2(s.AllRecords(t.Context(), "long", int64(len(sizes))-2))
		if r, err, more := next(); err != nil || !more || r.Seq != int64(len(sizes))-1 {
			t.Errorf("after some comes %d, %v", r.Seq, err)
		}
		stop()
		rows, long, err := page(t.Context(), s, listRecords, func(r Record) int { return len(r.Sealed) }, "long", 700, walkRows)
		if err != nil || !long || len(rows) != 6 {
			t.Errorf("a page of long entries has %d, %v", len(rows), err)
		}
		if rows, _, err = page(t.Context(), s, listRecords, func(r Record) int { return len(r.Sealed) }, "long", 700+25+600, walkRows); err != nil || len(rows) != 1 {
			t.Errorf("a page of one that is longer than it has %d, %v", len(rows), err)
		}
	})
}
