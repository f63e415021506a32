package store

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// oldChain gives a chain of n entries as another store kept it.
func oldChain(chain string, n int) OldChain {
	var old OldChain
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
		old := oldChain("v", 300)
		restored := func(what string, change Change, old OldChain, want error) {
			t.Helper()
			if err := s.Restore(ctx, change, old); !errors.Is(err, want) {
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
		restored("a row that is refused", restoration(account, twice), old, ErrCollision)
		length(0)
		restored("a row that no store holds", restoration(InsertAccount(Account{Wallet: "v", Address: "a\x00"})), old, ErrInvalid)
		if _, err := s.Wallet(ctx, "v"); !errors.Is(err, ErrNotFound) {
			t.Errorf("the wallet is there: %v", err)
		}

		restored("an empty place", restoration(account), old, nil)
		length(301)
		heads, err := s.Heads(ctx, "v", 0, 10)
		if diff := cmp.Diff(old.Heads, heads); err != nil || diff != "" {
			t.Errorf("heads: %v %s", err, diff)
		}
		contents, err := s.RestoredRecord(ctx, "v", 290, 5)
		if diff := cmp.Diff(old.Contents[290:295], contents); err != nil || diff != "" {
			t.Errorf("contents: %v %s", err, diff)
		}
		restored("a wallet that is there", restoration(), old, ErrExists)
		length(301)

		must(t, s, "v", DeleteWallet("v"))
		if left, err := s.RestoredRecord(ctx, "v", 0, 10); err != nil || len(left) != 0 {
			t.Errorf("after the wallet was deleted: %v, %v", left, err)
		}
		other := oldChain("v", 300)
		other.Heads = nil
		restored("another record", restoration(), other, ErrOtherRecord)
		length(302)
		restored("its own record, which went on", restoration(), old, nil)
		length(303)

		must(t, s, "v", DeleteWallet("v"))
		longer := OldChain{}
		for r := range slices.Values(mustRecords(t, s, "v")) {
			longer.Records = append(longer.Records, r)
		}
		next := Record{Chain: "v", Seq: 305, ID: NewID(), Kind: "old", Prev: longer.Records[303].Hash}
		next.Hash = next.Sum(next.Prev)
		longer.Records = append(longer.Records, next)
		restored("its own record, which is longer", restoration(), longer, nil)
		length(306)

		must(t, s, "v", DeleteWallet("v"))
		restored("no record", restoration(), OldChain{}, nil)
		length(308)
		if err := s.Restore(ctx, restoration(), OldChain{Records: old.Records[1:]}); !errors.Is(err, ErrInvalid) {
			t.Errorf("a record without its first entry: %v", err)
		}
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
