package ledger_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"walletd/internal/keystore"
	"walletd/internal/ledger"
	"walletd/internal/store"
	"walletd/internal/wallettest/fixture"
	"walletd/internal/wallettest/postgres"
)

// signer is a service that signs heads, over a store of one of the two kinds.
type signer struct {
	*testing.T
	url    string
	store  *store.Store
	keys   *keystore.Keystore
	ledger *ledger.Ledger
	clock  time.Time
	log    bytes.Buffer
}

func newSigner(t *testing.T, url string) *signer {
	t.Helper()
	s := &signer{T: t, url: url, clock: time.UnixMilli(1_700_000_000_000)}
	s.open()
	if err := s.keys.Init(t.Context(), []keystore.NewSlot{{Name: "first", Recipient: fixture.RecoveryIdentity().Recipient}}, store.Token{ID: "t1", Hash: make([]byte, 32)}); err != nil {
		t.Fatal(err)
	}
	s.unlock()
	t.Cleanup(func() { s.store.Close() })
	return s
}

func (s *signer) open() {
	s.Helper()
	var err error
	if s.store, err = store.Open(s.Context(), s.url, store.Options{Create: true, Clock: func() time.Time { return s.clock }}); err != nil {
		s.Fatal(err)
	}
	s.keys = keystore.New(s.store, keystore.Options{})
	s.ledger = ledger.New(s.store, s.keys, ledger.Options{Log: zerolog.New(&s.log)})
}

func (s *signer) unlock() {
	s.Helper()
	if err := s.keys.Unlock(s.Context(), "test", fixture.RecoveryIdentity().Identity); err != nil {
		s.Fatal(err)
	}
}

// thief runs statements past the store, which is closed meanwhile and stays locked. Each must change a row.
func (s *signer) thief(statements ...string) {
	s.Helper()
	s.store.Close()
	for _, text := range statements {
		var n int64
		if path, is := strings.CutPrefix(s.url, "sqlite:"); is {
			db, err := sql.Open("sqlite", path)
			if err != nil {
				s.Fatal(err)
			}
			result, err := db.Exec(text)
			if err != nil {
				s.Fatalf("%s: %v", text, err)
			}
			n, _ = result.RowsAffected()
			db.Close()
		} else {
			conn, err := pgx.Connect(s.Context(), s.url)
			if err != nil {
				s.Fatal(err)
			}
			tag, err := conn.Exec(s.Context(), text)
			if err != nil {
				s.Fatalf("%s: %v", text, err)
			}
			n = tag.RowsAffected()
			conn.Close(context.WithoutCancel(s.Context()))
		}
		if n == 0 {
			s.Fatalf("changed no row: %s", text)
		}
	}
	s.open()
}

// minute has some chains grow by an entry each, and signs their heads.
func (s *signer) minute(chains ...string) {
	s.Helper()
	s.grow(chains...)
	if err := s.ledger.SignHeads(s.Context()); err != nil {
		s.Fatal(err)
	}
	s.clock = s.clock.Add(time.Minute)
}

func (s *signer) grow(chains ...string) {
	s.Helper()
	for _, chain := range chains {
		c := store.Change{Chain: chain, Epoch: -1, Entries: []store.Entry{{ID: store.NewID(), Time: s.clock.UnixMilli(), Kind: "test", Sealed: []byte("{}")}}}
		if _, err := s.store.Commit(s.Context(), c); err != nil {
			s.Fatal(err)
		}
	}
}

// ends are where all chains without a head end.
func (s *signer) ends() []store.End {
	s.Helper()
	ends, err := s.store.Unsigned(s.Context(), store.End{}, 1000)
	if err != nil || len(ends) == 0 {
		s.Fatal(ends, err)
	}
	return ends
}

// sign signs heads as a replica does, with a row of their tree if it is named, and stores those that are kept.
func (s *signer) sign(keys *keystore.Keystore, ends []store.End, named bool, keep func(i int) bool) keystore.SignedRoot {
	s.Helper()
	s.clock = s.clock.Add(time.Second)
	root, heads, err := keys.SignHeads(ends, s.clock.UnixMilli())
	if err != nil {
		s.Fatal(err)
	}
	var kept []store.Head
	for i, h := range heads {
		if keep == nil || keep(i) {
			kept = append(kept, h)
		}
	}
	if named {
		err = s.store.PutTree(s.Context(), store.Tree{Time: root.Time, Root: root.Hash, PublicKey: root.PublicKey, Signature: root.Signature, Leaves: store.AppendLeaves(nil, ends)}, kept)
	} else {
		err = s.store.PutHeads(s.Context(), kept...)
	}
	if err != nil {
		s.Fatal(err)
	}
	return root
}

