package connect

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"time"

	"walletd/internal/claims"
	"walletd/internal/did"
	"walletd/internal/store"
)

// held is a session that this goroutine may change, until its hold ends.
type held struct {
	*Sessions
	row     store.Session // as it is in the store
	content content       // as it is to be in the store after the next write

	caller  *claims.Caller  // the wallet, open; of the open request if there is one
	request *verified       // the open request
	key     *rsa.PrivateKey // of the channel
	channel *did.ChannelKey // of the channel, once the app has sent it
}

// hold takes a session that nobody holds. The wallet must be open: what is only locked is left as
// it is. Errors: keystore.ErrLocked, store.ErrChanged where somebody holds it or it has ended,
// claims.ErrForged.
func (s *Sessions) hold(ctx context.Context, row store.Session) (*held, error) {
	c, err := s.Door.EnterSession(ctx, claims.Session{ID: row.ID, Wallet: row.Wallet})
	if err != nil {
		return nil, err
	}
	now := s.Store.Now().Unix()
	row, err = s.Store.HoldSession(ctx, row.ID, store.NewID(), now, s.until())
	if err != nil {
		c.Close()
		return nil, err
	}
	return s.take(ctx, c, row)
}

// handed takes a session that was opened and is held already.
func (s *Sessions) handed(ctx context.Context, row store.Session) (*held, error) {
	c, err := s.Door.EnterSession(ctx, claims.Session{ID: row.ID, Wallet: row.Wallet})
	if err != nil {
		return nil, err
	}
	return s.take(ctx, c, row)
}

