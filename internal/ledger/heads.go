package ledger

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"walletd/internal/keystore"
	"walletd/internal/store"
)

const (
	headEvery  = 1000 // entries, after which a chain's head is signed at the latest
	readAtOnce = 1000 // chains that are read in one statement
)

// Run signs the heads of the chains that have grown, every minute and after every 1,000 entries of one, and deletes
// expired rows, until ctx ends. It also writes what it signs to the log: an audit log that was cut off in the database
// does not match the head that was logged.
func (l *Ledger) Run(ctx context.Context) {
	var sweeping sync.WaitGroup
	sweeping.Go(func() { l.sweep(ctx) })
	defer sweeping.Wait()
	minute := time.NewTicker(time.Minute)
	defer minute.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case chain := <-l.due:
			if err := l.signHead(ctx, chain); err != nil && ctx.Err() == nil {
				l.log.Error().Err(err).Msg("signing the head of an audit log")
			}
		case <-minute.C:
			if err := l.SignHeads(ctx); err != nil && ctx.Err() == nil {
				l.log.Error().Err(err).Msg("signing the heads of the audit logs")
			}
		}
	}
}

// sweep deletes expired rows every minute.
func (l *Ledger) sweep(ctx context.Context) {
	minute := time.NewTicker(time.Minute)
	defer minute.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-minute.C:
			if err := l.store.Sweep(ctx, l.store.Now().Unix()); err != nil && ctx.Err() == nil {
				l.log.Error().Err(err).Msg("deleting expired rows")
			}
		}
	}
}

// SignHeads signs the heads of the chains that have grown: all of them in one tree, or in a few where they are more
// than fit. While the keystore is locked there is no key to sign with, and it does nothing.
func (l *Ledger) SignHeads(ctx context.Context) error {
	for last := (store.End{}); ; {
		ends, more, err := l.unsigned(ctx, last)
		if err != nil {
			return fmt.Errorf("looking for audit logs without a signed head: %w", err)
		}
		if len(ends) > 0 {
			last = ends[len(ends)-1]
			if err := l.signEnds(ctx, ends); errors.Is(err, keystore.ErrLocked) {
				return nil
			} else if err != nil {
				return err
			}
		}
		if !more {
			l.signed.Store(time.Now().Unix())
			return nil
		}
	}
}

// unsigned reads the chains without a signed head that come after one, as many as fit in a tree.
func (l *Ledger) unsigned(ctx context.Context, last store.End) (ends []store.End, more bool, err error) {
	for len(ends) < keystore.MaxHeads {
		n := min(readAtOnce, keystore.MaxHeads-len(ends))
		page, err := l.store.Unsigned(ctx, last, n)
		if err != nil {
			return nil, false, err
		}
		ends = append(ends, page...)
		if len(page) < n {
			return ends, false, nil
		}
		last = page[n-1]
	}
	return ends, true, nil
}

// HeadsSigned returns when SignHeads last succeeded for all chains; before the first time, when the process
// started.
func (l *Ledger) HeadsSigned() time.Time { return time.Unix(l.signed.Load(), 0) }

func (l *Ledger) signHead(ctx context.Context, chain string) error {
	end, err := l.store.ChainEnd(ctx, chain)
	if err != nil {
		return fmt.Errorf("reading the end of the audit log: %w", err)
	}
	if err := l.signEnds(ctx, []store.End{end}); !errors.Is(err, keystore.ErrLocked) {
		return err
	}
	return nil
}

// signEnds signs the ends of chains in one tree, stores it with its heads, and then writes one line to the log.
func (l *Ledger) signEnds(ctx context.Context, ends []store.End) error {
	root, heads, err := l.keystore.SignHeads(ends, l.store.Now().UnixMilli())
	if err != nil {
		return err
	}
	tree := store.Tree{Time: root.Time, Root: root.Hash, PublicKey: root.PublicKey, Signature: root.Signature, Leaves: store.AppendLeaves(nil, ends)}
	if err := l.store.PutTree(ctx, tree, heads); err != nil {
		return err
	}
	logTree(&l.log, root, ends)
	return nil
}
