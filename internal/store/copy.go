package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"
)

var (
	// ErrNotEmpty is returned by Copy for a target that has rows already.
	ErrNotEmpty = errors.New("the store to copy to is not empty")
	// ErrNotSame is returned by Copy when what was written is not what was read; then nothing stays.
	ErrNotSame = errors.New("the copy is not what was copied")
)

// copyTimeout bounds a copy: a store of a million wallets takes minutes.
const copyTimeout = 12 * time.Hour

const (
	copyRows  = 100     // in one insert
	copyBytes = 1 << 20 // of one insert, about
)

// copied are all tables, in the order in which they are copied, each with the key that its rows are
// ordered by when two stores are compared. Text is compared byte by byte in both databases.
var copied = []struct{ table, key string }{
	{"keystore", "one"}, {"slots", "id{C}"}, {"wallets", "id{C}"}, {"accounts", "wallet{C}, address{C}"}, {"paths", "wallet{C}, path{C}"},
	{"policies", "wallet{C}"}, {"tokens", "id{C}"}, {"apps", "wallet{C}, app{C}"}, {"approvals", "id{C}"}, {"grants", "id{C}"},
	{"delegations", "wallet{C}, hash"}, {"profiles", "wallet{C}"}, {"credentials", "wallet{C}, id{C}"}, {"sessions", "id{C}"},
	{"secret_keys", "wallet{C}, tag"}, {"secrets", "wallet{C}, tag"}, {"chains", "chain{C}"}, {"records", "chain{C}, seq"},
	{"heads", "chain{C}, seq"}, {"restored", "chain{C}, seq"}, {"nonces", "wallet{C}, issuer{C}, jti{C}"}, {"requests", "token{C}, route{C}, key{C}"},
	{"pairings", "id{C}"}, {"push_subscriptions", "wallet{C}, id{C}"}, {"pushes", "approval{C}, subscription{C}"},
	{"owners", "wallet{C}, id{C}"}, {"passkeys", "wallet{C}, id{C}"}, {"invitations", "id{C}"},
	{"archives", "chain{C}, first"}, {"trees", "time, root"},
}

// booleans are the places of a table's columns that SQLite keeps as 0 or 1.
func booleans(table string) []int {
	var at []int
	for i, name := range columnsOf(table) {
		for _, c := range tables[table] {
			if _, is := c.field.(*bool); is && c.name == name {
				at = append(at, i)
			}
		}
	}
	return at
}

// rowsOf calls row for each row of a table, in an order or in none (""), with the values that both
// databases have in common.
func rowsOf(ctx context.Context, c conn, table, order string, row func(values []any) error) error {
	at := booleans(table)
	if order != "" {
		order = " order by " + order
	}
	return c.each(ctx, fmt.Sprintf("select %s from %s%s", strings.Join(columnsOf(table), ", "), table, order), func(values []any) error {
		for _, i := range at {
			if n, ok := values[i].(int64); ok {
				values[i] = n != 0
			}
		}
		return row(noNulls(values))
	})
}

// columnsOf names the columns of a table.
func columnsOf(table string) []string {
	switch table {
	case "paths": // written beside accounts
		return []string{"wallet", "path", "app"}
	case "keystore":
		return append([]string{"one"}, names(tables[table])...)
	}
	return names(tables[table])
}

func names(columns []column) []string {
	list := make([]string, len(columns))
	for i, c := range columns {
		list[i] = c.name
	}
	return list
}

// Copied counts what Copy copied.
type Copied struct {
	Rows    int64 // of all tables
	Wallets int64
	Entries int64 // of the audit logs
	Chains  int64 // audit logs, the service's included
}

// Copy copies all rows of one store into another, which must be empty, in one transaction: after an
// error the target is as it was. Before it commits, every row is read back and compared, and every audit
// log is checked entry by entry, so that ErrNotSame or a *BrokenError names what does not hold.
//
// The source is read as it is at one moment. Nothing else may write to it meanwhile, or what is
// written would be lost with it: ErrChanged says that something did. Each tells of a table that was
// copied; it may be nil. Besides: ErrNotEmpty, ErrFull, ErrUnavailable.
func Copy(ctx context.Context, from, to *Store, each func(table string, rows int64)) (Copied, error) {
	source, err := from.db.snapshot(ctx)
	if err != nil {
		return Copied{}, fmt.Errorf("reading the store: %w", from.translateFor(ctx, err))
	}
	defer source.close(false)
	c := copier{from: from, to: to, source: source, each: each}
	var failed error
	err = to.committer.wait(ctx, &job{patience: copyTimeout, alone: func(ctx context.Context, target conn) error {
		if failed = c.run(ctx, target); failed == nil {
			return nil
		}
		if _, err := target.run(ctx, []stmt{{text: "rollback"}}); err != nil {
			return err
		}
		return nil
	}})
	if failed != nil {
		err = failed
	}
	if _, broken := errors.AsType[*BrokenError](err); err != nil && !broken && !isAny(err, []error{ErrNotEmpty, ErrNotSame}) {
		err = to.translateFor(ctx, err)
	}
	if err != nil {
		return Copied{}, fmt.Errorf("copying the store: %w", err)
	}
	return c.done, nil
}

