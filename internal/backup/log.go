package backup

import (
	"context"
	"encoding/json"
	"iter"
	"math"
	"slices"

	"walletd/internal/auth"
	"walletd/internal/ledger"
	"walletd/internal/store"
)

// The audit log in a backup. An entry's hash covers its sealed bytes, which open only under the key that the wallet had.
// A restored wallet has a new key, so that rows of the old store are not authentic in the new one. So a backup holds an
// entry twice: as it was stored, with sealed bytes and hash, so that the chain and its heads still verify; and as
// plaintext, which the restored wallet seals again, in a row of its own that is bound to the entry's hash. The chain
// continues after its last entry with ledger.WalletRestored; from there on its heads are signed by the new key.
//
// Entries that are archived are not in a backup, but what the audit log says of their archives is: the chain begins after
// the last of them.

type fileEntry struct {
	ID      string          `json:"id"`
	Time    int64           `json:"time"` // milliseconds
	Kind    string          `json:"kind"`
	Sealed  []byte          `json:"sealed"`
	Hash    []byte          `json:"hash"`
	Content json.RawMessage `json:"content,omitempty"` // nil if the entry did not open
}

// oldChain makes rows of entries, in order and from the first, or the one after last.
type oldChain struct {
	name string
	last store.Record
}

func (c *oldChain) next(e fileEntry) store.Record {
	prev := c.last.Hash
	if c.last.Seq == 0 {
		prev = make([]byte, 32)
	}
	c.last = store.Record{Chain: c.name, Seq: c.last.Seq + 1, ID: e.ID, Time: e.Time, Kind: e.Kind, Sealed: e.Sealed, Prev: prev, Hash: e.Hash}
	return c.last
}

// behind returns the chain that goes on after an archive; from the first entry for nil.
func behind(wallet string, archived *ledger.Archive) oldChain {
	chain := oldChain{name: wallet}
	if archived != nil {
		chain.last = store.Record{Chain: wallet, Seq: archived.Last, Hash: archived.Hash}
	}
	return chain
}

// archives returns the archives of the wallet's audit log, the oldest first.
func (bk *Backups) archives(ctx context.Context, c *auth.Caller) ([]ledger.Archive, error) {
	const page = 100
	var all []ledger.Archive
	for before := int64(math.MaxInt64); ; {
		some, err := bk.ledger.Archives(ctx, c.Wallet, before, page)
		if err != nil {
			return nil, err
		}
		if all = append(all, some...); len(some) < page {
			slices.Reverse(all)
			return all, nil
		}
		before = some[page-1].Last
	}
}

// writeLog writes the audit log of the caller's wallet up to the entry last: what is archived, and the entries since.
func (bk *Backups) writeLog(ctx context.Context, c *auth.Caller, archives []ledger.Archive, last int64, w *contentsWriter) error {
	w.name("record")
	w.begin("{")
	first := int64(0) // of what follows
	if len(archives) > 0 {
		first = archives[len(archives)-1].Last
		err := w.list("archives", func() error {
			for _, a := range archives {
				if err := w.element(a); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	err := w.list("heads", func() error {
		for h, err := range bk.ledger.Heads(ctx, c.WalletID, first) {
			if err != nil {
				return err
			}
			if h.Seq > last {
				return nil
			}
			if err := w.element(h); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = w.list("entries", func() error {
		for e, err := range bk.ledger.Opened(ctx, c.Wallet, first) {
			if err != nil {
				return err
			}
			r := e.Record
			if r.Seq > last {
				return bk.ledger.CheckArchived(ctx, c.Wallet, first)
			}
			written := fileEntry{ID: r.ID, Time: r.Time, Kind: r.Kind, Sealed: r.Sealed, Hash: r.Hash}
			if json.Valid(e.Content) {
				written.Content = e.Content
			}
			if err := w.element(written); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	w.end("}")
	return nil
}

// heads yields the heads in a file, in the order of their entries.
func (f *sealedFile) heads() iter.Seq2[store.Head, error] {
	return func(yield func(store.Head, error) bool) {
		plain, err := f.plaintext()
		if err == nil {
			defer plain.wipe()
			_, err = walk(plain, f.wallet, visitor{
				head: func(h store.Head) error {
					if !yield(h, nil) {
						return errStop
					}
					return nil
				},
				heads: func() error { return errStop },
			})
		}
		if err != nil {
			yield(store.Head{}, err)
		}
	}
}

// newestArchive returns the newest archive that the audit log in a file names; nil if it names none.
func (f *sealedFile) newestArchive() (newest *ledger.Archive, err error) {
	plain, err := f.plaintext()
	if err != nil {
		return nil, err
	}
	defer plain.wipe()
	_, err = walk(plain, f.wallet, visitor{
		archive: func(a ledger.Archive) error {
			if a.Chain != f.wallet || !a.Follows(newest) {
				return invalid("an archive that its audit log names is not signed, or does not follow the one before")
			}
			newest = &a
			return nil
		},
		head:  func(store.Head) error { return errStop },
		heads: func() error { return errStop },
		entry: func(fileEntry) error { return errStop },
	})
	return newest, err
}

// found is what a check of a file found.
type found struct {
	View
	header header
	last   store.Record // of the audit log
}

// check reads a file whole, and verifies that its contents are those of a backup and that its audit log holds. Errors
// are ErrInvalid, ErrWallet, and those of reading.
func (f *sealedFile) check() (out found, err error) {
	archived, err := f.newestArchive()
	if err != nil {
		return out, err
	}
	plain, err := f.plaintext()
	if err != nil {
		return out, err
	}
	defer plain.wipe()
	chain := behind(f.wallet, archived)
	recorded := archived == nil
	entries := func(yield func(store.Record, error) bool) {
		v := out.View.counts()
		v.entry = func(e fileEntry) error {
			out.Entries++
			r := chain.next(e)
			recorded = recorded || archived.IsRecordedBy(r)
			if !yield(r, nil) {
				return errStop
			}
			return nil
		}
		var err error
		if out.header, err = walk(plain, f.wallet, v); err != nil {
			yield(store.Record{}, err)
		}
	}
	verified, err := ledger.Verifier{Chain: f.wallet, Start: archived.Start()}.Verify(entries, f.heads())
	if err != nil {
		return out, err
	}
	if bad := verified.Bad; bad != nil {
		return out, invalid("entry %d of its audit log does not match: %s; walletd audit verify says more, and a backup can leave out the audit log", bad.Seq, bad.Why)
	}
	if !recorded {
		return out, invalid("no entry of its audit log says that those before its first were archived")
	}
	if archived != nil {
		out.Archived = int(archived.Last)
	}
	out.last = chain.last
	out.finish(f.wallet, out.header, chain.last, plain.sum(), f.file.Size())
	return out, nil
}