// logged are the trees of a log.
func logged(t *testing.T, log string) iter.Seq2[ledger.LoggedTree, error] {
	return func(yield func(ledger.LoggedTree, error) bool) {
		for line := range strings.Lines(log) {
			tree, ok := ledger.ReadLogLine([]byte(line))
			if !ok {
				t.Errorf("not read: %s", line)
			}
			if !yield(tree, nil) {
				return
			}
		}
	}
}

// check returns what is found, and the faults as text.
func check(t *testing.T, s *store.Store, log iter.Seq2[ledger.LoggedTree, error]) (ledger.CheckedHeads, []string) {
	t.Helper()
	var faults []string
	found, err := ledger.HeadCheck{Store: s, Log: log, Fault: func(f ledger.HeadFault) {
		switch {
		case f.Chain == "":
			faults = append(faults, fmt.Sprintf("tree of %d: %s", f.Heads, f.Why))
		default:
			faults = append(faults, fmt.Sprintf("%s %d: %s", f.Chain, f.Seq, f.Why))
		}
	}}.Check(t.Context())
	if err != nil || found.Faults != int64(len(faults)) {
		t.Fatalf("%+v, %v, %q", found, err, faults)
	}
	slices.Sort(faults)
	return found, faults
}

func names(n int) (chains []string) {
	for i := range n {
		chains = append(chains, fmt.Sprintf("w%02d", i))
	}
	return chains
}

