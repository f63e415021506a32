package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// group is the changes of one transaction.
//
// At first all of them are applied in one batch, which with the batch that ends
// the transaction makes two round trips. If some are refused, the transaction
// starts again: the others in one batch, then the refused ones each within a
// savepoint, so that what is left of them is their error. Answers are given
// only once the transaction is durable, refusals too: what refused a change
// may have been a neighbour.
type group struct {
	jobs   []*job
	raised map[string]bool // what the changes raise: wallets, or keystoreEpoch

	moved []string // the chains that the transaction lets grow

	ends map[string]*End // the chains taken; moved on as records are made
	was  map[string]End  // the same, as they were taken; without those that begin

	unsure *Record // the first entry of a transaction of these jobs that may have been committed, or nil

	accepts time.Time // of AcceptClock: chains are lowered to it; else zero
	epoch   int64     // the keystore's in this transaction, or before it
}

// admits says whether a change may be in the group. What it saw of epoch and
// version is checked before any change of the group applies, so nothing before
// it in the group may raise them.
func (g *group) admits(c *Change) bool {
	return !(c.Epoch >= 0 && g.raised[keystoreEpoch]) && !(c.Seen != nil && g.raised[c.Chain])
}

func (g *group) add(j *job) {
	g.jobs = append(g.jobs, j)
	for _, w := range j.change.Writes {
		if w.raises != "" {
			if g.raised == nil {
				g.raised = make(map[string]bool)
			}
			g.raised[w.raises] = true
		}
	}
}

// commit makes the group durable and sets each job's answer. An error is the
// whole group's, and then the transaction is to be rolled back; at the commit
// itself, ErrUnavailable leaves it open whether it happened.
func (g *group) commit(ctx context.Context, s *Store, c conn) error {
	if g.unsure != nil {
		happened, err := g.happened(ctx, s, c)
		if err = s.translate(err); errors.Is(err, ErrUnavailable) && ctx.Err() == nil {
			return fmt.Errorf("%w: %w", errGivenUp, err)
		}
		if happened || err != nil {
			return err
		}
		g.unsure = nil
	} else if done, err := g.atOnce(ctx, s, c); done || err != nil {
		return err
	}
	refused, err := g.together(ctx, s, c, g.jobs)
	if err == nil && len(refused) > 0 {
		err = g.apart(ctx, s, c, refused)
	}
	if err = s.translate(err); errors.Is(err, ErrUnavailable) && ctx.Err() == nil {
		// The connection was dead, say: nothing can have been committed yet.
		return fmt.Errorf("%w: %w", errGivenUp, err)
	}
	if err != nil {
		return err
	}
	if err := g.checkTimes(s); err != nil {
		return err
	}
	return g.finish(ctx, s, c)
}

// checkTimes refuses the group if it would write a time from the future: others would have to wait for it.
func (g *group) checkTimes(s *Store) error {
	latest := s.latest(g.epoch)
	if latest == 0 {
		return nil
	}
	for _, j := range g.jobs {
		if j.err != nil {
			continue
		}
		for e := range j.change.entries() {
			if e.Time > latest {
				return aheadBy(time.Duration(e.Time-latest)*time.Millisecond + MaxAhead)
			}
		}
	}
	return nil
}

// apart starts again with the refused jobs set apart.
func (g *group) apart(ctx context.Context, s *Store, c conn, refused []*job) error {
	others := slices.DeleteFunc(slices.Clone(g.jobs), func(j *job) bool { return slices.Contains(refused, j) })
	for {
		if _, err := c.run(ctx, []stmt{{text: "rollback"}}); err != nil {
			return err
		}
		again, err := g.together(ctx, s, c, others)
		if err != nil {
			return err
		}
		if len(again) == 0 {
			break
		}
		others, refused = nil, g.jobs // they depend on each other: each apart
	}
	for _, j := range refused {
		if g.isLate(j) {
			s.sawAt(g.ends[j.change.Chain].Time, g.epoch)
			j.err = ErrChanged
			continue
		}
		if err := j.applyWithin(ctx, s, c); err != nil {
			return err
		}
	}
	return nil
}

