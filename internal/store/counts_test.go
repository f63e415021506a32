package store

import "testing"

func TestCountsAreOfAllWallets(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := made(t, open())
		ctx := t.Context()
		budget := Budget{9, 9, 5}
		must(t, s, "w", InsertApproval(Approval{ID: "1", Wallet: "w", App: "a", State: Pending, Code: "A", Digest: []byte("1"), Expires: 100}, budget))
		must(t, s, "w", InsertApproval(Approval{ID: "2", Wallet: "w", App: "b", State: Pending, Code: "B", Digest: []byte("2"), Expires: 50}, budget))
		must(t, s, "v", InsertApproval(Approval{ID: "3", Wallet: "v", App: "a", State: Pending, Code: "A", Digest: []byte("3"), Expires: 100}, budget))
		must(t, s, "v", InsertApproval(Approval{ID: "4", Wallet: "v", App: "a", State: Rejected, Code: "A", Digest: []byte("4"), Expires: 100}, budget))
		must(t, s, "w", InsertSession(Session{ID: "1", Wallet: "w"}))
		must(t, s, "v", InsertSession(Session{ID: "2", Wallet: "v", App: "a"}))
		must(t, s, "v", InsertSession(Session{ID: "3", Wallet: "v", Ended: 7}))
		if n, err := s.CountWaiting(ctx, 60); n != 2 || err != nil {
			t.Errorf("%d approvals wait: %v", n, err)
		}
		if n, err := s.CountSessions(ctx); n != 2 || err != nil {
			t.Errorf("%d sessions are open: %v", n, err)
		}
		if n := s.Queued(); n != 0 {
			t.Errorf("%d changes are queued", n)
		}
	})
}
