package store

import (
	"context"
	"errors"
	"iter"
)

// A whole chain is read a page at a time. A page ends with the row that makes it as long as walkBytes: rows are of any
// length, and only so many are held.
const (
	walkRows  = 500
	walkBytes = 1 << 20
)

// errEnough ends a read with the rows that there are.
var errEnough = errors.New("enough rows were read")

// page reads rows of a chain after a number, up to limit, and reports whether it ended before because they are long.
func page[R any](ctx context.Context, s *Store, q rowRead[R], length func(R) int, chain string, after int64, limit int) (rows []R, long bool, err error) {
	bytes := 0
	err = s.read(ctx, q.query, []any{chain, after, limit}, func(scan func(...any) error) error {
		var r R
		if err := scan(q.fields(&r)...); err != nil {
			return err
		}
		rows = append(rows, r)
		if bytes += length(r); bytes >= walkBytes {
			long = true
			return errEnough
		}
		return nil
	})
	return rows, long, err
}

// nextLimit is for a page after one of so many rows. What a database answers and is not read was for nothing, so after long
// rows it is asked for few.
func nextLimit(rows int) int { return min(2*rows, walkRows) }

// walk yields the rows of a chain after a number, in order. An error is the last element.
func walk[R any](ctx context.Context, s *Store, q rowRead[R], length func(R) int, seq func(R) int64, chain string, after int64) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		for limit := walkRows; ; {
			rows, long, err := page(ctx, s, q, length, chain, after, limit)
			if err != nil {
				var none R
				yield(none, err)
				return
			}
			for _, r := range rows {
				if !yield(r, nil) {
					return
				}
				after = seq(r)
			}
			if !long && len(rows) < limit {
				return
			}
			limit = nextLimit(len(rows))
		}
	}
}
