package connect

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"walletd/internal/auth"
	"walletd/internal/consent"
	"walletd/internal/ledger"
	"walletd/internal/store"
	"walletd/internal/wallets"
)

var (
	// ErrNotFound: the caller's wallet has no such session.
	ErrNotFound = auth.ErrNotFound
	// ErrTooMany: as many links wait for their apps' first replies as may.
	ErrTooMany = errors.New("too many sessions are open; wait until some have ended")
	// ErrBusy: the session is at work for longer than the caller was ready to wait.
	ErrBusy = errors.New("the session is at work; try again in a minute")
)

// Times of a session.
const (
	// sessionLife is how long a session goes on without progress.
	sessionLife = 10 * time.Minute
	// endedRetention is how long an ended session can be looked at.
	endedRetention = 7 * 24 * time.Hour
)

const (
	defaultLimit = 64
	maxChained   = 8 // workflows that follow from one link
	// maxSteps bounds the requests of a session: where a rule answers, nobody else would stop an app
	// that never ends.
	maxSteps = 32
)

// Config is what sessions need. Its first six fields must be set.
type Config struct {
	Auth     *auth.Auth
	Wallets  *wallets.Wallets
	Pipeline *consent.Pipeline
	Ledger   *ledger.Ledger
	Store    *store.Store
	Client   *Client

	Log zerolog.Logger
	// Limit is how many sessions of one app may be open in a wallet, beyond which the app is told
	// busy; zero is 64.
	Limit int64
	// SingleKey makes one key of the channel serve the whole process: for --dev and --ephemeral,
	// which would wait for keys otherwise.
	SingleKey bool
	// RefuseUnsealed declines a keyPair or encryptionKey request that could have come over the
	// channel and did not.
	RefuseUnsealed bool
	// Alone says that no other process works on the store, so that whatever is held when Run
	// starts is held by nobody.
	Alone bool
}

// Sessions are the DID Connect sessions of all wallets. Its methods may be called concurrently,
// and by several processes on one store.
type Sessions struct {
	Config
	keys    *keys
	workers *workers

	patience, renewEvery time.Duration // as the constants say, but for tests
}

// New returns the sessions of a store. They go on by themselves while Run runs.
func New(c Config) *Sessions {
	if c.Limit == 0 {
		c.Limit = defaultLimit
	}
	return &Sessions{
		Config: c, keys: newKeys(c.Store.Now, c.SingleKey), workers: newWorkers(), patience: patience, renewEvery: renewEvery,
	}
}

// Open begins a session with the link that an app showed, for the wallet's owner. The link is
// requested later, by Run or Advance. A repeated Idempotency-Key gives the session that was opened
// with it. Errors: ErrLink, *BlockedError for a link the client would
// not follow, ErrTooMany, claims.ErrForbidden, and the store's.
func (s *Sessions) Open(ctx context.Context, owner *auth.Caller, link string) (View, error) {
	if owner.Role != auth.Owner {
		return View{}, auth.ErrForbidden
	}
	inner, beside, err := parseLink(link)
	if err != nil {
		return View{}, err
	}
	if err := s.Client.CheckURL(inner); err != nil {
		return View{}, err
	}
	c := content{URL: inner, Member: linkMember(beside)}
	row, err := s.newRow(owner, c)
	if err != nil {
		return View{}, err
	}
	working, begun := s.workers.acquire(row.ID, row.Wallet, origin(inner))
	if begun {
		row.Holder, row.HeldUntil = store.NewID(), s.leaseEnd()
	}
	room := store.CheckSessions(row, s.Limit, s.Store.Now().Unix())
	err = record(ctx, owner, ledger.SessionOpened, origin(inner), row.ID, room, store.InsertSession(row))
	if err != nil && begun {
		s.workers.release(row.ID, true)
	}
	if done, repeated := errors.AsType[*ledger.AlreadyCreatedError](err); repeated {
		return s.Get(ctx, owner, done.ID)
	}
	if errors.Is(err, store.ErrTooMany) {
		return View{}, ErrTooMany
	}
	if err != nil {
		return View{}, fmt.Errorf("opening the session: %w", err)
	}
	if begun {
		go s.work(working, row, s.useLease)
	}
	return view(row, c), nil
}

// Get returns a session of the caller's wallet, for its owner.
func (s *Sessions) Get(ctx context.Context, owner *auth.Caller, id string) (View, error) {
	row, err := s.ownRow(ctx, owner, id)
	if err != nil {
		return View{}, err
	}
	opened, err := ledger.Open[content](ctx, owner.Wallet, row)
	if err != nil {
		return View{}, err
	}
	return view(row, opened.Content()), nil
}

// List lists the sessions of the caller's wallet, newest first, for its owner. Those that somebody
// else wrote are left out; that is on record.
func (s *Sessions) List(ctx context.Context, owner *auth.Caller, p store.Page) ([]View, string, error) {
	if owner.Role != auth.Owner {
		return nil, "", auth.ErrForbidden
	}
	rows, next, err := s.Store.Sessions(ctx, owner.WalletID, p)
	if err != nil {
		return nil, "", fmt.Errorf("reading the sessions: %w", err)
	}
	views := make([]View, 0, len(rows))
	for opened, err := range ledger.Each[content](ctx, owner.Wallet, rows) {
		if err != nil {
			return nil, "", err
		}
		views = append(views, view(opened.Row(), opened.Content()))
	}
	return views, next, nil
}

// Cancel ends a session, for its owner: the app is told that it was declined, if it has asked
// anything. A session that has ended stays as it is. It waits for an exchange that is under way,
// as long as ctx; then ErrBusy.
func (s *Sessions) Cancel(ctx context.Context, owner *auth.Caller, id string) (View, error) {
	for {
		row, err := s.ownRow(ctx, owner, id)
		if err != nil {
			return View{}, err
		}
		if row.Ended != 0 {
			return s.Get(ctx, owner, id)
		}
		l, err := s.acquireLease(ctx, row)
		if err == nil {
			// What has begun is brought to its end though the caller leaves.
			done := make(chan error, 1)
			go func() { done <- l.runLeased(context.WithoutCancel(ctx), l.cancel) }()
			select {
			case err = <-done:
			case <-ctx.Done():
				return View{}, ErrBusy
			}
			if err != nil {
				return View{}, err
			}
			return s.Get(ctx, owner, id)
		}
		if !errors.Is(err, store.ErrChanged) {
			return View{}, err
		}
		select {
		case <-ctx.Done():
			return View{}, ErrBusy
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (s *Sessions) ownRow(ctx context.Context, owner *auth.Caller, id string) (store.Session, error) {
	if owner.Role != auth.Owner {
		return store.Session{}, auth.ErrForbidden
	}
	row, err := s.Store.Session(ctx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && row.Wallet != owner.WalletID {
		return row, ErrNotFound
	}
	return row, err
}
