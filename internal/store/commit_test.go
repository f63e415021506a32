package store

import (
	"testing"
)

func entry(kind string) []Entry {
	return []Entry{{ID: NewID(), Time: 1_700_000_000_000, Kind: kind, Sealed: []byte("sealed")}}
}

func change(chain string, writes ...Write) Change {
	return Change{Chain: chain, Entries: entry("test"), Epoch: -1, Writes: writes}
}

func TestCommit(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := open()
		for i := range int64(3) {
			seq, err := s.Commit(t.Context(), change("w"))
			if err != nil || seq != i+1 {
				t.Fatalf("Commit = %d, %v", seq, err)
			}
		}
		rs, err := s.Records(t.Context(), "w", 0, 10)
		if err != nil || len(rs) != 3 {
			t.Fatalf("Records = %d, %v", len(rs), err)
		}
		c := Checker{Chain: "w"}
		for _, r := range rs {
			if err := c.Add(r); err != nil {
				t.Error(err)
			}
		}
	})
}
