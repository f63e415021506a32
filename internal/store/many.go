package store

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
)

// What one statement does for one row is done for many in as few statements as the database likes. In SQLite a statement
// is a call, so each row has its own, and only insertions take several. PostgreSQL parses, binds and executes a message for
// each: where the rows are only found, or inserted, they come as arrays, one for each column, in one statement whose text is
// the same however many they are. An update costs as much either way.

// arrays are the statements over arrays.
type arrays struct {
	// lockChains takes the chains $1, all of which exist, in their order, and answers with their ends.
	lockChains string
	// wallets answers with the numbers, from 1, of those of the wallets $1 that have the versions $2 and the sealed keys $3.
	wallets string
}

var postgresArrays = &arrays{
	lockChains: expandColumns("lock chains", `select {chains} from chains where chain = any($1::text[]) order by chain collate "C" for update`),
	wallets: `select seen.n from unnest($1::text[], $2::bigint[], $3::bytea[]) with ordinality as seen (id, version, sealed_key, n)
		join wallets w on w.id = seen.id and w.version = seen.version and w.sealed_key = seen.sealed_key`,
}

// takeChains gives what takes the chains, which are in order, and which of the statements answer with their ends. SQLite has
// one writer, to whom it is enough to read them; who is not there has no entry.
func (s *Store) takeChains(chains []string) (batch []stmt, answers []int) {
	over := s.db.words().arrays
	if over != nil && len(chains) > 1 {
		rows := make([][]any, len(chains))
		for i, chain := range chains {
			rows[i] = insertChain.values(&End{Chain: chain, Hash: firstPrev()}, nil)
		}
		batch = append(s.insertMany(insertChain.query, rows), stmt{text: over.lockChains, args: []any{chains}, rows: true})
		return batch, []int{len(batch) - 1}
	}
	for i, chain := range chains {
		take := chainEnd.stmt(chain)
		if over != nil {
			take = takeChain.stmt(chain, firstPrev())
		}
		batch, answers = append(batch, take), append(answers, i)
	}
	return batch, answers
}

// checkEach gives what finds out which conditions hold, all of the same statement. Each of what it gives answers for as many
// conditions as the others, in their order.
func (s *Store) checkEach(q *query, conditions []*condition) []stmt {
	if over := s.db.words().arrays; over != nil && q == walletAtVersion && len(conditions) > 1 {
		return []stmt{{text: over.wallets, args: arraysOf(argsOf(conditions)), rows: true}}
	}
	batch := make([]stmt, len(conditions))
	for i, c := range conditions {
		batch[i] = q.stmt(c.args...)
	}
	return batch
}

// One statement inserts so many rows at most, and over arrays no more than so many bytes, unless the first has more: of
// more, PostgreSQL would write the arrays' rows to a file before it inserts them.
const (
	mostRows  = 128
	mostBytes = 1 << 20
)

// insertMany inserts many rows. In SQLite the statements are of few texts, by powers of two, so that each is soon prepared.
func (s *Store) insertMany(q *query, rows [][]any) (batch []stmt) {
	for len(rows) > 0 {
		st, n := stmt{rows: q.rows}, 0
		if s.db.words().arrays != nil {
			n = fitting(rows)
			st.text, st.args = s.expandedTo(q, 0, func() string { return insertArrays(q.text, rows[0]) }), arraysOf(rows[:n])
		} else {
			n = 1 << min(bits.Len(uint(len(rows)))-1, bits.Len(mostRows)-1)
			st.text, st.args = s.expandedTo(q, n, func() string { return expand(q.text, n) }), slices.Concat(rows[:n]...)
		}
		batch, rows = append(batch, st), rows[n:]
	}
	return batch
}

// fitting is how many of the rows one statement over arrays inserts.
func fitting(rows [][]any) (n int) {
	for bytes := 0; n < min(len(rows), mostRows); n++ {
		for _, value := range rows[n] {
			switch v := value.(type) {
			case string:
				bytes += len(v)
			case []byte:
				bytes += len(v)
			}
		}
		if n > 0 && bytes > mostBytes {
			break
		}
	}
	return n
}

// expansion names the statement that inserts rows of that many, or 0: over arrays.
type expansion struct {
	query *query
	rows  int
}

func (s *Store) expandedTo(q *query, rows int, expand func() string) string {
	text, ok := s.expanded[expansion{q, rows}]
	if !ok {
		text = expand()
		s.expanded[expansion{q, rows}] = text
	}
	return text
}

// expand makes the statement "… values ($1, …, $k) …" one that inserts n rows.
func expand(text string, n int) string {
	before, k, after := cutValues(text)
	rows := make([]string, n)
	for i := range rows {
		columns := make([]string, k)
		for j := range columns {
			columns[j] = fmt.Sprintf("$%d", i*k+j+1)
		}
		rows[i] = "(" + strings.Join(columns, ", ") + ")"
	}
	return before + "values " + strings.Join(rows, ", ") + after
}

// insertArrays makes it one that inserts the rows of arrays.
func insertArrays(text string, row []any) string {
	before, k, after := cutValues(text)
	columns := make([]string, k)
	for i := range columns {
		columns[i] = fmt.Sprintf("$%d::%s[]", i+1, typeOf(row[i]))
	}
	return before + "select * from unnest(" + strings.Join(columns, ", ") + ")" + after
}

// cutValues cuts an insertion before and after its values, which are k.
func cutValues(text string) (before string, k int, after string) {
	before, after, _ = strings.Cut(text, "values (")
	one, after, _ := strings.Cut(after, ")")
	return before, strings.Count(one, "$"), after
}

// typeOf is PostgreSQL's name for the type of a column's value.
func typeOf(value any) string {
	switch value.(type) {
	case string:
		return "text"
	case int64:
		return "bigint"
	case bool:
		return "boolean"
	default:
		return "bytea"
	}
}

// arraysOf gives the columns of the rows, each as an array.
func arraysOf(rows [][]any) []any {
	arrays := make([]any, len(rows[0]))
	for i, value := range rows[0] {
		switch value.(type) {
		case string:
			arrays[i] = arrayOf[string](rows, i)
		case int64:
			arrays[i] = arrayOf[int64](rows, i)
		case bool:
			arrays[i] = arrayOf[bool](rows, i)
		default:
			arrays[i] = arrayOf[[]byte](rows, i)
		}
	}
	return arrays
}

func arrayOf[T columnType](rows [][]any, column int) []T {
	array := make([]T, len(rows))
	for i, r := range rows {
		array[i] = r[column].(T)
	}
	return array
}
