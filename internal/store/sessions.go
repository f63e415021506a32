package store

import (
	"context"
	"fmt"
)

// Waiting is the state of a Session that waits for its approval to be decided.
const Waiting = "waiting"

// Session is a DID Connect session.
type Session struct {
	ID       string
	Wallet   string
	App      string // "" before its app has said who it is
	State    string // Waiting, or what the caller calls it
	Approval string // id of the question that is open or was the last; "" before
	Posting  bool   // set before an answer is posted, until its reply was read
	Created  int64
	Expires  int64
	Ended    int64 // 0: not yet
	Sealed   []byte
	MAC      []byte

	// Holder may change the row until HeldUntil. Both change without a key, and
	// are no part of Canonical.
	Holder    string
	HeldUntil int64
}

func (s *Session) fields() []any {
	return []any{&s.ID, &s.Wallet, &s.App, &s.State, &s.Approval, &s.Posting, &s.Created, &s.Expires, &s.Ended, &s.Sealed, &s.MAC,
		&s.Holder, &s.HeldUntil}
}

// Canonical of a session leaves out who holds it.
func (s Session) Canonical() []byte {
	return canonical("sessions", 1, s.ID, s.Wallet, s.App, s.State, s.Approval, s.Posting, s.Created, s.Expires, s.Ended, s.Sealed)
}

// Session reads a session, or ErrNotFound.
func (s *Store) Session(ctx context.Context, id string) (Session, error) {
	return one[Session](ctx, s, "session", id)
}

// Sessions lists the wallet's sessions, whatever became of them.
func (s *Store) Sessions(ctx context.Context, wallet string, p Page) (rows []Session, next string, err error) {
	return paged(p, func(r Session) position { return position{r.Created, r.ID} },
		func(after position, limit int) ([]Session, error) {
			return many[Session](ctx, s, "sessions", wallet, after.at, after.id, limit)
		})
}

// DueSessions reads up to limit sessions of all wallets that have not ended,
// that nobody holds, and that do not wait for a decision still to come. now is
// unix seconds. Those that were held longest ago come first.
func (s *Store) DueSessions(ctx context.Context, now int64, limit int) ([]Session, error) {
	return many[Session](ctx, s, "due sessions", now, limit)
}

// HoldSession makes holder the one who may change a session, if it has not
// ended and nobody holds it at now; else ErrChanged. It returns the row. It is
// no decision and leaves no entry.
func (s *Store) HoldSession(ctx context.Context, id, holder string, now, until int64) (Session, error) {
	held := false
	err := s.alone(ctx, "hold session", []any{id, holder, until, now}, func(row []any) bool { held = len(row) == 1; return held })
	if !held && isAny(err, []error{ErrNotFound}) {
		return Session{}, fmt.Errorf("hold session: %w", ErrChanged)
	}
	if err != nil {
		return Session{}, err
	}
	return s.Session(ctx, id)
}

// ReleaseSession gives a session back before the holder's time is over.
func (s *Store) ReleaseSession(ctx context.Context, id, holder string) error {
	return s.alone(ctx, "release session", []any{id, holder}, nil)
}

// ReleaseSessions gives all back: what a process that is alone with the store
// does when it starts, since nobody else can hold any.
func (s *Store) ReleaseSessions(ctx context.Context) error {
	return s.alone(ctx, "release sessions", nil, nil)
}

// SweepSessions forgets sessions that ended before a time (unix seconds), in
// small bites that let others through.
func (s *Store) SweepSessions(ctx context.Context, before int64) error {
	for more := true; more; {
		err := s.committer.do(ctx, func(ctx context.Context, sess session) error {
			done, err := sess.run(ctx, []stmt{{text: query("sweep sessions"), args: []any{before}}})
			more = err == nil && done[0].n > 0
			return err
		})
		if err != nil {
			return fmt.Errorf("forgetting sessions: %w", err)
		}
	}
	return nil
}

// InsertSession adds a session. ErrExists.
func InsertSession(s Session) Write {
	return Write{steps: []step{{"insert session", values(s.fields()), ErrExists}}}
}

// UpdateSession replaces a session if it is as old was and old's holder still
// holds it; else ErrChanged.
func UpdateSession(old, updated Session) Write {
	return Write{steps: []step{{"update session", []any{updated.App, updated.State, updated.Approval, updated.Posting, updated.Expires,
		updated.Ended, updated.Sealed, updated.MAC, updated.Holder, updated.HeldUntil, old.ID, old.MAC, old.Holder}, ErrChanged}}}
}

// CheckSessions fails with ErrTooMany if most other sessions of an app, or more, are
// open in the wallet at the time now. The Change is on the wallet's chain.
func CheckSessions(s Session, most, now int64) Write {
	return Write{chain: s.Wallet, steps: []step{{"room for session", []any{s.Wallet, s.App, s.ID, now, most}, ErrTooMany}}}
}
