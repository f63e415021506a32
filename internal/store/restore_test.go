package store

import (
	"errors"
	"iter"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// old is a chain as another store kept it.
type old struct {
	Records  []Record
	Heads    []Head
	Contents []Restored
}

// rows yields what Restore takes, after some writes.
func (o old) rows(writes ...Write) iter.Seq2[OldRow, error] {
	return func(yield func(OldRow, error) bool) {
		for _, w := range writes {
			if !yield(OldRow{Write: &w}, nil) {
				return
			}
		}
		for i, r := range o.Records {
			row := OldRow{Record: &r}
			if i < len(o.Contents) {
				row.Content = &o.Contents[i]
			}
			if !yield(row, nil) {
				return
			}
		}
		for _, h := range o.Heads {
			if !yield(OldRow{Head: &h}, nil) {
				return
			}
		}
	}
}

// oldChain gives a chain of n entries as another store kept it.
func oldChain(chain string, n int) old {
	var old old
	prev := firstPrev()
	for i := range n {
		r := Record{Chain: chain, Seq: int64(i + 1), ID: NewID(), Time: int64(1000 + i), Kind: "old", Sealed: []byte{byte(i)}, Prev: prev}
		r.Hash = r.Sum(prev)
		prev = r.Hash
		old.Records = append(old.Records, r)
		old.Contents = append(old.Contents, Restored{Chain: chain, Seq: r.Seq, Sealed: []byte{1, byte(i)}})
	}
	old.Heads = []Head{{Chain: chain, Seq: int64(n), Hash: prev, Time: 9, PublicKey: []byte("pk"), Signature: []byte("sig")}}
	return old
}

// restoration restores the wallet v with its old chain.
func restoration(more ...Write) Change {
	c := change(ServiceChain, append([]Write{InsertWallet(Wallet{ID: "v", SealedKey: []byte("key"), Sealed: []byte("content")})}, more...)...)
	c.Also = []ChainEntries{{Chain: "v", Entries: entry("wallet.restored")}}
	return c
}

func TestRestore(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := made(t, open())
		ctx := t.Context()
		its := oldChain("v", 300)
		restored := func(what string, change Change, old old, want error, writes ...Write) {
			t.Helper()
			if err := s.Restore(ctx, change, old.rows(writes...)); !errors.Is(err, want) {
				t.Fatalf("%s: %v, want %v", what, err, want)
			}
		}
		length := func(want int64) {
			t.Helper()
			if n := fits(t, s, "v"); n != want {
				t.Errorf("%d entries, want %d", n, want)
			}
		}

		account := InsertAccount(Account{Wallet: "v", Address: "a", Path: "m/1", App: "x"})
		twice := InsertAccount(Account{Wallet: "v", Address: "a", Path: "m/1", App: "y"})
		restored("a row that is refused", restoration(account), its, ErrCollision, twice)
		length(0)
		restored("a row that no store holds", restoration(), its, ErrInvalid, account, InsertAccount(Account{Wallet: "v", Address: "a\x00"}))
		length(0)
		restored("a row of another chain", restoration(), its, ErrInvalid, Write{chain: "w", steps: account.steps})
		if _, err := s.Wallet(ctx, "v"); !errors.Is(err, ErrNotFound) {
			t.Errorf("the wallet is there: %v", err)
		}

		restored("an empty place", restoration(), its, nil, account)
		length(301)
		heads, err := s.Heads(ctx, "v", 0, 10)
		if diff := cmp.Diff(its.Heads, heads); err != nil || diff != "" {
			t.Errorf("heads: %v %s", err, diff)
		}
		contents, err := s.RestoredRecord(ctx, "v", 290, 5)
		if diff := cmp.Diff(its.Contents[290:295], contents); err != nil || diff != "" {
			t.Errorf("contents: %v %s", err, diff)
		}
		restored("a wallet that is there", restoration(), its, ErrExists)
		length(301)

		must(t, s, "v", DeleteWallet("v"))
		if left, err := s.RestoredRecord(ctx, "v", 0, 10); err != nil || len(left) != 0 {
			t.Errorf("after the wallet was deleted: %v, %v", left, err)
		}
		other := oldChain("v", 300)
		other.Heads = nil
		restored("another record", restoration(), other, ErrOtherRecord)
		length(302)
		restored("its own record, which went on", restoration(), its, nil)
		length(303)

		must(t, s, "v", DeleteWallet("v"))
		longer := old{}
		for r := range slices.Values(mustRecords(t, s, "v")) {
			longer.Records = append(longer.Records, r)
		}
		next := Record{Chain: "v", Seq: 305, ID: NewID(), Kind: "old", Prev: longer.Records[303].Hash}
		next.Hash = next.Sum(next.Prev)
		longer.Records = append(longer.Records, next)
		restored("its own record, which is longer", restoration(), longer, nil)
		length(306)

		must(t, s, "v", DeleteWallet("v"))
		restored("no record", restoration(), old{}, nil)
		length(308)
		length(308)
		shorter := old{Records: slices.Clone(its.Records[:200])}
		shorter.Records[199].Hash = make([]byte, 32)
		must(t, s, "v", DeleteWallet("v"))
		if err := s.Restore(ctx, restoration(), old{Records: its.Records[1:]}.rows()); !errors.Is(err, ErrInvalid) {
			t.Errorf("a record without its first entry: %v", err)
		}
		restored("another record, which is shorter", restoration(), shorter, ErrOtherRecord)
		broken := errors.New("the file is broken")
		err = s.Restore(ctx, restoration(), func(yield func(OldRow, error) bool) {
			for row := range longer.rows(account) {
				if !yield(row, nil) {
					return
				}
			}
			yield(OldRow{}, broken)
		})
		if !errors.Is(err, broken) {
			t.Errorf("a file that breaks off: %v", err)
		}
		if _, err := s.Wallet(ctx, "v"); !errors.Is(err, ErrNotFound) {
			t.Errorf("after a file that breaks off the wallet is there: %v", err)
		}
		length(309)
		if n := fits(t, s, ServiceChain); n != 6 {
			t.Errorf("%d entries on the service's chain", n)
		}
	})
}

func mustRecords(t *testing.T, s *Store, chain string) []Record {
	t.Helper()
	rows, err := s.Records(t.Context(), chain, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}
