package ledger

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"walletd/internal/keystore"
	"walletd/internal/store"
)

// pageSize is how many entries are read at once when a whole chain is walked.
const pageSize = 500

// Entry is an entry of a chain, opened.
type Entry struct {
	Seq   int64
	ID    string
	Time  time.Time
	Kind  string
	Entry json.RawMessage // what was recorded; null if it does not open
	Hash  string          // hex
}

// Entries reads up to limit entries of a chain after a number, oldest first: of the service's with a
// nil wallet, else of the wallet's.
func (l *Ledger) Entries(ctx context.Context, w *Wallet, after int64, limit int) ([]Entry, error) {
	rows, err := l.store.Records(ctx, ChainOf(w), after, limit)
	if err != nil {
		return nil, fmt.Errorf("reading the record: %w", err)
	}
	entries := make([]Entry, 0, len(rows))
	contents := l.contents(w)
	for _, r := range rows {
		e := Entry{Seq: r.Seq, ID: r.ID, Time: time.UnixMilli(r.Time), Kind: r.Kind, Entry: json.RawMessage("null"), Hash: hex.EncodeToString(r.Hash)}
		content, err := contents.open(ctx, r)
		if err != nil {
			return nil, err
		}
		if json.Valid(content) {
			e.Entry = content
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// ChainOf names a wallet's chain; of a nil wallet, the service's.
func ChainOf(w *Wallet) string {
	if w == nil {
		return store.ServiceChain
	}
	return w.ID()
}

// EachEntry calls f for each entry of a chain, in order and from the first, with what it says: nil if
// it does not open.
func (l *Ledger) EachEntry(ctx context.Context, w *Wallet, f func(r store.Record, content []byte) error) error {
	contents := l.contents(w)
	return l.walk(ctx, ChainOf(w), func(r store.Record) error {
		content, err := contents.open(ctx, r)
		if err != nil {
			return err
		}
		return f(r, content)
	})
}

// walk calls f for each entry of a chain in order.
func (l *Ledger) walk(ctx context.Context, chain string, f func(store.Record) error) error {
	for after := int64(0); ; {
		rows, err := l.store.Records(ctx, chain, after, pageSize)
		if err != nil {
			return fmt.Errorf("reading the record: %w", err)
		}
		for _, r := range rows {
			if err := f(r); err != nil {
				return err
			}
			after = r.Seq
		}
		if len(rows) < pageSize {
			return nil
		}
	}
}

// EachHead calls f for each signed head of a chain, in order.
func (l *Ledger) EachHead(ctx context.Context, chain string, f func(store.Head) error) error {
	for after := int64(0); ; {
		heads, err := l.store.Heads(ctx, chain, after, pageSize)
		if err != nil {
			return fmt.Errorf("reading the heads: %w", err)
		}
		for _, h := range heads {
			if err := f(h); err != nil {
				return err
			}
			after = h.Seq
		}
		if len(heads) < pageSize {
			return nil
		}
	}
}

// IsInertSince reports whether every entry of the wallet's chain after a number left the wallet as it
// was: what was read meanwhile is what it was at one moment.
func (w *Wallet) IsInertSince(ctx context.Context, seq int64) (bool, error) {
	for {
		rows, err := w.ledger.store.Records(ctx, w.ID(), seq, pageSize)
		if err != nil {
			return false, fmt.Errorf("reading the record: %w", err)
		}
		for _, r := range rows {
			var e Event
			plain, err := w.keys.Open(place(r, "content"), r.Sealed)
			if err != nil || json.Unmarshal(plain, &e) != nil || !e.Inert {
				return false, nil
			}
			seq = r.Seq
		}
		if len(rows) < pageSize {
			return true, nil
		}
	}
}

// SealRestored seals what an entry said in another store, to be put beside the entry as it was there.
func (w *Wallet) SealRestored(r store.Record, content []byte) store.Restored {
	return store.Restored{Chain: r.Chain, Seq: r.Seq, Sealed: w.keys.Seal(restoredPlace(r), content)}
}

// restoredPlace binds what an entry says to the entry's hash.
func restoredPlace(r store.Record) keystore.Place {
	return keystore.Place{Table: "restored", Row: r.ID + " " + hex.EncodeToString(r.Hash), Field: "content", Version: 1}
}

func (l *Ledger) contents(w *Wallet) *contents { return &contents{store: l.store, wallet: w} }

// contents opens entries of a chain in their order, also those that came with a backup. It reads the
// latter's content a page at a time, once there is one.
type contents struct {
	store    *store.Store
	wallet   *Wallet // nil: the service's chain, which is plain
	page     []store.Restored
	readUpTo int64 // up to which entry page was read
}

// open returns what an entry says, nil if it does not open: the chain says whether it was changed.
func (o *contents) open(ctx context.Context, r store.Record) ([]byte, error) {
	if o.wallet == nil {
		return r.Sealed, nil
	}
	content, err := o.wallet.keys.Open(place(r, "content"), r.Sealed)
	if err == nil {
		return content, nil
	}
	if r.Seq > o.readUpTo {
		o.page, err = o.store.RestoredRecord(ctx, r.Chain, r.Seq-1, pageSize)
		if err != nil {
			return nil, fmt.Errorf("reading the restored record: %w", err)
		}
		o.readUpTo = r.Seq + pageSize - 1 // no entry up to there is further on
	}
	for len(o.page) > 0 && o.page[0].Seq < r.Seq {
		o.page = o.page[1:]
	}
	if len(o.page) == 0 || o.page[0].Seq != r.Seq {
		return nil, nil
	}
	content, err = o.wallet.keys.Open(restoredPlace(r), o.page[0].Sealed)
	if err != nil {
		return nil, nil // nobody's; the entry itself is still on the chain
	}
	return content, nil
}
