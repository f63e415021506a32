package store

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func newSession(id string) Session {
	return Session{ID: id, Wallet: "w1", App: "app", State: "asked", Created: 5, Expires: 600, Sealed: []byte("s"), MAC: []byte("m " + id), Holder: "h", HeldUntil: 60}
}

func TestASessionIsChangedByWhoHoldsIt(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := made(t, open())
		a := newSession("a")
		must(t, s, "w1", InsertSession(a))
		if got, err := s.Session(t.Context(), "a"); err != nil || cmp.Diff(got, a) != "" {
			t.Fatalf("Session = %+v, %v", got, err)
		}
		refused := func(name string, err error) {
			t.Helper()
			if !errors.Is(err, ErrChanged) {
				t.Errorf("%s: %v", name, err)
			}
		}
		commit := func(w Write) error { _, err := s.Commit(t.Context(), change("w1", w)); return err }

		next := a
		next.State, next.Posting, next.MAC, next.HeldUntil = "answering", true, []byte("n"), 90
		other := a
		other.Holder = "other"
		refused("who does not hold it", commit(UpdateSession(other, next)))
		other = a
		other.MAC = []byte("x")
		refused("who saw another row", commit(UpdateSession(other, next)))
		if err := commit(UpdateSession(a, next)); err != nil {
			t.Fatal(err)
		}
		refused("who saw the row before", commit(UpdateSession(a, next)))

		_, err := s.HoldSession(t.Context(), "a", "other", 89, 150)
		refused("while it is held", err)
		got, err := s.HoldSession(t.Context(), "a", "other", 90, 150)
		if err != nil || got.Holder != "other" || got.HeldUntil != 150 || !got.Posting || string(got.MAC) != "n" {
			t.Fatalf("HoldSession = %+v, %v", got, err)
		}
		refused("who held it before", commit(UpdateSession(next, a)))
		refused("who held it before, for longer", s.RenewSession(t.Context(), "a", "h", 500))
		if err := s.RenewSession(t.Context(), "a", "other", 155); err != nil {
			t.Fatal(err)
		}
		_, err = s.HoldSession(t.Context(), "a", "third", 154, 200)
		refused("while it is held for longer", err)
		if err := s.ReleaseSession(t.Context(), "a", "h"); err != nil {
			t.Fatal(err)
		}
		_, err = s.HoldSession(t.Context(), "a", "third", 100, 160)
		refused("what another gave back", err)
		if err := s.ReleaseSession(t.Context(), "a", "other"); err != nil {
			t.Fatal(err)
		}
		refused("who gave it back", s.RenewSession(t.Context(), "a", "other", 500))
		if got, err = s.HoldSession(t.Context(), "a", "third", 100, 160); err != nil {
			t.Fatal(err)
		}
		end := got
		end.Ended, end.MAC = 110, []byte("e")
		if err := commit(UpdateSession(got, end)); err != nil {
			t.Fatal(err)
		}
		_, err = s.HoldSession(t.Context(), "a", "fourth", 1000, 1060)
		refused("one that ended", err)
		_, err = s.HoldSession(t.Context(), "none", "h", 1000, 1060)
		refused("none", err)
	})
}

