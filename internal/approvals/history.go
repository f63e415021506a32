package approvals

import (
	"context"
	"fmt"
	"time"

	"walletd/internal/auth"
	"walletd/internal/ledger"
	"walletd/internal/store"
)

// History is what the owner decided about an app's earlier requests.
type History struct {
	Approved, Rejected int
	// Same counts those of the approved requests that asked for everything that this one asks for: the types, the
	// accounts, the salts and the delegations.
	Same int
	// SameSalts counts those of the approved requests that had every salt of this one, whatever else they asked for. If
	// this one has no salt, they are all.
	SameSalts int
	// Since is when the first request that was counted came; zero if there was none.
	Since time.Time
	// More says that there are older requests, which were not counted.
	More bool
}

// maxHistory is how many earlier requests of an app are looked at (store.RecentApprovals).
const maxHistory = 200

// history counts the earlier requests of an approval's app. It leaves out forged rows, which it records.
func (ap *Approvals) history(ctx context.Context, c *auth.Caller, a Approval) (*History, error) {
	row := a.Row()
	rows, err := ap.store.RecentApprovals(ctx, row.Wallet, row.App, 0)
	if err != nil {
		return nil, fmt.Errorf("reading the app's earlier requests: %w", err)
	}
	h := &History{More: len(rows) == maxHistory}
	subjects, asked := NewSubjects(a.Content().Claims, a.Content().Shown), salts(a.Content().Claims)
	for earlier, err := range ledger.Each[Content](ctx, c.Wallet, rows) {
		if err != nil {
			return nil, err
		}
		r := earlier.Row()
		if r.ID == row.ID || r.Created > row.Created {
			continue
		}
		switch r.State {
		case store.Approved:
			h.Approved++
			if NewSubjects(earlier.Content().Claims, earlier.Content().Shown).Contain(subjects) {
				h.Same++
			}
			if salts(earlier.Content().Claims).Contain(asked) {
				h.SameSalts++
			}
		case store.Rejected:
			h.Rejected++
		default:
			continue
		}
		h.Since = time.Unix(r.Created, 0) // the newest come first
	}
	return h, nil
}
