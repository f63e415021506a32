package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// On PostgreSQL a group of claims is committed in one round trip. The committer remembers where the chains ended
// that it moved last, so the entries can be linked before the transaction begins; and each condition is a statement
// that fails unless it holds, so the commit that follows in the same batch does not happen. A group whose chains are
// not remembered, with other writes, or of which a condition failed, takes the two round trips of group.commit, which
// tell who is refused and why.
//
// In one batch it is not known of a connection that breaks whether the commit happened. The next try looks first.

// guards are the conditions. A database without them commits in two round trips.
type guards struct {
	// clock answers as words.clock does. It fails unless the keystore's epoch is $1, which is negative if it is not
	// checked, and unless the time $2 is not from the future.
	clock string
	// moveChain moves the end of the chain $1 from the number $2, the hash $3 and the time $7 to $4, $5 and $6. Like
	// the statement that takes a chain, it waits for the other replicas that write to it.
	moveChain string
	// wallet fails unless the wallet $1 has the version $2 and the sealed key $3, wallets unless all $4 of them do.
	wallet, wallets string
	// nonces makes the insertion of nonces fail unless all of them are new, as many as its argument after the columns says.
	nonces func(insertion string) string
}

var postgresGuards = &guards{
	clock: fmt.Sprintf(`with clock as (select floor(extract(epoch from clock_timestamp()) * 1000)::bigint as at, coalesce((select epoch from keystore), -1) as epoch)
		select at, epoch, 1 / (case when ($1::bigint < 0 or epoch = $1) and $2::bigint <= at + %d then 1 else 0 end) from clock`, MaxAhead.Milliseconds()),
	moveChain: fmt.Sprintf(`with moved as (update chains set seq = $4, hash = $5, time = $6::bigint, grown = $6::bigint / %[1]d,
		due = case when due = 0 then greatest(1, $6::bigint / %[1]d) else due end where chain = $1 and seq = $2 and hash = $3 and time = $7 returning 1)
		select 1 / count(*)::int from moved`, growthStep),
	wallet:  `select 1 / count(*)::int from wallets where id = $1 and version = $2 and sealed_key = $3`,
	wallets: fmt.Sprintf("select 1 / (case when count(*) = $4 then 1 else 0 end) from (%s) as found", postgresArrays.wallets),
	nonces: func(insertion string) string {
		return fmt.Sprintf("with inserted as (%s) select 1 / (case when count(*) = $%d then 1 else 0 end) from inserted", insertion, len((&Nonce{}).columns())+1)
	},
}

// divisionByZero is the code of a condition that did not hold.
const divisionByZero = "22012"

const (
	maxEnds = 4096 // chains whose end is remembered
	// afterOthers is how long a chain is not remembered that another replica has moved: it may well do so again.
	afterOthers = time.Second
)

// chainEnds are where chains ended that the committer moved.
type chainEnds struct {
	known  map[string]End
	others map[string]time.Time // when another replica was found to have moved a chain
}

func (e *chainEnds) note(ends map[string]*End) {
	for chain, end := range ends {
		if at, moved := e.others[chain]; moved && time.Since(at) < afterOthers {
			continue
		}
		delete(e.others, chain)
		if e.known == nil || len(e.known) >= maxEnds {
			e.known = make(map[string]End)
		}
		e.known[chain] = *end
	}
}

func (e *chainEnds) forget(chains []string) {
	for _, chain := range chains {
		delete(e.known, chain)
	}
}

func (e *chainEnds) movedByOthers(chains []string) {
	e.forget(chains)
	if e.others == nil || len(e.others) >= maxEnds {
		e.others = make(map[string]time.Time)
	}
	for _, chain := range chains {
		e.others[chain] = time.Now()
	}
}

