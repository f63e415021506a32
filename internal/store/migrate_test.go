package store

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/sys/unix"

	"walletd/internal/wallettest/postgres"
)

// withMigrations has the store use more migrations than the shipped ones until the test ends, as a later walletd does.
// It returns how many are shipped.
func withMigrations(t *testing.T, more ...string) int {
	t.Helper()
	names, err := fs.Glob(shipped, "schema/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	files := fstest.MapFS{}
	for _, name := range names {
		text, err := shipped.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = &fstest.MapFile{Data: text}
	}
	for i, text := range more {
		files[fmt.Sprintf("schema/9%d.sql", i)] = &fstest.MapFile{Data: []byte(text)}
	}
	migrations = files
	t.Cleanup(func() { migrations = shipped })
	return len(names)
}

// versionOf reads the version of a schema past the store.
func versionOf(t *testing.T, path string) (version int) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRowContext(t.Context(), "select version from walletd_schema").Scan(&version); err != nil {
		t.Fatal(err)
	}
	return version
}

// A SQLite store is copied, brought up to date, and goes back to what it was.
func TestAMigrationIsPrecededByACopy(t *testing.T) {
	url := sqliteURL(t)
	path := strings.TrimPrefix(url, "sqlite:")
	dir := filepath.Dir(path)
	first(t, mustOpen(t, url, Options{Create: true}))
	newest := withMigrations(t)
	if newest > 1 {
		mustOpen(t, url, Options{}).Close()
		if got := versionOf(t, filepath.Join(dir, fmt.Sprint("before-schema-", newest), "walletd.db")); got != 1 {
			t.Errorf("the copy of the first schema has schema %d", got)
		}
	}
	withMigrations(t, "create table more (one bigint not null)")
	saved := filepath.Join(dir, fmt.Sprint("before-schema-", newest+1), "walletd.db")
	said := 0
	migrating := Options{Migrating: func(m Migration) {
		said++
		if want := (Migration{int64(newest), int64(newest) + 1, saved}); m != want {
			t.Errorf("it says %+v, want %+v", m, want)
		}
		if got := versionOf(t, m.Copy); got != newest {
			t.Errorf("the copy has schema %d", got)
		}
	}}
	s := mustOpen(t, url, migrating)
	must(t, s, "w1", InsertAccount(Account{Wallet: "w1", Address: "later"}))
	s.Close()
	s = mustOpen(t, url, migrating)
	s.Close()
	if said != 1 {
		t.Errorf("it was said %d times", said)
	}
	for file, want := range map[string]os.FileMode{filepath.Dir(saved): 0o700, saved: 0o600} {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", file, info, err)
		}
	}

	// The older walletd refuses the store, and takes the copy.
	withMigrations(t)
	if _, err := Open(t.Context(), url, Options{}); !errors.Is(err, ErrNewerSchema) {
		t.Errorf("the older walletd opens it: %v", err)
	}
	done, err := RestoreFile(t.Context(), saved, dir)
	if err != nil || done.Moved == "" {
		t.Fatalf("going back: %+v, %v", done, err)
	}
	if got := versionOf(t, filepath.Join(done.Moved, "walletd.db")); got != newest+1 {
		t.Errorf("what was moved away has schema %d", got)
	}
	s = mustOpen(t, url, Options{})
	if _, err := s.Account(t.Context(), "w1", "later"); !errors.Is(err, ErrNotFound) {
		t.Errorf("what was written since is there: %v", err)
	}
	if c, err := s.Caller(t.Context(), "t1", ""); err != nil || c.Wallet.Version != 4 {
		t.Errorf("Caller = %+v, %v", c, err)
	}
	must(t, s, "w1", InsertAccount(Account{Wallet: "w1", Address: "back"}))
	s.Close()

	// The next upgrade's copy takes the place of the first.
	withMigrations(t, "create table more (one bigint not null)")
	mustOpen(t, url, migrating).Close()
	withMigrations(t)
	if _, err := RestoreFile(t.Context(), saved, dir); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, url, Options{})
	if _, err := s.Account(t.Context(), "w1", "back"); err != nil {
		t.Errorf("the copy is not of the last upgrade: %v", err)
	}
	s.Close()
	if left, err := filepath.Glob(filepath.Join(dir, "*.tmp")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestAMigrationWithoutACopy(t *testing.T) {
	url := sqliteURL(t)
	first(t, mustOpen(t, url, Options{Create: true}))
	to := withMigrations(t, "create table more (one bigint not null)") + 1
	said := Migration{}
	mustOpen(t, url, Options{NoCopy: true, Migrating: func(m Migration) { said = m }}).Close()
	if want := (Migration{From: 1, To: int64(to)}); said != want {
		t.Errorf("it says %+v", said)
	}
	if copies, err := filepath.Glob(filepath.Join(filepath.Dir(strings.TrimPrefix(url, "sqlite:")), "before-*")); err != nil || len(copies) > 0 {
		t.Errorf("copies: %v, %v", copies, err)
	}
}

func TestAMigrationReplacesWhatAKilledOneLeft(t *testing.T) {
	url := sqliteURL(t)
	path := strings.TrimPrefix(url, "sqlite:")
	first(t, mustOpen(t, url, Options{Create: true}))
	to := withMigrations(t, "create table more (one bigint not null)") + 1
	left := filepath.Join(filepath.Dir(path), fmt.Sprintf("before-schema-%d.tmp", to))
	if err := os.Mkdir(left, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(left, "walletd.db"), []byte("half of a copy"), 0o600); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, url, Options{}).Close()
	if _, err := os.Stat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
	if got := versionOf(t, path); got != to {
		t.Errorf("the store has schema %d", got)
	}
}

