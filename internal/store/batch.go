package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

// batch is the statements that open a group's transaction and apply changes,
// and which job each statement is of.
type batch struct {
	store   *Store
	stmts   []stmt
	chains  []string             // in order
	takes   []int                // the statements that answer with their ends
	clock   int                  // the statement that asks for the database's clock; 0 if there is none
	owners  map[int]*job         // statement -> who is refused unless it touches one row
	checks  map[int][]*condition // statement -> what it checks, in order
	inserts []int                // the statements that insert nonces
	nonceOf []*job               // whose nonces they insert
	late    []*job               // whose nonce is another's of the batch
}

// newBatch begins the transaction and takes the chains in sorted order: two
// replicas may wait for each other's, never crosswise.
func newBatch(s *Store, g *group) *batch {
	b := &batch{store: s, chains: g.chains(), owners: make(map[int]*job), checks: make(map[int][]*condition)}
	for _, j := range g.jobs {
		j.first, j.err = 0, nil
	}
	b.stmts = append(b.stmts, stmt{text: s.db.words().begin})
	if !g.accepts.IsZero() {
		b.stmts = append(b.stmts, lowerTimes.stmt(g.accepts.UnixMilli(), g.accepts.UnixMilli()/growthStep))
	}
	takes, answers := s.takeChains(b.chains)
	for _, at := range answers {
		b.takes = append(b.takes, len(b.stmts)+at)
	}
	b.stmts = append(b.stmts, takes...)
	if clock := s.db.words().clock; clock != "" {
		b.clock = len(b.stmts)
		b.stmts = append(b.stmts, stmt{text: clock, rows: true})
	}
	return b
}

// add appends a step of the job.
func (b *batch) add(j *job, st step) {
	if st.err != nil {
		b.owners[len(b.stmts)] = j
	}
	b.stmts = append(b.stmts, st.stmt())
}

// condition is what one or several changes saw, and must still be so.
type condition struct {
	args []any
	of   []*job
}

// conditions gives what the changes saw, each once, by the statement that checks it.
func conditions(jobs []*job) map[*query][]*condition {
	type name struct {
		query *query
		args  [3]any
	}
	named := make(map[name]*condition)
	all := make(map[*query][]*condition)
	for _, j := range jobs {
		for _, st := range j.change.checks() {
			n := name{query: st.query}
			for i, a := range st.args {
				if b, ok := a.([]byte); ok {
					a = string(b)
				}
				n.args[i] = a
			}
			c := named[n]
			if c == nil {
				c = &condition{args: noNulls(st.args)}
				named[n], all[st.query] = c, append(all[st.query], c)
			}
			c.of = append(c.of, j)
		}
	}
	return all
}

// argsOf gives the arguments of each condition.
func argsOf(conditions []*condition) [][]any {
	rows := make([][]any, len(conditions))
	for i, c := range conditions {
		rows[i] = c.args
	}
	return rows
}

// check appends what the changes saw and must still be so.
func (b *batch) check(jobs []*job) {
	for q, conditions := range conditions(jobs) {
		batch := b.store.checkEach(q, conditions)
		each := len(conditions) / len(batch)
		for i, st := range batch {
			b.checks[len(b.stmts)] = conditions[i*each : (i+1)*each]
			b.stmts = append(b.stmts, st)
		}
	}
}

// nonces appends the insertion of all nonces, in as few statements as it can.
func (b *batch) nonces(jobs []*job) {
	seen := make(map[Nonce]bool)
	var rows [][]any
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
		rows, b.nonceOf = append(rows, values(n.columns())), append(b.nonceOf, j)
	}
	for _, st := range b.store.insertMany(insertNonce.query, rows) {
		b.inserts = append(b.inserts, len(b.stmts))
		b.stmts = append(b.stmts, st)
	}
}

// refused reads from the answers which jobs the database refused.
func (b *batch) refused(results []result) []*job {
	set := make(map[*job]bool)
	for _, j := range b.late {
		set[j] = true
	}
	for at, j := range b.owners {
		if results[at].n != 1 {
			set[j] = true
		}
	}
	for at, conditions := range b.checks {
		for i, c := range conditions {
			if !holds(results[at], i, len(conditions)) {
				for _, j := range c.of {
					set[j] = true
				}
			}
		}
	}
	var inserted [][]any
	for _, at := range b.inserts {
		inserted = append(inserted, results[at].rows...)
	}
	if len(inserted) < len(b.nonceOf) {
		names := make(map[string]bool)
		for _, row := range inserted {
			names[fmt.Sprintf("%q", row)] = true
		}
		for _, j := range b.nonceOf {
			if !names[fmt.Sprintf("%q", values(j.change.Nonce.columns()[:3]))] {
				set[j] = true
			}
		}
	}
	return slices.Collect(maps.Keys(set))
}

// holds reports whether the answer of a statement that checks n conditions says that the condition i holds.
func holds(r result, i, n int) bool {
	return r.n == int64(n) || n > 1 && slices.ContainsFunc(r.rows, func(row []any) bool { return row[0] == int64(i+1) })
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
