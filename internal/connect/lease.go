package connect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"walletd/internal/auth"
	"walletd/internal/keystore"
	"walletd/internal/ledger"
	"walletd/internal/store"
)

const (
	// leaseFor is how long a lease lasts unless it is renewed. After that, another replica continues
	// the sessions of one that was killed.
	leaseFor = 10 * time.Second
	// renewEvery is how often a holder renews its lease.
	renewEvery = leaseFor / 4
	// pauseFor is how long a session is paused after an error of its own.
	pauseFor = time.Minute
	// patience is how long a write that must not be lost is retried while the store is unavailable.
	patience = 2 * time.Minute
)

// acquireLease acquires the lease of a session that nobody has. While the keystore is locked it leaves the session as it
// is. Errors: keystore.ErrLocked, store.ErrChanged if the session is leased or has ended, ledger.ErrForged.
func (s *Sessions) acquireLease(ctx context.Context, row store.Session) (*leased, error) {
	c, err := s.Auth.SessionCaller(ctx, auth.Session{ID: row.ID, Wallet: row.Wallet})
	if err != nil {
		return nil, err
	}
	holder := store.NewID()
	row, err = s.Store.HoldSession(ctx, row.ID, holder, s.Store.Now().Unix(), s.leaseEnd())
	if err != nil {
		c.Close()
		return nil, err
	}
	return s.openLeased(ctx, c, row)
}

// useLease opens a session whose row was inserted with a lease of this process.
func (s *Sessions) useLease(ctx context.Context, row store.Session) (*leased, error) {
	c, err := s.Auth.SessionCallerForAnswer(ctx, auth.Session{ID: row.ID, Wallet: row.Wallet})
	if err != nil {
		return nil, s.returnLease(ctx, row, err)
	}
	return s.openLeased(ctx, c, row)
}

// takeWaiting opens a session that waited for the owner, and leases it with the first row that it writes: that fails if
// another replica was first, and then nothing was recorded or posted. Any other session is leased at once.
func (s *Sessions) takeWaiting(ctx context.Context, row store.Session) (*leased, error) {
	if State(row.State) != Waiting || row.Holder != "" {
		return s.acquireLease(ctx, row)
	}
	c, err := s.Auth.SessionCaller(ctx, auth.Session{ID: row.ID, Wallet: row.Wallet})
	if err != nil {
		return nil, err
	}
	return s.openLeased(ctx, c, row)
}

// openLeased opens a row that is leased, or will be with the next write. After an error it returns the lease.
func (s *Sessions) openLeased(ctx context.Context, c *auth.Caller, row store.Session) (*leased, error) {
	l := &leased{Sessions: s, row: row, caller: c, holder: row.Holder}
	if l.held.Store(l.holder != ""); l.holder == "" {
		l.holder = store.NewID()
	}
	opened, err := ledger.Open[content](ctx, c.Wallet, row)
	if l.content = opened.Content(); err == nil && !row.Posting {
		err = l.restore(ctx)
	}
	if err != nil {
		l.close()
		return nil, s.returnLease(ctx, row, err)
	}
	return l, nil
}

// runLeased calls do while it renews the session's lease, and then returns the lease. The context of do ends if the
// lease is lost.
func (l *leased) runLeased(ctx context.Context, do func(context.Context) error) error {
	defer l.close()
	work, stop := context.WithCancel(ctx)
	renewed := make(chan struct{})
	id := l.row.ID
	go func() {
		defer close(renewed)
		defer stop()
		l.keepRenewing(work, id)
	}()
	err := do(work)
	stop()
	<-renewed
	if err = l.returnLease(ctx, l.row, err); err != nil {
		return fmt.Errorf("session %s: %w", l.row.ID, err)
	}
	return nil
}

// keepRenewing renews the lease of the session with an id until ctx ends or the lease is lost. While the store is
// unavailable the lease is not lost, because nobody else can acquire it either.
func (l *leased) keepRenewing(ctx context.Context, id string) {
	tick := time.NewTicker(l.renewEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !l.held.Load() {
			continue
		}
		if err := l.Store.RenewSession(ctx, id, l.holder, l.leaseEnd()); errors.Is(err, store.ErrChanged) {
			return
		}
	}
}

