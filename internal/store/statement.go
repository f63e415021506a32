package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The statements are in the .sql files, each under a line that names it. A file's statements are
// taken up by the variables of the .go file beside it, which is when the package is initialized: a
// name without a statement stops every program and every test of it, and a test finds the statement
// that no variable takes.
//
// Beside plain SQL and the placeholders $1, $2 … the texts may hold, each made from the columns that
// the row type lists:
//
//	{grants}     the names of the table's columns
//	{g.grants}   the same with an alias
//	{g?.grants}  the same of an outer join, with "" and 0 where there is no row
//	{@grants}    the columns' values, of an insert
//	@uses        the value of the column, of the row that is written
//	@old.mac     the value of the column, of the row as the caller had read it

//go:embed *.sql
var sqlFiles embed.FS

// statements are those of the .sql files by their names.
var statements = readStatements()

func readStatements() map[string]*query {
	const mark = "-- name: "
	all := make(map[string]*query)
	files, err := sqlFiles.ReadDir(".")
	if err != nil {
		panic(err) // embedded
	}
	for _, f := range files {
		text, err := sqlFiles.ReadFile(f.Name())
		if err != nil {
			panic(err) // embedded
		}
		_, rest, _ := strings.Cut("\n"+string(text), "\n"+mark)
		for part := range strings.SplitSeq(rest, "\n"+mark) {
			name, text, _ := strings.Cut(part, "\n")
			if all[name] != nil {
				panic(fmt.Sprintf("store: two statements are named %q", name))
			}
			text = expandColumns(name, strings.TrimSpace(text))
			all[name] = &query{
				name: name,
				text: text,
				rows: strings.HasPrefix(text, "select") || strings.Contains(text, "returning"),
			}
		}
	}
	return all
}

// query is a statement of the .sql files.
type query struct {
	name  string
	text  string
	rows  bool // it answers with rows; SQLite counts those of a select only when they are asked for
	taken bool // by a variable
}

// statement takes a statement whose arguments are given one by one.
func statement(name string) *query {
	q := statements[name]
	if q == nil || q.taken {
		panic(fmt.Sprintf("store: no .sql file has a statement %q, or two variables take it", name))
	}
	q.taken = true
	return q
}

// stmt gives the statement with its arguments.
func (q *query) stmt(args ...any) stmt { return stmt{q.text, noNulls(args), q.rows} }

// step makes the statement a part of a Write that fails with err unless it touches one row.
func (q *query) step(err error, args ...any) step { return step{q, args, err} }

// expandColumns replaces {table} and its kind by columns.
func expandColumns(name, text string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "{")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		inner, after, _ := strings.Cut(rest, "}")
		alias, of, aliased := strings.Cut(inner, ".")
		if !aliased {
			alias, of = "", inner
		}
		of, bound := strings.CutPrefix(of, "@")
		alias, outer := strings.CutSuffix(alias, "?")
		columns, ok := tables[of]
		if !ok {
			panic(fmt.Sprintf("store: the statement %q names the columns of %q", name, of))
		}
		for i, c := range columns {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(c.expression(alias, bound, outer))
		}
		text = after
	}
}

// expression is the column as a statement writes it.
func (c column) expression(alias string, bound, outer bool) string {
	switch {
	case bound:
		return "@" + c.name
	case alias == "":
		return c.name
	case !outer:
		return alias + "." + c.name
	}
	switch c.field.(type) {
	case *string:
		return "coalesce(" + alias + "." + c.name + ", '')"
	case *int64:
		return "coalesce(" + alias + "." + c.name + ", 0)"
	default:
		return alias + "." + c.name // null is scanned as no bytes
	}
}

// row is a pointer to a row type.
type row[R any] interface {
	*R
	columns() []column
}

// rowRead is a statement that answers with rows R.
type rowRead[R any] struct {
	*query
	fields func(*R) []any // what one row is scanned into
}

// reads takes a statement that selects a row type's own columns.
func reads[R any, P row[R]](name string) rowRead[R] {
	return readsInto(name, func(r *R) []any { return fields(P(r).columns()) })
}

// readsInto takes a statement that selects what is scanned into the fields given.
func readsInto[R any](name string, fields func(*R) []any) rowRead[R] {
	return rowRead[R]{statement(name), fields}
}

// rowWrite is a statement whose arguments are columns of a row R.
type rowWrite[R any] struct {
	*query
	columns func(*R) []column
	args    []argument // $1, $2 …
}

// argument says which column an argument is, by its place in the row's list.
type argument struct {
	old    bool // of the row as it was
	column int
}

