package store

import (
	"context"
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
	err := s.read(ctx, name, args, func(scan func(...any) error) error {
		var r T
		if err := scan(P(&r).fields()...); err != nil {
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

// scalars reads a query's only row into the places given.
func (s *Store) scalars(ctx context.Context, name string, args []any, into ...any) error {
	n := 0
	err := s.read(ctx, name, args, func(scan func(...any) error) error {
		n++
		return scan(into...)
	})
	if err == nil && n == 0 {
		err = fmt.Errorf("reading the %s: %w", name, ErrNotFound)
	}
	return err
}

// read runs a query and calls each for every row of it.
func (s *Store) read(ctx context.Context, name string, args []any, each func(scan func(...any) error) error) error {
	err := fit(args)
	if err == nil {
		err = s.db.read(ctx, query(name), noNulls(args), func(scan func(...any) error) error {
			if err := each(scan); err != nil {
				return fmt.Errorf("%w: %s holds a row that does not fit", ErrDamaged, s.where)
			}
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("reading the %s: %w", name, s.translateFor(ctx, err))
	}
	return nil
}
