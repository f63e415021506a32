package store

import (
	"context"
	"fmt"
)

// The writes about the keystore itself that can't be a Change: before there is
// a chain, or before anybody has shown a right to be recorded.

// InitKeystore makes the keystore: its row, its slots, the first operator's
// token and the first entry of the service's chain, all or nothing. ErrExists
// if there is one; ErrDevStore if k.Dev is not what Open was told.
func (s *Store) InitKeystore(ctx context.Context, k Keystore, slots []Slot, operator Token, entry Entry) error {
	if k.Dev != s.dev {
		return fmt.Errorf("making the keystore: %w", ErrDevStore)
	}
	c := Change{Chain: ServiceChain, Entries: []Entry{entry}, Epoch: -1,
		Writes: []Write{{steps: []step{{"insert keystore", values(k.fields()), ErrExists}}}}}
	for _, slot := range slots {
		c.Writes = append(c.Writes, PutSlot(slot))
	}
	c.Writes = append(c.Writes, InsertToken(operator))
	if _, err := s.Commit(ctx, c); err != nil {
		return fmt.Errorf("making the keystore: %w", err)
	}
	return nil
}

// CountUnlockFailure counts a failed unlock, before it is tried, and returns
// the row as it then is. ErrNotFound before InitKeystore.
func (s *Store) CountUnlockFailure(ctx context.Context, at int64) (Keystore, error) {
	var k Keystore
	err := s.alone(ctx, "count failure", []any{at}, func(row []any) bool {
		return len(row) == 9 && assign(&k.ID, row[0]) && assign(&k.Generation, row[1]) && assign(&k.Epoch, row[2]) &&
			assign(&k.SealedOldRoot, row[3]) && assign(&k.SealedService, row[4]) && assign(&k.Failures, row[5]) &&
			assign(&k.LastFailure, row[6]) && assignBool(&k.Dev, row[7]) && assign(&k.Check, row[8])
	})
	return k, s.checkEpoch(k.Epoch, err)
}

// ClearUnlockFailures sets the count back after a good unlock.
func (s *Store) ClearUnlockFailures(ctx context.Context) error {
	return s.alone(ctx, "clear failures", nil, nil)
}

// RaiseEpoch locks every replica from its next request; it returns the new epoch.
func (s *Store) RaiseEpoch(ctx context.Context) (int64, error) {
	var epoch int64
	err := s.alone(ctx, "raise epoch", nil, func(row []any) bool { return len(row) == 1 && assign(&epoch, row[0]) })
	return epoch, err
}

// PutHead keeps a signed head. One that is already there stays.
func (s *Store) PutHead(ctx context.Context, h Head) error {
	return s.alone(ctx, "put head", values(h.fields()), nil)
}

// TouchToken notes that a token was used. It returns at once: the note is
// written within about a minute, and lost if the process is killed.
func (s *Store) TouchToken(id string, at int64) { s.committer.touch(id, at) }

// keepRequests is how long an idempotency key is remembered, in seconds.
const keepRequests = 24 * 60 * 60

// Sweep forgets nonces that ended before now (unix seconds) and idempotency
// keys older than a day, in small bites that let others through.
func (s *Store) Sweep(ctx context.Context, now int64) error {
	for name, before := range map[string]int64{"sweep nonces": now, "sweep requests": now - keepRequests} {
		for more := true; more; {
			err := s.committer.do(ctx, func(ctx context.Context, sess session) error {
				done, err := sess.run(ctx, []stmt{{text: query(name), args: []any{before}}})
				more = err == nil && done[0].n > 0
				return err
			})
			if err != nil {
				return fmt.Errorf("forgetting (%s): %w", name, err)
			}
		}
	}
	return nil
}

// alone runs one statement in a transaction of its own. With scan it must answer
// one row, ErrNotFound otherwise; scan says whether the row is as it should be.
func (s *Store) alone(ctx context.Context, name string, args []any, scan func([]any) bool) error {
	if err := fit(args); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	var rows [][]any
	err := s.committer.do(ctx, func(ctx context.Context, sess session) error {
		done, err := sess.run(ctx, []stmt{{query(name), noNulls(args), scan != nil}})
		if err == nil {
			rows = done[0].rows
		}
		return err
	})
	switch {
	case err != nil || scan == nil:
	case len(rows) == 0:
		err = ErrNotFound
	case !scan(rows[0]):
		err = fmt.Errorf("%w: %s", ErrDamaged, s.where)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