type copier struct {
	from, to *Store
	source   conn // within a snapshot
	each     func(string, int64)
	done     Copied
}

func (c *copier) run(ctx context.Context, target conn) error {
	words := c.to.db.words()
	if _, err := target.run(ctx, []stmt{{text: words.begin}, {text: words.patient, rows: true}}); err != nil {
		return err
	}
	for _, t := range copied {
		found, err := target.run(ctx, []stmt{{text: "select 1 from " + t.table + " limit 1", rows: true}})
		if err != nil {
			return err
		}
		if found[0].n > 0 {
			return fmt.Errorf("%w: it has rows in %s", ErrNotEmpty, t.table)
		}
	}
	for _, t := range copied {
		n, err := c.table(ctx, target, t.table)
		if err != nil {
			return fmt.Errorf("%s: %w", t.table, err)
		}
		c.done.Rows += n
		if t.table == "wallets" {
			c.done.Wallets = n
		}
		if c.each != nil {
			c.each(t.table, n)
		}
	}
	for _, t := range copied {
		if err := c.compare(ctx, target, t.table, t.key); err != nil {
			return err
		}
	}
	for check, err := range checkedChains(ctx, c.source, target, c.from.db.words().bytewise, c.to.db.words().bytewise) {
		if err != nil {
			return err
		}
		c.done.Entries += check.entries
		c.done.Chains++
	}
	if err := c.unchanged(ctx); err != nil {
		return err
	}
	_, err := target.run(ctx, []stmt{{text: "commit"}})
	return err
}

// table copies one table, and returns how many rows it has.
func (c *copier) table(ctx context.Context, target conn, table string) (n int64, err error) {
	columns := columnsOf(table)
	places := make([]string, len(columns))
	for i := range places {
		places[i] = fmt.Sprintf("$%d", i+1)
	}
	insert := fmt.Sprintf("insert into %s (%s) values (%s)", table, strings.Join(columns, ", "), strings.Join(places, ", "))
	many := expand(insert, copyRows)
	var rows [][]any
	size := 0
	var refused error // by the target
	flush := func() error {
		var batch []stmt
		if len(rows) == copyRows {
			var args []any
			for _, row := range rows {
				args = append(args, row...)
			}
			batch = []stmt{{text: many, args: args}}
		} else {
			for _, row := range rows {
				batch = append(batch, stmt{text: insert, args: row})
			}
		}
		rows, size = rows[:0], 0
		if len(batch) == 0 {
			return nil
		}
		_, refused = target.run(ctx, batch)
		return refused
	}
	err = rowsOf(ctx, c.source, table, "", func(values []any) error {
		n++
		rows = append(rows, values)
		for _, v := range values {
			if b, ok := v.([]byte); ok {
				size += len(b)
			}
		}
		if len(rows) == copyRows || size > copyBytes {
			return flush()
		}
		return nil
	})
	if err != nil && refused == nil {
		return n, c.from.translateFor(ctx, err)
	}
	if err == nil {
		err = flush()
	}
	return n, err
}

// compare reads a table of both stores in the order of its key.
func (c *copier) compare(ctx context.Context, target conn, table, key string) error {
	order := func(s *Store) string { return strings.ReplaceAll(key, "{C}", s.db.words().bytewise) }
	written, stop := iter.Pull2(streamed(ctx, target, table, order(c.to)))
	defer stop()
	var other error
	err := rowsOf(ctx, c.source, table, order(c.from), func(row []any) error {
		is, err, ok := written()
		if err != nil {
			return err
		}
		if !ok || !sameRow(row, is) {
			other = fmt.Errorf("%w: a row of %s is missing or is another", ErrNotSame, table)
			return other
		}
		return nil
	})
	if err != nil {
		return err
	}
	if _, err, more := written(); err != nil || more {
		return errors.Join(err, fmt.Errorf("%w: %s has more rows", ErrNotSame, table))
	}
	return nil
}

// streamed are the rows of a table in an order.
func streamed(ctx context.Context, c conn, table, order string) iter.Seq2[[]any, error] {
	return func(yield func([]any, error) bool) {
		stopped := errors.New("no more rows are wanted")
		err := rowsOf(ctx, c, table, order, func(row []any) error {
			if !yield(row, nil) {
				return stopped
			}
			return nil
		})
		if err != nil && !errors.Is(err, stopped) {
			yield(nil, err)
		}
	}
}

func sameRow(a, b []any) bool {
	return slices.EqualFunc(a, b, func(a, b any) bool {
		x, isBytes := a.([]byte)
		y, areBytes := b.([]byte)
		return isBytes && areBytes && bytes.Equal(x, y) || !isBytes && !areBytes && a == b
	})
}

