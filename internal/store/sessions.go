package store

import (
	"context"
	"errors"
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

	// Holder, "" for nobody, may change the row until HeldUntil. Both change
	// without a key.
	Holder    string
	HeldUntil int64
}

func (s *Session) columns() []column {
	return []column{
		authentic("id", &s.ID),
		authentic("wallet", &s.Wallet),
		authentic("app", &s.App),
		authentic("state", &s.State),
		authentic("approval", &s.Approval),
		authentic("posting", &s.Posting),
		authentic("created", &s.Created),
		authentic("expires", &s.Expires),
		authentic("ended", &s.Ended),
		authentic("sealed", &s.Sealed),
		plain("mac", &s.MAC),
		plain("holder", &s.Holder),
		plain("held_until", &s.HeldUntil),
	}
}

func (Session) Table() string       { return "sessions" }
func (s Session) Key() string       { return s.ID }
func (s Session) Canonical() []byte { return canonical(&s) }
func (s Session) Sum() []byte       { return s.MAC }

// Content is the sealed field of the row, and its name in the associated data.
func (s Session) Content() (field string, sealed []byte) { return "content", s.Sealed }

var (
	getSession      = reads[Session]("session")
	listSessions    = reads[Session]("sessions")
	dueSessions     = reads[Session]("due sessions")
	insertSession   = writes[Session]("insert session")
	updateSession   = updates[Session]("update session")
	holdSession     = statement("hold session")
	renewSession    = statement("renew session")
	releaseSession  = statement("release session")
	releaseSessions = statement("release sessions")
	roomForSession  = statement("room for session")
	sweepSessions   = statement("sweep sessions")
	openSessions    = statement("open sessions")
)

// Session reads a session, or ErrNotFound.
func (s *Store) Session(ctx context.Context, id string) (Session, error) {
	return one(ctx, s, getSession, id)
}

// Sessions lists the wallet's sessions, whatever became of them.
func (s *Store) Sessions(ctx context.Context, wallet string, p Page) (rows []Session, next string, err error) {
	return paged(p, func(r Session) position { return position{r.Created, r.ID} },
		func(after position, limit int) ([]Session, error) {
			return many(ctx, s, listSessions, wallet, after.at, after.id, limit)
		})
}

// DueSessions reads up to limit sessions of all wallets that have not ended,
// that nobody holds, and that do not wait for a decision still to come. now is
// unix seconds. The first of each wallet come before the second of any; among
// them those that were held longest ago.
func (s *Store) DueSessions(ctx context.Context, now int64, limit int) ([]Session, error) {
	return many(ctx, s, dueSessions, now, limit)
}

// HoldSession makes holder the one who may change a session, if it has not
// ended and nobody holds it at now; else ErrChanged. It returns the row. It is
// no decision and leaves no entry.
func (s *Store) HoldSession(ctx context.Context, id, holder string, now, until int64) (Session, error) {
	var held string
	if err := s.CheckClock(ctx); err != nil {
		return Session{}, err
	}
	err := s.answered(ctx, holdSession, []column{plain("id", &held)}, id, holder, until, now)
	if errors.Is(err, ErrNotFound) {
		return Session{}, fmt.Errorf("hold session: %w", ErrChanged)
	}
	if err != nil {
		return Session{}, err
	}
	return s.Session(ctx, id)
}

// RenewSession moves the end of holder's time, whoever holds the session; ErrChanged
// if that is not holder any more.
func (s *Store) RenewSession(ctx context.Context, id, holder string, until int64) error {
	var held string
	if err := s.CheckClock(ctx); err != nil {
		return err
	}
	err := s.answered(ctx, renewSession, []column{plain("id", &held)}, id, holder, until)
	if errors.Is(err, ErrNotFound) {
		return fmt.Errorf("renew session: %w", ErrChanged)
	}
	return err
}

// ReleaseSession gives a session back before the holder's time is over.
func (s *Store) ReleaseSession(ctx context.Context, id, holder string) error {
	return s.alone(ctx, releaseSession, id, holder)
}

// ReleaseSessions gives all back: what a process that is alone with the store
// does when it starts, since nobody else can hold any.
func (s *Store) ReleaseSessions(ctx context.Context) error {
	return s.alone(ctx, releaseSessions)
}

// InsertSession adds a session. ErrExists.
func InsertSession(s Session) Write {
	return Write{steps: []step{insertSession.row(s, ErrExists)}}
}

// UpdateSession replaces a session if it is as old was and old's holder still
// holds it; else ErrChanged.
func UpdateSession(old, updated Session) Write {
	return Write{steps: []step{updateSession.change(old, updated, ErrChanged)}}
}

// CheckSessions fails with ErrTooManySessions if most other sessions of an app, or more, are
// open in the wallet at the time now. The Change is on the wallet's chain.
func CheckSessions(s Session, most, now int64) Write {
	return Write{chain: s.Wallet, steps: []step{roomForSession.step(ErrTooManySessions, s.Wallet, s.App, s.ID, now, most)}}
}

// CountSessions counts the sessions of all wallets that have not ended.
func (s *Store) CountSessions(ctx context.Context) (n int64, err error) {
	err = s.scalars(ctx, openSessions, nil, &n)
	return n, err
}
