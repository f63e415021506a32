package store

import (
	"context"
	"fmt"
	"maps"
	"math/bits"
	"slices"
)

// batch is the statements that open a group's transaction and apply changes,
// and which job each statement is of.
type batch struct {
	store  *Store
	stmts  []stmt
	first  int // the statement that takes the first chain; the others follow
	clock  int // the statement that asks for the database's clock; 0 if there is none
	chains []string
	owners map[int][]*job // statement -> who is refused unless it touches one row
	checks map[check]int  // statement of each check
	nonce  map[int][]*job // statement -> the jobs whose nonces it inserts, in order
	late   []*job         // whose nonce is another's of the batch
}

// newBatch begins the transaction and takes the chains in sorted order: two
// replicas may wait for each other's, never crosswise.
func newBatch(s *Store, g *group) *batch {
	b := &batch{store: s, owners: make(map[int][]*job), checks: make(map[check]int), nonce: make(map[int][]*job)}
	set := make(map[string]bool)
	for _, j := range g.jobs {
		j.first, j.err = 0, nil
		for _, chain := range j.change.chains() {
			set[chain] = true
		}
	}
	b.chains = slices.Sorted(maps.Keys(set))
	b.stmts = append(b.stmts, stmt{text: s.db.words().begin})
	if !g.accepts.IsZero() {
		b.stmts = append(b.stmts, lowerTimes.stmt(g.accepts.UnixMilli(), g.accepts.UnixMilli()/growthStep))
	}
	b.first = len(b.stmts)
	for _, chain := range b.chains {
		b.stmts = append(b.stmts, takeChain.stmt(chain, firstPrev()))
	}
	if clock := s.db.words().clock; clock != "" {
		b.clock = len(b.stmts)
		b.stmts = append(b.stmts, stmt{text: clock, rows: true})
	}
	return b
}

// add appends a step of the job.
func (b *batch) add(j *job, st step) {
	if st.err != nil {
		b.owners[len(b.stmts)] = []*job{j}
	}
	b.stmts = append(b.stmts, st.stmt())
}

// check names a check by its statement and its arguments.
type check struct {
	query *query
	args  [3]any
}

func checkOf(st step) check {
	c := check{query: st.query}
	for i, a := range st.args {
		if b, ok := a.([]byte); ok {
			a = string(b)
		}
		c.args[i] = a
	}
	return c
}

// once appends a check that several jobs may share.
func (b *batch) once(j *job, st step) {
	key := checkOf(st)
	at, ok := b.checks[key]
	if !ok {
		at = len(b.stmts)
		b.checks[key] = at
		b.stmts = append(b.stmts, st.stmt())
	}
	b.owners[at] = append(b.owners[at], j)
}

// nonces appends the insertion of all nonces, in as few statements as it can.
func (b *batch) nonces(jobs []*job) {
	seen := make(map[Nonce]bool)
	var rows [][]any
	var of []*job
	for _, j := range jobs {
		if j.change.Nonce == nil {
			continue
		}
		n := *j.change.Nonce
		if key := (Nonce{n.Wallet, n.Issuer, n.JTI, 0}); seen[key] {
			b.late = append(b.late, j)
			continue
		}
		seen[Nonce{n.Wallet, n.Issuer, n.JTI, 0}] = true
		rows, of = append(rows, values(n.columns())), append(of, j)
	}
	for _, st := range b.store.insertMany(insertNonce.query, rows) {
		n := len(st.args) / 4
		b.nonce[len(b.stmts)], of = of[:n], of[n:]
		b.stmts = append(b.stmts, st)
	}
}

// refused reads from the answers which jobs the database refused.
func (b *batch) refused(results []result) []*job {
	set := make(map[*job]bool)
	for _, j := range b.late {
		set[j] = true
	}
	for at, jobs := range b.owners {
		if results[at].n != 1 {
			for _, j := range jobs {
				set[j] = true
			}
		}
	}
	for at, jobs := range b.nonce {
		if len(results[at].rows) == len(jobs) {
			continue
		}
		inserted := make(map[string]bool)
		for _, row := range results[at].rows {
			inserted[fmt.Sprintf("%q", row)] = true
		}
		for _, j := range jobs {
			if !inserted[fmt.Sprintf("%q", values(j.change.Nonce.columns()[:3]))] {
				set[j] = true
			}
		}
	}
	return slices.Collect(maps.Keys(set))
}

// checks are what a change saw and must still be so.
func (c *Change) checks() []step {
	var steps []step
	if c.Epoch >= 0 {
		steps = append(steps, keystoreAtEpoch.step(ErrChanged, c.Epoch))
	}
	if c.Seen != nil {
		steps = append(steps, walletAtVersion.step(ErrChanged, c.Chain, c.Seen.Version, c.Seen.SealedKey))
	}
	return steps
}

// applyWithin applies one change within a savepoint, and takes it back if it is
// refused: j.err says why. Its own error is the whole transaction's.
func (j *job) applyWithin(ctx context.Context, s *Store, c conn) error {
	steps := j.change.checks()
	if j.change.Nonce != nil {
		steps = append(steps, insertNonce.row(*j.change.Nonce, ErrReplayed))
	}
	if j.change.Request != nil {
		steps = append(steps, insertRequest.row(*j.change.Request, ErrRepeated))
	}
	for _, w := range j.change.Writes {
		steps = append(steps, w.steps...)
	}
	batch := []stmt{{text: "savepoint change"}}
	for _, st := range steps {
		batch = append(batch, st.stmt())
	}
	results, err := c.run(ctx, batch)
	if err != nil {
		if err = s.translate(err); !isRefusal(err) {
			return err
		}
		j.err = err
	}
	for i, st := range steps {
		if j.err == nil && st.err != nil && results[1+i].n != 1 {
			j.err = st.err
		}
	}
	if j.err == nil {
		_, err := c.run(ctx, []stmt{{text: "release savepoint change"}})
		return err
	}
	if _, err := c.run(ctx, []stmt{{text: "rollback to savepoint change"}, {text: "release savepoint change"}}); err != nil {
		return err
	}
	if j.err == ErrRepeated {
		return j.findEarlier(ctx, c)
	}
	return nil
}

// findEarlier makes j.err the RepeatedError.
func (j *job) findEarlier(ctx context.Context, c conn) error {
	r := j.change.Request
	found, err := c.run(ctx, []stmt{getRequest.stmt(r.Token, r.Route, r.Key)})
	if err != nil {
		return err
	}
	var earlier Request
	if rows := found[0].rows; len(rows) != 1 || !assignRow(earlier.columns(), rows[0]) {
		return fmt.Errorf("%w: a request", ErrDamaged)
	}
	j.err = &RepeatedError{Earlier: earlier}
	return nil
}

// insertMany inserts many rows in few statements of few texts, by powers of
// two, so that each is soon prepared.
func (s *Store) insertMany(q *query, rows [][]any) []stmt {
	const most = 128
	var batch []stmt
	for len(rows) > 0 {
		power := min(bits.Len(uint(len(rows)))-1, bits.Len(most)-1)
		n := 1 << power
		text, ok := s.expanded[expansion{q, n}]
		if !ok {
			text = expand(q.text, n)
			s.expanded[expansion{q, n}] = text
		}
		st := stmt{text: text, rows: q.rows}
		for _, r := range rows[:n] {
			st.args = append(st.args, r...)
		}
		batch, rows = append(batch, st), rows[n:]
	}
	return batch
}

// expansion names the statement that inserts rows of that many.
type expansion struct {
	query *query
	rows  int
}