// writes takes a statement that writes a row and names none as it was.
func writes[R any, P row[R]](name string) rowWrite[R] {
	w := bind[R, P](name)
	if slices.ContainsFunc(w.args, func(a argument) bool { return a.old }) {
		panic(fmt.Sprintf("store: the statement %q takes columns of an old row", name))
	}
	return w
}

// row makes the statement a part of a Write that fails with err unless it touches one row.
func (w rowWrite[R]) row(r R, err error) step { return step{w.query, w.values(&r, nil), err} }

// values gives the statement's arguments.
func (w rowWrite[R]) values(r, old *R) []any {
	var was []column
	if old != nil {
		was = w.columns(old)
	}
	return argumentsOf(w.args, w.columns(r), was)
}

// argumentsOf gives the values of the columns that arguments are. It stands apart, as bindColumns does, since a program has
// a function over a row type once for each.
func argumentsOf(args []argument, columns, was []column) []any {
	all := make([]any, len(args))
	for i, a := range args {
		if a.old {
			all[i] = was[a.column].value()
		} else {
			all[i] = columns[a.column].value()
		}
	}
	return all
}

// rowUpdate is a statement that finds a row by what it was.
type rowUpdate[R any] struct{ write rowWrite[R] }

// updates takes a statement that names columns of the row as it was.
func updates[R any, P row[R]](name string) rowUpdate[R] { return rowUpdate[R]{bind[R, P](name)} }

// change makes the statement a part of a Write that fails with err unless it touches one row.
func (u rowUpdate[R]) change(old, updated R, err error) step {
	return step{u.write.query, u.write.values(&updated, &old), err}
}

// bind takes a statement and replaces each @column of it by a placeholder.
func bind[R any, P row[R]](name string) rowWrite[R] {
	w := rowWrite[R]{query: statement(name), columns: func(r *R) []column { return P(r).columns() }}
	w.args = w.bindColumns(w.columns(new(R)))
	return w
}

// bindColumns replaces each @column, and returns which columns the placeholders $1, $2 … are.
func (q *query) bindColumns(columns []column) (args []argument) {
	before, rest, found := strings.Cut(q.text, "@")
	text := before
	for found {
		before, rest, found = strings.Cut(rest, "@")
		term, old := strings.CutPrefix(before, "old.")
		named := term
		if end := strings.IndexFunc(term, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') }); end >= 0 {
			named = term[:end]
		}
		a := argument{old, slices.IndexFunc(columns, func(c column) bool { return c.name == named })}
		if a.column < 0 {
			panic(fmt.Sprintf("store: the statement %q takes @%s, which is no column of its row", q.name, named))
		}
		at := slices.Index(args, a)
		if at < 0 {
			at = len(args)
			args = append(args, a)
		}
		text += fmt.Sprintf("$%d%s", at+1, term[len(named):])
	}
	q.text = text
	return args
}

// many reads all rows of a query.
func many[R any](ctx context.Context, s *Store, q rowRead[R], args ...any) ([]R, error) {
	var found []R
	err := s.read(ctx, q.query, args, func(scan func(...any) error) error {
		var r R
		if err := scan(q.fields(&r)...); err != nil {
			return err
		}
		found = append(found, r)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// one reads a query's only row, or ErrNotFound.
func one[R any](ctx context.Context, s *Store, q rowRead[R], args ...any) (R, error) {
	found, err := many(ctx, s, q, args...)
	var none R
	if err != nil {
		return none, err
	}
	if len(found) == 0 {
		return none, fmt.Errorf("reading the %s: %w", q.name, ErrNotFound)
	}
	return found[0], nil
}

// scalars reads a query's only row into the places given.
func (s *Store) scalars(ctx context.Context, q *query, args []any, into ...any) error {
	n := 0
	err := s.read(ctx, q, args, func(scan func(...any) error) error {
		n++
		return scan(into...)
	})
	if err == nil && n == 0 {
		err = fmt.Errorf("reading the %s: %w", q.name, ErrNotFound)
	}
	return err
}

// read runs a query and calls each for every row of it.
func (s *Store) read(ctx context.Context, q *query, args []any, each func(scan func(...any) error) error) error {
	err := fit(args)
	if err == nil {
		err = s.db.read(ctx, q.text, noNulls(args), func(scan func(...any) error) error {
			err := each(scan)
			if err != nil && !errors.Is(err, errEnough) {
				err = fmt.Errorf("%w: %s holds a row that does not fit", ErrDamaged, s.where)
			}
			return err
		})
	}
	if err != nil && !errors.Is(err, errEnough) {
		return fmt.Errorf("reading the %s: %w", q.name, s.translateFor(ctx, err))
	}
	return nil
}