// Whatever is done to signed heads past the store is found, in the words that say what is left; and what is done to none of
// them is not.
func TestASignedHeadThatIsMissingIsFound(t *testing.T) {
	const (
		first  = "(select min(time) from trees)"
		second = "(select min(time) from trees where time > " + first + ")"
		last   = "(select max(time) from trees)"
	)
	for name, c := range map[string]struct {
		both    bool // on PostgreSQL as well
		thief   []string
		faults  []string // without the log
		logged  []string // more, with it
		unknown string   // without the log, besides that none was given
	}{
		"nothing was done": {both: true},
		"a head": {
			thief:  []string{"delete from heads where chain = 'w07' and seq = 1"},
			faults: []string{"w07 1: its head is missing, and the entry is there as it was signed"},
		},
		"the end of a record": {
			both: true,
			thief: []string{"delete from heads where chain = 'w03' and seq = 2", "delete from records where chain = 'w03' and seq = 2",
				"update chains set seq = 1, hash = (select hash from records where chain = 'w03' and seq = 1) where chain = 'w03'"},
			faults: []string{"w03 2: its head is missing, and the entry is missing: the record ends with entry 1"},
		},
		"a whole record": {
			thief:  []string{"delete from heads where chain = 'w19'", "delete from records where chain = 'w19'", "delete from chains where chain = 'w19'"},
			faults: []string{"w19 1: its head is missing, and the entry is missing: the record ends with entry 0"},
		},
		"an entry, with its head left": {
			thief:  []string{"delete from records where chain = 'w08'"},
			faults: []string{"w08 1: its head is there, but the entry is missing"},
		},
		"an entry that is another now": {
			thief:  []string{"update records set hash = (select hash from records where chain = 'w09') where chain = 'w08'"},
			faults: []string{"w08 1: its head is there, but the entry is another than the one that was signed"},
		},
		"what a head is of": {
			both:   true,
			thief:  []string{"update heads set hash = (select hash from heads where chain = 'w09') where chain = 'w08'"},
			faults: []string{"w08 1: its head says something else than what was signed, and the entry is there as it was signed"},
		},
		"what leads from a head to its root": {
			thief:  []string{"update heads set signature = (select signature from heads where chain = 'w09') where chain = 'w08'"},
			faults: []string{"w08 1: its head is there, but not as it was signed, and the entry is there as it was signed"},
		},
		"when a head was signed": {
			thief: []string{"update heads set time = time + 1 where chain = 'w08'"},
			faults: []string{"w08 1: its head is there, but its signature does not verify",
				"w08 1: its head is there, but not as it was signed, and the entry is there as it was signed"},
		},
		"a head that was put elsewhere": {
			thief:  []string{"update heads set seq = 2 where chain = 'w08'"},
			faults: []string{"w08 1: its head is missing, and the entry is there as it was signed", "w08 2: its head is there, but its signature does not verify"},
		},
		"which heads a tree has": {
			thief:  []string{"update trees set leaves = (select leaves from trees where time = " + second + ") where time = " + first},
			faults: []string{"tree of 5: what says which heads were signed in it was changed"},
			logged: nil,
		},
		"which heads a tree has, so that it is nonsense": {
			thief:  []string{"update trees set leaves = root where time = " + first},
			faults: []string{"tree of 0: what says which heads were signed in it was changed"},
		},
		"what signed a tree": {
			thief:  []string{"update trees set public_key = root where time = " + first},
			faults: []string{"tree of 21: it is signed with another key than the newest head of the service's own record"},
		},
		"what says which heads a tree has": {
			thief:  []string{"delete from trees where time = " + second},
			logged: []string{"tree of 5: the log names it, and the store does not"},
		},
		"that, and a head": {
			both:   true,
			thief:  []string{"delete from trees where time = " + second, "delete from heads where chain = 'w03' and seq = 2"},
			faults: []string{"tree of 5: 1 of its heads are missing, and so is what says which heads were signed in it"},
			logged: []string{"tree of 5: the log names it, and the store does not", "w03 2: its head is missing, and the entry is there as it was signed"},
		},
		"a tree with all heads": {
			both:  true,
			thief: []string{"delete from heads where time = " + last, "delete from trees where time = " + last},
			logged: []string{"service 3: its head is missing, and the entry is there as it was signed", "tree of 2: the log names it, and the store does not",
				"w00 2: its head is missing, and the entry is there as it was signed"},
		},
		"all since, as where an older copy was put back": {
			both: true,
			thief: []string{"delete from heads where time >= " + second, "delete from records where seq = 2 and chain <> 'service' or seq = 3", "delete from trees where time >= " + second,
				"update chains set seq = seq - 1, hash = (select hash from records r where r.chain = chains.chain and r.seq = chains.seq - 1) where seq = 2 and chain <> 'service' or seq = 3"},
			logged: []string{
				"service 3: its head is missing, and the entry is missing: the record ends with entry 2",
				"tree of 2: the log names it, and the store does not", "tree of 5: the log names it, and the store does not",
				"w00 2: its head is missing, and the entry is missing: the record ends with entry 1", "w01 2: its head is missing, and the entry is missing: the record ends with entry 1",
				"w02 2: its head is missing, and the entry is missing: the record ends with entry 1", "w03 2: its head is missing, and the entry is missing: the record ends with entry 1",
				"w04 2: its head is missing, and the entry is missing: the record ends with entry 1", "w05 2: its head is missing, and the entry is missing: the record ends with entry 1"},
		},
		"all that the store names": {
			both:   true,
			thief:  []string{"delete from trees"},
			logged: []string{"tree of 21: the log names it, and the store does not", "tree of 2: the log names it, and the store does not", "tree of 5: the log names it, and the store does not"},
		},
		"that, and a head of many": {
			thief:   []string{"delete from trees", "delete from heads where chain = 'w07'"},
			unknown: "of 1 heads in 1 trees",
			logged:  []string{"tree of 21: the log names it, and the store does not", "tree of 2: the log names it, and the store does not", "tree of 5: the log names it, and the store does not"},
		},
		"that all heads of a tree were stored": {
			thief:  []string{"update trees set stored = false where time = " + second},
			logged: []string{"tree of 5: the log says that all of its heads were stored, and the store that they were not"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			stores := onSQLite
			if c.both {
				stores = each
			}
			stores(t, func(t *testing.T, url string) {
				s := newSigner(t, url)
				s.minute(names(20)...)
				s.minute("w01", "w02", "w03", "w04", "w05")
				s.minute("w00", store.ServiceChain)
				if c.thief != nil {
					s.thief(c.thief...)
				}
				found, faults := check(t, s.store, nil)
				if want := slices.Sorted(slices.Values(c.faults)); !slices.Equal(faults, want) {
					t.Errorf("without the log %q,\nwant %q", faults, want)
				}
				if c.thief == nil && (found.Trees != 3 || found.Heads != 28) {
					t.Errorf("looked for %+v", found)
				}
				unknown := strings.Join(found.Unknown, "\n")
				if !strings.Contains(unknown, "--log") || !strings.Contains(unknown, c.unknown) || c.unknown == "" && len(found.Unknown) != 1 {
					t.Errorf("without the log not known: %q", unknown)
				}
				found, faults = check(t, s.store, logged(t, s.log.String()))
				if want := slices.Sorted(slices.Values(slices.Concat(c.faults, c.logged))); !slices.Equal(faults, want) {
					t.Errorf("with the log %q,\nwant %q", faults, want)
				}
				if found.Logged != 3 || found.LoggedOther != 0 || strings.Contains(strings.Join(found.Unknown, ""), "--log") {
					t.Errorf("with the log %+v", found)
				}
			})
		})
	}
}

