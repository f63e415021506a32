package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/store"
)

// ErrMismatch: an Idempotency-Key was sent again with another body.
var ErrMismatch = errors.New("this Idempotency-Key was used with another body")

// AlreadyCreatedError is returned for a request that was repeated with its Idempotency-Key, with the id of what
// the first one created.
type AlreadyCreatedError struct{ ID string }

func (e *AlreadyCreatedError) Error() string {
	return "this request created something before, and a secret is shown once only"
}

// IdempotencyKey names a request by its token, its route and the header Idempotency-Key. A request that is
// repeated with the same IdempotencyKey has effect once (design section 8).
type IdempotencyKey struct {
	Token, Route, Key string
	Digest            [32]byte // of the body
}

// Change is what one Commit makes durable: all of it, or nothing.
type Change struct {
	Event Event
	// Before and After hold entries that are appended before and after Event. They release nothing, whatever their kind:
	// the receipt is that of Event.
	Before, After []Event
	// Service, if not nil, is appended to the service's audit log, in clear. Only Wallet.Commit takes it.
	Service *Event
	// Nonce is the nonce of a signed request, or nil. It is consumed if the kind of Event says so.
	Nonce *store.Nonce
	// IdempotencyKey is the request's, or nil. Created is the id of what the request creates, "" if nothing.
	// Secret says that the answer holds a secret that is shown once only.
	IdempotencyKey *IdempotencyKey
	Created        string
	Secret         bool
	Writes         []store.Write
}

// Commit appends to the wallet's audit log and applies the writes, durably and in one transaction: if the entry
// cannot be appended, nothing is written. With the receipt, the keystore releases what the entry allows.
//
// The error is store.ErrChanged if the keystore was locked since the wallet was read. For a kind that is fresh
// (a release, a request that waits, an approval, and whatever cancels or revokes one of these) it is also
// store.ErrChanged if a concurrent writer has raised the wallet's version: read the wallet again and decide
// again. Other errors: jti_replayed, ErrMismatch, *AlreadyCreatedError, those of the writes, and
// store.ErrUnavailable, after which the outcome is not known.
func (w *Wallet) Commit(ctx context.Context, c Change) (store.Receipt, error) {
	change := store.Change{Chain: w.ID(), Epoch: w.epoch, Decided: w.remembered, Writes: c.Writes}
	var entries []store.Entry
	for e := range c.events() {
		entry, err := w.ledger.sealEntry(w.keys, *e)
		if err != nil {
			return store.Receipt{}, err
		}
		entry.Releases = e == &c.Event && e.Kind.Releases()
		entries = append(entries, entry)
	}
	last := len(c.Before) + 1
	if change.Entries = entries[:last]; len(c.After) > 0 {
		change.Also = []store.ChainEntries{{Chain: w.ID(), Entries: entries[last:]}}
	}
	if c.Service != nil {
		entry, err := w.ledger.serviceEntry(*c.Service)
		if err != nil {
			return store.Receipt{}, err
		}
		change.Also = append(change.Also, store.ChainEntries{Chain: store.ServiceChain, Entries: []store.Entry{entry}})
	}
	if c.Event.Kind.is(fresh) || w.IsRemembered() {
		seen := w.row
		change.Seen = &seen
	}
	if c.Event.Kind.is(consumes) {
		change.Nonce = c.Nonce
	}
	receipt, err := w.ledger.commit(ctx, c, change)
	if err == nil && c.Event.Kind.is(fresh) {
		w.remembered = 0 // nothing had changed
	}
	return receipt, err
}

// events returns the entries that are appended, in order.
func (c *Change) events() iter.Seq[*Event] {
	return func(yield func(*Event) bool) {
		for i := range c.Before {
			if !yield(&c.Before[i]) {
				return
			}
		}
		if !yield(&c.Event) {
			return
		}
		for i := range c.After {
			if !yield(&c.After[i]) {
				return
			}
		}
	}
}

// CommitService appends to the service's audit log, for an operator, with the epoch that was read. If created
// is not nil, it is the wallet that the change creates, whose own audit log begins with the same event.
func (l *Ledger) CommitService(ctx context.Context, epoch int64, c Change, created *Wallet) (store.Receipt, error) {
	change, err := l.serviceChange(epoch, c, created)
	if err != nil {
		return store.Receipt{}, err
	}
	return l.commit(ctx, c, change)
}

// Restore is CommitService for a wallet that is restored together with its rows and the audit log that it had
// (store.Restore).
func (l *Ledger) Restore(ctx context.Context, epoch int64, c Change, restored *Wallet, rows iter.Seq2[store.OldRow, error]) error {
	change, err := l.serviceChange(epoch, c, restored)
	if err != nil {
		return err
	}
	if err := l.store.Restore(ctx, change, rows); err != nil {
		return fmt.Errorf("restoring the wallet: %w", err)
	}
	l.notifyCommitted(&c)
	l.signSoon(restored.ID()) // its heads are signed with another key from this entry on
	return nil
}

