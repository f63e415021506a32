package store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// big commits entries of about that many bytes together.
func big(t *testing.T, s *Store, size int) {
	t.Helper()
	for ; size > 0; size -= 100_000 {
		c := change("w")
		c.Entries[0].Sealed = make([]byte, 100_000)
		if _, err := s.Commit(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
}

func logLength(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// checkpointed ends what is under way in the background.
func checkpointed(t *testing.T, s *Store) {
	t.Helper()
	err := s.committer.do(t.Context(), func(ctx context.Context, c conn) error {
		if moving := s.db.(*sqliteDB).log.moving; moving != nil {
			<-moving
			c.(*sqliteConn).boundLog(ctx)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// While a reader needs the log it grows; afterwards it is short again.
func TestTheWriteAheadLogShrinks(t *testing.T) {
	u := sqliteURL(t)
	path := strings.TrimPrefix(u, "sqlite:")
	s := made(t, mustOpen(t, u, Options{Create: true}))
	const size = 4 << 20
	s.db.(*sqliteDB).log.size = size
	end := readsFrom(t, path)
	big(t, s, 5*size)
	if l := logLength(t, path); l < 4*size {
		t.Errorf("the log has %d bytes while a reader needs it", l)
	}
	end()
	for deadline := time.Now().Add(60 * time.Second); logLength(t, path) > 2*size; {
		if time.Now().After(deadline) {
			t.Fatalf("the log still has %d bytes", logLength(t, path))
		}
		must(t, s, "w")
	}
	big(t, s, 5*size)
	if l := logLength(t, path); l > 3*size {
		t.Errorf("the log has %d bytes without readers", l)
	}
	fits(t, s, "w")
}

// place makes a store's directory of copies of a database and of a log.
func place(t *testing.T, database, log string) (url string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, from := range map[string]string{"walletd.db": database, "walletd.db-wal": log} {
		if from == "" {
			continue
		}
		content, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return "sqlite:" + filepath.Join(dir, "walletd.db")
}

func TestACopyBesideAnothersLogIsRefused(t *testing.T) {
	u := sqliteURL(t)
	path := strings.TrimPrefix(u, "sqlite:")
	s := made(t, mustOpen(t, u, Options{Create: true}))
	s.db.(*sqliteDB).log.size = 1 // each 32nd commit checkpoints
	copies := make(map[string]string)
	keep := func(name string) { // as the snapshot of a running service, and as the bare file
		file, err := s.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		content, err := io.ReadAll(file)
		if err != nil {
			t.Fatal(err)
		}
		copies["the snapshot of "+name] = filepath.Join(t.TempDir(), "snapshot")
		if err := os.WriteFile(copies["the snapshot of "+name], content, 0o600); err != nil {
			t.Fatal(err)
		}
		copies["the file of "+name] = fileCopy(t, path)
	}
	keep("the beginning")
	commit := func(n int) {
		for range n {
			must(t, s, "w", InsertToken(Token{ID: NewID(), Wallet: "w"}))
		}
	}
	commit(40)
	checkpointed(t, s)
	commit(3)
	keep("then")
	commit(40)
	checkpointed(t, s)
	commit(3)
	keep("now")
	commit(3)
	log := fileCopy(t, path+"-wal") // as it is left by a kill
	total := fits(t, s, "w")
	for name, copied := range copies {
		url := place(t, copied, log)
		if name == "the file of now" { // beneath that very log: nothing is missing
			if n := fits(t, mustOpen(t, url, Options{}), "w"); n != total {
				t.Errorf("%s beside its own log has %d records, want %d", name, n, total)
			}
			continue
		}
		_, err := Open(t.Context(), url, Options{})
		if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "walletd.db-wal") {
			t.Errorf("%s beside a later log: Open = %v", name, err)
		}
		if _, err := os.Stat(strings.TrimPrefix(url, "sqlite:") + "-wal"); err != nil {
			t.Errorf("%s: the log that was refused: %v", name, err)
		}
		if strings.HasPrefix(name, "the file") {
			continue // without any log it is not whole
		}
		if err := os.Remove(strings.TrimPrefix(url, "sqlite:") + "-wal"); err != nil {
			t.Fatal(err)
		}
		alone := mustOpen(t, url, Options{})
		must(t, alone, "w")
		fits(t, alone, "w")
	}
	if len(copies) != 6 {
		t.Errorf("%d copies", len(copies))
	}
}

// While what is in a log is moved into the file, and after it, the two are whole together: with what the file was
// before, and with what it is then.
func TestALogThatIsMovedIntoTheFileIsStillWhole(t *testing.T) {
	u := sqliteURL(t)
	path := strings.TrimPrefix(u, "sqlite:")
	s := made(t, mustOpen(t, u, Options{Create: true}))
	before := fileCopy(t, path)
	db := s.db.(*sqliteDB)
	db.log.size = 1
	for db.log.moving == nil {
		must(t, s, "w", InsertToken(Token{ID: NewID(), Wallet: "w"}))
	}
	<-db.log.moving
	after, log := fileCopy(t, path), fileCopy(t, path+"-wal")
	if was, is := content(t, before), content(t, after); bytes.Equal(was, is) {
		t.Error("nothing was moved")
	}
	total := fits(t, s, "w")
	for name, file := range map[string]string{"before": before, "after": after} {
		if n := fits(t, mustOpen(t, place(t, file, log), Options{}), "w"); n != total {
			t.Errorf("with the file of %s: %d records, want %d", name, n, total)
		}
	}
}

// When all of a log is in the file, SQLite may begin it anew by itself. That log too is over the file as it is then, and not
// over what the file was before.
func TestALogThatBeginsAnewIsOverTheFileAsItIsThen(t *testing.T) {
	for name, readers := range map[string]func(t *testing.T, path string) (end func()){
		"nobody reads":              func(*testing.T, string) func() { return func() {} },
		"one reads who began later": readsFrom,
	} {
		t.Run(name, func(t *testing.T) {
			u := sqliteURL(t)
			path := strings.TrimPrefix(u, "sqlite:")
			s := made(t, mustOpen(t, u, Options{Create: true}))
			big(t, s, checkUpTo+1<<20) // a smaller one is read whole, and would be seen to be damaged
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			before := fileCopy(t, path)
			s = mustOpen(t, u, Options{})
			db := s.db.(*sqliteDB)
			commit := func() { must(t, s, "w", InsertToken(Token{ID: NewID(), Wallet: "w", Hash: make([]byte, 3000)})) }
			for db.log.size = 1; db.log.moving == nil; {
				commit()
			}
			<-db.log.moving // all of it is in the file
			db.log.size = logSize
			end, refused := readers(t, path), 0
			for i := range 3 * logEvery {
				switch i {
				case logEvery:
					end()
				case 3 * logEvery / 2: // once more, when nobody reads
					db.log.size, db.log.notYet = 1, time.Time{}
				case 5 * logEvery / 2:
					checkpointed(t, s)
				}
				commit()
				if i%8 != 0 || logLength(t, path) == 0 { // one that was cut off mixes with nothing
					continue
				}
				file, log := fileCopy(t, path), fileCopy(t, path+"-wal")
				total := fits(t, s, "w")
				if n := fits(t, mustOpen(t, place(t, file, log), Options{}), "w"); n != total {
					t.Errorf("after %d changes there are %d records, want %d", i+1, n, total)
				}
				other, err := Open(t.Context(), place(t, before, log), Options{})
				if err != nil {
					if refused++; !errors.Is(err, ErrDamaged) {
						t.Error(err)
					}
					continue
				}
				if n := fits(t, other, "w"); n != total { // as long as it was not begun anew, all that came since is in the log
					t.Errorf("after %d changes the file from before is taken beside the log: %d records, want %d", i+1, n, total)
				}
				if err := other.Close(); err != nil {
					t.Error(err)
				}
			}
			if refused == 0 {
				t.Error("no log was begun anew")
			}
		})
	}
}

// readsFrom reads from the log until end.
func readsFrom(t *testing.T, path string) (end func()) {
	t.Helper()
	reader, err := openPool(t.Context(), dataSource(path, ""), 1)
	if err != nil {
		t.Fatal(err)
	}
	tx, err := reader.Begin()
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := tx.QueryRow("select count(*) from records").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}
		reader.Close()
	}
}

// fileCopy copies a file to a place of its own.
func fileCopy(t *testing.T, path string) (copied string) {
	t.Helper()
	copied = filepath.Join(t.TempDir(), "copy")
	if err := os.WriteFile(copied, content(t, path), 0o600); err != nil {
		t.Fatal(err)
	}
	return copied
}

func content(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A store whose file leads elsewhere by now gives nothing, and goes on once it is put back.
func TestAFileThatIsTakenAwayIsNoticed(t *testing.T) {
	for name, take := range map[string]func(path string) (func() error, error){
		"the file is moved": func(path string) (func() error, error) {
			return func() error { return os.Rename(path+".away", path) }, os.Rename(path, path+".away")
		},
		"the log is moved": func(path string) (func() error, error) {
			return func() error { return os.Rename(path+".away", path+"-wal") }, os.Rename(path+"-wal", path+".away")
		},
		"a copy is in its place": func(path string) (func() error, error) {
			content, err := os.ReadFile(path)
			if err == nil {
				err = os.Rename(path, path+".away")
			}
			if err == nil {
				err = os.WriteFile(path, content, 0o600)
			}
			return func() error { return os.Rename(path+".away", path) }, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			u := sqliteURL(t)
			path := strings.TrimPrefix(u, "sqlite:")
			s := made(t, mustOpen(t, u, Options{Create: true}))
			must(t, s, "w")
			back, err := take(path)
			if err != nil {
				t.Fatal(err)
			}
			was, _ := os.Stat(path)
			for range 3 {
				if _, err := s.Commit(t.Context(), change("w")); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), path) {
					t.Errorf("Commit = %v", err)
				}
			}
			for deadline := time.Now().Add(20 * time.Second); s.Ping(t.Context()) == nil; time.Sleep(50 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("Ping goes on to succeed")
				}
			}
			if is, err := os.Stat(path); was == nil && err == nil || was != nil && is.Size() != was.Size() {
				t.Errorf("what is at the path changed: %v, %v", is, err)
			}
			if err := back(); err != nil {
				t.Fatal(err)
			}
			heals(t, s)
			s.Close()
			fits(t, mustOpen(t, u, Options{}), "w")
		})
	}
}
