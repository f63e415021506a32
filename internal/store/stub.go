package store

import (
	"context"
	"errors"
)

type committer struct{}

func startCommitter(s *Store) *committer { return &committer{} }
func (c *committer) stop()               {}
func (c *committer) commit(ctx context.Context, ch Change) (int64, error) {
	return 0, errors.ErrUnsupported
}
func (c Change) check() error                                                   { return nil }
func (s *Store) openSQLite(ctx context.Context, path string, create bool) error { return nil }
func (s *Store) openPostgres(ctx context.Context, url string) error             { return nil }
func (s *Store) migrate(ctx context.Context, create bool) error                 { return nil }
func (s *Store) translate(ctx context.Context, err error) error                 { return err }
func arguments(a []any) ([]any, error)                                          { return a, nil }
