package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func entry(kind string) []Entry {
	return []Entry{{ID: NewID(), Time: 1_700_000_000_000, Kind: kind, Sealed: []byte("sealed")}}
}

// change is a Change that checks neither epoch nor version.
func change(chain string, writes ...Write) Change {
	return Change{Chain: chain, Entries: entry("test"), Epoch: -1, Writes: writes}
}

// fits reads a whole chain, checks it and gives its length.
func fits(t *testing.T, s *Store, chain string) int64 {
	t.Helper()
	c := Checker{Chain: chain}
	for {
		rs, err := s.Records(t.Context(), chain, c.Seq, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if len(rs) == 0 {
			break
		}
		for _, r := range rs {
			if err := c.Add(r); err != nil {
				t.Fatal(err)
			}
		}
	}
	end, err := s.ChainEnd(t.Context(), chain)
	if err != nil || end.Seq != c.Seq || !cmp.Equal(end.Hash, c.Hash) && c.Seq > 0 {
		t.Fatalf("the chain's end is %v, %v; its last entry %d", end, err, c.Seq)
	}
	return c.Seq
}

func TestAReceiptSaysWhatItsEntryIsFor(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := open()
		c := change("w")
		c.Entries = append(c.Entries, entry("second")...)
		c.Entries[0].Releases = true // the last one counts
		if receipt, err := s.Commit(t.Context(), c); err != nil || receipt.Releases() {
			t.Errorf("Commit = %+v, %v: its last entry does not release", receipt, err)
		}
		c.Entries[1].Releases = true
		if receipt, err := s.Commit(t.Context(), c); err != nil || !receipt.Releases() {
			t.Errorf("Commit = %+v, %v: its last entry releases", receipt, err)
		}
		c.Nonce = &Nonce{Wallet: "w", Issuer: "i", JTI: "1", Until: 1}
		for _, want := range []error{nil, ErrReplayed} {
			receipt, err := s.Commit(t.Context(), c)
			if !errors.Is(err, want) || (err != nil) != (receipt == Receipt{}) {
				t.Errorf("Commit = %+v, %v, want %v", receipt, err, want)
			}
		}
	})
}

func TestCommitPutsEntriesOnTheirChains(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := open()
		c := change("w")
		c.Entries = append(c.Entries, entry("second")...)
		c.Also = []ChainEntries{{ServiceChain, entry("service")}, {"v", entry("other")}}
		for i := range int64(3) {
			receipt, err := s.Commit(t.Context(), c)
			if err != nil || receipt.Chain() != "w" || receipt.Seq() != 2*i+2 || receipt.Releases() {
				t.Fatalf("Commit = %+v, %v", receipt, err)
			}
		}
		for chain, want := range map[string]int64{"w": 6, ServiceChain: 3, "v": 3} {
			if got := fits(t, s, chain); got != want {
				t.Errorf("chain %s has %d entries, want %d", chain, got, want)
			}
		}
	})
}

func TestEntriesMayFollowThatOfTheReceipt(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := open()
		for i := range int64(3) {
			c := change("w")
			c.Entries[0].Releases = true
			c.Also = []ChainEntries{{"w", entry("after")}}
			receipt, err := s.Commit(t.Context(), c)
			if err != nil || receipt.Seq() != 2*i+1 || !receipt.Releases() {
				t.Fatalf("Commit = %+v, %v", receipt, err)
			}
		}
		if got := fits(t, s, "w"); got != 6 {
			t.Errorf("the chain has %d entries", got)
		}
	})
}

