package store

import (
	"context"
	"fmt"
)

// Entry is what the caller gives of a Record; the committer adds its number and
// hashes.
type Entry struct {
	ID     string
	Time   int64 // milliseconds
	Kind   string
	Sealed []byte
}

// ChainEntries are entries of one chain.
type ChainEntries struct {
	Chain   string
	Entries []Entry
}

// Change is what one Commit makes durable: all of it or nothing.
type Change struct {
	// Chain and Entries: what goes on record, at least one entry.
	Chain   string
	Entries []Entry
	// Also are entries of other chains.
	Also []ChainEntries

	// Epoch is the keystore's epoch that the caller saw. If it was raised
	// meanwhile: ErrChanged. Negative: not checked.
	Epoch int64
	// Version, if not 0, is the version of the wallet Chain that the caller saw.
	// If it was raised meanwhile: ErrChanged.
	Version int64

	Nonce   *Nonce   // ErrReplayed if used before
	Request *Request // ErrRepeated (a *RepeatedError) if used before
	Writes  []Write  // in order
}

// Commit makes the change durable and returns the number of the first entry on
// Chain. What several callers commit at once goes into one transaction; one
// that fails does not touch the others.
//
// If ctx ends while the change is queued nothing of it happens. Once it is being
// written Commit waits for the outcome, whatever ctx says. ErrUnavailable means
// that the outcome is not known: act on nothing. Besides the errors of the
// Change's parts: ErrInvalid, ErrFull, ErrDamaged.
func (s *Store) Commit(ctx context.Context, c Change) (first int64, err error) {
	if err := c.check(); err != nil {
		return 0, fmt.Errorf("committing: %w", err)
	}
	first, err = s.committer.commit(ctx, c)
	if err != nil {
		return 0, fmt.Errorf("committing: %w", err)
	}
	return first, nil
}
