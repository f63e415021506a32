package store

import (
	"context"
	"errors"
	"fmt"
)

// PushSubscription is a browser that is told when an approval begins to wait.
type PushSubscription struct {
	Wallet  string
	ID      string // of the caller's making: the same for the same browser
	Token   string // id of the owner's token that subscribed it, with which it ends, unless it has a passkey
	Passkey string // id of the passkey that signed in, with which it ends; "" of a token without one
	Sealed  []byte // where and how the browser is reached
	Created int64
	MAC     []byte
}

func (p *PushSubscription) columns() []column {
	return []column{
		authentic("wallet", &p.Wallet),
		authentic("id", &p.ID),
		authentic("token", &p.Token),
		authentic("passkey", &p.Passkey),
		authentic("sealed", &p.Sealed),
		authentic("created", &p.Created),
		plain("mac", &p.MAC),
	}
}

func (PushSubscription) Table() string       { return "push_subscriptions" }
func (p PushSubscription) Key() string       { return p.ID }
func (p PushSubscription) Canonical() []byte { return canonical(&p) }
func (p PushSubscription) Sum() []byte       { return p.MAC }

// Content is the sealed field of the row, and its name in the associated data.
func (p PushSubscription) Content() (field string, sealed []byte) { return "content", p.Sealed }

// Push is one approval on its way to one subscription. It has no MAC: who can write it can do no more than have a
// browser told once too often, or not.
type Push struct {
	Approval     string
	Subscription string
	Tries        int64
	Tried        int64
	HeldUntil    int64 // before then nobody else tries
	Done         bool
}

func (p *Push) columns() []column {
	return []column{
		plain("approval", &p.Approval),
		plain("subscription", &p.Subscription),
		plain("tries", &p.Tries),
		plain("tried", &p.Tried),
		plain("held_until", &p.HeldUntil),
		plain("done", &p.Done),
	}
}

func (Push) Table() string { return "pushes" }

var (
	getPushSubscription    = reads[PushSubscription]("push subscription")
	listPushSubscriptions  = reads[PushSubscription]("push subscriptions")
	roomForSubscription    = statement("room for push subscription")
	putPushSubscription    = writes[PushSubscription]("put push subscription")
	deletePushSubscription = writes[PushSubscription]("delete push subscription")
	duePushes              = readsInto("due pushes", func(d *DuePush) []any { return []any{&d.Approval, &d.Subscription, &d.Wallet} })
	holdPush               = statement("hold push")
	endPush                = statement("end push")
	sweepPushes            = statement("sweep pushes")
)

// keepPushes is for how long a push is remembered, in seconds: longer than any approval waits, and than pushes are
// counted.
const keepPushes = 24 * 60 * 60

// PushSubscription reads a subscription, or ErrNotFound.
func (s *Store) PushSubscription(ctx context.Context, wallet, id string) (PushSubscription, error) {
	return one(ctx, s, getPushSubscription, wallet, id)
}

// PushSubscriptions lists the wallet's subscriptions.
func (s *Store) PushSubscriptions(ctx context.Context, wallet string, p Page) (rows []PushSubscription, next string, err error) {
	return paged(p, func(r PushSubscription) position { return position{r.Created, r.ID} },
		func(after position, limit int) ([]PushSubscription, error) {
			return many(ctx, s, listPushSubscriptions, wallet, after.at, after.id, limit)
		})
}

// PutPushSubscription adds a subscription, or replaces the one with its id. ErrTooMany if the wallet has most others. The
// Change is on the wallet's chain.
func PutPushSubscription(p PushSubscription, most int64) Write {
	return Write{chain: p.Wallet, steps: []step{
		roomForSubscription.step(ErrTooMany, p.Wallet, p.ID, most),
		putPushSubscription.row(p, ErrChanged),
	}}
}

// DeletePushSubscription deletes a subscription; ErrChanged if it is no longer as it was read.
func DeletePushSubscription(p PushSubscription) Write {
	return Write{steps: []step{deletePushSubscription.row(p, ErrChanged)}}
}

// DuePush says that an approval waits of which a subscription of its wallet was not told.
type DuePush struct{ Approval, Subscription, Wallet string }

// DuePushes reads up to limit pushes that are due at the time now (unix seconds) and that nobody holds, the first of each
// wallet before the second of any. A subscription that was told of most approvals since a time is left alone.
func (s *Store) DuePushes(ctx context.Context, now, since, most int64, limit int) ([]DuePush, error) {
	return many(ctx, s, duePushes, now, since, most, limit)
}

// HoldPush makes the caller the one who tries a push until a time, and returns how often it was tried with this; ErrChanged
// if another holds it at now, if it is done, or if the subscription was told of most approvals since a time meanwhile. It
// is no decision and leaves no entry.
func (s *Store) HoldPush(ctx context.Context, d DuePush, now, until, since, most int64) (tries int64, err error) {
	if err := s.CheckClock(ctx); err != nil {
		return 0, err
	}
	err = s.answered(ctx, holdPush, []column{plain("tries", &tries)}, d.Approval, d.Subscription, now, until, since, most)
	if errors.Is(err, ErrNotFound) {
		return 0, fmt.Errorf("hold push: %w", ErrChanged)
	}
	return tries, err
}

// EndPush notes that a push that the caller holds is done, or is to be tried again at a time.
func (s *Store) EndPush(ctx context.Context, d DuePush, done bool, again int64) error {
	return s.alone(ctx, endPush, d.Approval, d.Subscription, done, again)
}
