package ledger

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"time"

	"walletd/internal/keystore"
	"walletd/internal/store"
)

// Entry is an entry of an audit log, opened.
type Entry struct {
	Seq   int64
	ID    string
	Time  time.Time
	Kind  string
	Entry json.RawMessage // the event; null if the entry does not open
	Hash  string          // hex
}

// Entries returns up to limit entries after a sequence number, oldest first: of the wallet's audit log, or of
// the service's if w is nil. After 0 come the oldest that are not archived; after any other entry that is followed by one
// that is archived, the error is an *ArchivedError.
func (l *Ledger) Entries(ctx context.Context, w *Wallet, after int64, limit int) ([]Entry, error) {
	archived, err := l.Archived(ctx, w)
	if err != nil {
		return nil, err
	}
	if last := archived.last(); after < last {
		if after != 0 {
			holds, err := l.archiveOf(ctx, w, after+1)
			if err != nil {
				return nil, err
			}
			return nil, &ArchivedError{after + 1, holds}
		}
		after = last
	}
	rows, err := l.store.Records(ctx, ChainOf(w), after, limit)
	if err != nil {
		return nil, fmt.Errorf("reading the audit log: %w", err)
	}
	entries := make([]Entry, 0, len(rows))
	contents := l.contents(w)
	for _, r := range rows {
		content, err := contents.open(ctx, r)
		if err != nil {
			return nil, err
		}
		entries = append(entries, entryOf(r, content))
	}
	return entries, nil
}

// entryOf returns an entry with its content.
func entryOf(r store.Record, content []byte) Entry {
	e := Entry{Seq: r.Seq, ID: r.ID, Time: time.UnixMilli(r.Time), Kind: r.Kind, Entry: json.RawMessage("null"), Hash: hex.EncodeToString(r.Hash)}
	if json.Valid(content) {
		e.Entry = content
	}
	return e
}

// ChainOf returns the name of a wallet's chain; for nil, that of the service's chain.
func ChainOf(w *Wallet) string {
	if w == nil {
		return store.ServiceChain
	}
	return w.ID()
}

// OpenedEntry is an entry as it is stored, with its content: nil if the entry does not open.
type OpenedEntry struct {
	Record  store.Record
	Content []byte
}

// Opened yields the entries of a chain after the newest archive, whose last entry is given, in order. An error is the last
// element: ErrArchivedMeanwhile if so.
func (l *Ledger) Opened(ctx context.Context, w *Wallet, after int64) iter.Seq2[OpenedEntry, error] {
	return func(yield func(OpenedEntry, error) bool) {
		contents := l.contents(w)
		for r, err := range l.records(ctx, w, after) {
			var content []byte
			if err == nil {
				content, err = contents.open(ctx, r)
			}
			if !yield(OpenedEntry{r, content}, err) || err != nil {
				return
			}
		}
	}
}

// records yields the entries of a chain after the newest archive, whose last entry is given, in order. An error is the last
// element: ErrArchivedMeanwhile if so, for some that were to come may be deleted.
func (l *Ledger) records(ctx context.Context, w *Wallet, archived int64) iter.Seq2[store.Record, error] {
	rows := reading("audit log", l.store.AllRecords(ctx, ChainOf(w), archived))
	return func(yield func(store.Record, error) bool) {
		next, whole := archived+1, true
		for r, err := range rows {
			if whole && err == nil && r.Seq != next {
				whole = false // somebody deleted it, unless it was archived
				err = l.CheckArchived(ctx, w, archived)
			}
			if !yield(r, err) || err != nil {
				return
			}
			next++
		}
		if err := l.CheckArchived(ctx, w, archived); err != nil {
			yield(store.Record{}, err)
		}
	}
}

// ErrArchivedMeanwhile is a store.ErrChanged: entries were archived while the audit log was read.
var ErrArchivedMeanwhile = fmt.Errorf("entries of the audit log were archived while it was read: %w", store.ErrChanged)

// CheckArchived fails with ErrArchivedMeanwhile unless an entry still is the last of those that are archived; 0: none is.
func (l *Ledger) CheckArchived(ctx context.Context, w *Wallet, last int64) error {
	newest, err := l.Archived(ctx, w)
	if err == nil && newest.last() != last {
		err = ErrArchivedMeanwhile
	}
	return err
}