// refusedChanges are changes that a store with the rows of the test below refuses.
var refusedChanges = []struct {
	name   string
	change func() Change
	want   error
}{
	{"refuses a wallet that is there", func() Change { return change(ServiceChain, InsertWallet(Wallet{ID: "w"})) }, ErrExists},
	{"refuses an update of another version", func() Change { return change("w", UpdateWallet(Wallet{ID: "w", Version: 77})) }, ErrChanged},
	{"refuses a rotation from another generation", func() Change { return change("w", RotateWallet("w", 7, 8, nil)) }, ErrChanged},
	{"refuses to delete no wallet", func() Change { return change("x", DeleteWallet("x")) }, ErrNotFound},
	{"refuses an account of no wallet", func() Change { return change("x", InsertAccount(Account{Wallet: "x"})) }, ErrNotFound},
	{"refuses an account that is there", func() Change {
		return change("w", InsertAccount(Account{Wallet: "w", Address: "a1", App: "app", Path: "m/1"}))
	}, ErrExists},
	{"refuses another app's path", func() Change {
		return change("w", InsertAccount(Account{Wallet: "w", Address: "a2", App: "other", Path: "m/1"}))
	}, ErrCollision},
	{"refuses a second first policy", func() Change { return change("w", PutPolicy(Policy{Wallet: "w", Version: 1})) }, ErrChanged},
	{"refuses a policy that skips a version", func() Change { return change("w", PutPolicy(Policy{Wallet: "w", Version: 3})) }, ErrChanged},
	{"refuses a token that is there", func() Change { return change("w", InsertToken(Token{ID: "t"})) }, ErrExists},
	{"refuses to revoke a token that changed", func() Change {
		return change("w", RevokeToken(Token{ID: "t", MAC: []byte("x")}, Token{Revoked: 1}))
	}, ErrChanged},
	{"refuses a first owner where there is one", func() Change { return change("w", CheckNoOwner("w")) }, ErrChanged},
	{"refuses an app that is there", func() Change { return change("w", PutApp(App{}, App{Wallet: "w", App: "app"})) }, ErrExists},
	{"refuses to change an app that changed", func() Change {
		return change("w", PutApp(App{Wallet: "w", App: "app", MAC: []byte("x")}, App{Wallet: "w", App: "app"}))
	}, ErrChanged},
	{"refuses the same question while it waits", func() Change {
		return change("w", InsertApproval(Approval{ID: "q2", Wallet: "w", App: "app", State: Pending, Code: "B", Digest: []byte("d")}, Budget{9, 9, 5}))
	}, ErrWaiting},
	{"refuses one question too many of an app", func() Change {
		return change("w", InsertApproval(Approval{ID: "q2", Wallet: "w", App: "app", State: Pending, Code: "B"}, Budget{1, 9, 5}))
	}, ErrTooMany},
	{"refuses one question too many in a wallet", func() Change {
		return change("w", InsertApproval(Approval{ID: "q2", Wallet: "w", App: "other", State: Pending, Code: "B"}, Budget{9, 1, 5}))
	}, ErrTooMany},
	{"refuses a code that is in use", func() Change {
		return change("w", InsertApproval(Approval{ID: "q2", Wallet: "w", App: "app", State: Pending, Code: "A"}, Budget{9, 9, 5}))
	}, ErrCodeTaken},
	{"refuses to decide what changed", func() Change {
		return change("w", DecideApproval(Approval{ID: "q", MAC: []byte("x")}, Approval{State: Approved}))
	}, ErrChanged},
	{"refuses to decide twice", func() Change {
		old := Approval{ID: "q", MAC: []byte("m")}
		return change("w", DecideApproval(old, Approval{State: Rejected, MAC: []byte("m")}), DecideApproval(old, Approval{State: Approved}))
	}, ErrChanged},
	{"refuses a grant that is there", func() Change { return change("w", InsertGrant(Grant{ID: "g", Wallet: "w"})) }, ErrExists},
	{"refuses to use a grant that changed", func() Change {
		return change("w", UseGrant(Grant{ID: "g", MAC: []byte("x")}, Grant{}))
	}, ErrChanged},
	{"refuses to revoke a grant twice", func() Change {
		revoked := Grant{ID: "g", Wallet: "w", Revoked: 1}
		return change("w", RevokeGrant(revoked), RevokeGrant(revoked))
	}, ErrChanged},
	{"refuses to withdraw what was not approved", func() Change {
		return change("w", UpdateApprovedApproval(Approval{ID: "q", MAC: []byte("m")}, Approval{State: Cancelled}))
	}, ErrChanged},
	{"refuses to withdraw a yes that changed", func() Change {
		old := Approval{ID: "q", MAC: []byte("m")}
		return change("w", DecideApproval(old, Approval{State: Approved, MAC: []byte("n")}), UpdateApprovedApproval(old, Approval{State: Cancelled}))
	}, ErrChanged},
	{"refuses a delegation that is there", func() Change {
		return change("w", PutDelegation(Delegation{}, Delegation{Wallet: "w", Hash: []byte("h")}))
	}, ErrExists},
	{"refuses to change a delegation that changed", func() Change {
		d := Delegation{Wallet: "w", Hash: []byte("h"), MAC: []byte("x")}
		return change("w", PutDelegation(d, d))
	}, ErrChanged},
	{"refuses to remove no slot", func() Change { return change(ServiceChain, DeleteSlot("x")) }, ErrNotFound},
	{"refuses to remove the last slot", func() Change { return change(ServiceChain, DeleteSlot("s1")) }, ErrLastSlot},
	{"refuses to change a keystore that changed", func() Change {
		return change(ServiceChain, UpdateKeystore(Keystore{ID: "k", Generation: 2}, Keystore{}))
	}, ErrChanged},
	{"refuses what saw another epoch", func() Change { c := change("w"); c.Epoch = 3; return c }, ErrChanged},
	{"refuses what saw another version", func() Change { c := change("w"); c.Seen = &Wallet{Version: 1}; return c }, ErrChanged},
	{"refuses what saw a wallet of the same name, before it was deleted", func() Change {
		c := change("w")
		c.Seen = &Wallet{Version: 2, SealedKey: []byte("the key of another one")}
		return c
	}, ErrChanged},
	{"refuses what was decided by a clock that is behind", func() Change {
		c := change("w")
		c.Decided = 1_700_000_000_000 - soon - 1
		return c
	}, ErrChanged},
	{"refuses a nonce that was used", func() Change {
		c := change("w")
		c.Nonce = &Nonce{Wallet: "w", Issuer: "i", JTI: "j"}
		return c
	}, ErrReplayed},
	{"refuses an idempotency key that was used", func() Change {
		c := change("w")
		c.Request = &Request{Token: "t", Route: "r", Key: "k", Digest: []byte("other")}
		return c
	}, ErrRepeated},
	{"refuses text that is not UTF-8", func() Change { return change("w", InsertToken(Token{ID: "\xff"})) }, ErrInvalid},
	{"refuses text with a NUL", func() Change { return change("w", InsertToken(Token{ID: "a\x00"})) }, ErrInvalid},
	{"refuses bytes too long", func() Change { return change("w", InsertToken(Token{ID: "u", Hash: make([]byte, maxBytes+1)})) }, ErrInvalid},
	{"refuses a nonce too long", func() Change {
		c := change("w")
		c.Nonce = &Nonce{Wallet: "w", JTI: strings.Repeat("x", maxText+1)}
		return c
	}, ErrInvalid},
	{"refuses text too long", func() Change { return change("w", InsertToken(Token{ID: strings.Repeat("x", maxText+1)})) }, ErrInvalid},
	{"refuses a chain's name too long", func() Change { return change(strings.Repeat("x", maxText+1)) }, ErrInvalid},
	{"refuses a change without a record", func() Change { return Change{Chain: "w", Epoch: -1} }, ErrInvalid},
	{"refuses a write off the chain it counts on", func() Change { return change("w", DeleteSlot("s1")) }, ErrInvalid},
}

