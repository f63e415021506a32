package connect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"walletd/internal/auth"
	"walletd/internal/keystore"
	"walletd/internal/ledger"
	"walletd/internal/store"
)

const (
	// leaseFor is how long a lease lasts unless it is renewed: what a replica that was killed had
	// at work is taken up by another after that.
	leaseFor = 10 * time.Second
	// renewEvery is how often a lease is renewed while its holder is at work.
	renewEvery = leaseFor / 4
	// pauseFor is how long a session rests that cannot go on for a reason of its own.
	pauseFor = time.Minute
	// patience is how long what must not be lost is tried while the store is away.
	patience = 2 * time.Minute
)

// acquireLease takes a session that nobody holds. The wallet must be open: what is only locked is left as
// it is. Errors: keystore.ErrLocked, store.ErrChanged where somebody holds it or it has ended,
// ledger.ErrForged.
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

// useLease takes a session that was opened with a lease.
func (s *Sessions) useLease(ctx context.Context, row store.Session) (*leased, error) {
	c, err := s.Auth.SessionCaller(ctx, auth.Session{ID: row.ID, Wallet: row.Wallet})
	if err != nil {
		return nil, s.returnLease(ctx, row, err)
	}
	return s.openLeased(ctx, c, row)
}

// openLeased opens a row that is leased.
func (s *Sessions) openLeased(ctx context.Context, c *auth.Caller, row store.Session) (*leased, error) {
	l := &leased{Sessions: s, row: row, caller: c}
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

// runLeased does a thing with a session, whose lease it renews meanwhile, and gives it back. The
// context that do gets ends with the lease.
func (l *leased) runLeased(ctx context.Context, do func(context.Context) error) error {
	defer l.close()
	work, stop := context.WithCancel(ctx)
	renewed := make(chan struct{})
	id, holder := l.row.ID, l.row.Holder
	go func() {
		defer close(renewed)
		defer stop()
		l.keepRenewing(work, id, holder)
	}()
	err := do(work)
	stop()
	<-renewed
	if err = l.returnLease(ctx, l.row, err); err != nil {
		return fmt.Errorf("session %s: %w", l.row.ID, err)
	}
	return nil
}

// keepRenewing renews a lease until ctx ends, or the lease is lost. A store that is away takes no
// lease: it gives none to others either.
func (s *Sessions) keepRenewing(ctx context.Context, id, holder string) {
	tick := time.NewTicker(s.renewEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := s.Store.RenewSession(ctx, id, holder, s.leaseEnd()); errors.Is(err, store.ErrChanged) {
			return
		}
	}
}

// returnLease ends a lease, if it has not ended, and returns the error because of which, nil for none.
// What says nothing about the session leaves it to be taken up at once; after anything else it
// rests. Where the store is away, the lease runs out.
func (s *Sessions) returnLease(ctx context.Context, row store.Session, cause error) error {
	if row.Ended != 0 || row.Holder == "" {
		return cause
	}
	ctx = context.WithoutCancel(ctx)
	if cause == nil || retriable(cause) {
		return errors.Join(cause, s.Store.ReleaseSession(ctx, row.ID, row.Holder))
	}
	until := s.Store.Now().Add(pauseFor).Unix()
	return errors.Join(cause, s.Store.RenewSession(ctx, row.ID, row.Holder, until))
}

// releaseLease gives the session back in the middle of its work.
func (l *leased) releaseLease(ctx context.Context) error {
	if err := l.Store.ReleaseSession(ctx, l.row.ID, l.row.Holder); err != nil {
		return err
	}
	l.row.Holder, l.row.HeldUntil = "", 0
	return nil
}

// write makes the row durable as h.content and the change say, with an entry on the wallet's
// record. Nothing else of the session is in memory that the row does not hold. While the store is
// away it is tried again; a try that did happen though nobody heard is found by its MAC.
func (l *leased) write(ctx context.Context, kind ledger.Kind, reason string, change func(*store.Session), also ...store.Write) error {
	for retrying := false; ; retrying = true {
		next := l.row
		next.HeldUntil = l.leaseEnd()
		change(&next)
		if err := sealRow(l.caller, &next, l.content); err != nil {
			return err
		}
		writes := append(slices.Clone(also), store.UpdateSession(l.row, next))
		err := l.retryUnavailable(ctx, func() error { return record(ctx, l.caller, kind, reason, "", writes...) })
		var now store.Session
		if errors.Is(err, store.ErrChanged) {
			now, err = l.reread(ctx, err)
		}
		switch {
		case err == nil, bytes.Equal(now.MAC, next.MAC):
			l.row = next
			return nil
		case retrying || !bytes.Equal(now.MAC, l.row.MAC) || now.Holder != l.row.Holder:
			return fmt.Errorf("writing the session: %w", err)
		}
		// The row is as it was: it is the keystore that changed, by a rotation or a lock.
		if err := l.reopen(ctx); err != nil {
			return err
		}
	}
}

// reread returns the row as it is now, and because, or why it cannot be read.
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

// reopen opens the wallet with the keystore as it is now.
func (l *leased) reopen(ctx context.Context) error {
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

// retryUnavailable does something with the store, again and again while it is away: what an app has done, or
// may have, cannot be done over.
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

// leaseEnd is the end of a lease that begins now.
func (s *Sessions) leaseEnd() int64 { return s.Store.Now().Add(leaseFor).Unix() }

// isUnavailable tells errors of a store that may come back.
func isUnavailable(err error) bool {
	return errors.Is(err, store.ErrUnavailable) && !errors.Is(err, store.ErrClosed) || errors.Is(err, store.ErrFull)
}

// retriable tells errors that say nothing about the session: it can go on at once.
func retriable(err error) bool {
	return isUnavailable(err) || errors.Is(err, store.ErrChanged) || errors.Is(err, keystore.ErrLocked) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