// together begins the transaction, takes the group's chains, and applies the
// jobs in one batch. If some are refused, they are given back and the
// transaction is of no use.
func (g *group) together(ctx context.Context, s *Store, c conn, jobs []*job) (refused []*job, err error) {
	b := newBatch(s, g)
	g.epoch = s.epoch.Load()
	b.check(jobs)
	b.nonces(jobs)
	for _, j := range jobs {
		if j.change.Request != nil {
			b.add(j, insertRequest.row(*j.change.Request, ErrRepeated))
		}
		for _, w := range j.change.Writes {
			for _, st := range w.steps {
				b.add(j, st)
			}
		}
	}
	results, err := c.run(ctx, b.stmts)
	if err != nil {
		if len(jobs) == 0 || !isRefusal(s.translate(err)) {
			return nil, err
		}
		if owner := b.owners[len(results)]; owner != nil {
			return []*job{owner}, nil
		}
		return jobs, nil // it may be any one's
	}
	if err := g.opened(results, b, s.db.words().arrays == nil); err != nil {
		return nil, err
	}
	if b.clock != 0 {
		if g.epoch, err = s.sawClock(results[b.clock]); err != nil {
			return nil, err
		}
	}
	refused = b.refused(results)
	for _, j := range jobs {
		if g.isLate(j) && !slices.Contains(refused, j) {
			refused = append(refused, j)
		}
	}
	return refused, nil
}

// soon is how much later than a decision an entry of its chain may be: replicas' clocks differ a little.
const soon = 5000 // milliseconds

// isLate reports whether the chain of the job shows that its decision was made by a clock that is behind.
func (g *group) isLate(j *job) bool {
	return j.change.Decided != 0 && g.ends[j.change.Chain].Time > j.change.Decided+soon
}

// opened reads the chains' ends from the answers to the statements that take them. Those that have none begin, if they may.
func (g *group) opened(results []result, b *batch, mayBegin bool) error {
	g.ends, g.was = make(map[string]*End), make(map[string]End)
	for _, at := range b.takes {
		for _, row := range results[at].rows {
			var end End
			if !assignRow(end.columns(), row) {
				return fmt.Errorf("%w: the end of a chain", ErrDamaged)
			}
			g.ends[end.Chain], g.was[end.Chain] = &end, end
		}
	}
	for _, chain := range b.chains {
		switch {
		case g.ends[chain] != nil:
		case mayBegin:
			g.ends[chain] = &End{Chain: chain, Hash: firstPrev()}
		default:
			return fmt.Errorf("%w: the end of chain %q", ErrDamaged, chain)
		}
	}
	return nil
}

// link puts the entries of what was not refused on their chains, whose ends it moves.
func (g *group) link() (records [][]any, moved map[string]*End) {
	moved = make(map[string]*End)
	for _, j := range g.jobs {
		if j.err != nil {
			continue
		}
		j.first = g.ends[j.change.Chain].Seq + 1
		for e := range j.change.entries() {
			end := g.ends[e.chain]
			r := Record{Chain: e.chain, Seq: end.Seq + 1, ID: e.ID, Time: e.Time, Kind: e.Kind, Sealed: e.Sealed, Prev: end.Hash}
			r.Hash = r.Sum(r.Prev)
			records = append(records, values(r.columns()))
			end.moveTo(r)
			moved[e.chain] = end
		}
	}
	return records, moved
}

// finish puts the entries of what was not refused on their chains, and commits.
func (g *group) finish(ctx context.Context, s *Store, c conn) error {
	records, moved := g.link()
	batch := s.insertMany(insertRecord.query, records)
	g.moved = slices.Sorted(maps.Keys(moved))
	for _, chain := range g.moved {
		move, to := moveChain, moved[chain]
		switch was, there := g.was[chain]; {
		case !there:
			move = insertChain
		case to.Grown != was.Grown || to.Due != was.Due:
			move = moveChainTime
		}
		batch = append(batch, move.stmt(move.values(to, nil)...))
	}
	batch = append(batch, stmt{text: "commit"})
	_, err := c.run(ctx, batch)
	if err = s.translate(err); errors.Is(err, ErrExists) {
		return fmt.Errorf("%w: a chain goes on after its end", ErrDamaged)
	}
	return err
}