func TestDueSessions(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := made(t, open())
		for id, state := range map[string]string{"p": Pending, "r": Rejected} {
			a := Approval{ID: id, Wallet: "w1", App: id, State: Pending, Code: id, Digest: []byte(id), Expires: 300}
			must(t, s, "w1", InsertApproval(a, Budget{9, 9, 5}))
			if state != Pending {
				must(t, s, "w1", DecideApproval(a, Approval{State: state}))
			}
		}
		for i, change := range []func(*Session){
			func(r *Session) { r.HeldUntil = 50 },  // 0: due
			func(r *Session) { r.HeldUntil = 101 }, // 1: held
			func(r *Session) { r.Ended = 9 },
			func(r *Session) { r.State, r.Approval = Waiting, "p" }, // 3: nothing decided
			func(r *Session) { r.State, r.Approval = Waiting, "r" }, // 4: decided
			func(r *Session) { r.State, r.Approval, r.Expires = Waiting, "p", 100 },
			func(r *Session) { r.State, r.Approval = Waiting, "gone" },
		} {
			r := newSession(fmt.Sprint(i))
			r.HeldUntil = 0
			change(&r)
			must(t, s, "w1", InsertSession(r))
		}
		due := func(now int64, limit int) (ids []string) {
			t.Helper()
			rows, err := s.DueSessions(t.Context(), now, limit)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range rows {
				ids = append(ids, r.ID)
			}
			return ids
		}
		if diff := cmp.Diff([]string{"4", "5", "6", "0"}, due(100, 10)); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"4", "5"}, due(100, 2)); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"3", "4", "5", "6", "0", "1"}, due(300, 10)); diff != "" {
			t.Error(diff) // the question's own time is over
		}
		if err := s.ReleaseSessions(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"0", "1", "4", "5", "6"}, due(100, 10)); diff != "" {
			t.Error(diff)
		}
		if err := s.Sweep(t.Context(), 10+keepSessions); err != nil {
			t.Fatal(err)
		}
		rows, _, err := s.Sessions(t.Context(), "w1", Page{})
		if err != nil || len(rows) != 6 {
			t.Errorf("%d sessions are left, %v", len(rows), err)
		}
	})
}

// A wallet with many sessions that are due keeps nobody else's from being seen.
func TestDueSessionsOfEachWalletInTurn(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := made(t, open())
		for i := range 20 {
			r := newSession(fmt.Sprintf("a%02d", i))
			r.HeldUntil = 0
			must(t, s, "w1", InsertSession(r))
		}
		r := newSession("b")
		r.Wallet = "w2"
		must(t, s, "w2", InsertSession(r))
		rows, err := s.DueSessions(t.Context(), 100, 3)
		if err != nil || len(rows) != 3 || rows[0].ID != "a00" || rows[1].ID != "b" || rows[2].ID != "a01" {
			t.Errorf("%v, %v", rows, err)
		}
	})
}

func TestAnAppHasSoManySessions(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := made(t, open())
		check := func(r Session) error {
			_, err := s.Commit(t.Context(), change("w1", CheckSessions(r, 2, 100)))
			return err
		}
		other, ended, expired := newSession("o"), newSession("e"), newSession("x")
		other.App, ended.Ended, expired.Expires = "other", 9, 100
		for _, r := range []Session{newSession("a"), other, ended, expired} {
			must(t, s, "w1", InsertSession(r))
		}
		if err := check(newSession("b")); err != nil {
			t.Errorf("the second: %v", err)
		}
		must(t, s, "w1", InsertSession(newSession("b")))
		if err := check(newSession("b")); err != nil {
			t.Errorf("the second again: %v", err)
		}
		if err := check(newSession("c")); !errors.Is(err, ErrTooMany) {
			t.Errorf("the third: %v", err)
		}
	})
}

func TestCanonicalOfASession(t *testing.T) {
	a := newSession("a")
	b := a
	b.Holder, b.HeldUntil, b.MAC = "x", 7, nil
	if !bytes.Equal(a.Canonical(), b.Canonical()) {
		t.Error("who holds it is covered")
	}
	for name, change := range map[string]func(*Session){
		"ID": func(s *Session) { s.ID = "x" }, "Wallet": func(s *Session) { s.Wallet = "x" }, "App": func(s *Session) { s.App = "x" },
		"State": func(s *Session) { s.State = "x" }, "Approval": func(s *Session) { s.Approval = "x" }, "Posting": func(s *Session) { s.Posting = true },
		"Created": func(s *Session) { s.Created++ }, "Expires": func(s *Session) { s.Expires++ }, "Ended": func(s *Session) { s.Ended++ },
		"Sealed": func(s *Session) { s.Sealed = nil },
	} {
		b := a
		if change(&b); bytes.Equal(a.Canonical(), b.Canonical()) {
			t.Errorf("%s is not covered", name)
		}
	}
}
