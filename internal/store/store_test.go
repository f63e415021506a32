package store

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"walletd/internal/wallettest/postgres"
)

// each runs a test on both databases. open opens the store again each time it is
// called; the first time it makes it. Stores are closed at the test's end.
func each(t *testing.T, f func(t *testing.T, open func() *Store)) {
	t.Helper()
	eachURL(t, func(t *testing.T, url string) {
		f(t, func() *Store { return mustOpen(t, url, Options{Create: true}) })
	})
}

// eachURL is each for tests that open for themselves.
func eachURL(t *testing.T, f func(t *testing.T, url string)) {
	t.Helper()
	t.Run("SQLite", func(t *testing.T) { f(t, sqliteURL(t)) })
	t.Run("PostgreSQL", func(t *testing.T) { f(t, postgres.Start(t)) })
}

func sqliteURL(t testing.TB) string {
	return "sqlite:" + filepath.Join(t.TempDir(), "data", "walletd.db")
}

func mustOpen(t testing.TB, url string, o Options) *Store {
	t.Helper()
	if o.Patience == 0 {
		o.Patience = time.Minute // few tests are about how long this machine takes
	}
	s, err := Open(t.Context(), url, o)
	if err != nil {
		t.Fatalf("opening: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return s
}

// do runs f alone on the committer's connection.
func (c *committer) do(ctx context.Context, f func(context.Context, conn) error) error {
	return c.wait(ctx, &job{alone: f})
}
