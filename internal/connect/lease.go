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

// hold takes a session that nobody holds. The wallet must be open: what is only locked is left as
// it is. Errors: keystore.ErrLocked, store.ErrChanged where somebody holds it or it has ended,
// ledger.ErrForged.
func (s *Sessions) hold(ctx context.Context, row store.Session) (*held, error) {
	c, err := s.Auth.EnterSession(ctx, auth.Session{ID: row.ID, Wallet: row.Wallet})
	if err != nil {
		return nil, err
	}
	holder := store.NewID()
	row, err = s.Store.HoldSession(ctx, row.ID, holder, s.Store.Now().Unix(), s.until())
	if err != nil {
		c.Close()
		return nil, err
	}
	return s.take(ctx, c, row)
}

// handed takes a session that was opened with a lease.
func (s *Sessions) handed(ctx context.Context, row store.Session) (*held, error) {
	c, err := s.Auth.EnterSession(ctx, auth.Session{ID: row.ID, Wallet: row.Wallet})
	if err != nil {
		return nil, s.giveBack(ctx, row, err)
	}
	return s.take(ctx, c, row)
}

// take opens a row that is leased.
func (s *Sessions) take(ctx context.Context, c *auth.Caller, row store.Session) (*held, error) {
	h := &held{Sessions: s, row: row, caller: c}
	opened, err := ledger.Open[content](ctx, c.Wallet, row)
	if h.content = opened.Content(); err == nil && !row.Posting {
		err = h.resume(ctx)
	}
	if err != nil {
		h.close()
		return nil, s.giveBack(ctx, row, err)
	}
	return h, nil
}

// finish does a thing with a session, whose lease it renews meanwhile, and gives it back. The
// context that do gets ends with the lease.
func (h *held) finish(ctx context.Context, do func(context.Context) error) error {
	defer h.close()
	work, stop := context.WithCancel(ctx)
	renewed := make(chan struct{})
	id, holder := h.row.ID, h.row.Holder
	go func() {
		defer close(renewed)
		defer stop()
		h.renewing(work, id, holder)
	}()
	err := do(work)
	stop()
	<-renewed
	if err = h.giveBack(ctx, h.row, err); err != nil {
		return fmt.Errorf("session %s: %w", h.row.ID, err)
	}
	return nil
}

// renewing renews a lease until ctx ends, or the lease is lost. A store that is away takes no
// lease: it gives none to others either.
func (s *Sessions) renewing(ctx context.Context, id, holder string) {
	tick := time.NewTicker(s.renewEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := s.Store.RenewSession(ctx, id, holder, s.until()); errors.Is(err, store.ErrChanged) {
			return
		}
	}
}

// giveBack ends a lease, if it has not ended, and returns the error because of which, nil for none.
// What says nothing about the session leaves it to be taken up at once; after anything else it
// rests. Where the store is away, the lease runs out.
func (s *Sessions) giveBack(ctx context.Context, row store.Session, because error) error {
	if row.Ended != 0 || row.Holder == "" {
		return because
	}
	ctx = context.WithoutCancel(ctx)
	if because == nil || retriable(because) {
		return errors.Join(because, s.Store.ReleaseSession(ctx, row.ID, row.Holder))
	}
	until := s.Store.Now().Add(pauseFor).Unix()
	return errors.Join(because, s.Store.RenewSession(ctx, row.ID, row.Holder, until))
}

// release gives the session back in the middle of its work.
func (h *held) release(ctx context.Context) error {
	if err := h.Store.ReleaseSession(ctx, h.row.ID, h.row.Holder); err != nil {
		return err
	}
	h.row.Holder, h.row.HeldUntil = "", 0
	return nil
}

// write makes the row durable as h.content and the change say, with an entry on the wallet's
// record. Nothing else of the session is in memory that the row does not hold. While the store is
// away it is tried again; a try that did happen though nobody heard is found by its MAC.
func (h *held) write(ctx context.Context, kind ledger.Kind, reason string, change func(*store.Session), also ...store.Write) error {
	for again := false; ; again = true {
		next := h.row
		next.HeldUntil = h.until()
		change(&next)
		if err := sealRow(h.caller, &next, h.content); err != nil {
			return err
		}
		writes := append(slices.Clone(also), store.UpdateSession(h.row, next))
		err := h.insist(ctx, func() error { return record(ctx, h.caller, kind, reason, "", writes...) })
		var now store.Session
		if errors.Is(err, store.ErrChanged) {
			now, err = h.reread(ctx, err)
		}
		switch {
		case err == nil, bytes.Equal(now.MAC, next.MAC):
			h.row = next
			return nil
		case again || !bytes.Equal(now.MAC, h.row.MAC) || now.Holder != h.row.Holder:
			return fmt.Errorf("writing the session: %w", err)
		}
		// The row is as it was: it is the keystore that changed, by a rotation or a lock.
		if err := h.reopen(ctx); err != nil {
			return err
		}
	}
}

// reread returns the row as it is now, and because, or why it cannot be read.
func (h *held) reread(ctx context.Context, because error) (row store.Session, err error) {
	err = h.insist(ctx, func() error {
		row, err = h.Store.Session(ctx, h.row.ID)
		return err
	})
	if err != nil {
		return row, err
	}
	return row, because
}

// reopen opens the wallet with the keystore as it is now.
func (h *held) reopen(ctx context.Context) error {
	if h.request != nil {
		return h.enter(ctx, *h.request)
	}
	c, err := h.Auth.EnterSession(ctx, auth.Session{ID: h.row.ID, Wallet: h.row.Wallet})
	if err != nil {
		return err
	}
	h.caller.Close()
	h.caller = c
	return nil
}

// insist does something with the store, again and again while it is away: what an app has done, or
// may have, cannot be done over.
func (h *held) insist(ctx context.Context, do func() error) error {
	enough := time.Now().Add(h.patience)
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		err := do()
		if !isAway(err) || time.Now().Add(pause).After(enough) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// until is the end of a lease that begins now.
func (s *Sessions) until() int64 { return s.Store.Now().Add(leaseFor).Unix() }

// isAway tells errors of a store that may come back.
func isAway(err error) bool {
	return errors.Is(err, store.ErrUnavailable) && !errors.Is(err, store.ErrClosed) || errors.Is(err, store.ErrFull)
}

// retriable tells errors that say nothing about the session: it can go on at once.
func retriable(err error) bool {
	return isAway(err) || errors.Is(err, store.ErrChanged) || errors.Is(err, keystore.ErrLocked) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
