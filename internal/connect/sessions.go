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
	// ErrNotFound: the caller's wallet has no session with this id.
	ErrNotFound = auth.ErrNotFound
	// ErrTooMany: too many links wait for their apps' first replies.
	ErrTooMany = errors.New("too many sessions are open; wait until some have ended")
	// ErrBusy: another holder had the session's lease for as long as the caller waited.
	ErrBusy = errors.New("the session is in use; try again in a minute")
)

// Times of a session.
const (
	// sessionLife is how long a session lasts without progress.
	sessionLife = 10 * time.Minute
)

const (
	defaultLimit = 64
	maxChained   = 8 // sessions that follow from one link
	// maxSteps bounds the requests of a session. If a rule answers them, nothing else would stop an app
	// that goes on requesting.
	maxSteps = 32
)

// Config holds what Sessions needs. Its first six fields must be set.
type Config struct {
	Auth     *auth.Auth
	Wallets  *wallets.Wallets
	Pipeline *consent.Pipeline
	Ledger   *ledger.Ledger
	Store    *store.Store
	Client   *Client

	Log zerolog.Logger
	// Limit is how many sessions of one app may be open in a wallet; for more, the app is told busy.
	// Zero is 64.
	Limit int64
	// SingleKey uses one key of the channel for the whole process, so that --dev and --ephemeral do not
	// wait for keys.
	SingleKey bool
	// RefuseUnsealed declines a keyPair or encryptionKey request that did not come over the encrypted
	// channel.
	RefuseUnsealed bool
	// Alone says that no other process works on the store, so that Run may release all leases when it
	// starts.
	Alone bool
	// Unanswered is told why an app could not be reached, which an owner is not: for a wallet whose owner runs the
	// process. Nil tells nobody.
	Unanswered func(error)
}

// Sessions manages the DID Connect sessions of all wallets. Its methods may be called concurrently, and by several
// processes on one store.
type Sessions struct {
	Config
	keys    *keys
	workers *workers

	patience, renewEvery time.Duration // the constants of these names, except in tests
}

// New returns the sessions of a store. While Run runs, they advance by themselves.
func New(c Config) *Sessions {
	if c.Limit == 0 {
		c.Limit = defaultLimit
	}
	return &Sessions{
		Config: c, keys: newKeys(c.Store.Now, c.SingleKey), workers: newWorkers(), patience: patience, renewEvery: renewEvery,
	}
}

// Open opens a session with the link that an app showed, for the wallet's owner. Run or Advance requests the link's url
// later. For a repeated Idempotency-Key, Open returns the session that was opened with it. Errors: ErrLink,
// *BlockedError for a url that the client would not request, ErrTooMany, auth.ErrForbidden, and the store's.
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
	c := content{URL: inner, Member: linkMember(beside), Untouched: owner.IsUntouched()}
	row, err := s.newRow(owner, c)
	if err != nil {
		return View{}, err
	}
	working, begun := s.workers.acquire(row.ID, row.Wallet, origin(inner))
	if begun {
		row.Holder, row.HeldUntil = store.NewID(), s.leaseEnd()
	}
	room := store.CheckSessions(row, s.Limit, s.Store.Now().Unix())
	e := owner.Event(ledger.SessionOpened)
	e.Reason = origin(inner)
	_, err = owner.Commit(ctx, ledger.Change{Event: e, Created: row.ID, Writes: []store.Write{room, store.InsertSession(row)}})
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

// maxListed bounds what a list holds of each session's last reply, in bytes: a reply may have 2 MiB, and a list 200
// sessions.
const maxListed = 64 << 10

// List lists the sessions of the caller's wallet, newest first, for its owner. It records forged rows and leaves them
// out. What came with the last reply of a session (cookies, storages and the response) is left out where it has more
// than maxListed bytes: Get returns it.
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
		v := view(opened.Row(), opened.Content())
		if len(v.Cookies)+len(v.Storages)+len(v.Response) > maxListed {
			v.Cookies, v.Storages, v.Response = nil, nil, nil
		}
		views = append(views, v)
	}
	return views, next, nil
}

// Cancel ends a session, for its owner. If the app has sent a request, it is declined. A session that has ended stays as
// it is. Cancel waits for an exchange in progress until ctx ends; then the error is ErrBusy.
func (s *Sessions) Cancel(ctx context.Context, owner *auth.Caller, id string) (View, error) {
	for {
		row, err := s.ownRow(ctx, owner, id)
		if err != nil && ctx.Err() != nil {
			return View{}, ErrBusy // it stayed at work as long as the caller waited
		}
		if err != nil {
			return View{}, err
		}
		if row.Ended != 0 {
			return s.Get(ctx, owner, id)
		}
		l, err := s.acquireLease(ctx, row)
		if err == nil {
			// The cancellation is completed even if the caller stops waiting.
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
		if !errors.Is(err, store.ErrChanged) && ctx.Err() == nil {
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