// take opens a row that is held. A row that cannot be used stays held, so that it is not tried
// again at once.
func (s *Sessions) take(ctx context.Context, c *claims.Caller, row store.Session) (*held, error) {
	h := &held{Sessions: s, row: row, caller: c}
	var err error
	if h.content, err = s.openRow(ctx, c, row); err == nil && !row.Posting {
		err = h.resume(ctx)
	}
	if err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

// resume reads the open request again as it was when it came: by the clock of then, since its own
// life says nothing about how long a person may take (reference d.9).
func (h *held) resume(ctx context.Context) error {
	var err error
	if h.key, err = decodeKey(h.content.Key); err != nil {
		return err
	}
	if h.content.SharedKey != "" {
		k, err := did.UnwrapChannelKey(h.content.SharedKey, h.key)
		if err != nil {
			return fmt.Errorf("session %s: %w", h.row.ID, err)
		}
		h.channel = &k
	}
	if h.content.Reply == nil {
		return nil
	}
	e := h.expected()
	e.now = time.UnixMilli(h.content.Came)
	v, err := check(*h.content.Reply, e)
	if err != nil {
		return fmt.Errorf("reading the request of session %s again: %w", h.row.ID, err)
	}
	return h.enter(ctx, v)
}

func (h *held) expected() expected {
	return expected{url: h.content.URL, app: h.row.App, now: h.Store.Now(), skew: h.content.Skew}
}

// enter makes v the open request, and its app the caller.
func (h *held) enter(ctx context.Context, v verified) error {
	c, err := h.Door.EnterSession(ctx, claims.Session{
		ID: h.row.ID, Wallet: h.row.Wallet, Connect: v.connect, Challenge: v.challenge, Origin: v.origin, Account: h.content.Account,
		Followed: h.content.Previous != "", Offered: h.key != nil, Arrived: h.content.Sealed, Seal: h.channel, Skew: h.content.Skew,
	})
	if err != nil {
		return err
	}
	h.caller.Close()
	h.caller, h.request = c, &v
	return nil
}

// close wipes what the session holds in memory.
func (h *held) close() {
	h.caller.Close()
	if h.channel != nil {
		h.channel.Wipe()
	}
	clear(h.content.Key)
}

// Advance does what is due in a session, one thing after the other, until it waits for a person or
// has ended. It may be called at any time: what is not due is not done, and what somebody else is
// doing is store.ErrChanged.
func (s *Sessions) Advance(ctx context.Context, id string) error {
	row, err := s.Store.Session(ctx, id)
	if err != nil {
		return fmt.Errorf("advancing a session: %w", err)
	}
	if row.Ended != 0 {
		return nil
	}
	h, err := s.hold(ctx, row)
	if err != nil {
		return fmt.Errorf("advancing session %s: %w", id, err)
	}
	return h.finish(ctx, h.advance)
}

// finish does a thing with a session and gives it back.
func (h *held) finish(ctx context.Context, do func(context.Context) error) error {
	defer h.close()
	err := do(ctx)
	if err != nil && !retriable(err) {
		return fmt.Errorf("session %s: %w", h.row.ID, err) // it stays held, and is tried again after that
	}
	if err = errors.Join(err, h.giveBack(context.WithoutCancel(ctx))); err != nil {
		return fmt.Errorf("session %s: %w", h.row.ID, err)
	}
	return nil
}

// giveBack ends the hold, if it has not ended.
func (h *held) giveBack(ctx context.Context) error {
	if h.row.Ended != 0 || h.row.HeldUntil == 0 {
		return nil
	}
	h.row.HeldUntil = 0
	return h.Store.ReleaseSession(ctx, h.row.ID, h.row.Holder)
}

// advance is the dispatcher: one thing after the other, until the session has ended or was given
// back to wait for a person.
func (h *held) advance(ctx context.Context) error {
	for h.row.Ended == 0 && h.row.HeldUntil != 0 {
		if err := h.once(ctx); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// once looks at the row, does the one thing that is due, and writes the row.
func (h *held) once(ctx context.Context) error {
	switch {
	case h.row.Posting:
		return h.lost(ctx)
	case h.Store.Now().Unix() >= h.row.Expires:
		return h.expire(ctx)
	case h.request == nil:
		return h.open(ctx)
	case State(h.row.State) == Waiting:
		return h.collect(ctx)
	default:
		return h.ask(ctx)
	}
}

// write makes the row durable as h.content and the change say, with an entry on the wallet's
// record. Nothing else of the session is in memory that the row does not hold.
func (h *held) write(ctx context.Context, kind, reason string, change func(*store.Session), also ...store.Write) error {
	next := h.row
	next.HeldUntil = h.until()
	change(&next)
	if err := sealRow(h.caller, &next, h.content); err != nil {
		return err
	}
	if err := h.Door.RecordSession(ctx, h.caller, kind, reason, "", append(also, store.UpdateSession(h.row, next))...); err != nil {
		return fmt.Errorf("writing the session: %w", err)
	}
	h.row = next
	return nil
}

// end ends the session. What it no longer needs goes, its key first.
func (h *held) end(ctx context.Context, state State, e ending, also ...store.Write) error {
	c := &h.content
	clear(c.Key)
	c.Key, c.Reply, c.SharedKey, c.Declining, c.End = nil, nil, "", nil, e
	reason := string(state)
	if e.Code != "" {
		reason += ": " + e.Code
	}
	return h.write(ctx, "session.ended", reason, func(row *store.Session) {
		row.State, row.Posting, row.Ended, row.HeldUntil = string(state), false, h.Store.Now().Unix(), 0
	}, also...)
}

// lost ends a session that was found posting: nobody knows whether the app heard. What was being
// declined is declined all the same.
func (h *held) lost(ctx context.Context) error {
	if d := h.content.Declining; d != nil {
		return h.end(ctx, Declined, *d)
	}
	return h.end(ctx, Unknown, ending{Text: "The answer was sent, and whether the app took it is not known. It is not sent again."})
}

func (h *held) expire(ctx context.Context) error {
	if err := h.withdraw(ctx); err != nil {
		return err
	}
	return h.end(ctx, Expired, ending{Text: "Nobody answered in time."})
}

// withdraw ends the session's question to the person, if one waits. One that is gone, or that
// somebody else wrote, is of no use anyway.
func (h *held) withdraw(ctx context.Context) error {
	if h.row.Approval == "" {
		return nil
	}
	err := h.Door.CancelQuestion(ctx, h.caller, h.row.Approval)
	if errors.Is(err, claims.ErrNotFound) || errors.Is(err, claims.ErrForged) {
		return nil
	}
	return err
}

// cancel ends the session because its owner says so.
func (h *held) cancel(ctx context.Context) error {
	if h.row.Posting {
		return h.lost(ctx)
	}
	if err := h.withdraw(ctx); err != nil {
		return err
	}
	e := ending{Code: "cancelled", Text: "The session was cancelled."}
	if h.request == nil {
		return h.end(ctx, Declined, e)
	}
	return h.decline(ctx, claims.DeclineAuth, e)
}

// retriable tells errors that say nothing about the session: it can go on at once.
func retriable(err error) bool {
	return errors.Is(err, store.ErrChanged) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
