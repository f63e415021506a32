package store

import (
	"errors"
	"testing"
)

func TestAYesIsWithdrawnWhileItCanBeCollected(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := made(t, open())
		decided := map[string]Approval{}
		for id, at := range map[string]int64{"old": 100, "new": 101, "no": 101, "waiting": 0} {
			a := Approval{ID: id, Wallet: "w", App: "app", State: Pending, Code: id, Digest: []byte(id), Created: 50, Expires: 500, MAC: []byte("m")}
			must(t, s, "w", InsertApproval(a, Budget{9, 9, 60}))
			if at == 0 {
				continue
			}
			next := a
			next.State, next.Decided, next.MAC = Approved, at, []byte("yes")
			if id == "no" {
				next.State = Rejected
			}
			must(t, s, "w", DecideApproval(a, next))
			decided[id] = next
		}
		collectable := func(wallet string) []Approval {
			t.Helper()
			rows, next, err := s.CollectableApprovals(t.Context(), wallet, 100, Page{})
			if err != nil || next != "" {
				t.Fatal(next, err)
			}
			return rows
		}
		if rows := collectable("w"); len(rows) != 1 || rows[0].ID != "new" {
			t.Errorf("collectable: %+v", rows)
		}
		if rows := collectable("w2"); len(rows) != 0 {
			t.Errorf("collectable in another wallet: %+v", rows)
		}
		end := decided["new"]
		end.State, end.MAC, end.DecidedBy = Cancelled, []byte("end"), "owner"
		stale := decided["new"]
		stale.MAC = []byte("m")
		for name, w := range map[string]Write{
			"seen otherwise": UpdateApprovedApproval(stale, end), "a no": UpdateApprovedApproval(decided["no"], end), "decided again": DecideApproval(decided["new"], end),
		} {
			if _, err := s.Commit(t.Context(), change("w", w)); !errors.Is(err, ErrChanged) {
				t.Errorf("%s: %v", name, err)
			}
		}
		must(t, s, "w", UpdateApprovedApproval(decided["new"], end))
		if got, err := s.Approval(t.Context(), "new"); err != nil || got.State != Cancelled || string(got.MAC) != "end" || got.DecidedBy != "owner" {
			t.Errorf("withdrawn: %+v, %v", got, err)
		}
		if rows := collectable("w"); len(rows) != 0 {
			t.Errorf("collectable after that: %+v", rows)
		}
	})
}

func TestAGrantIsRevokedWhateverWasUsedMeanwhile(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := made(t, open())
		seen := Grant{ID: "g", Wallet: "w", App: "app", Uses: 9, MAC: []byte("9")}
		used := seen
		used.Uses, used.MAC = 8, []byte("8")
		must(t, s, "w", InsertGrant(seen), UseGrant(seen, used))
		revoked := seen
		revoked.Revoked, revoked.MAC = 7, []byte("revoked")
		must(t, s, "w", RevokeGrant(revoked))
		if got, err := s.Grant(t.Context(), "g"); err != nil || got.Revoked != 7 || got.Uses != 9 || string(got.MAC) != "revoked" {
			t.Errorf("got %+v, %v: not the row that the MAC is of", got, err)
		}
		if _, err := s.Commit(t.Context(), change("w", UseGrant(used, seen))); !errors.Is(err, ErrChanged) {
			t.Errorf("used after that: %v", err)
		}
	})
}

func TestAWithdrawalIsOfAllThatWait(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := made(t, open())
		for id, a := range map[string]Approval{"a": {App: "app", Expires: 500}, "b": {App: "other", Expires: 500}, "expired": {App: "app", Expires: 60}} {
			a.ID, a.Wallet, a.State, a.Code, a.Digest, a.MAC = id, "w", Pending, id, []byte(id), []byte("m")
			must(t, s, "w", InsertApproval(a, Budget{9, 9, 60}))
		}
		for name, c := range map[string]struct {
			app  string
			n    int64
			want error
		}{
			"of an app": {"app", 1, nil}, "of every app": {"", 2, nil}, "of an app that asks nothing": {"x", 0, nil},
			"one more of the app": {"app", 0, ErrChanged}, "one more of all": {"", 1, ErrChanged}, "one fewer": {"app", 2, ErrChanged},
		} {
			if _, err := s.Commit(t.Context(), change("w", CheckWaiting("w", c.app, 60, c.n))); !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", name, err, c.want)
			}
		}
	})
}
