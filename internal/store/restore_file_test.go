package store

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// copyOf takes a snapshot of a store to a file.
func copyOf(t *testing.T, s *Store) string {
	t.Helper()
	file, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	path := filepath.Join(t.TempDir(), "copy.db")
	to, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(to, file); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRestoreFilePutsACopyInPlace(t *testing.T) {
	url := sqliteURL(t)
	dir := filepath.Dir(url[len("sqlite:"):])
	s := withEveryTable(t, url)
	backup := copyOf(t, s)
	must(t, s, "w1", InsertAccount(Account{Wallet: "w1", Address: "later"}))
	s.Close()

	done, err := RestoreFile(t.Context(), backup, dir)
	if err != nil || done.Entries != 2 || done.Newest.UnixMilli() != 1_700_000_000_000 || done.Moved == "" {
		t.Fatalf("got %+v, %v", done, err)
	}
	s = mustOpen(t, url, Options{})
	if n := fits(t, s, "w1"); n != 2 {
		t.Errorf("%d records", n)
	}
	if _, err := s.Account(t.Context(), "w1", "later"); !errors.Is(err, ErrNotFound) {
		t.Errorf("what came after the copy: %v", err)
	}
	must(t, s, "w1", InsertAccount(Account{Wallet: "w1", Address: "a2"}))
	s.Close()
	// What was there before is all in one place, and works.
	if err := os.Chmod(done.Moved, 0o700); err != nil {
		t.Fatal(err)
	}
	before := mustOpen(t, "sqlite:"+filepath.Join(done.Moved, "walletd.db"), Options{})
	if _, err := before.Account(t.Context(), "w1", "later"); err != nil {
		t.Errorf("in what was moved away: %v", err)
	}
}

func TestRestoreFileIntoAnEmptyDirectory(t *testing.T) {
	backup := copyOf(t, withEveryTable(t, sqliteURL(t)))
	dir := filepath.Join(t.TempDir(), "new")
	if done, err := RestoreFile(t.Context(), backup, dir); err != nil || done.Moved != "" {
		t.Fatalf("got %+v, %v", done, err)
	}
	mustOpen(t, "sqlite:"+filepath.Join(dir, "walletd.db"), Options{})
}

// A log that a killed process left goes with its store: beside the copy it would be read as a mixture.
func TestRestoreFileMovesTheLogOfAKilledProcess(t *testing.T) {
	url := sqliteURL(t)
	dir := filepath.Dir(url[len("sqlite:"):])
	s := withEveryTable(t, url)
	backup := copyOf(t, s)
	must(t, s, "w1", InsertAccount(Account{Wallet: "w1", Address: "later"}))
	log, err := os.ReadFile(filepath.Join(dir, "walletd.db-wal"))
	if err != nil || len(log) == 0 {
		t.Fatalf("no log: %v", err)
	}
	s.Close()
	if err := os.WriteFile(filepath.Join(dir, "walletd.db-wal"), log, 0o600); err != nil {
		t.Fatal(err)
	}
	done, err := RestoreFile(t.Context(), backup, dir)
	if err != nil {
		t.Fatal(err)
	}
	if moved, err := os.ReadFile(filepath.Join(done.Moved, "walletd.db-wal")); err != nil || len(moved) != len(log) {
		t.Errorf("the log: %d bytes, %v", len(moved), err)
	}
	if _, err := mustOpen(t, url, Options{}).Account(t.Context(), "w1", "later"); !errors.Is(err, ErrNotFound) {
		t.Errorf("of the log that was left: %v", err)
	}
}

func TestRestoreFileRefuses(t *testing.T) {
	url := sqliteURL(t)
	dir := filepath.Dir(url[len("sqlite:"):])
	s := withEveryTable(t, url)
	backup := copyOf(t, s)
	if _, err := RestoreFile(t.Context(), backup, dir); !errors.Is(err, ErrInUse) {
		t.Errorf("under a store in use: %v", err)
	}
	broken := withEveryTable(t, sqliteURL(t))
	script(t, broken, "update records set kind = 'another'")
	brokenCopy := copyOf(t, broken)
	s.Close()
	raw, err := os.ReadFile(backup)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, b []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	withLog := write("with-log.db", raw)
	if err := os.WriteFile(withLog+"-wal", []byte("a log"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		path string
		want error
	}{
		"a copy that is not there":         {filepath.Join(t.TempDir(), "none"), ErrNotFound},
		"half a copy":                      {write("half.db", raw[:len(raw)/2]), ErrDamaged},
		"what is no store":                 {write("text.db", []byte("no store at all, but long enough to be read as one: 100 bytes and more, which SQLite's header has")), ErrDamaged},
		"an empty file":                    {write("empty.db", nil), ErrNotFound},
		"a copy that was being written to": {withLog, ErrIncomplete},
	} {
		if _, err := RestoreFile(t.Context(), c.path, dir); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	_, err = RestoreFile(t.Context(), brokenCopy, dir)
	if _, is := errors.AsType[*BrokenError](err); !is {
		t.Errorf("an audit log that does not hold: %v", err)
	}
	// After all of it the store is what it was.
	if n := fits(t, mustOpen(t, url, Options{}), "w1"); n != 2 {
		t.Errorf("%d records", n)
	}
}