// furnish fills the rows that refusedChanges speak of.
func furnish(t *testing.T, s *Store) {
	t.Helper()
	made(t, s)
	must(t, s, "w",
		InsertAccount(Account{Wallet: "w", Address: "a1", App: "app", Path: "m/1"}),
		PutPolicy(Policy{Wallet: "w", Version: 1}),
		InsertToken(Token{ID: "t", Role: RoleOwner, Wallet: "w", MAC: []byte("m")}),
		PutApp(App{}, App{Wallet: "w", App: "app", MAC: []byte("m")}),
		InsertApproval(Approval{ID: "q", Wallet: "w", App: "app", State: Pending, Code: "A", Digest: []byte("d"), Expires: 10, MAC: []byte("m")}, Budget{1, 1, 5}),
		InsertGrant(Grant{ID: "g", Wallet: "w", MAC: []byte("m")}),
		PutDelegation(Delegation{}, Delegation{Wallet: "w", Hash: []byte("h"), MAC: []byte("m")}))
	c := change("w")
	c.Nonce = &Nonce{Wallet: "w", Issuer: "i", JTI: "j"}
	c.Request = &Request{Token: "t", Route: "r", Key: "k", Digest: []byte("d"), Made: "made", Secret: true, Created: 4}
	if _, err := s.Commit(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

func TestCommitRefusesAndLeavesNothing(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := open()
		furnish(t, s)
		records := fits(t, s, "w") + fits(t, s, ServiceChain)
		for _, tt := range refusedChanges {
			t.Run(tt.name, func(t *testing.T) {
				c := tt.change()
				// What comes before the refused part must be taken back with it.
				before := NewID()
				c.Writes = append([]Write{InsertToken(Token{ID: before})}, c.Writes...)
				if c.Nonce == nil {
					c.Nonce = &Nonce{Wallet: "w", JTI: before}
				}
				if _, err := s.Commit(t.Context(), c); !errors.Is(err, tt.want) {
					t.Fatalf("Commit = %v, want %v", err, tt.want)
				}
				if _, err := s.Token(t.Context(), before); !errors.Is(err, ErrNotFound) {
					t.Errorf("the token before it is there: %v", err)
				}
				if tt.want != ErrReplayed && c.check() == nil {
					again := change("w")
					again.Nonce = c.Nonce
					if _, err := s.Commit(t.Context(), again); err != nil {
						t.Errorf("its nonce is used up: %v", err)
					}
					records++
				}
			})
		}
		if got := fits(t, s, "w") + fits(t, s, ServiceChain); got != records {
			t.Errorf("%d records, want %d", got, records)
		}
	})
}