// returnLease returns a lease that has not ended, and returns cause. After no error or a retriable one, the session may
// be leased again at once; after any other error it is paused for pauseFor, also if nobody has its lease. If the store is
// unavailable, the lease expires.
func (s *Sessions) returnLease(ctx context.Context, row store.Session, cause error) error {
	ctx = context.WithoutCancel(ctx)
	now := s.Store.Now()
	switch goesOn := cause == nil || retriable(cause); {
	case row.Ended != 0, row.Holder == "" && goesOn:
		return cause
	case row.Holder == "":
		_, err := s.Store.HoldSession(ctx, row.ID, store.NewID(), now.Unix(), now.Add(pauseFor).Unix())
		return errors.Join(cause, err)
	case goesOn:
		return errors.Join(cause, s.Store.ReleaseSession(ctx, row.ID, row.Holder))
	default:
		return errors.Join(cause, s.Store.RenewSession(ctx, row.ID, row.Holder, now.Add(pauseFor).Unix()))
	}
}

// releaseLease returns the lease because the session waits for the owner.
func (l *leased) releaseLease(ctx context.Context) error {
	if l.row.Holder != "" {
		if err := l.Store.ReleaseSession(ctx, l.row.ID, l.row.Holder); err != nil {
			return err
		}
		l.row.Holder, l.row.HeldUntil = "", 0
	}
	l.waits = true
	return nil
}

// write writes the row with l.content and the change, durably, and appends an entry to the wallet's audit log. The row
// then holds all of the session's state. write retries while the store is unavailable; it recognises a write that
// succeeded without a confirmation by the row's MAC.
func (l *leased) write(ctx context.Context, kind ledger.Kind, reason string, change func(*store.Session), also ...store.Write) error {
	for retrying := false; ; retrying = true {
		if err := l.settle(ctx); err != nil {
			return err
		}
		next := l.row
		next.Holder, next.HeldUntil = l.holder, l.leaseEnd()
		before, writes := l.noteRequest(&next)
		change(&next)
		if err := sealRow(l.caller, &next, l.content); err != nil {
			return err
		}
		e := l.caller.Event(kind)
		if e.Reason = reason; kind == ledger.SessionAsked {
			before = nil // it says so itself
		}
		writes = append(append(writes, also...), store.UpdateSession(l.row, next))
		err := l.retryUnavailable(ctx, func() error {
			_, err := l.caller.Commit(ctx, ledger.Change{Before: before, Event: e, Writes: writes})
			return err
		})
		var now store.Session
		if errors.Is(err, store.ErrChanged) {
			now, err = l.reread(ctx, err)
		}
		switch {
		case err == nil, bytes.Equal(now.MAC, next.MAC):
			l.committed(next)
			return nil
		case retrying || !bytes.Equal(now.MAC, l.row.MAC) || now.Holder != l.row.Holder:
			return fmt.Errorf("writing the session: %w", err)
		}
		// The row is unchanged, so the keystore changed, by a rotation or a lock, or the wallet that was remembered.
		if err := l.reopen(ctx); err != nil {
			return err
		}
	}
}

// reread returns the row as it is now, and cause; if the row cannot be read, it returns the error of that instead.
func (l *leased) reread(ctx context.Context, cause error) (row store.Session, err error) {
	err = l.retryUnavailable(ctx, func() error {
		row, err = l.Store.Session(ctx, l.row.ID)
		return err
	})
	if err != nil {
		return row, err
	}
	return row, cause
}

// reopen opens the wallet again, with the keystore as it is now.
func (l *leased) reopen(ctx context.Context) error {
	if l.caller.Wallet.IsRemembered() {
		l.Store.Forget(l.row.Wallet)
	}
	if l.request != nil {
		return l.setRequest(ctx, *l.request)
	}
	c, err := l.Auth.SessionCaller(ctx, auth.Session{ID: l.row.ID, Wallet: l.row.Wallet})
	if err != nil {
		return err
	}
	l.caller.Close()
	l.caller = c
	return nil
}

// retryUnavailable retries do while the store is unavailable, for at most l.patience, because what an app has done
// cannot be undone.
func (l *leased) retryUnavailable(ctx context.Context, do func() error) error {
	deadline := time.Now().Add(l.patience)
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		err := do()
		if !isUnavailable(err) || time.Now().Add(pause).After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// leaseEnd returns the end of a lease that begins now, in unix seconds.
func (s *Sessions) leaseEnd() int64 { return s.Store.Now().Add(leaseFor).Unix() }

// isUnavailable reports whether an error says that the store is unavailable and may be available later.
func isUnavailable(err error) bool {
	return errors.Is(err, store.ErrUnavailable) && !errors.Is(err, store.ErrClosed) || errors.Is(err, store.ErrFull)
}

// retriable reports whether an error is not about the session, so that the session can continue at once.
func retriable(err error) bool {
	return isUnavailable(err) || errors.Is(err, store.ErrChanged) || errors.Is(err, keystore.ErrLocked) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
