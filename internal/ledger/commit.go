package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/store"
)

// ErrMismatch: an Idempotency-Key came back with another body.
var ErrMismatch = errors.New("this Idempotency-Key was used with another body")

// AlreadyCreatedError is returned for a repeated creation, with the id of what was created the first time.
type AlreadyCreatedError struct{ ID string }

func (e *AlreadyCreatedError) Error() string {
	return "this was done already, and its secret is shown once only"
}

// IdempotencyKey is an Idempotency-Key: a request with the same key of the same token on the same route is
// done once (design section 8).
type IdempotencyKey struct {
	Token, Route, Key string
	Digest            [32]byte // of the body
}

// Change is what one Commit makes durable: all of it or nothing.
type Change struct {
	Event Event
	// Before are entries on the way to Event, in front of it.
	Before []Event
	// Nonce is that of a signed request, or nil. It is consumed if the kind of Event says so.
	Nonce *store.Nonce
	// IdempotencyKey is the request's Idempotency-Key, or nil; Created the id of what the request creates, "" if
	// nothing. Secret says that its answer holds a secret and cannot be given twice.
	IdempotencyKey *IdempotencyKey
	Created        string
	Secret         bool
	Writes         []store.Write
}

// Commit appends to the wallet's audit log and applies the writes, durably and at once: if the entry
// cannot be recorded, nothing happens. The receipt lets out of the keystore what the entry allows.
//
// store.ErrChanged: the keystore was locked since the wallet was read; or, for a kind that is fresh (a
// release, an approval, its request, and what ends any of them), the wallet's version was raised: read
// the wallet again and decide again. Other errors: jti_replayed, ErrMismatch, *AlreadyCreatedError, those of
// the writes, and store.ErrUnavailable, after which the outcome is not known.
func (w *Wallet) Commit(ctx context.Context, c Change) (store.Receipt, error) {
	change := store.Change{Chain: w.ID(), Epoch: w.epoch, Writes: c.Writes}
	for _, e := range append(c.Before, c.Event) {
		entry, err := w.ledger.sealEntry(w.keys, e)
		if err != nil {
			return store.Receipt{}, err
		}
		change.Entries = append(change.Entries, entry)
	}
	if c.Event.Kind.is(fresh) {
		change.Version = w.row.Version
	}
	if c.Event.Kind.is(consumes) {
		change.Nonce = c.Nonce
	}
	return w.ledger.commit(ctx, c, change)
}

// CommitService appends to the service's audit log, for an operator, with the epoch that was read. A
// wallet that is created by it (nil: none) begins its own with the same event.
func (l *Ledger) CommitService(ctx context.Context, epoch int64, c Change, created *Wallet) (store.Receipt, error) {
	change, err := l.serviceChange(epoch, c, created)
	if err != nil {
		return store.Receipt{}, err
	}
	return l.commit(ctx, c, change)
}

// Restore is CommitService for a wallet that comes with the chain it had elsewhere (store.Restore).
func (l *Ledger) Restore(ctx context.Context, epoch int64, c Change, restored *Wallet, old store.OldChain) error {
	change, err := l.serviceChange(epoch, c, restored)
	if err != nil {
		return err
	}
	if err := l.store.Restore(ctx, change, old); err != nil {
		return fmt.Errorf("restoring the wallet: %w", err)
	}
	l.notifyCommitted(c.Event.Kind)
	l.signSoon(restored.ID()) // its heads are signed with another key from here on
	return nil
}

func (l *Ledger) serviceChange(epoch int64, c Change, created *Wallet) (store.Change, error) {
	plain, err := json.Marshal(c.Event)
	if err != nil {
		return store.Change{}, fmt.Errorf("writing the record: %w", err)
	}
	change := store.Change{
		Chain: store.ServiceChain, Epoch: epoch, Writes: c.Writes,
		Entries: []store.Entry{{Kind: c.Event.Kind.name, ID: store.NewID(), Time: l.store.Now().UnixMilli(), Sealed: plain}},
	}
	if created != nil {
		own, err := l.sealEntry(created.keys, c.Event)
		if err != nil {
			return store.Change{}, err
		}
		change.Also = []store.ChainEntries{{Chain: created.ID(), Entries: []store.Entry{own}}}
	}
	return change, nil
}

// sealEntry makes an entry of a wallet's chain.
func (l *Ledger) sealEntry(w *keystore.Wallet, e Event) (store.Entry, error) {
	plain, err := json.Marshal(e)
	if err != nil {
		return store.Entry{}, fmt.Errorf("writing the record: %w", err)
	}
	row := store.Record{ID: store.NewID()}
	return store.Entry{
		Kind: e.Kind.name, ID: row.ID, Time: l.store.Now().UnixMilli(), Sealed: w.Seal(place(row, "content"), plain), Releases: e.Kind.Releases(),
	}, nil
}

// commit commits a change under the request's Idempotency-Key, if there is one. A claim that is
// repeated is decided again, so only creations are held to one time.
func (l *Ledger) commit(ctx context.Context, c Change, change store.Change) (store.Receipt, error) {
	if c.IdempotencyKey != nil && !c.Event.Kind.is(incidental) {
		change.Request = &store.Request{
			Token: c.IdempotencyKey.Token, Route: c.IdempotencyKey.Route, Key: c.IdempotencyKey.Key, Digest: c.IdempotencyKey.Digest[:],
			Made: c.Created, Secret: c.Secret, Created: l.store.Now().Unix(),
		}
	}
	receipt, err := l.append(ctx, c.Event.Kind, change)
	repeated, ok := errors.AsType[*store.RepeatedError](err)
	if !ok {
		return receipt, err
	}
	if string(repeated.Earlier.Digest) != string(c.IdempotencyKey.Digest[:]) {
		return store.Receipt{}, ErrMismatch
	}
	if c.Created == "" {
		change.Request = nil
		return l.append(ctx, c.Event.Kind, change)
	}
	return store.Receipt{}, &AlreadyCreatedError{ID: repeated.Earlier.Made}
}

func (l *Ledger) append(ctx context.Context, kind Kind, change store.Change) (store.Receipt, error) {
	receipt, err := l.store.Commit(ctx, change)
	if err != nil {
		return store.Receipt{}, l.replayRefusal(fmt.Errorf("recording the decision: %w", err))
	}
	l.notifyCommitted(kind)
	if last := receipt.Seq(); (last-int64(len(change.Entries)))/headEvery != last/headEvery {
		l.signSoon(change.Chain)
	}
	return receipt, nil
}

func (l *Ledger) notifyCommitted(kind Kind) {
	l.count(kind.name)
	if kind.is(wakes) {
		l.changed.notify()
	}
}

// signSoon has the end of a chain signed now, or, if many are to be, within a minute.
func (l *Ledger) signSoon(chain string) {
	select {
	case l.due <- chain:
	default:
	}
}

// ConsumeNonce consumes the nonce of a signed request whose answer leaves nothing on record, so that
// the request cannot be sent again when there is more to be had. jti_replayed if it was consumed before.
func (l *Ledger) ConsumeNonce(ctx context.Context, n store.Nonce) error {
	if err := l.store.UseNonce(ctx, n); err != nil {
		return l.replayRefusal(err)
	}
	return nil
}

// replayRefusal makes the refusal of a jti that was used before; other errors stay as they are.
func (l *Ledger) replayRefusal(err error) error {
	if !errors.Is(err, store.ErrReplayed) {
		return err
	}
	l.count("refused_jti_replayed")
	return did.Refuse("jti_replayed", "this signed request was used before; sign a new one")
}
