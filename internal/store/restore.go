package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// ErrOtherRecord: the store has entries on the chain that are not those to be
// put back.
var ErrOtherRecord = errors.New("the store has another record of this wallet")

// restoreTimeout is for the largest wallet on a slow disk. Others wait meanwhile.
const restoreTimeout = 2 * time.Minute

// OldChain is a chain as it was elsewhere: all entries from the first, in
// order, heads of theirs, and what they say. The zero OldChain is of no wallet.
type OldChain struct {
	Records  []Record
	Heads    []Head
	Contents []Restored
}

// Restore is Commit with an old chain beneath it: what c records follows the
// old entries, which go in as they are, all of it in one transaction of its own.
// The old entries must have passed a Checker.
//
// If the store still has the chain, of a wallet that was deleted, it must begin
// as the old one does, or the old one as it: what is missing is added, and
// nothing changes what is there. ErrOtherRecord if they part. Besides: what
// Commit says of the parts of c.
func (s *Store) Restore(ctx context.Context, c Change, old OldChain) error {
	err := c.check()
	if err == nil {
		err = old.check(&c)
	}
	if err != nil {
		return fmt.Errorf("restoring: %w", err)
	}
	j := &job{change: &c}
	err = s.committer.wait(ctx, &job{patience: restoreTimeout, alone: func(ctx context.Context, conn conn) error {
		return j.restore(ctx, s, conn, &old)
	}})
	if err == nil {
		err = j.err
	}
	if err != nil {
		return fmt.Errorf("restoring: %w", err)
	}
	return nil
}

func (o *OldChain) check(c *Change) error {
	for i, r := range o.Records {
		if r.Seq != int64(i+1) || !slices.Contains(c.chains(), r.Chain) || r.Chain != o.Records[0].Chain {
			return fmt.Errorf("the old record: %w", ErrInvalid)
		}
		if err := fit(values(r.columns())); err != nil {
			return fmt.Errorf("the old record: %w", err)
		}
	}
	for _, h := range o.Heads {
		if err := fit(values(h.columns())); err != nil {
			return fmt.Errorf("the old heads: %w", err)
		}
	}
	for _, r := range o.Contents {
		if err := fit(values(r.columns())); err != nil {
			return fmt.Errorf("the old record: %w", err)
		}
	}
	return nil
}

// restore applies the change above the old chain. What refuses it is j.err; then
// nothing is left of it, nor of a transaction.
func (j *job) restore(ctx context.Context, s *Store, conn conn, old *OldChain) error {
	g := &group{}
	g.add(j)
	refused, err := g.together(ctx, s, conn, g.jobs)
	if err == nil && len(refused) > 0 {
		err = g.apart(ctx, s, conn, refused)
	}
	if err != nil {
		return s.translate(err)
	}
	if j.err == nil && len(old.Records) > 0 {
		j.err, err = old.beneath(ctx, s, conn, g.ends[old.Records[0].Chain])
		if err != nil {
			return s.translate(err)
		}
	}
	if j.err != nil {
		_, err := conn.run(ctx, []stmt{{text: "rollback"}})
		return err
	}
	if err := g.checkTimes(s); err != nil {
		return err
	}
	if err := g.finish(ctx, s, conn); err != nil {
		return err
	}
	for _, end := range g.ends {
		s.saw(end.Time)
	}
	return nil
}

// beneath puts the old entries on a chain that ends at end, which it moves on.
func (o *OldChain) beneath(ctx context.Context, s *Store, conn conn, end *End) (refused, err error) {
	last := o.Records[len(o.Records)-1]
	if end.Seq > 0 {
		common := o.Records[min(end.Seq, last.Seq)-1]
		found, err := conn.run(ctx, []stmt{hashOfRecord.stmt(common.Chain, common.Seq)})
		if err != nil {
			return nil, err
		}
		var hash []byte
		if rows := found[0].rows; len(rows) != 1 || !assign(&hash, rows[0][0]) || !bytes.Equal(hash, common.Hash) {
			return ErrOtherRecord, nil
		}
	}
	var records, heads, contents [][]any
	for _, r := range o.Records[min(end.Seq, last.Seq):] {
		records = append(records, values(r.columns()))
		end.Seq, end.Hash, end.Time = r.Seq, r.Hash, max(end.Time, r.Time)
	}
	for _, h := range o.Heads {
		heads = append(heads, values(h.columns()))
	}
	for _, r := range o.Contents {
		contents = append(contents, values(r.columns()))
	}
	batch := slices.Concat(s.insertMany(insertRecord.query, records), s.insertMany(putHead.query, heads),
		s.insertMany(insertRestoredRecord.query, contents))
	_, err = conn.run(ctx, batch)
	return nil, err
}