// heads returns the signed heads that there are now of the entries of a chain after the newest archive, whose last entry is
// given, in their order. Those that are signed while entries are read are left out: they may be of later entries, which
// would seem to be missing. An error is the last element: ErrArchivedMeanwhile if so, for some that were to come may be
// deleted.
func (l *Ledger) heads(ctx context.Context, w *Wallet, archived int64) (iter.Seq2[store.Head, error], error) {
	newest, err := l.store.HeadUpTo(ctx, ChainOf(w), math.MaxInt64)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("looking for the newest head: %w", err)
	}
	return func(yield func(store.Head, error) bool) {
		for h, err := range l.Heads(ctx, ChainOf(w), archived) {
			if err == nil && h.Seq > newest.Seq {
				break
			}
			if !yield(h, err) || err != nil {
				return
			}
		}
		if err := l.CheckArchived(ctx, w, archived); err != nil {
			yield(store.Head{}, err)
		}
	}, nil
}

// Heads yields the signed heads of the entries of a chain after a sequence number, in their order. An error is the last
// element.
func (l *Ledger) Heads(ctx context.Context, chain string, after int64) iter.Seq2[store.Head, error] {
	return reading("heads", l.store.AllHeads(ctx, chain, after))
}

// reading says what was read in the error that is the last element of rows.
func reading[R any](what string, rows iter.Seq2[R, error]) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		for r, err := range rows {
			if err != nil {
				err = fmt.Errorf("reading the %s: %w", what, err)
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// IsInertSince reports whether no entry of the wallet's chain after a sequence number changed the wallet
// (Event.Inert). If so, everything that was read since that entry is of one state of the wallet.
func (w *Wallet) IsInertSince(ctx context.Context, seq int64) (bool, error) {
	for r, err := range w.ledger.store.AllRecords(ctx, w.ID(), seq) {
		if err != nil {
			return false, fmt.Errorf("reading the audit log: %w", err)
		}
		if r.Seq != seq+1 {
			return false, nil // some are not there any more
		}
		var e Event
		plain, err := w.keys.Open(place(r, "content"), r.Sealed)
		if err != nil || json.Unmarshal(plain, &e) != nil || !e.Inert {
			return false, nil
		}
		seq = r.Seq
	}
	return true, nil
}

// SealRestored seals the content that an entry had in another store. The result is stored beside the entry
// itself, whose own sealed bytes this wallet's key does not open.
func (w *Wallet) SealRestored(r store.Record, content []byte) store.Restored {
	return store.Restored{Chain: r.Chain, Seq: r.Seq, Sealed: w.keys.Seal(restoredPlace(r), content)}
}

// restoredPlace returns the place that binds a restored content to the entry's hash.
func restoredPlace(r store.Record) keystore.Place {
	return keystore.Place{Table: "restored", Row: r.ID + " " + hex.EncodeToString(r.Hash), Field: "content", Version: 1}
}

func (l *Ledger) contents(w *Wallet) *contents {
	return &contents{store: l.store, wallet: w, limit: restoredAtOnce}
}

// restoredAtOnce is how many contents of a restored audit log are read at once, at most.
const restoredAtOnce = 500

// contents opens the entries of a chain in order, including those of a restored audit log, whose contents it
// reads a page at a time as soon as it meets one.
type contents struct {
	store    *store.Store
	wallet   *Wallet // nil for the service's chain, which is not sealed
	page     []store.Restored
	readUpTo int64 // the last entry that page covers
	limit    int   // of the next page: after one of long contents it is short
}

// open returns the content of an entry, nil if it does not open. Whether the entry was changed, the chain's
// hashes say.
func (o *contents) open(ctx context.Context, r store.Record) ([]byte, error) {
	if o.wallet == nil {
		return r.Sealed, nil
	}
	content, err := o.wallet.keys.Open(place(r, "content"), r.Sealed)
	if err == nil {
		return content, nil
	}
	if r.Seq > o.readUpTo {
		o.page, err = o.store.RestoredPage(ctx, r.Chain, r.Seq-1, o.limit)
		if err != nil {
			return nil, fmt.Errorf("reading the restored audit log: %w", err)
		}
		o.readUpTo = r.Seq + restoredAtOnce - 1 // no later page has an entry up to this one
		if n := len(o.page); n > 0 {
			o.readUpTo = o.page[n-1].Seq
			o.limit = min(2*n, restoredAtOnce)
		}
	}
	for len(o.page) > 0 && o.page[0].Seq < r.Seq {
		o.page = o.page[1:]
	}
	if len(o.page) == 0 || o.page[0].Seq != r.Seq {
		return nil, nil
	}
	content, err = o.wallet.keys.Open(restoredPlace(r), o.page[0].Sealed)
	if err != nil {
		return nil, nil // forged; the entry itself is still in the chain
	}
	return content, nil
}
