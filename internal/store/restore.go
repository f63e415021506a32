package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"
)

// ErrOtherRecord: the store has entries on the chain that are not those to be
// put back.
var ErrOtherRecord = errors.New("the store has another record of this wallet")

// restoreTimeout is for the largest wallet on a slow disk. Others wait meanwhile.
const restoreTimeout = 30 * time.Minute

// OldRow is one piece of what Restore puts back: one of its fields is set, or
// Record and what it says.
type OldRow struct {
	Write   *Write
	Archive *Archive  // of the oldest entries of a chain, which are not put back
	Record  *Record   // of a chain as it was elsewhere
	Content *Restored // what Record says; nil if that is not known
	Head    *Head     // of that chain
}

// Restore is Commit with rows and an old chain beneath it: what c records follows
// the old entries, which go in as they are, all of it in one transaction of its
// own. The rows are read while they are written, none is held; where the
// transaction has to begin again, they are read from the beginning. An error that
// they yield ends the transaction, and is returned.
//
// The old entries come in order, from the first or, behind the archives of a chain, from the one after the last of them,
// and must have passed a Checker.
// If the store still has the chain, of a wallet that was deleted, it must begin
// as the old one does, or the old one as it: what is missing is added, and
// nothing changes what is there. ErrOtherRecord if they part. Besides: what
// Commit says of the parts of c.
//
// Restore returns when nothing reads the rows any more.
func (s *Store) Restore(ctx context.Context, c Change, rows iter.Seq2[OldRow, error]) error {
	if err := c.check(); err != nil {
		return fmt.Errorf("restoring: %w", err)
	}
	j := &job{change: &c}
	alone := &job{patience: restoreTimeout, alone: func(ctx context.Context, conn conn) error {
		return j.restore(ctx, s, conn, rows)
	}}
	err := s.committer.wait(ctx, alone)
	if alone.state.Load() == taken {
		<-alone.done
	}
	if err == nil {
		err = j.err
	}
	if err != nil {
		return fmt.Errorf("restoring: %w", err)
	}
	return nil
}