func (l *Ledger) serviceChange(epoch int64, c Change, created *Wallet) (store.Change, error) {
	entry, err := l.serviceEntry(c.Event)
	if err != nil {
		return store.Change{}, err
	}
	change := store.Change{Chain: store.ServiceChain, Epoch: epoch, Writes: c.Writes, Entries: []store.Entry{entry}}
	if created != nil {
		own, err := l.sealEntry(created.keys, c.Event)
		if err != nil {
			return store.Change{}, err
		}
		change.Also = []store.ChainEntries{{Chain: created.ID(), Entries: []store.Entry{own}}}
	}
	return change, nil
}

// serviceEntry returns an entry of the service's audit log, which is not sealed.
func (l *Ledger) serviceEntry(e Event) (store.Entry, error) {
	plain, err := json.Marshal(e)
	if err != nil {
		return store.Entry{}, fmt.Errorf("encoding the audit entry: %w", err)
	}
	return store.Entry{Kind: e.Kind.name, ID: store.NewID(), Time: l.store.Now().UnixMilli(), Sealed: plain}, nil
}

// sealEntry returns an entry of a wallet's audit log, sealed.
func (l *Ledger) sealEntry(w *keystore.Wallet, e Event) (store.Entry, error) {
	plain, err := json.Marshal(e)
	if err != nil {
		return store.Entry{}, fmt.Errorf("encoding the audit entry: %w", err)
	}
	row := store.Record{ID: e.Disclosed.entryID()}
	return store.Entry{
		Kind: e.Kind.name, ID: row.ID, Time: l.store.Now().UnixMilli(), Sealed: w.Seal(place(row, "content"), plain),
	}, nil
}

// commit commits a change under the request's Idempotency-Key, if there is one. Only creations have effect once:
// a repeated request for a claim is decided again.
func (l *Ledger) commit(ctx context.Context, c Change, change store.Change) (store.Receipt, error) {
	if c.IdempotencyKey != nil && !c.Event.Kind.is(incidental) {
		change.Request = &store.Request{
			Token: c.IdempotencyKey.Token, Route: c.IdempotencyKey.Route, Key: c.IdempotencyKey.Key, Digest: c.IdempotencyKey.Digest[:],
			Made: c.Created, Secret: c.Secret, Created: l.store.Now().Unix(),
		}
	}
	receipt, err := l.append(ctx, &c, change)
	repeated, ok := errors.AsType[*store.RepeatedError](err)
	if !ok {
		return receipt, err
	}
	if string(repeated.Earlier.Digest) != string(c.IdempotencyKey.Digest[:]) {
		return store.Receipt{}, ErrMismatch
	}
	if c.Created == "" {
		change.Request = nil
		return l.append(ctx, &c, change)
	}
	return store.Receipt{}, &AlreadyCreatedError{ID: repeated.Earlier.Made}
}

func (l *Ledger) append(ctx context.Context, c *Change, change store.Change) (store.Receipt, error) {
	receipt, err := l.store.Commit(ctx, change)
	if err != nil {
		return store.Receipt{}, l.replayRefusal(fmt.Errorf("appending to the audit log: %w", err))
	}
	l.notifyCommitted(c)
	first, last := receipt.Seq()-int64(len(change.Entries)), receipt.Seq()+int64(len(c.After))
	if first/headEvery != last/headEvery {
		l.signSoon(change.Chain)
	}
	return receipt, nil
}

// notifyCommitted counts the entries of a change, and wakes those who wait if one of them does.
func (l *Ledger) notifyCommitted(c *Change) {
	woken := false
	for e := range c.events() {
		l.count(e.Kind.name)
		woken = woken || e.Kind.is(wakes)
	}
	if woken {
		l.changed.notify()
	}
}

// signSoon has Run sign the head of a chain now or, if its queue is full, within a minute.
func (l *Ledger) signSoon(chain string) {
	select {
	case l.due <- chain:
	default:
	}
}

// ConsumeNonce consumes the nonce of a signed request whose answer appends no entry, so that the request cannot
// be replayed later, when its answer would be another. If the nonce was consumed before, the error is
// jti_replayed.
func (l *Ledger) ConsumeNonce(ctx context.Context, n store.Nonce) error {
	if err := l.store.UseNonce(ctx, n); err != nil {
		return l.replayRefusal(err)
	}
	return nil
}

// replayRefusal returns the refusal jti_replayed for store.ErrReplayed, and any other error as it is.
func (l *Ledger) replayRefusal(err error) error {
	if !errors.Is(err, store.ErrReplayed) {
		return err
	}
	l.count("refused_jti_replayed")
	return did.Refuse("jti_replayed", "this signed request was used before; sign a new one")
}
