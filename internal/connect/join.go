package connect

import (
	"bytes"
	"context"
	"fmt"

	"walletd/internal/auth"
	"walletd/internal/ledger"
	"walletd/internal/store"
)

// A session waits for the disk as seldom as it can: once when it is opened, once before each answer, and once at its
// end. What the pipeline decides about a request is committed together with the row that says what follows from it, and
// with the entry of the request itself. So nothing is posted before the entry that allows it and the row that says
// posting are durable, and they are so at the same time: a kill finds both or neither.
//
// A request that was received is in no row until then. After a kill, the first one is fetched again; one that replied to
// an answer is lost, and the row still says posting, so that the session ends as unknown.

// joining has the outcome of the current request committed together with the session's row, until the returned function
// is called.
func (l *leased) joining() (stop func()) {
	s := l.caller.Session
	s.Join = l.join
	return func() { s.Join = nil }
}

// join returns what is committed together with the outcome of the current request: the row that says what follows.
func (l *leased) join(ctx context.Context, kind ledger.Kind, o auth.Outcome) (auth.Joint, error) {
	if err := l.settle(ctx); err != nil {
		return auth.Joint{}, err
	}
	row, sealed := l.row, l.content
	before, writes := l.noteRequest(&row)
	j := auth.Joint{Before: before}
	switch {
	case kind.Releases():
		sealed.Sent, sealed.Account = l.Store.Now().Unix(), o.Account
		sealed.Key, sealed.Reply, sealed.SharedKey = nil, nil, "" // a row that says posting is not continued
		row.State, row.Posting, row.App = string(Answering), true, l.request.connect.App.Address()
		j.After = []ledger.Event{l.caller.Event(ledger.SessionAnswering)}
	case o.Approval != "":
		row.State, row.Approval = string(Waiting), o.Approval
		row.Expires = max(row.Expires, o.Expires+int64(sessionLife.Seconds()))
		j.After = []ledger.Event{l.caller.Event(ledger.SessionWaiting)}
	case !l.received:
		return auth.Joint{Committed: func() {}}, nil // the row says all there is to say
	}
	if row.Holder, row.HeldUntil = l.holder, l.leaseEnd(); State(row.State) == Waiting {
		row.Holder, row.HeldUntil = "", 0
	}
	if err := sealRow(l.caller, &row, sealed); err != nil {
		return auth.Joint{}, err
	}
	j.Writes = append(writes, store.UpdateSession(l.row, row))
	l.tried = row
	j.Committed = func() {
		l.committed(row)
		l.content.Sent, l.content.Account = sealed.Sent, sealed.Account
		l.mayPost, l.waits = l.unposted, State(row.State) == Waiting
	}
	return j, nil
}

// noteRequest has row say what was requested, if that is in no row yet. It returns the entry that says so and, for the
// first request, the check that the app has not too many open sessions.
func (l *leased) noteRequest(row *store.Session) (before []ledger.Event, checks []store.Write) {
	if !l.received {
		return nil, nil
	}
	row.State, row.App, row.Posting, row.Approval = string(Asked), l.request.connect.App.Address(), false, ""
	row.Expires = l.Store.Now().Add(sessionLife).Unix()
	if l.row.App == "" {
		checks = append(checks, store.CheckSessions(*row, l.Limit, l.Store.Now().Unix()))
	}
	return []ledger.Event{l.caller.Event(ledger.SessionAsked)}, checks
}

// committed says that row is in the store.
func (l *leased) committed(row store.Session) {
	l.row, l.tried, l.received = row, store.Session{}, false
	l.unposted, l.mayPost = row.Posting, false
	l.held.Store(row.Holder != "")
}

// settle finds out whether the last joint commit happened, if that is not known. The error is store.ErrChanged if
// somebody else has written the row.
func (l *leased) settle(ctx context.Context) error {
	if l.tried.MAC == nil {
		return nil
	}
	now, err := l.reread(ctx, nil)
	switch {
	case err != nil:
		return err
	case bytes.Equal(now.MAC, l.tried.MAC):
		l.committed(l.tried)
	case !bytes.Equal(now.MAC, l.row.MAC) || now.Holder != l.row.Holder:
		return fmt.Errorf("writing the session: %w", store.ErrChanged)
	}
	l.tried = store.Session{}
	return nil
}

// keepRequest has the row say that the current request is to be decided, durably, where a commit together with its
// outcome failed: if the request is in no row yet, or if the row says posting and the answer to it was not posted. It
// reports whether the row had to be written.
func (l *leased) keepRequest(ctx context.Context) (kept bool, err error) {
	ctx = context.WithoutCancel(ctx)
	if err := l.settle(ctx); err != nil || !l.received && !l.unposted {
		return false, err
	}
	l.content.Declining = nil
	if !l.received && l.row.Approval != "" {
		return true, l.write(ctx, ledger.SessionWaiting, "", func(row *store.Session) { row.State, row.Posting = string(Waiting), false })
	}
	return true, l.write(ctx, ledger.SessionAsked, "", func(row *store.Session) { row.State, row.Posting = string(Asked), false })
}