// checkedChain is an audit log that holds.
type checkedChain struct {
	Checker
	entries int64 // that were checked: those in the store
}

// checkedChains reads the audit logs of a store and checks each, entry by entry, up to its end. One whose oldest entries
// are archived is checked from there. It yields each log that holds, or one error: a *BrokenError. The ends may be read on
// another connection, also of a copy; ofRecords and ofEnds say how each store orders text byte by byte.
func checkedChains(ctx context.Context, records, ends conn, ofRecords, ofEnds string) iter.Seq2[checkedChain, error] {
	return func(yield func(checkedChain, error) bool) {
		next, stop := iter.Pull2(streamed(ctx, records, "records", "chain"+ofRecords+", seq"))
		defer stop()
		row, err, more := next()
		for end, e := range archivedEnds(ctx, ends, ofEnds) {
			if err = errors.Join(err, e); err != nil {
				yield(checkedChain{}, err)
				return
			}
			check := checkedChain{Checker: Checker{Chain: end.Chain}}
			oldest, start := true, int64(0)
			for more && err == nil {
				var r Record
				if !assignRow(r.columns(), row) {
					err = fmt.Errorf("%w: an entry of an audit log", ErrDamaged)
					break
				}
				if r.Chain != check.Chain {
					break
				}
				if oldest {
					start, check.Hash = end.start(r.Seq)
					check.Seq, oldest = start, false
				}
				if r.Seq > start { // else it is archived, and not deleted yet
					check.entries++
					err = check.Add(r)
				}
				if err == nil {
					row, err, more = next()
				}
			}
			if err == nil && (check.Seq != end.Seq || !bytes.Equal(check.Hash, end.Hash)) {
				err = &BrokenError{Chain: check.Chain, Seq: check.Seq + 1, Why: "the audit log ends elsewhere"}
			}
			if err != nil {
				yield(checkedChain{}, err)
				return
			}
			if !yield(check, nil) {
				return
			}
		}
		if more {
			yield(checkedChain{}, fmt.Errorf("%w: entries of an audit log that has no end", ErrDamaged))
		}
	}
}

// archivedEnd is the end of an audit log, and where the archives of its entries end.
type archivedEnd struct {
	End
	archives []Archive // the oldest first; Seq and Hash alone
}

// start returns where an audit log goes on, of which the oldest entry in the store is given: after the archive that has
// the entry before it, or that has it too, because it is not deleted yet. 0 and nil without one.
func (e archivedEnd) start(oldest int64) (seq int64, hash []byte) {
	if oldest > 1 {
		for _, a := range e.archives {
			if a.Seq >= oldest-1 {
				return a.Seq, a.Hash
			}
		}
	}
	return 0, nil
}

// archivedEnds yields the ends of all audit logs, in the order of their names.
func archivedEnds(ctx context.Context, c conn, bytewise string) iter.Seq2[archivedEnd, error] {
	text := "select c.chain, c.seq, c.hash, coalesce(a.seq, 0), coalesce(a.hash, c.hash) from chains c left join archives a on a.chain = c.chain order by c.chain" + bytewise + ", a.seq"
	return func(yield func(archivedEnd, error) bool) {
		var end archivedEnd
		stopped := errors.New("no more ends are wanted")
		err := c.each(ctx, text, func(row []any) error {
			var next archivedEnd
			var a Archive
			if !assign(&next.Chain, row[0]) || !assign(&next.Seq, row[1]) || !assign(&next.Hash, row[2]) || !assign(&a.Seq, row[3]) || !assign(&a.Hash, row[4]) {
				return fmt.Errorf("%w: the end of an audit log", ErrDamaged)
			}
			if next.Chain != end.Chain {
				if end.Chain != "" && !yield(end, nil) {
					return stopped
				}
				end = next
			}
			if a.Seq > 0 {
				end.archives = append(end.archives, a)
			}
			return nil
		})
		switch {
		case err == nil && end.Chain != "":
			yield(end, nil)
		case err != nil && !errors.Is(err, stopped):
			yield(archivedEnd{}, err)
		}
	}
}

// unchanged refuses to commit when something was written to the source since: there is no change of a
// wallet without an entry.
func (c *copier) unchanged(ctx context.Context) error {
	const sum = "select count(*), cast(coalesce(sum(seq), 0) as bigint) from chains"
	var then, now [2]int64
	err := c.source.each(ctx, sum, func(row []any) error {
		then = [2]int64{row[0].(int64), row[1].(int64)}
		return nil
	})
	if err != nil {
		return err
	}
	err = c.from.db.read(ctx, sum, nil, func(scan func(...any) error) error { return scan(&now[0], &now[1]) })
	if err != nil {
		return err
	}
	if then != now {
		return fmt.Errorf("%w: something wrote to the store while it was copied; stop every walletd that uses it", ErrChanged)
	}
	return nil
}
