package store

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// archiveOf is the archive of some entries of a chain.
func archiveOf(t *testing.T, s *Store, chain string, first, last int64) Archive {
	t.Helper()
	rows, err := s.Records(t.Context(), chain, last-1, 1)
	if err != nil || len(rows) != 1 || rows[0].Seq != last {
		t.Fatalf("entry %d: %+v, %v", last, rows, err)
	}
	return Archive{Chain: chain, First: first, Seq: last, Hash: rows[0].Hash, Statement: []byte("statement"), MAC: []byte("mac")}
}

// grow makes a wallet with a chain of n entries, each with a head.
func grow(t *testing.T, s *Store, wallet string, n int) {
	t.Helper()
	must(t, s, ServiceChain, InsertWallet(Wallet{ID: wallet}))
	for range n {
		must(t, s, wallet)
	}
	for _, r := range mustRecords(t, s, wallet) {
		if err := s.PutHeads(t.Context(), Head{Chain: wallet, Seq: r.Seq, Hash: r.Hash, Time: 1, PublicKey: []byte("p"), Signature: []byte("s")}); err != nil {
			t.Fatal(err)
		}
	}
}

// What an archive holds is deleted, and nothing else; a chain with an archive is whole in a copy of the store, at
// whatever point the deletion was stopped, and no other beginning is.
func TestAChainGoesOnAfterItsArchive(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := made(t, open())
		grow(t, s, "w1", 250)
		grow(t, s, "w2", 5)
		first, second := archiveOf(t, s, "w1", 1, 120), archiveOf(t, s, "w1", 121, 240)
		if n, err := s.DeleteArchived(t.Context(), first); n != 0 || err != nil {
			t.Errorf("without an archive %d entries are deleted, %v", n, err)
		}
		must(t, s, "w1", InsertArchive(first))
		if _, err := s.Commit(t.Context(), change("w1", InsertArchive(Archive{Chain: "w1", First: 1, Seq: 130}))); !errors.Is(err, ErrExists) {
			t.Errorf("another archive of the same entries: %v", err)
		}
		copies := func(want int64) {
			t.Helper()
			to := mustOpen(t, sqliteURL(t), Options{Create: true})
			done, err := Copy(t.Context(), s, to, nil)
			if err != nil || done.Entries != want+5+int64(len(mustRecords(t, s, ServiceChain))) {
				t.Errorf("copied %+v, %v, want %d entries of the wallet", done, err, want)
			}
		}
		copies(251)
		script(t, s, "delete from records where chain = 'w1' and seq < 30") // the deletion was stopped
		copies(251 - 120)
		if n, err := s.DeleteArchived(t.Context(), first); n != 120-29 || err != nil {
			t.Errorf("%d entries are deleted, %v", n, err)
		}
		copies(251 - 120)
		must(t, s, "w1", InsertArchive(second))
		copies(252 - 120)
		if n, err := s.DeleteArchived(t.Context(), first); n != 0 || err != nil {
			t.Errorf("%d entries are deleted of the second archive, %v", n, err)
		}
		if n, err := s.DeleteArchived(t.Context(), second); n != 120 || err != nil {
			t.Errorf("%d entries are deleted, %v", n, err)
		}
		copies(252 - 240)
		heads, err := s.Heads(t.Context(), "w1", 0, 1000)
		if err != nil || len(heads) != 10 || heads[0].Seq != 241 {
			t.Errorf("the heads left are %d, %v", len(heads), err)
		}
		if h, err := s.HeadUpTo(t.Context(), "w1", 245); err != nil || h.Seq != 245 {
			t.Errorf("the head up to 245 is %+v, %v", h, err)
		}
		if h, err := s.HeadUpTo(t.Context(), "w1", 240); !errors.Is(err, ErrNotFound) {
			t.Errorf("the head up to 240 is %+v, %v", h, err)
		}
		if rows := mustRecords(t, s, "w2"); len(rows) != 5 {
			t.Errorf("%d entries of the other wallet are left", len(rows))
		}
		if rows, err := s.Archives(t.Context(), "w1", 1<<62, 10); err != nil || len(rows) != 2 || rows[0].Seq != 240 || rows[1].Seq != 120 {
			t.Errorf("the archives are %+v, %v", rows, err)
		}

		for name, change := range map[string]string{
			"an entry behind the archive is missing": "delete from records where chain = 'w1' and seq = 241",
			"the archive ends with another entry":    "update archives set hash = mac where chain = 'w1' and seq = 240",
			"the archive is not there":               "delete from archives where chain = 'w1' and seq = 240",
		} {
			to := mustOpen(t, sqliteURL(t), Options{Create: true})
			if _, err := Copy(t.Context(), s, to, nil); err != nil {
				t.Fatal(err)
			}
			script(t, to, change)
			_, err := Copy(t.Context(), to, mustOpen(t, sqliteURL(t), Options{Create: true}), nil)
			if _, broken := errors.AsType[*BrokenError](err); !broken {
				t.Errorf("%s: %v", name, err)
			}
		}
		url := sqliteURL(t)
		to := mustOpen(t, url, Options{Create: true})
		if _, err := Copy(t.Context(), s, to, nil); err != nil {
			t.Fatal(err)
		}
		to.Close()
		if done, err := RestoreFile(t.Context(), strings.TrimPrefix(url, "sqlite:"), t.TempDir()+"/data"); err != nil || done.Entries == 0 {
			t.Errorf("a file with an archive: %+v, %v", done, err)
		}
	})
}

