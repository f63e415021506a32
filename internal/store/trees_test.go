package store

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// A tree of many heads is there before the first of them, and says that all are stored with the last.
func TestATreeIsStoredWithItsHeads(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := made(t, open())
		const many = 2*headsAtOnce + 44
		all := func(seq int64) (ends []End, heads []Head) {
			for i := range many {
				chain := fmt.Sprintf("chain %03d", many-i)
				ends = append(ends, End{Chain: chain, Seq: seq, Hash: bytes.Repeat([]byte{byte(i)}, 32)})
				heads = append(heads, Head{Chain: chain, Seq: seq, Hash: ends[i].Hash, Time: seq, PublicKey: []byte("key"), Signature: []byte("signature")})
			}
			return ends, heads
		}
		stored := func(seq int64) (n int) {
			t.Helper()
			if err := s.HeadsOf(t.Context(), seq, func(h StoredHead) {
				if len(h.Entry) > 0 {
					t.Errorf("%s has an entry", h.Chain)
				}
				n++
			}); err != nil {
				t.Fatal(err)
			}
			return n
		}
		ends, heads := all(7)
		if err := s.PutTree(t.Context(), Tree{Time: 7, Root: []byte("root"), Leaves: AppendLeaves(nil, ends)}, heads); err != nil {
			t.Fatal(err)
		}
		tree, err := s.Tree(t.Context(), 7, []byte("root"))
		if err != nil || !tree.Stored || stored(7) != many {
			t.Errorf("%d heads of a tree that is stored: %v, %v", stored(7), tree.Stored, err)
		}
		read, ok := tree.Ends()
		if !ok || !slices.EqualFunc(read, ends, func(a, b End) bool { return a.Chain == b.Chain && a.Seq == b.Seq && bytes.Equal(a.Hash, b.Hash) }) {
			t.Errorf("its leaves are read as %v, %v", read, ok)
		}
		for _, cut := range []int{1, 20, 33} {
			other := Tree{Leaves: tree.Leaves[:len(tree.Leaves)-cut]}
			if _, ok := other.Ends(); ok {
				t.Errorf("leaves without their last %d bytes are read", cut)
			}
		}

		ends, heads = all(9)
		heads[headsAtOnce+1].Chain = strings.Repeat("long", maxText)
		if err := s.PutTree(t.Context(), Tree{Time: 9, Root: []byte("root"), Leaves: AppendLeaves(nil, ends)}, heads); !errors.Is(err, ErrInvalid) {
			t.Errorf("a head that does not fit: %v", err)
		}
		tree, err = s.Tree(t.Context(), 9, []byte("root"))
		if err != nil || tree.Stored || stored(9) != headsAtOnce {
			t.Errorf("%d heads of a tree of which storing ended: %v, %v", stored(9), tree.Stored, err)
		}
		for after, want := range map[int64]int64{0: 7, 6: 7, 7: 9, 9: 0} {
			tree, badTree := s.NextTree(t.Context(), after)
			head, badHead := s.NextHead(t.Context(), after)
			if err := errors.Join(badTree, badHead); err != nil || tree != want || head != want {
				t.Errorf("after %d come a tree of %d and a head of %d, %v", after, tree, head, err)
			}
		}
	})
}
