package consent

import (
	"context"
	"fmt"
	"time"

	"walletd/internal/approvals"
	"walletd/internal/ledger"
	"walletd/internal/store"
)

// Bounds against an app that wears the owner down by asking again (design section 7).
const (
	// maxAlike is how many requests for the same things may wait at once.
	maxAlike = 3
	// patientRejections is how many rejections in a row cost an app nothing but the request. After each one
	// more, all its requests wait twice as long, beginning with rejectedLife.
	patientRejections = 3
	longestPause      = 24 * time.Hour
	// rejectionMemory is how long a rejection counts. An app that waits a day after each one does not get
	// back to shorter pauses.
	rejectionMemory = 14 * 24 * time.Hour
)

// RejectedError is ErrRejected with the time from which on the app may ask again.
type RejectedError struct{ Until time.Time }

func (e *RejectedError) Error() string {
	return fmt.Sprintf("%s; it may ask again from %s on", ErrRejected, e.Until.UTC().Format(time.RFC3339))
}

// Unwrap returns ErrRejected.
func (e *RejectedError) Unwrap() error { return ErrRejected }

// checkEarlier holds a request to what the owner decided about earlier ones of the same app: a
// *RejectedError while a rejection stands, ErrTooMany while as many requests for the same things wait as may.
// It returns how many approvals of the app wait, which must still be so when the request is stored. The owner
// opened the link of a session, and so asked for it: no rejection stands against it.
func (req *Request) checkEarlier(ctx context.Context, subjects approvals.Subjects) (waiting int64, err error) {
	p, c := req.pipeline, req.Caller
	since := req.Now.Add(-rejectionMemory)
	rows, err := p.store.RecentApprovals(ctx, c.WalletID, c.App.Address(), since.Unix())
	if err != nil {
		return 0, fmt.Errorf("reading the app's approvals: %w", err)
	}
	alike, withdrawn, rejections, counting := 0, 0, 0, true
	var last, until time.Time
	for a, err := range ledger.Each[approvals.Content](ctx, c.Wallet, rows) {
		if err != nil {
			return 0, err
		}
		row, content := a.Row(), a.Content()
		isAlike := row.Agent == c.Agent.Address() && subjects.Contain(approvals.NewSubjects(content.Claims, content.Shown))
		decided := time.Unix(row.Decided, 0)
		switch {
		case row.State == store.Pending && req.Now.Unix() < row.Expires:
			waiting++
			if isAlike {
				alike++
			}
		case row.State == store.Cancelled && req.Now.Before(time.Unix(row.Created, 0).Add(p.approvalLife)):
			// The owner was asked all the same: an app that asks and withdraws in turn gets no further than one that waits.
			how, err := approvals.OpenResolution(ctx, c, a)
			if err != nil {
				return 0, err
			}
			if how.Withdrawn {
				withdrawn++
				if isAlike {
					alike++
				}
			}
		case row.State == store.Approved:
			counting = false
		case row.State == store.Rejected:
			if counting {
				rejections++
				last = later(last, decided)
			}
			if isAlike {
				until = later(until, decided.Add(rejectedLife))
			}
		}
	}
	if req.openedByOwner() {
		return waiting, nil
	}
	if n := rejections - patientRejections; n >= 0 {
		until = later(until, last.Add(min(longestPause, rejectedLife<<min(n, 16))))
	}
	switch {
	case req.Now.Before(until):
		return waiting, &RejectedError{until}
	case alike >= maxAlike, waiting+int64(withdrawn) >= approvals.PerApp:
		return waiting, ErrTooMany
	}
	return waiting, nil
}

// openedByOwner reports whether the request came in a session whose link the owner opened.
func (req *Request) openedByOwner() bool {
	return req.Caller.Session != nil && !req.Caller.Session.Followed
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