func onSQLite(t *testing.T, f func(t *testing.T, url string)) {
	t.Run("SQLite", func(t *testing.T) { f(t, "sqlite:"+filepath.Join(t.TempDir(), "data", "walletd.db")) })
}

func each(t *testing.T, f func(t *testing.T, url string)) {
	onSQLite(t, f)
	t.Run("PostgreSQL", func(t *testing.T) { f(t, postgres.Start(t)) })
}

// What else may be the reason that a head is not where it was signed is no fault.
func TestHeadsThatAreNowhereByRightAreNoFault(t *testing.T) {
	each(t, func(t *testing.T, url string) {
		s := newSigner(t, url)
		s.minute(names(20)...)
		fine := func(what string, is func(ledger.CheckedHeads) bool) {
			t.Helper()
			for _, log := range []iter.Seq2[ledger.LoggedTree, error]{nil, logged(t, s.log.String())} {
				if found, faults := check(t, s.store, log); len(faults) > 0 || !is(found) {
					t.Errorf("%s: %q, %+v", what, faults, found)
				}
			}
		}
		fine("as it was signed", func(c ledger.CheckedHeads) bool { return c.Twice+c.Unstored+c.Foreign+c.Unnamed.Trees == 0 })

		s.grow("w01", "w02", "w03")
		ends := s.ends()
		s.sign(s.keys, ends[:2], true, nil)
		s.sign(s.keys, ends, true, nil)
		fine("two replicas signed the same", func(c ledger.CheckedHeads) bool { return c.Trees == 3 && c.Twice == 2 })

		s.grow("w01", "w02", "w03")
		ends = s.ends()
		s.sign(s.keys, ends, true, func(i int) bool { return i == 1 })
		s.thief("update trees set stored = false where time = (select max(time) from trees)")
		s.unlock()
		s.clock = s.clock.Add(time.Minute)
		fine("a process ended while it stored them", func(c ledger.CheckedHeads) bool { return c.Unstored == 2 })
		s.minute()
		fine("and the next minute signed the rest", func(c ledger.CheckedHeads) bool { return c.Unstored+c.Twice == 2+2 })

		other := newSigner(t, "sqlite:"+filepath.Join(t.TempDir(), "data", "walletd.db"))
		s.grow("restored")
		ends = s.ends()
		for i := range 20 {
			ends = append(ends, store.End{Chain: fmt.Sprint("elsewhere ", i), Seq: 1, Hash: make([]byte, 32)})
		}
		s.sign(other.keys, ends, false, func(i int) bool { return i == 0 })
		fine("a head came with a wallet that was restored", func(c ledger.CheckedHeads) bool { return c.Foreign == 1 })
		s.minute("w04", "w05")

		s.thief("delete from trees where time = (select max(time) from trees)")
		s.unlock()
		if found, faults := check(t, s.store, nil); len(faults) > 0 {
			t.Errorf("a tree that is whole, and not named: %q, %+v", faults, found)
		}
		other.log.Reset()
		other.minute("w01")
		_, err := ledger.HeadCheck{Store: s.store, Log: logged(t, other.log.String()), Fault: func(f ledger.HeadFault) { t.Errorf("%+v", f) }}.Check(t.Context())
		if !errors.Is(err, ledger.ErrOtherLog) {
			t.Errorf("the log of another service: %v", err)
		}
	})
}

