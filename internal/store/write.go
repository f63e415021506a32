package store

import (
	"context"
	"fmt"
	"time"
)

// Write is one change of rows, made by the functions beside each table. It applies
// exactly or fails with the error its function names, and then nothing of its
// Change applies.
//
// "Raises" means that it raises the version of the wallet: a decision cached
// under the old version is no longer to be used.
type Write struct {
	steps  []step
	chain  string // the Change must be on this chain: what makes the Write safe against the other replicas
	raises string // the wallet whose version it raises, or keystoreEpoch
}

// step is one statement of a Write: unless it touches exactly one row, the
// Write fails with err. A nil err takes any number.
type step struct {
	query *query
	args  []any
	err   error
}

func (st step) stmt() stmt { return st.query.stmt(st.args...) }

// alone runs one statement in a transaction of its own.
func (s *Store) alone(ctx context.Context, q *query, args ...any) error {
	_, err := s.runWithin(ctx, s.patience, q, args)
	return err
}

// answered is alone for a statement that must answer with one row of the
// columns; ErrNotFound if it answers with none.
func (s *Store) answered(ctx context.Context, q *query, columns []column, args ...any) error {
	done, err := s.runWithin(ctx, s.patience, q, args)
	switch {
	case err != nil:
		return err
	case len(done.rows) == 0:
		return fmt.Errorf("%s: %w", q.name, ErrNotFound)
	case !assignRow(columns, done.rows[0]):
		return fmt.Errorf("%s: %w: %s", q.name, ErrDamaged, s.where)
	}
	return nil
}

func (s *Store) runWithin(ctx context.Context, patience time.Duration, q *query, args []any) (result, error) {
	var done result
	err := fit(args)
	if err == nil {
		err = s.committer.wait(ctx, &job{patience: patience, alone: func(ctx context.Context, c conn) error {
			began := time.Now()
			results, err := c.run(ctx, []stmt{{text: s.db.words().begin}, q.stmt(args...), {text: "commit"}})
			if err == nil {
				done = results[1]
				done.took = time.Since(began)
			}
			return err
		}})
	}
	if err != nil {
		return result{}, fmt.Errorf("%s: %w", q.name, err)
	}
	return done, nil
}
