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

// held is a session that this goroutine may change, for as long as it has the lease.
type held struct {
	*Sessions
	row     store.Session // as it is in the store
	content content       // as it is to be in the store after the next write

	caller  *auth.Caller    // the wallet, open; of the open request if there is one
	request *verified       // the open request
	key     *rsa.PrivateKey // of the channel
	channel *did.ChannelKey // of the channel, once the app has sent it
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
	return h.insist(ctx, func() error {
		c, err := h.Auth.EnterSession(ctx, auth.Session{
			ID: h.row.ID, Wallet: h.row.Wallet, Connect: v.connect, Challenge: v.challenge, Origin: v.origin, Account: h.content.Account,
			Member: h.content.Member.words(), Followed: h.content.Previous != "", Offered: h.key != nil, Arrived: h.content.Sealed, Seal: h.channel, Skew: h.content.Skew,
		})
		if err != nil {
			return err
		}
		h.caller.Close()
		h.caller, h.request = c, &v
		return nil
	})
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

// advance is the dispatcher: one thing after the other, until the session has ended or was given
// back to wait for a person.
func (h *held) advance(ctx context.Context) error {
	for h.row.Ended == 0 && h.row.Holder != "" {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := h.once(ctx); err != nil {
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

// end ends the session. What it no longer needs goes, its key first.
func (h *held) end(ctx context.Context, state State, e ending, also ...store.Write) error {
	c := &h.content
	clear(c.Key)
	c.Key, c.Reply, c.SharedKey, c.Declining, c.End = nil, nil, "", nil, e
	reason := string(state)
	if e.Code != "" {
		reason += ": " + e.Code
	}
	return h.write(ctx, ledger.SessionEnded, reason, func(row *store.Session) {
		row.State, row.Posting, row.Ended = string(state), false, h.Store.Now().Unix()
		row.Holder, row.HeldUntil = "", 0
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
	err := h.Pipeline.CancelQuestion(ctx, h.caller, h.row.Approval)
	if errors.Is(err, auth.ErrNotFound) || errors.Is(err, ledger.ErrForged) {
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
	return h.decline(ctx, consent.DeclineAuth, e)
}
