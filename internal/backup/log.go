package backup

import (
	"context"
	"encoding/json"
	"iter"

	"walletd/internal/auth"
	"walletd/internal/ledger"
	"walletd/internal/store"
)

// The audit log in a backup. An entry's hash covers its sealed bytes, which open only under the key that the wallet had.
// A restored wallet has a new key, so that rows of the old store are not authentic in the new one. So a backup holds an
// entry twice: as it was stored, with sealed bytes and hash, so that the chain and its heads still verify; and as
// plaintext, which the restored wallet seals again, in a row of its own that is bound to the entry's hash. The chain
// continues after its last entry with ledger.WalletRestored; from there on its heads are signed by the new key.

// fileLog is a wallet's audit log from its first entry.
type fileLog struct {
	Entries []fileEntry  `json:"entries"`
	Heads   []store.Head `json:"heads"`
}

type fileEntry struct {
	ID      string          `json:"id"`
	Time    int64           `json:"time"` // milliseconds
	Kind    string          `json:"kind"`
	Sealed  []byte          `json:"sealed"`
	Hash    []byte          `json:"hash"`
	Content json.RawMessage `json:"content,omitempty"` // nil if the entry did not open
}

// rows returns the entries as rows of a chain.
func (k *fileLog) rows(chain string) []store.Record {
	rows := make([]store.Record, len(k.Entries))
	prev := make([]byte, 32)
	for i, e := range k.Entries {
		rows[i] = store.Record{Chain: chain, Seq: int64(i + 1), ID: e.ID, Time: e.Time, Kind: e.Kind, Sealed: e.Sealed, Prev: prev, Hash: e.Hash}
		prev = e.Hash
	}
	return rows
}

// check verifies the audit log. The error is ErrInvalid.
func (k *fileLog) check(chain string) error {
	v, err := ledger.Verifier{Chain: chain}.Verify(each(k.rows(chain)), each(k.Heads))
	if err != nil {
		return err
	}
	if bad := v.Bad; bad != nil {
		return invalid("entry %d of its audit log does not match: %s; walletd audit verify says more, and a backup can leave out the audit log", bad.Seq, bad.Why)
	}
	return nil
}

// logUpTo reads the audit log of the caller's wallet up to the entry last.
func (bk *Backups) logUpTo(ctx context.Context, c *auth.Caller, last int64) (*fileLog, error) {
	k := &fileLog{Entries: []fileEntry{}, Heads: []store.Head{}}
	err := bk.ledger.EachEntry(ctx, c.Wallet, func(r store.Record, content []byte) error {
		if r.Seq > last {
			return nil
		}
		e := fileEntry{ID: r.ID, Time: r.Time, Kind: r.Kind, Sealed: r.Sealed, Hash: r.Hash}
		if json.Valid(content) {
			e.Content = content
		}
		k.Entries = append(k.Entries, e)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for h, err := range bk.ledger.Heads(ctx, c.WalletID) {
		if err != nil {
			return nil, err
		}
		if h.Seq <= last {
			k.Heads = append(k.Heads, h)
		}
	}
	return k, nil
}

func each[T any](all []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, one := range all {
			if !yield(one, nil) {
				return
			}
		}
	}
}

// oldChain returns the entries, heads and sealed contents that the store inserts for a restored wallet.
func (k *fileLog) oldChain(w *ledger.Wallet) store.OldChain {
	old := store.OldChain{Records: k.rows(w.ID()), Heads: k.Heads}
	for i, r := range old.Records {
		if content := k.Entries[i].Content; content != nil {
			old.Contents = append(old.Contents, w.SealRestored(r, content))
		}
	}
	return old
}