func TestCommitTellsTheEarlierRequest(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := open()
		furnish(t, s)
		c := change("w")
		c.Request = &Request{Token: "t", Route: "r", Key: "k", Digest: []byte("other")}
		_, err := s.Commit(t.Context(), c)
		var repeated *RepeatedError
		if !errors.As(err, &repeated) {
			t.Fatal(err)
		}
		want := Request{Token: "t", Route: "r", Key: "k", Digest: []byte("d"), Made: "made", Secret: true, Created: 4}
		if d := cmp.Diff(want, repeated.Earlier); d != "" {
			t.Error(d)
		}
	})
}

// One group of every kind of refusal, with good changes between them.
func TestARefusedChangeDoesNotTouchItsNeighbours(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := open()
		furnish(t, s)
		before := fits(t, s, "w") + fits(t, s, ServiceChain)
		var g group
		var good, bad []*job
		for i, tt := range refusedChanges {
			c := tt.change()
			if c.check() != nil {
				continue
			}
			j := &job{change: &c, done: make(chan struct{})}
			fine := change("w", InsertToken(Token{ID: fmt.Sprint("good", i)}))
			fine.Nonce = &Nonce{Wallet: "w", Issuer: "good", JTI: fmt.Sprint(i)}
			k := &job{change: &fine, done: make(chan struct{})}
			bad, good = append(bad, j), append(good, k)
			g.add(j)
			g.add(k)
		}
		again := change("w")
		again.Nonce = &Nonce{Wallet: "w", Issuer: "good", JTI: "0"} // a neighbour's
		late := &job{change: &again, done: make(chan struct{})}
		g.add(late)
		err := s.committer.do(t.Context(), func(ctx context.Context, c conn) error { return g.commit(ctx, s, c) })
		if err != nil {
			t.Fatal(err)
		}
		for i, j := range good {
			if j.err != nil {
				t.Errorf("the neighbour of %q: %v", refusedChanges[i].name, j.err)
			}
		}
		for _, j := range bad {
			if j.err == nil {
				t.Errorf("not refused: %v", j.change.Writes)
			}
		}
		if !errors.Is(late.err, ErrReplayed) {
			t.Errorf("a nonce of the same group: %v", late.err)
		}
		if got := fits(t, s, "w") + fits(t, s, ServiceChain); got != before+int64(len(good)) {
			t.Errorf("%d records, want %d", got, before+int64(len(good)))
		}
	})
}