// chains are those of the group, in order.
func (g *group) chains() []string {
	set := make(map[string]bool)
	for _, j := range g.jobs {
		for _, chain := range j.change.chains() {
			set[chain] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// atOnce commits the group in one round trip, if it can be, and a condition does not fail.
func (g *group) atOnce(ctx context.Context, s *Store, c conn) (done bool, err error) {
	guards, ends := s.db.words().guards, &s.committer.ends
	if guards == nil || g.unsure != nil {
		return false, nil
	}
	g.ends = make(map[string]*End)
	chains := g.chains()
	for _, chain := range chains {
		end, known := ends.known[chain]
		if !known {
			return false, nil
		}
		g.ends[chain] = &end
	}
	epoch, latest := int64(-1), int64(0)
	for _, j := range g.jobs {
		j.first, j.err = 0, nil
		if len(j.change.Writes) > 0 || j.change.Request != nil || g.isLate(j) || epoch >= 0 && j.change.Epoch >= 0 && j.change.Epoch != epoch {
			return false, nil
		}
		epoch = max(epoch, j.change.Epoch)
		for e := range j.change.entries() {
			latest = max(latest, e.Time)
		}
	}
	batch := []stmt{{text: s.db.words().begin}}
	was := make(map[string]End, len(chains))
	for chain, end := range g.ends {
		was[chain] = *end
	}
	records, _ := g.link()
	for _, chain := range chains {
		from, to := was[chain], g.ends[chain]
		batch = append(batch, stmt{text: guards.moveChain, args: []any{chain, from.Seq, from.Hash, to.Seq, to.Hash, to.Time, from.Time}, rows: true})
	}
	clock := len(batch)
	batch = append(batch, stmt{text: guards.clock, args: []any{epoch, latest}, rows: true})
	switch seen := argsOf(conditions(g.jobs)[walletAtVersion]); len(seen) {
	case 0:
	case 1:
		batch = append(batch, stmt{text: guards.wallet, args: seen[0], rows: true})
	default:
		batch = append(batch, stmt{text: guards.wallets, args: append(arraysOf(seen), len(seen)), rows: true})
	}
	var nonces [][]any
	for _, j := range g.jobs {
		if j.change.Nonce != nil {
			nonces = append(nonces, values(j.change.Nonce.columns()))
		}
	}
	for _, st := range s.insertMany(insertNonce.query, nonces) {
		st.text, st.args = guards.nonces(st.text), append(st.args, len(st.args[0].([]string)))
		batch = append(batch, st)
	}
	batch = append(batch, s.insertMany(insertRecord.query, records)...)
	batch = append(batch, stmt{text: "commit"})
	g.moved, g.epoch = chains, s.epoch.Load()
	results, err := c.run(ctx, batch)
	if err == nil {
		if answer := results[clock]; len(answer.rows) == 1 && len(answer.rows[0]) == 3 {
			answer.rows = [][]any{answer.rows[0][:2]}
			if epoch, err := s.sawClock(answer); err == nil {
				g.epoch = epoch
			}
		}
		return true, nil
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.SeverityUnlocalized != "FATAL" {
		if pg.Code == divisionByZero && len(results) > 0 && len(results) <= len(chains) {
			ends.movedByOthers(chains)
		}
		ends.forget(chains)
		if pg.Code != divisionByZero && !isRefusal(s.translate(err)) {
			return false, err
		}
		_, err := c.run(ctx, []stmt{{text: "rollback"}})
		return false, err
	}
	ends.forget(chains)
	if ctx.Err() != nil || pgconn.SafeToRetry(err) {
		return false, err
	}
	first := g.jobs[0]
	g.unsure = &Record{Chain: first.change.Chain, Seq: first.first, ID: first.change.Entries[0].ID}
	return false, fmt.Errorf("%w: %w", errGivenUp, s.translate(err))
}

// happened reports whether the transaction was committed whose connection broke. It waits for it to end.
func (g *group) happened(ctx context.Context, s *Store, c conn) (bool, error) {
	results, err := c.run(ctx, []stmt{
		{text: s.db.words().begin}, takeChain.stmt(g.unsure.Chain, firstPrev()),
		idOfRecord.stmt(g.unsure.Chain, g.unsure.Seq), {text: "rollback"},
	})
	if err != nil {
		return false, err
	}
	rows := results[2].rows
	var id string
	return len(rows) == 1 && assign(&id, rows[0][0]) && id == g.unsure.ID, nil
}
