package store

import (
	"context"
	"fmt"
	"iter"
	"slices"
)

// Entry is what the caller gives of a Record; the committer adds its number and
// hashes.
type Entry struct {
	ID     string
	Time   int64 // milliseconds
	Kind   string
	Sealed []byte
	// Releases says that the entry is of a kind that lets something secret leave the wallet. It is not
	// stored; the Receipt carries it.
	Releases bool
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
	// Also are entries of other chains, and entries of Chain that follow Entries.
	Also []ChainEntries

	// Epoch is the keystore's epoch that the caller saw. If it was raised
	// meanwhile: ErrChanged. Negative: not checked.
	Epoch int64
	// Seen, if not nil, is the wallet Chain as the caller saw it. If its version was
	// raised meanwhile, or another one has its name: ErrChanged.
	Seen *Wallet
	// Decided, if not 0, is the time (milliseconds) of a decision by Facts that were
	// remembered. If Chain has an entry from later than soon after: ErrChanged. The
	// clock of this machine is behind then, and what has ended seemed to live.
	Decided int64

	Nonce   *Nonce   // ErrReplayed if used before
	Request *Request // ErrRepeated (a *RepeatedError) if used before
	Writes  []Write  // in order
}

// Commit makes the change durable and returns the Receipt of the last entry on
// Chain. What several callers commit at once goes into one transaction; one
// that fails does not touch the others.
//
// If ctx ends while the change is queued nothing of it happens. Once it is being
// written Commit waits for the outcome, whatever ctx says. ErrUnavailable means
// that the outcome is not known: act on nothing. Besides the errors of the
// Change's parts: ErrInvalid, ErrFull, ErrDamaged.
func (s *Store) Commit(ctx context.Context, c Change) (Receipt, error) {
	if err := c.check(); err != nil {
		return Receipt{}, fmt.Errorf("committing: %w", err)
	}
	first, err := s.committer.commit(ctx, c)
	if err != nil {
		return Receipt{}, fmt.Errorf("committing: %w", err)
	}
	last := len(c.Entries) - 1
	return Receipt{chain: c.Chain, seq: first + int64(last), releases: c.Entries[last].Releases}, nil
}

// check refuses what could only fail: a Change without an entry, with a Write that
// counts on a chain it does not take, or with a value no row can hold.
func (c *Change) check() error {
	if len(c.Entries) == 0 {
		return fmt.Errorf("nothing to record: %w", ErrInvalid)
	}
	for _, chain := range c.chains() {
		if chain == "" || fit([]any{chain}) != nil {
			return fmt.Errorf("the chain's name: %w", ErrInvalid)
		}
	}
	for e := range c.entries() {
		if err := fit([]any{e.chain, e.ID, e.Kind, e.Sealed}); err != nil {
			return fmt.Errorf("the record: %w", err)
		}
	}
	for _, w := range c.Writes {
		if err := c.checkWrite(w); err != nil {
			return err
		}
	}
	if c.Nonce != nil {
		if err := fit(values(c.Nonce.columns())); err != nil {
			return fmt.Errorf("the nonce: %w", err)
		}
	}
	if c.Request != nil {
		if err := fit(values(c.Request.columns())); err != nil {
			return fmt.Errorf("the idempotency key: %w", err)
		}
	}
	return nil
}

func (c *Change) checkWrite(w Write) error {
	if w.chain != "" && !slices.Contains(c.chains(), w.chain) {
		return fmt.Errorf("%s must be on the chain it counts on: %w", w.steps[0].query.name, ErrInvalid)
	}
	for _, st := range w.steps {
		if err := fit(st.args); err != nil {
			return fmt.Errorf("%s: %w", st.query.name, err)
		}
	}
	return nil
}

// chainEntry is an entry with the chain it goes to.
type chainEntry struct {
	chain string
	*Entry
}

// entries gives all entries, those of Chain first.
func (c *Change) entries() iter.Seq[chainEntry] {
	return func(yield func(chainEntry) bool) {
		for i := range c.Entries {
			if !yield(chainEntry{c.Chain, &c.Entries[i]}) {
				return
			}
		}
		for _, also := range c.Also {
			for i := range also.Entries {
				if !yield(chainEntry{also.Chain, &also.Entries[i]}) {
					return
				}
			}
		}
	}
}

// chains gives the chains that the change takes.
func (c *Change) chains() []string {
	chains := []string{c.Chain}
	for _, also := range c.Also {
		chains = append(chains, also.Chain)
	}
	return chains
}