func TestAMigrationThatHasNoRoomForItsCopyIsNone(t *testing.T) {
	url := sqliteURL(t)
	path := strings.TrimPrefix(url, "sqlite:")
	s := made(t, mustOpen(t, url, Options{Create: true}))
	for range 20 {
		c := change("w")
		c.Entries[0].Sealed = make([]byte, 100_000)
		if _, err := s.Commit(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	newest := withMigrations(t, "create table more (one bigint not null)")
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	small := before
	small.Cur = 1 << 20
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &small); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), url, Options{})
	if e := unix.Setrlimit(unix.RLIMIT_FSIZE, &before); e != nil {
		t.Fatal(e)
	}
	if !errors.Is(err, ErrFull) {
		t.Errorf("Open = %v", err)
	}
	if got := versionOf(t, path); got != newest {
		t.Errorf("the store has schema %d", got)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(path), "before-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	mustOpen(t, url, Options{}).Close()
}

func TestAMigrationThatFailsLeavesTheStoreAsItWas(t *testing.T) {
	eachURL(t, func(t *testing.T, url string) {
		first(t, mustOpen(t, url, Options{Create: true}))
		withMigrations(t, "create table more (one bigint not null)", "create table other (one no_type_at_all not null references); this is no sql")
		if _, err := Open(t.Context(), url, Options{}); err == nil {
			t.Fatal("it opens")
		}
		withMigrations(t)
		s := mustOpen(t, url, Options{})
		if c, err := s.Caller(t.Context(), "t1", ""); err != nil || c.Wallet.Version != 4 {
			t.Errorf("Caller = %+v, %v", c, err)
		}
		s.Close()
	})
}

// PostgreSQL is copied by its own tools; a statement of a migration has as long as it needs there.
func TestAMigrationOfPostgreSQL(t *testing.T) {
	url := postgres.Start(t)
	first(t, mustOpen(t, url, Options{Create: true}))
	to := withMigrations(t, "create table seen as select current_setting('statement_timeout') as statements, current_setting('lock_timeout') as locks, "+
		"current_setting('idle_in_transaction_session_timeout') as idle") + 1
	said := Migration{}
	s := mustOpen(t, url, Options{Migrating: func(m Migration) { said = m }})
	if want := (Migration{From: 1, To: int64(to)}); said != want {
		t.Errorf("it says %+v", said)
	}
	conn, err := s.db.(*postgresDB).acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	var statements, locks, idle string
	if err := conn.QueryRow(t.Context(), "select statements, locks, idle from seen").Scan(&statements, &locks, &idle); err != nil || statements != "0" || locks != "0" {
		t.Errorf("a statement has %s, waits %s for a lock, %v", statements, locks, err)
	}
}
