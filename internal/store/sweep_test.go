package store

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

// What was decided and what has ended stays as long as was said, and what may still decide stays.
func TestWhatWasDecidedIsKeptForATime(t *testing.T) {
	const now, kept = int64(1_000_000), 1000
	eachURL(t, func(t *testing.T, url string) {
		s := made(t, mustOpen(t, url, Options{Create: true, KeepDecided: kept * time.Second}))
		must(t, s, ServiceChain, InsertWallet(Wallet{ID: "w1"}))
		rows := map[string]func(context.Context) error{} // how each is read
		add := func(id string, w Write, read func(context.Context) error) {
			t.Helper()
			must(t, s, "w1", w)
			rows[id] = read
		}
		// Each sort of row ended at a time: just too long ago, or not yet.
		for name, at := range map[string]int64{"old": now - kept - 1, "young": now - kept} {
			approval := func(id, state string, decided, expires int64) {
				a := Approval{ID: id, Wallet: "w1", App: id, State: Pending, Code: id, Digest: []byte(id), Expires: expires}
				must(t, s, "w1", InsertApproval(a, Budget{99, 99, -1}))
				if state != Pending {
					decision := a
					decision.State, decision.Decided = state, decided
					must(t, s, "w1", DecideApproval(a, decision))
				}
				rows[id] = func(ctx context.Context) error { _, err := s.Approval(ctx, id); return err }
			}
			approval(name+" approved", Approved, at, 5)
			approval(name+" rejected", Rejected, at, 5)
			approval(name+" expired", Pending, 0, at)
			grant := func(id string, g Grant) {
				g.ID, g.Wallet, g.MAC = id, "w1", []byte("m")
				add(id, InsertGrant(g), func(ctx context.Context) error { _, err := s.Grant(ctx, id); return err })
			}
			grant(name+" revoked grant", Grant{Created: 5, Uses: -1, Revoked: at})
			grant(name+" used grant", Grant{Created: at, Uses: 0})
			grant(name+" ended grant", Grant{Created: 5, Uses: -1, Ends: at})
			token := func(id string, k Token) {
				k.ID, k.Wallet, k.Hash, k.MAC = id, "w1", make([]byte, 32), []byte("m")
				add(id, InsertToken(k), func(ctx context.Context) error { _, err := s.Token(ctx, id); return err })
			}
			token(name+" revoked token", Token{Role: RoleApp, Revoked: at})
			token(name+" expired token", Token{Role: RoleApp, Expires: at})
			token(name+" signed-in browser", Token{Role: RoleOwner, Passkey: "p", Expires: at})
			hash := make([]byte, 32)
			copy(hash, name)
			add(name+" delegation", PutDelegation(Delegation{}, Delegation{Wallet: "w1", Hash: hash, Expires: at, MAC: []byte("m")}),
				func(ctx context.Context) error { _, err := s.Delegation(ctx, "w1", hash); return err })
			session := newSession(name + " session")
			session.Ended = at
			add(session.ID, InsertSession(session), func(ctx context.Context) error { _, err := s.Session(ctx, session.ID); return err })
		}
		for id, g := range map[string]Grant{"lasting grant": {Created: 5, Uses: -1}, "grant with uses": {Created: 5, Uses: 1, Ends: now + 1}} {
			g.ID, g.Wallet, g.MAC = id, "w1", []byte("m")
			add("young "+id, InsertGrant(g), func(ctx context.Context) error { _, err := s.Grant(ctx, id); return err })
		}
		add("young owner's token, which says that there was an owner", InsertToken(Token{ID: "owner", Role: RoleOwner, Wallet: "w1", Hash: make([]byte, 32), Expires: 7, Revoked: 6, MAC: []byte("m")}),
			func(ctx context.Context) error { _, err := s.Token(ctx, "owner"); return err })

		if err := s.Sweep(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		for id, read := range rows {
			var kind string
			fmt.Sscan(id, &kind)
			switch err := read(t.Context()); {
			case kind == "young" && err != nil:
				t.Errorf("%s: %v", id, err)
			case kind == "old" && !errors.Is(err, ErrNotFound):
				t.Errorf("%s is still there, %v", id, err)
			}
		}
	})
}

// A store keeps what was decided for ever if nothing else is said, and more than fits one statement goes too.
func TestSweepsEndAtNothing(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := made(t, open())
		must(t, s, ServiceChain, InsertWallet(Wallet{ID: "w1"}))
		for i := range 450 {
			id := fmt.Sprint(i)
			must(t, s, "w1", InsertGrant(Grant{ID: id, Wallet: "w1", Created: 1, Uses: 0, MAC: []byte("m")}))
		}
		count := func() int {
			t.Helper()
			n := 0
			for i := range 450 {
				if _, err := s.Grant(t.Context(), fmt.Sprint(i)); err == nil {
					n++
				}
			}
			return n
		}
		if err := s.Sweep(t.Context(), 1_000_000); err != nil || count() != 450 {
			t.Errorf("%d of 450 are kept for ever, %v", count(), err)
		}
		s.keepDecided = time.Second
		if err := s.Sweep(t.Context(), 1_000_000); err != nil || count() != 0 {
			t.Errorf("%d of 450 are left, %v", count(), err)
		}
	})
}

// A wallet whose owner's browser sessions were swept still has an owner.
func TestAWalletWithAPasskeyHasAnOwner(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := made(t, open())
		must(t, s, ServiceChain, InsertWallet(Wallet{ID: "w1"}))
		must(t, s, "w1", CheckNoOwner("w1"))
		must(t, s, "w1", InsertPasskey(Passkey{Wallet: "w1", ID: "p", Owner: "o", MAC: []byte("m")}, 9))
		if _, err := s.Commit(t.Context(), change("w1", CheckNoOwner("w1"))); !errors.Is(err, ErrChanged) {
			t.Errorf("a wallet with a passkey has no owner: %v", err)
		}
	})
}
