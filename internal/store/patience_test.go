package store

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"walletd/internal/wallettest/postgres"
)

// waits checks that a call has ended for want of an answer.
func waits(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, ErrUnavailable) {
		t.Errorf("%s = %v, want ErrUnavailable", what, err)
	}
}

// setPatience has a store wait no longer than that from now on. What a test does before and after the part that waits in vain
// has the time that a slow disk takes.
func setPatience(t *testing.T, s *Store, patience time.Duration) {
	t.Helper()
	err := s.committer.wait(t.Context(), &job{patience: time.Minute, alone: func(context.Context, conn) error {
		s.patience = patience
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if db, ok := s.db.(*postgresDB); ok {
		db.patience = patience
	}
}

// What another process holds up is answered, and goes on when that lets go.
func TestASQLiteThatIsHeldUpIsUnavailable(t *testing.T) {
	u := sqliteURL(t)
	made(t, mustOpen(t, u, Options{Create: true})).Close()
	s := mustOpen(t, u, Options{Patience: 200 * time.Millisecond})
	other, err := openPool(t.Context(), dataSource(strings.TrimPrefix(u, "sqlite:"), ""), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.ExecContext(t.Context(), "begin immediate"); err != nil {
		t.Fatal(err)
	}
	for range 2 { // one that is being written, one that waits behind it
		_, err = s.Commit(t.Context(), change("w"))
		waits(t, "Commit", err)
		if err == nil || !strings.Contains(err.Error(), "within 200ms") {
			t.Errorf("Commit = %v", err)
		}
	}
	waits(t, "Ping", s.Ping(t.Context()))
	_, err = s.RaiseEpoch(t.Context())
	waits(t, "RaiseEpoch", err)
	if _, err := s.Wallet(t.Context(), "w"); err != nil {
		t.Errorf("a read = %v", err)
	}
	if _, err := other.ExecContext(t.Context(), "rollback"); err != nil {
		t.Fatal(err)
	}
	setPatience(t, s, defaultPatience)
	heals(t, s)
}

// heals waits until the store takes changes again.
func heals(t *testing.T, s *Store) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		_, err := s.Commit(t.Context(), change("w"))
		if err == nil && s.Ping(t.Context()) == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("Commit = %v, Ping = %v", err, s.Ping(t.Context()))
		}
	}
	fits(t, s, "w")
}

func TestAPostgresThatStandsStillIsUnavailable(t *testing.T) {
	server := postgres.StartServer(t)
	s := made(t, mustOpen(t, server.URL(), Options{Create: true}))
	setPatience(t, s, 300*time.Millisecond)
	server.Pause()
	resumed := false
	defer func() {
		if !resumed {
			server.Resume()
		}
	}()
	for range 2 {
		_, err := s.Commit(t.Context(), change("w"))
		waits(t, "Commit", err)
		_, err = s.Wallet(t.Context(), "w")
		waits(t, "a read", err)
	}
	waits(t, "Ping", s.Ping(t.Context()))
	server.Resume()
	resumed = true
	setPatience(t, s, defaultPatience)
	heals(t, s)
}

func TestALockedTableIsUnavailable(t *testing.T) {
	url := postgres.Start(t)
	s := made(t, mustOpen(t, url, Options{Create: true}))
	for _, table := range []string{"chains", "records"} {
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.PgConn().Exec(t.Context(), "begin; lock table "+table+" in access exclusive mode").ReadAll(); err != nil {
			t.Fatal(err)
		}
		setPatience(t, s, 300*time.Millisecond)
		_, err = s.Commit(t.Context(), change("w"))
		waits(t, "Commit with a lock on "+table, err)
		for deadline := time.Now().Add(20 * time.Second); s.Ping(t.Context()) == nil; time.Sleep(100 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("Ping goes on to succeed with a lock on %s", table)
			}
		}
		if err := conn.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		setPatience(t, s, defaultPatience)
		heals(t, s)
	}
}
