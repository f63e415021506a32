package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"strings"
	"sync"
)

//go:embed sql/*.sql
var queryFiles embed.FS

// queries are the statements of sql/*.sql by the name in the line above each.
var queries = sync.OnceValue(func() map[string]string {
	const mark = "-- name: "
	all := make(map[string]string)
	files, err := queryFiles.ReadDir("sql")
	if err != nil {
		panic(err) // embedded
	}
	for _, f := range files {
		text, err := queryFiles.ReadFile("sql/" + f.Name())
		if err != nil {
			panic(err) // embedded
		}
		for part := range strings.SplitSeq("\n"+string(text), "\n"+mark) {
			name, query, _ := strings.Cut(part, "\n")
			all[name] = strings.TrimSpace(query)
		}
	}
	return all
})

// query gives the statement of that name. A test walks the names in use.
func query(name string) string {
	q, ok := queries()[name]
	if !ok {
		panic(fmt.Sprintf("store: no query %q", name))
	}
	return q
}

// row is a pointer to a row type.
type row[T any] interface {
	*T
	fields() []any
}

// many reads all rows of a query.
func many[T any, P row[T]](ctx context.Context, s *Store, name string, args ...any) ([]T, error) {
	var found []T
	err := s.read(ctx, name, args, func(rows *sql.Rows) error {
		var r T
		if err := rows.Scan(P(&r).fields()...); err != nil {
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
func one[T any, P row[T]](ctx context.Context, s *Store, name string, args ...any) (T, error) {
	found, err := many[T, P](ctx, s, name, args...)
	var none T
	if err != nil {
		return none, err
	}
	if len(found) == 0 {
		return none, fmt.Errorf("reading the %s: %w", name, ErrNotFound)
	}
	return found[0], nil
}

// numbers reads a query's only row, which is all integers.
func (s *Store) numbers(ctx context.Context, name string, args []any, into ...any) error {
	n := 0
	err := s.read(ctx, name, args, func(rows *sql.Rows) error {
		n++
		return rows.Scan(into...)
	})
	if err == nil && n == 0 {
		err = fmt.Errorf("reading the %s: %w", name, ErrNotFound)
	}
	return err
}

// read runs a query and gives each of its rows to scan.
func (s *Store) read(ctx context.Context, name string, args []any, scan func(*sql.Rows) error) error {
	err := func() error {
		args, err := arguments(args)
		if err != nil {
			return err
		}
		stmt, err := s.prepared(ctx, name)
		if err != nil {
			return err
		}
		rows, err := stmt.QueryContext(ctx, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if err := scan(rows); err != nil {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				// A column of another type than the schema's.
				return fmt.Errorf("%w: %s", ErrDamaged, s.where)
			}
		}
		return rows.Err()
	}()
	if err != nil {
		return fmt.Errorf("reading the %s: %w", name, s.translate(ctx, err))
	}
	return nil
}

// prepared gives the statement for readers, prepared once.
func (s *Store) prepared(ctx context.Context, name string) (*sql.Stmt, error) {
	if stmt, ok := s.stmts.Load(name); ok {
		return stmt.(*sql.Stmt), nil
	}
	stmt, err := s.reader.PrepareContext(ctx, query(name))
	if err != nil {
		return nil, err
	}
	if earlier, loaded := s.stmts.LoadOrStore(name, stmt); loaded {
		stmt.Close()
		return earlier.(*sql.Stmt), nil
	}
	return stmt, nil
}