// A store from before it named the heads of its trees: what is left of a tree shows gaps, but not which heads they are; and
// the log of then says it where it names them.
func TestOfOlderTreesIsSaidWhatIsNotKnown(t *testing.T) {
	each(t, func(t *testing.T, url string) {
		s := newSigner(t, url)
		s.grow(names(20)...)
		many := s.sign(s.keys, s.ends(), false, nil)
		s.grow("w00", "w01")
		named := s.ends()
		few := s.sign(s.keys, named, false, nil)
		log := slices.Values([]ledger.LoggedTree{{SignedRoot: many}, {SignedRoot: few, Ends: named}})
		older := func(yield func(ledger.LoggedTree, error) bool) {
			for l := range log {
				if !yield(l, nil) {
					return
				}
			}
		}
		found, faults := check(t, s.store, nil)
		if len(faults) > 0 || found.Unnamed.Trees != 2 || found.Unnamed.Broken != 0 || len(found.Unknown) != 1 {
			t.Errorf("as it was: %q, %+v", faults, found)
		}
		if found, faults := check(t, s.store, older); len(faults) > 0 || found.Logged != 2 || len(found.Unknown) != 0 {
			t.Errorf("as it was, with the log: %q, %+v", faults, found)
		}
		s.clock = s.clock.Add(time.Minute)
		s.minute(names(20)...)
		s.thief("delete from heads where chain = 'w07' and seq = 1", "delete from heads where chain = 'w08' and seq = 1")
		found, faults = check(t, s.store, nil)
		if g := found.Unnamed; len(faults) > 0 || g.Trees != 2 || g.Broken != 1 || g.Heads != 2 || !strings.Contains(found.Unknown[0], "of 2 heads in 1 trees") {
			t.Errorf("without two heads: %q, %+v", faults, found)
		}
		s.thief("delete from heads where time < (select min(time) from trees)")
		found, faults = check(t, s.store, older)
		want := []string{"w00 2: its head is missing, and the entry is there as it was signed", "w01 2: its head is missing, and the entry is there as it was signed"}
		if !slices.Equal(faults, want) || len(found.Unknown) != 1 || !strings.Contains(found.Unknown[0], "of 21 heads in 1 trees that the log names, none of which is in the store") {
			t.Errorf("without any: %q, %+v", faults, found)
		}
	})
}

// Heads whose entries were archived, and the records of wallets that were deleted, are no fault; what is behind an archive
// is.
func TestArchivedAndDeletedRecordsHaveTheirHeads(t *testing.T) {
	const day = 24 * time.Hour
	f := fixture.NewAt(t, time.Now().Add(-200*day).Truncate(time.Second))
	sign := func() {
		t.Helper()
		if err := f.Ledger.SignHeads(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.Clock = f.Clock.Add(time.Minute)
	}
	others := names(20)
	for i := range 3 {
		f.Grow(2)
		for _, chain := range others { // of wallets that were deleted: nobody opens what is in them
			c := store.Change{Chain: chain, Epoch: -1, Entries: []store.Entry{{ID: store.NewID(), Time: f.Clock.UnixMilli() + int64(i), Kind: "test", Sealed: []byte("{}")}}}
			if _, err := f.Store.Commit(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
		sign()
	}
	f.Clock = f.Clock.Add(150 * day)
	f.Grow(2)
	sign()
	made, err := f.Archives.Create(t.Context(), f.As(f.Operator), f.Wallet, f.Clock.Add(-90*day))
	if err != nil || made.Archive == nil {
		t.Fatalf("%+v, %v", made, err)
	}
	sign()
	found, faults := check(t, f.Store, nil)
	if len(faults) > 0 || found.Archived != 3 {
		t.Errorf("after an archive: %q, %+v", faults, found)
	}
	if err := f.Wallets.Delete(t.Context(), f.As(f.Owner), f.Wallet); err != nil {
		t.Fatal(err)
	}
	sign()
	if found, faults := check(t, f.Store, nil); len(faults) > 0 || found.Archived != 3 {
		t.Errorf("after the wallet was deleted: %q, %+v", faults, found)
	}

	newest := "(select max(seq) from heads where chain = '" + f.Wallet + "')"
	f.Exec("delete from heads where chain = '" + f.Wallet + "' and seq = " + newest)
	if _, faults := check(t, f.Store, nil); len(faults) != 1 || !strings.HasPrefix(faults[0], f.Wallet) {
		t.Errorf("a head behind the archive: %q", faults)
	}
	// Nobody but the service says what is archived.
	f.Exec("update archives set seq = seq + 100")
	if _, faults := check(t, f.Store, nil); len(faults) != 4 {
		t.Errorf("with an archive that was not signed: %q", faults)
	}
}
