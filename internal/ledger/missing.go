package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"walletd/internal/keystore"
	"walletd/internal/store"
)

// missing finds out why the head of an entry is not among those of its tree.
func (c *checkingHeads) missing(ctx context.Context, at int64, end store.End, stored bool) error {
	if archived, err := c.isArchived(ctx, end, false); err != nil {
		return err
	} else if archived {
		c.Archived++
		return nil
	}
	head, err := c.Store.HeadUpTo(ctx, end.Chain, end.Seq)
	there := err == nil && head.Seq == end.Seq
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if there && bytes.Equal(head.Hash, end.Hash) && keystore.VerifyHead(head) && (keystore.IsAlone(head) || bytes.Equal(head.PublicKey, c.Key)) {
		c.Twice++
		return nil
	}
	same, entry, err := c.entry(ctx, end)
	if err != nil {
		return err
	}
	if same && !stored && !there {
		c.Unstored++
		return nil
	}
	// It may have been archived just now: the row is there before the heads go.
	if archived, err := c.isArchived(ctx, end, true); err != nil {
		return err
	} else if archived {
		c.Archived++
		return nil
	}
	why := "its head is missing"
	switch {
	case there && bytes.Equal(head.Hash, end.Hash):
		why = "its head is there, but not as it was signed"
	case there:
		why = "its head says something else than what was signed"
	}
	if there {
		c.told[entryName{end.Chain, end.Seq}] = true
	}
	c.fault(HeadFault{Time: at, Chain: end.Chain, Seq: end.Seq, Why: why + ", and " + entry})
	return nil
}

// entry says what the store has of an entry, and whether it is the one with the hash.
func (c *checkingHeads) entry(ctx context.Context, end store.End) (same bool, state string, err error) {
	rows, err := c.Store.Records(ctx, end.Chain, end.Seq-1, 1)
	switch {
	case err != nil:
		return false, "", err
	case len(rows) > 0 && rows[0].Seq == end.Seq && bytes.Equal(rows[0].Hash, end.Hash):
		return true, "the entry is there as it was signed", nil
	case len(rows) > 0 && rows[0].Seq == end.Seq:
		return false, "the entry is another than the one that was signed", nil
	}
	now, err := c.Store.ChainEnd(ctx, end.Chain)
	switch {
	case err != nil:
		return false, "", err
	case now.Seq < end.Seq:
		return false, fmt.Sprintf("the entry is missing: the record ends with entry %d", now.Seq), nil
	}
	return false, "the entry is missing", nil
}

// entryless looks at a head whose entry is not in the store as it was signed.
func (c *checkingHeads) entryless(ctx context.Context, h store.Head) error {
	end := store.End{Chain: h.Chain, Seq: h.Seq, Hash: h.Hash}
	if archived, err := c.isArchived(ctx, end, true); err != nil || archived {
		return err
	}
	same, entry, err := c.entry(ctx, end)
	if err == nil && !same {
		c.faulty(HeadFault{Time: h.Time, Chain: h.Chain, Seq: h.Seq, Why: "its head is there, but " + entry})
	}
	return err
}

// isArchived reports whether an entry was archived, as a statement says that this service signed. fresh reads it again.
func (c *checkingHeads) isArchived(ctx context.Context, end store.End, fresh bool) (bool, error) {
	last, known := c.archives[end.Chain]
	if !known || fresh {
		if len(c.archives) >= maxArchivesCached {
			clear(c.archives)
		}
		var err error
		if last, err = c.archivedUpTo(ctx, end.Chain); err != nil {
			return false, fmt.Errorf("reading the archives: %w", err)
		}
		c.archives[end.Chain] = last
	}
	return end.Seq < last.Seq || end.Seq == last.Seq && bytes.Equal(end.Hash, last.Hash), nil
}

func (c *checkingHeads) archivedUpTo(ctx context.Context, chain string) (store.End, error) {
	const page = 10
	for before := int64(math.MaxInt64); ; {
		rows, err := c.Store.Archives(ctx, chain, before, page)
		if err != nil {
			return store.End{}, err
		}
		for _, row := range rows {
			var a Archive
			if before = row.Seq; json.Unmarshal(row.Statement, &a) == nil && a.Chain == chain && a.Last == row.Seq && bytes.Equal(a.PublicKey, c.Key) && a.isSigned() {
				return store.End{Seq: a.Last, Hash: a.Hash}, nil
			}
		}
		if len(rows) < page {
			return store.End{}, nil
		}
	}
}