// A wallet is restored whose oldest entries were archived, into a store that does not know it, or that knows more or less
// of it.
func TestRestoreBehindAnArchive(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := made(t, open())
		all := oldChain("v", 300)
		all.Heads = nil
		archives := []Archive{
			{Chain: "v", First: 1, Seq: 100, Hash: all.Records[99].Hash, Statement: []byte("one"), MAC: []byte("m")},
			{Chain: "v", First: 101, Seq: 200, Hash: all.Records[199].Hash, Statement: []byte("two"), MAC: []byte("m")},
		}
		behind := func(archives []Archive, from, to int) func(func(OldRow, error) bool) {
			return func(yield func(OldRow, error) bool) {
				for _, a := range archives {
					if !yield(OldRow{Archive: &a}, nil) {
						return
					}
				}
				for _, r := range all.Records[from:to] {
					if !yield(OldRow{Record: &r}, nil) {
						return
					}
				}
			}
		}
		restored := func(what string, rows func(func(OldRow, error) bool), want error) {
			t.Helper()
			if err := s.Restore(t.Context(), restoration(), rows); !errors.Is(err, want) {
				t.Fatalf("%s: %v, want %v", what, err, want)
			}
		}
		holds := func(first, last int64) {
			t.Helper()
			rows := mustRecords(t, s, "v")
			if rows[0].Seq != first || rows[len(rows)-1].Seq != last {
				t.Errorf("entries %d to %d, want %d to %d", rows[0].Seq, rows[len(rows)-1].Seq, first, last)
			}
			done, err := Copy(t.Context(), s, mustOpen(t, sqliteURL(t), Options{Create: true}), nil)
			if err != nil {
				t.Errorf("the chain does not hold: %+v, %v", done, err)
			}
			must(t, s, "v", DeleteWallet("v"))
		}
		restored("a record that does not go on where its archive ends", behind(archives, 201, 300), ErrInvalid)
		restored("an archive behind an entry", func(yield func(OldRow, error) bool) {
			_ = yield(OldRow{Record: &all.Records[0]}, nil) && yield(OldRow{Archive: &Archive{Chain: "v", First: 2, Seq: 3}}, nil)
		}, ErrInvalid)
		restored("archives with a gap", behind(archives[1:], 200, 300), ErrInvalid)
		restored("an empty place", behind(archives, 200, 300), nil)
		holds(201, 301)
		restored("its own record, which went on", behind(archives, 200, 300), nil)
		holds(201, 303)
		other := slices.Clone(archives)
		other[1].Hash = make([]byte, 32)
		restored("another archive", behind(other, 200, 300), ErrOtherRecord)

		// The store has the wallet from before its archive.
		script(t, s, "delete from records where chain = 'v'; delete from archives; delete from chains where chain = 'v'")
		restored("the record of before", behind(nil, 0, 250), nil)
		must(t, s, "v", DeleteWallet("v")) // 251 and 252 are of this life
		restored("a record that parted at 251", behind(archives, 200, 300), ErrOtherRecord)
		script(t, s, "delete from records where chain = 'v' and seq > 150; update chains set seq = 150, hash = (select hash from records r where r.chain = 'v' and r.seq = 150) where chain = 'v'")
		restored("a record whose archive ends behind that of the store", behind(archives, 200, 300), ErrOtherRecord)
		restored("a record whose archive ends before that of the store", behind(archives[:1], 100, 300), nil)
		if a, err := s.Archives(t.Context(), "v", 1<<62, 10); err != nil || len(a) != 1 {
			t.Errorf("archives %+v, %v", a, err)
		}
		holds(1, 301)
	})
}