// restore applies the change above the old chain. What refuses it is j.err; then
// nothing is left of it, nor of a transaction.
func (j *job) restore(ctx context.Context, s *Store, conn conn, rows iter.Seq2[OldRow, error]) error {
	j.err = nil
	g := &group{}
	g.add(j)
	refused, err := g.together(ctx, s, conn, g.jobs)
	if err == nil && len(refused) > 0 {
		err = g.apart(ctx, s, conn, refused)
	}
	if err != nil {
		return s.translate(err)
	}
	if j.err == nil {
		p := putter{store: s, conn: conn, change: j.change, ends: g.ends}
		if j.err, err = p.put(ctx, rows); err != nil {
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

const (
	putRows  = 128     // at once
	putBytes = 1 << 20 // at once, about
)

// putter puts rows into a transaction, some at a time.
type putter struct {
	store  *Store
	conn   conn
	change *Change
	ends   map[string]*End // of the chains; the old one's is moved on

	steps                    []step
	records, heads, contents [][]any
	rows, bytes              int // that wait in these

	last  Record // the newest entry of the old chain that was read, or that is archived
	there End    // of the old chain, as the store has it; Seq is 0 if it has none
	begun bool   // an entry of the old chain was read
}

// put puts all rows in. What refuses them is refused; err is of the database.
func (p *putter) put(ctx context.Context, rows iter.Seq2[OldRow, error]) (refused, err error) {
	for row, err := range rows {
		if err == nil {
			err = p.add(row)
		}
		if err != nil {
			return err, nil
		}
		if p.rows < putRows && p.bytes < putBytes {
			continue
		}
		if refused, err = p.flush(ctx); refused != nil || err != nil {
			return refused, err
		}
	}
	if !p.begun {
		if err := p.join(); err != nil {
			return err, nil
		}
	}
	if refused, err = p.flush(ctx); refused != nil || err != nil {
		return refused, err
	}
	if p.last.Seq > 0 && p.last.Seq < p.there.Seq { // the chain that is there goes on where the old one ends
		return p.compare(ctx, p.last)
	}
	return nil, nil
}

// compare refuses an old entry that is not the one in the store.
func (p *putter) compare(ctx context.Context, r Record) (refused, err error) {
	found, err := p.conn.run(ctx, []stmt{hashOfRecord.stmt(r.Chain, r.Seq)})
	if err != nil {
		return nil, err
	}
	var hash []byte
	if rows := found[0].rows; len(rows) != 1 || !assign(&hash, rows[0][0]) || !bytes.Equal(hash, r.Hash) {
		return ErrOtherRecord, nil
	}
	return nil, nil
}

func (p *putter) add(row OldRow) error {
	if row.Write != nil {
		if err := p.change.checkWrite(*row.Write); err != nil {
			return err
		}
		p.steps = append(p.steps, row.Write.steps...)
		for _, st := range row.Write.steps {
			p.count(st.args)
		}
	}
	if row.Archive != nil {
		if err := p.addArchive(*row.Archive); err != nil {
			return err
		}
	}
	if row.Record != nil {
		if err := p.addRecord(*row.Record); err != nil {
			return err
		}
	}
	if row.Content != nil {
		if err := p.addValues(&p.contents, values(row.Content.columns())); err != nil {
			return fmt.Errorf("the old record: %w", err)
		}
	}
	if row.Head != nil {
		if err := p.addValues(&p.heads, values(row.Head.columns())); err != nil {
			return fmt.Errorf("the old heads: %w", err)
		}
	}
	return nil
}

// addArchive adds the next archive of the old chain, which goes on behind it.
func (p *putter) addArchive(a Archive) error {
	p.begin(a.Chain)
	if a.First != p.last.Seq+1 || a.Chain != p.last.Chain || p.begun {
		return fmt.Errorf("the old archives: %w", ErrInvalid)
	}
	w := PutRestoredArchive(a)
	if err := p.change.checkWrite(w); err != nil {
		return err
	}
	p.steps = append(p.steps, w.steps...)
	p.count(w.steps[0].args)
	p.last.Seq, p.last.Hash = a.Seq, a.Hash
	return nil
}

// begin takes up the old chain.
func (p *putter) begin(chain string) {
	if p.last.Seq == 0 && slices.Contains(p.change.chains(), chain) {
		p.there = *p.ends[chain]
		p.last.Chain = chain
	}
}

// join has the old chain go on behind its archives, if it has any, unless the store has the chain.
func (p *putter) join() error {
	p.begun = true
	switch {
	case p.last.Seq == 0 || p.last.Seq < p.there.Seq:
	case p.there.Seq == 0:
		end := p.ends[p.last.Chain]
		end.Seq, end.Hash = p.last.Seq, p.last.Hash
	case p.there.Seq < p.last.Seq || !bytes.Equal(p.there.Hash, p.last.Hash):
		return ErrOtherRecord
	}
	return nil
}

// addRecord adds the next entry of the old chain, unless the store has it.
func (p *putter) addRecord(r Record) error {
	p.begin(r.Chain)
	if !p.begun {
		if err := p.join(); err != nil {
			return err
		}
	}
	if r.Seq != p.last.Seq+1 || r.Chain != p.last.Chain {
		return fmt.Errorf("the old record: %w", ErrInvalid)
	}
	p.last = r
	switch {
	case r.Seq < p.there.Seq:
		return nil
	case r.Seq == p.there.Seq:
		if !bytes.Equal(r.Hash, p.there.Hash) {
			return ErrOtherRecord
		}
		return nil
	}
	end := p.ends[r.Chain]
	end.moveTo(r)
	if err := p.addValues(&p.records, values(r.columns())); err != nil {
		return fmt.Errorf("the old record: %w", err)
	}
	return nil
}

func (p *putter) addValues(to *[][]any, row []any) error {
	if err := fit(row); err != nil {
		return err
	}
	*to = append(*to, row)
	p.count(row)
	return nil
}

func (p *putter) count(row []any) {
	p.rows++
	for _, v := range row {
		if b, ok := v.([]byte); ok {
			p.bytes += len(b)
		}
	}
}

// flush writes what waits.
func (p *putter) flush(ctx context.Context) (refused, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var batch []stmt
	for _, st := range p.steps {
		batch = append(batch, st.stmt())
	}
	batch = slices.Concat(batch, p.store.insertMany(insertRecord.query, p.records), p.store.insertMany(putHead.query, p.heads),
		p.store.insertMany(insertRestoredRecord.query, p.contents))
	steps := p.steps
	p.steps, p.records, p.heads, p.contents, p.rows, p.bytes = p.steps[:0], nil, nil, nil, 0, 0
	if len(batch) == 0 {
		return nil, nil
	}
	results, err := p.conn.run(ctx, batch)
	if err != nil {
		if err = p.store.translate(err); isRefusal(err) {
			return err, nil
		}
		return nil, err
	}
	for i, st := range steps {
		if st.err != nil && results[i].n != 1 {
			return st.err, nil
		}
	}
	return nil, nil
}
