package connect

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"time"

	"walletd/internal/auth"
	"walletd/internal/consent"
	"walletd/internal/did"
	"walletd/internal/ledger"
	"walletd/internal/store"
)

// leased is a session that this goroutine may change, for as long as it has the lease.
type leased struct {
	*Sessions
	row     store.Session // as it is in the store
	content content       // as it is to be in the store after the next write

	caller  *auth.Caller    // the wallet, open; of the open request if there is one
	request *verified       // the open request
	key     *rsa.PrivateKey // of the channel
	channel *did.ChannelKey // of the channel, once the app has sent it
}

// restore reads the open request again as it was when it came: by the clock of then, since its own
// life says nothing about how long a person may take (reference d.9).
func (l *leased) restore(ctx context.Context) error {
	var err error
	if l.key, err = decodeKey(l.content.Key); err != nil {
		return err
	}
	if l.content.SharedKey != "" {
		k, err := did.UnwrapChannelKey(l.content.SharedKey, l.key)
		if err != nil {
			return fmt.Errorf("session %s: %w", l.row.ID, err)
		}
		l.channel = &k
	}
	if l.content.Reply == nil {
		return nil
	}
	e := l.expected()
	e.now = time.UnixMilli(l.content.Came)
	v, err := check(*l.content.Reply, e)
	if err != nil {
		return fmt.Errorf("reading the request of session %s again: %w", l.row.ID, err)
	}
	return l.setRequest(ctx, v)
}

func (l *leased) expected() expected {
	return expected{url: l.content.URL, app: l.row.App, now: l.Store.Now(), skew: l.content.Skew}
}

// setRequest makes v the open request, and its app the caller.
func (l *leased) setRequest(ctx context.Context, v verified) error {
	return l.retryUnavailable(ctx, func() error {
		c, err := l.Auth.SessionCaller(ctx, auth.Session{
			ID: l.row.ID, Wallet: l.row.Wallet, Connect: v.connect, Challenge: v.challenge, Origin: v.origin, Account: l.content.Account,
			Member: l.content.Member.words(), Followed: l.content.Previous != "", Offered: l.key != nil, Arrived: l.content.Sealed, Seal: l.channel, Skew: l.content.Skew,
		})
		if err != nil {
			return err
		}
		l.caller.Close()
		l.caller, l.request = c, &v
		return nil
	})
}

// close wipes what the session holds in memory.
func (l *leased) close() {
	l.caller.Close()
	if l.channel != nil {
		l.channel.Wipe()
	}
	clear(l.content.Key)
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
	l, err := s.acquireLease(ctx, row)
	if err != nil {
		return fmt.Errorf("advancing session %s: %w", id, err)
	}
	return l.runLeased(ctx, l.advance)
}

// advance is the dispatcher: one thing after the other, until the session has ended or was given
// back to wait for a person.
func (l *leased) advance(ctx context.Context) error {
	for l.row.Ended == 0 && l.row.Holder != "" {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := l.step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// step looks at the row, does the one thing that is due, and writes the row.
func (l *leased) step(ctx context.Context) error {
	switch {
	case l.row.Posting:
		return l.endUnknown(ctx)
	case l.Store.Now().Unix() >= l.row.Expires:
		return l.expire(ctx)
	case l.request == nil:
		return l.fetchRequest(ctx)
	case State(l.row.State) == Waiting:
		return l.collect(ctx)
	default:
		return l.requestConsent(ctx)
	}
}

// end ends the session. What it no longer needs goes, its key first.
func (l *leased) end(ctx context.Context, state State, e ending, also ...store.Write) error {
	c := &l.content
	clear(c.Key)
	c.Key, c.Reply, c.SharedKey, c.Declining, c.End = nil, nil, "", nil, e
	reason := string(state)
	if e.Code != "" {
		reason += ": " + e.Code
	}
	return l.write(ctx, ledger.SessionEnded, reason, func(row *store.Session) {
		row.State, row.Posting, row.Ended = string(state), false, l.Store.Now().Unix()
		row.Holder, row.HeldUntil = "", 0
	}, also...)
}

// endUnknown ends a session that was found posting: nobody knows whether the app heard. What was being
// declined is declined all the same.
func (l *leased) endUnknown(ctx context.Context) error {
	if d := l.content.Declining; d != nil {
		return l.end(ctx, Declined, *d)
	}
	return l.end(ctx, Unknown, ending{Text: "The answer was sent, and whether the app took it is not known. It is not sent again."})
}

func (l *leased) expire(ctx context.Context) error {
	if err := l.cancelApproval(ctx); err != nil {
		return err
	}
	return l.end(ctx, Expired, ending{Text: "Nobody answered in time."})
}

// cancelApproval ends the session's question to the person, if one waits. One that is gone, or that
// somebody else wrote, is of no use anyway.
func (l *leased) cancelApproval(ctx context.Context) error {
	if l.row.Approval == "" {
		return nil
	}
	err := l.Pipeline.CancelRequest(ctx, l.caller, l.row.Approval)
	if errors.Is(err, auth.ErrNotFound) || errors.Is(err, ledger.ErrForged) {
		return nil
	}
	return err
}

// cancel ends the session because its owner says so.
func (l *leased) cancel(ctx context.Context) error {
	if l.row.Posting {
		return l.endUnknown(ctx)
	}
	if err := l.cancelApproval(ctx); err != nil {
		return err
	}
	e := ending{Code: "cancelled", Text: "The session was cancelled."}
	if l.request == nil {
		return l.end(ctx, Declined, e)
	}
	return l.decline(ctx, consent.DeclineAuth, e)
}
