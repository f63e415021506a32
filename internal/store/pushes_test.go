package store

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

func TestPushesAreDueUntilTheyAreDone(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := made(t, open())
		must(t, s, ServiceChain, InsertWallet(Wallet{ID: "w1"}))
		must(t, s, ServiceChain, InsertWallet(Wallet{ID: "w2"}))
		approval := func(wallet, id string, expires int64) {
			t.Helper()
			must(t, s, wallet, InsertApproval(Approval{ID: id, Wallet: wallet, App: "app", State: Pending, Code: id, Digest: []byte(id), Created: 1000, Expires: expires}, Budget{100, 100, 1000}))
		}
		due := func(now, since, most int64) (names []string) {
			t.Helper()
			all, err := s.DuePushes(t.Context(), now, since, most, 100)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range all {
				names = append(names, d.Wallet+" "+d.Approval+" "+d.Subscription)
			}
			return names
		}
		want := func(got []string, want ...string) {
			t.Helper()
			if !slices.Equal(got, want) {
				t.Errorf("due are %q, want %q", got, want)
			}
		}
		for _, p := range []PushSubscription{{Wallet: "w1", ID: "b1", Token: "t1"}, {Wallet: "w1", ID: "b2", Token: "t1"}, {Wallet: "w2", ID: "b3", Token: "t2"}} {
			must(t, s, p.Wallet, PutPushSubscription(p, 2))
		}
		approval("w1", "a1", 1300)
		approval("w1", "a2", 1200)
		approval("w2", "a3", 1300)
		want(due(1001, 0, 9), "w1 a1 b1", "w2 a3 b3", "w1 a1 b2", "w1 a2 b1", "w1 a2 b2") // the first of each wallet first

		first := DuePush{"a1", "b1", "w1"}
		hold := func(now, until int64) (int64, error) { return s.HoldPush(t.Context(), first, now, until, 0, 9) }
		if n, err := hold(1001, 1031); n != 1 || err != nil {
			t.Fatalf("held %d, %v", n, err)
		}
		if _, err := hold(1030, 1060); !errors.Is(err, ErrChanged) {
			t.Errorf("held by two: %v", err)
		}
		want(due(1030, 0, 9), "w1 a1 b2", "w2 a3 b3", "w1 a2 b1", "w1 a2 b2")
		want(due(1031, 0, 9), "w1 a1 b1", "w2 a3 b3", "w1 a1 b2", "w1 a2 b1", "w1 a2 b2") // its holder died
		if _, err := s.HoldPush(t.Context(), DuePush{"a2", "b1", "w1"}, 1031, 1061, 1000, 1); !errors.Is(err, ErrChanged) {
			t.Errorf("told of more than one: %v", err)
		}
		if n, err := hold(1031, 1061); n != 2 || err != nil {
			t.Errorf("held %d, %v", n, err)
		}
		if err := s.EndPush(t.Context(), first, false, 1040); err != nil {
			t.Fatal(err)
		}
		want(due(1039, 0, 9), "w1 a1 b2", "w2 a3 b3", "w1 a2 b1", "w1 a2 b2")
		want(due(1040, 0, 9), "w1 a1 b1", "w2 a3 b3", "w1 a1 b2", "w1 a2 b1", "w1 a2 b2")
		want(due(1040, 1030, 1), "w1 a1 b1", "w2 a3 b3", "w1 a1 b2", "w1 a2 b2") // b1 was told of one since; of that one it may be told again
		if _, err := hold(1040, 1070); err != nil {
			t.Fatal(err)
		}
		if err := s.EndPush(t.Context(), first, true, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := hold(1100, 1130); !errors.Is(err, ErrChanged) {
			t.Errorf("done, and held: %v", err)
		}
		want(due(1100, 0, 9), "w1 a1 b2", "w2 a3 b3", "w1 a2 b1", "w1 a2 b2")
		want(due(1200, 0, 9), "w1 a1 b2", "w2 a3 b3") // a2 has expired

		a1, err := s.Approval(t.Context(), "a1")
		if err != nil {
			t.Fatal(err)
		}
		rejected := a1
		rejected.State, rejected.Decided, rejected.MAC = Rejected, 1100, []byte("m")
		must(t, s, "w1", DecideApproval(a1, rejected))
		must(t, s, "w2", DeleteWallet("w2"))
		want(due(1100, 0, 9), "w1 a2 b1", "w1 a2 b2")

		if err := s.Sweep(t.Context(), 1040+keepPushes); err != nil {
			t.Fatal(err)
		}
		if _, err := hold(1100, 1130); !errors.Is(err, ErrChanged) {
			t.Errorf("swept too early: %v", err)
		}
		if err := s.Sweep(t.Context(), 1041+keepPushes); err != nil {
			t.Fatal(err)
		}
		if n, err := hold(1100, 1130); n != 1 || err != nil {
			t.Errorf("after the sweep held %d, %v", n, err)
		}
	})
}

func TestAWalletHasSoManyPushSubscriptions(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := made(t, open())
		must(t, s, ServiceChain, InsertWallet(Wallet{ID: "w1"}))
		p := PushSubscription{Wallet: "w1", Token: "t1", Created: 1, MAC: []byte("m")}
		for i := range 3 {
			p.ID = fmt.Sprint("b", i)
			must(t, s, "w1", PutPushSubscription(p, 3))
		}
		again := p
		again.Token, again.Sealed, again.Created, again.MAC = "t2", []byte("s"), 2, []byte("n")
		must(t, s, "w1", PutPushSubscription(again, 3))
		got, err := s.PushSubscription(t.Context(), "w1", p.ID)
		if err != nil || got.Token != "t2" || got.Created != 2 || string(got.Sealed) != "s" || string(got.MAC) != "n" {
			t.Errorf("replaced by %+v, %v", got, err)
		}
		another := p
		another.ID = "b3"
		try := func(w Write) error {
			_, err := s.Commit(t.Context(), change("w1", w))
			return err
		}
		if err := try(PutPushSubscription(another, 3)); !errors.Is(err, ErrTooMany) {
			t.Errorf("one more: %v", err)
		}
		if err := try(DeletePushSubscription(p)); !errors.Is(err, ErrChanged) {
			t.Errorf("deleted as it was: %v", err)
		}
		must(t, s, "w1", DeletePushSubscription(again))
		rows, _, err := s.PushSubscriptions(t.Context(), "w1", Page{Limit: 10})
		if err != nil || len(rows) != 2 {
			t.Errorf("%d are left, %v", len(rows), err)
		}
	})
}