func TestCommitByManyAtOnce(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := made(t, open())
		const callers, each = 32, 20
		must(t, s, "w", InsertGrant(Grant{ID: "g", Wallet: "w", Uses: 5, MAC: []byte{5}}))
		var used, replayed sync.Map
		var wg sync.WaitGroup
		for i := range callers {
			wg.Go(func() {
				for n := range each {
					c := change([]string{"w", "v", "u"}[n%3])
					c.Nonce = &Nonce{Wallet: "w", Issuer: "i", JTI: fmt.Sprint(n)} // every caller the same
					if _, err := s.Commit(t.Context(), c); err == nil {
						if _, twice := replayed.LoadOrStore(n, i); twice {
							t.Errorf("nonce %d was taken twice", n)
						}
					} else if !errors.Is(err, ErrReplayed) {
						t.Error(err)
					}
					g, err := s.Grant(t.Context(), "g")
					if err != nil || g.Uses == 0 {
						continue
					}
					next := g
					next.Uses, next.MAC = g.Uses-1, []byte{byte(g.Uses - 1)}
					if _, err := s.Commit(t.Context(), change("w", UseGrant(g, next))); err == nil {
						if _, twice := used.LoadOrStore(g.Uses, i); twice {
							t.Errorf("use %d was taken twice", g.Uses)
						}
					} else if !errors.Is(err, ErrChanged) {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		total := fits(t, s, "w") + fits(t, s, "v") + fits(t, s, "u")
		if g, err := s.Grant(t.Context(), "g"); err != nil || g.Uses != 0 || total != each+5+1 {
			t.Errorf("grant %v, %v; %d records", g, err, total)
		}
	})
}

func TestTwoDecideAtOnceAndOneWins(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := open()
		furnish(t, s)
		old, err := s.Approval(t.Context(), "q")
		if err != nil {
			t.Fatal(err)
		}
		results := make(chan error)
		for _, state := range []string{Approved, Rejected, Cancelled, Approved} {
			go func() {
				next := old
				next.State, next.MAC = state, []byte(state)
				_, err := s.Commit(t.Context(), change("w", DecideApproval(old, next)))
				results <- err
			}()
		}
		won := 0
		for range 4 {
			if err := <-results; err == nil {
				won++
			} else if !errors.Is(err, ErrChanged) {
				t.Error(err)
			}
		}
		if won != 1 {
			t.Errorf("%d won", won)
		}
	})
}

func TestWritesRaiseTheWalletsVersion(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := open()
		furnish(t, s)
		for _, tt := range []struct {
			name   string
			write  Write
			raises bool
		}{
			{"UseGrant", UseGrant(Grant{ID: "g", MAC: []byte("m")}, Grant{Uses: 1, MAC: []byte("n")}), false},
			{"RevokeGrant", RevokeGrant(Grant{ID: "g", Wallet: "w", Revoked: 1}), true},
			{"PutPolicy", PutPolicy(Policy{Wallet: "w", Version: 2}), true},
			{"PutApp", PutApp(App{Wallet: "w", App: "app", MAC: []byte("m")}, App{Wallet: "w", App: "app", State: Revoked}), true},
			{"RotateWallet", RotateWallet("w", 1, 2, []byte("new")), true},
			{"InsertToken", InsertToken(Token{ID: "new", Wallet: "w"}), true},
			{"InsertInvitation", InsertInvitation(Invitation{ID: "new", Wallet: "w", Expires: 10}, 1), true},
		} {
			w, err := s.Wallet(t.Context(), "w")
			if err != nil {
				t.Fatal(err)
			}
			c := change("w", tt.write)
			c.Seen = &w
			if _, err := s.Commit(t.Context(), c); err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			after, err := s.Wallet(t.Context(), "w")
			if err != nil || (after.Version > w.Version) != tt.raises {
				t.Errorf("%s: version %d, then %d, %v", tt.name, w.Version, after.Version, err)
			}
		}
	})
}

