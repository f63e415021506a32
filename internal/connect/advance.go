package connect

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"walletd/internal/auth"
	"walletd/internal/consent"
	"walletd/internal/did"
	"walletd/internal/ledger"
	"walletd/internal/store"
)

// leased is a session whose lease this goroutine has. Only its holder may change the session.
type leased struct {
	*Sessions
	row     store.Session // the row as it is in the store
	content content       // the content that the next write stores
	holder  string        // who has the lease, or will have it with the next write
	held    atomic.Bool   // whether the row says so
	waits   bool          // the session waits for the owner, and the lease was returned

	// received says that the current request is in no row yet.
	received bool
	// tried is the row of a joint commit whose outcome is not known; zero if there is none.
	tried store.Session
	// unposted says that the row says posting for an answer to the current request that was not posted; mayPost, that it
	// may be, once.
	unposted, mayPost bool

	caller  *auth.Caller    // with the open wallet; the app of the current request if there is one
	request *verified       // the current request
	key     *rsa.PrivateKey // the key of the channel that was offered
	channel *did.ChannelKey // the symmetric key of the channel, once the app has sent it
}

// restore verifies the current request again, with the time at which it arrived: its own expiry does not limit how
// long the owner may take (reference d.9).
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

// setRequest makes v the current request, and its app the caller.
func (l *leased) setRequest(ctx context.Context, v verified) error {
	return l.enter(ctx, v, l.Auth.SessionCaller)
}

// enter is setRequest with what opens the wallet.
func (l *leased) enter(ctx context.Context, v verified, open func(context.Context, auth.Session) (*auth.Caller, error)) error {
	return l.retryUnavailable(ctx, func() error {
		c, err := open(ctx, auth.Session{
			ID: l.row.ID, Wallet: l.row.Wallet, Connect: v.connect, Challenge: v.challenge, Origin: v.origin, Account: l.content.Account,
			Member: l.content.Member.words(), Followed: l.content.Previous != "", Untouched: l.content.Untouched, Offered: l.key != nil, Arrived: l.content.Sealed, Seal: l.channel, Skew: l.content.Skew,
		})
		if err != nil {
			return err
		}
		l.caller.Close()
		l.caller, l.request = c, &v
		return nil
	})
}

// close wipes the keys that the session has in memory.
func (l *leased) close() {
	l.caller.Close()
	if l.channel != nil {
		l.channel.Wipe()
	}
	clear(l.content.Key)
}

// advance is the dispatcher: it takes one step after the other, until the session has ended, or its lease was returned
// because it waits for the owner.
func (l *leased) advance(ctx context.Context) error {
	for l.row.Ended == 0 && !l.waits {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := l.step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// step takes the one step that is due, and writes the row. A request that it receives is a part of it, up to a row
// that says what was decided.
func (l *leased) step(ctx context.Context) error {
	err := l.due(ctx)
	for err == nil && l.received {
		err = l.requestConsent(ctx)
	}
	return err
}

// due does what the row says is due.
func (l *leased) due(ctx context.Context) error {
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

// end ends the session, and wipes and removes the contents that an ended session does not need.
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

// endUnknown ends a session whose row says posting, so that it is not known whether the app received the answer. If
// the post was a decline, the session ends as declined.
func (l *leased) endUnknown(ctx context.Context) error {
	if d := l.content.Declining; d != nil {
		return l.end(ctx, Declined, *d)
	}
	return l.end(ctx, Unknown, ending{Text: "The answer was sent, and it is not known whether the app received it. It is not sent again."})
}

func (l *leased) expire(ctx context.Context) error {
	if err := l.cancelApproval(ctx); err != nil {
		return err
	}
	return l.end(ctx, Expired, ending{Text: "Nobody decided in time."})
}

// cancelApproval cancels the session's approval, if one waits. It ignores an approval that is missing or forged.
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

// cancel ends the session because the wallet's owner cancels it.
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
