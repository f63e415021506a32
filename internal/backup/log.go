package backup

import (
	"context"
	"encoding/json"

	"walletd/internal/auth"
	"walletd/internal/ledger"
	"walletd/internal/store"
)

// The record in a backup. An entry's hash covers its sealed bytes, and those open only under the
// key of the wallet as it was: a wallet that is restored has a new one, so that rows of the old
// store do not pass in the new. So an entry is carried twice: as it was, sealed bytes and hash,
// which keeps the chain whole and its heads true; and as what it says, which the restored wallet
// seals anew, in a row beside, bound to the entry's hash. The chain goes on from the old end with
// the entry ledger.WalletRestored; from there on its heads are signed by the new key.

// fileLog is a wallet's chain from its first entry.
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
	Content json.RawMessage `json:"content,omitempty"` // nothing if it did not open
}

// rows gives the entries as rows of a chain.
func (k *fileLog) rows(chain string) []store.Record {
	rows := make([]store.Record, len(k.Entries))
	prev := make([]byte, 32)
	for i, e := range k.Entries {
		rows[i] = store.Record{Chain: chain, Seq: int64(i + 1), ID: e.ID, Time: e.Time, Kind: e.Kind, Sealed: e.Sealed, Prev: prev, Hash: e.Hash}
		prev = e.Hash
	}
	return rows
}

// check refuses a record that does not hold together.
func (k *fileLog) check(chain string) error {
	v := ledger.NewVerifier(chain)
	for _, h := range k.Heads {
		v.AddHead(h)
	}
	for _, r := range k.rows(chain) {
		v.Add(r)
	}
	if bad := v.Result().Bad; bad != nil {
		return invalid("entry %d of its record does not fit: %s; walletd audit verify says more, and a backup can leave the record out", bad.Seq, bad.Why)
	}
	return nil
}

// logUpTo reads the chain of the caller's wallet up to an entry, opened.
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
	err = bk.ledger.EachHead(ctx, c.WalletID, func(h store.Head) error {
		if h.Seq <= last {
			k.Heads = append(k.Heads, h)
		}
		return nil
	})
	return k, err
}

// oldChain gives what the store is to put beneath a wallet that is restored.
func (k *fileLog) oldChain(w *ledger.Wallet) store.OldChain {
	old := store.OldChain{Records: k.rows(w.ID()), Heads: k.Heads}
	for i, r := range old.Records {
		if content := k.Entries[i].Content; content != nil {
			old.Contents = append(old.Contents, w.SealRestored(r, content))
		}
	}
	return old
}