func TestCommitHonoursTheContextWhileQueued(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := made(t, open())
		holding, goOn := make(chan struct{}), make(chan struct{})
		go s.committer.do(context.WithoutCancel(t.Context()), func(context.Context, conn) error {
			close(holding)
			<-goOn
			return nil
		})
		<-holding
		ctx, cancel := context.WithCancel(t.Context())
		answer := make(chan error)
		go func() {
			_, err := s.Commit(ctx, change("w"))
			answer <- err
		}()
		cancel()
		if err := <-answer; !errors.Is(err, context.Canceled) {
			t.Errorf("Commit = %v", err)
		}
		close(goOn)
		must(t, s, "w")
		if n := fits(t, s, "w"); n != 1 {
			t.Errorf("%d records, want 1", n)
		}
	})
}

func TestCloseAnswersEverybody(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := made(t, open())
		var wg sync.WaitGroup
		var committed sync.Map
		for i := range 50 {
			wg.Go(func() {
				if _, err := s.Commit(t.Context(), change("w")); err == nil {
					committed.Store(i, true)
				} else if !errors.Is(err, ErrUnavailable) {
					t.Error(err)
				}
			})
		}
		s.Close()
		wg.Wait()
		if _, err := s.Wallet(t.Context(), "w"); !errors.Is(err, ErrUnavailable) {
			t.Errorf("a read of a closed store: %v", err)
		}
		n := int64(0)
		for range committed.Range {
			n++
		}
		if got := fits(t, open(), "w"); got != n {
			t.Errorf("%d records, %d were answered", got, n)
		}
	})
}

// What every index takes is as long as it may be.
func TestTheLongestTextFits(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := made(t, open())
		var b strings.Builder
		for b.Len() < maxText {
			b.WriteString(NewID()) // what can't be compressed
		}
		long := b.String()[:maxText]
		must(t, s, ServiceChain, InsertWallet(Wallet{ID: long}))
		c := change(long, InsertAccount(Account{Wallet: long, Address: long, App: long, Type: long, Path: long}),
			InsertToken(Token{ID: long, Wallet: long}), InsertGrant(Grant{ID: long, Wallet: long, App: long}),
			InsertApproval(Approval{ID: long, Wallet: long, App: long, State: Pending, Code: long, Digest: make([]byte, 32)}, Budget{9, 9, 0}),
			PutApp(App{}, App{Wallet: long, App: long}), PutDelegation(Delegation{}, Delegation{Wallet: long, Hash: make([]byte, 32)}))
		c.Nonce = &Nonce{Wallet: long, Issuer: long, JTI: long}
		c.Request = &Request{Token: long, Route: long, Key: long}
		if _, err := s.Commit(t.Context(), c); err != nil {
			t.Error(err)
		}
	})
}
