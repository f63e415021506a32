package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"walletd/internal/wallettest/postgres"
)

func TestAFullDiskLeavesNothingHalfDone(t *testing.T) {
	s := made(t, mustOpen(t, sqliteURL(t), Options{Create: true}))
	limitPages(t, s, pages(t, s)+16) // which a few tokens fill
	var committed []string
	for full := 0; full < 3; {
		id := NewID()
		c := change("w", InsertToken(Token{ID: id, Hash: make([]byte, 1500)}))
		c.Nonce = &Nonce{Wallet: "w", JTI: id}
		_, err := s.Commit(t.Context(), c)
		switch {
		case err == nil:
			committed = append(committed, id)
		case errors.Is(err, ErrFull):
			full++
			if _, err := s.Token(t.Context(), id); !errors.Is(err, ErrNotFound) {
				t.Errorf("what could not be written is there: %v", err)
			}
		default:
			t.Fatal(err)
		}
		if len(committed) > 1000 {
			t.Fatal("it never fills")
		}
	}
	if n := fits(t, s, "w"); n != int64(len(committed)) || n == 0 {
		t.Errorf("%d records, %d were answered", n, len(committed))
	}
	limitPages(t, s, 100000)
	must(t, s, "w")
}

// pages returns how many pages the file has.
func pages(t *testing.T, s *Store) (n int64) {
	t.Helper()
	err := s.committer.do(t.Context(), func(ctx context.Context, c conn) error {
		r, err := c.run(ctx, []stmt{{text: "pragma page_count", rows: true}})
		if err == nil {
			n = r[0].rows[0][0].(int64)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// limitPages sets the most pages that the file may have.
func limitPages(t *testing.T, s *Store, n int64) {
	t.Helper()
	err := s.committer.do(t.Context(), func(ctx context.Context, c conn) error {
		r, err := c.run(ctx, []stmt{{text: fmt.Sprint("pragma max_page_count = ", n), rows: true}})
		if err == nil && r[0].rows[0][0] != n {
			t.Errorf("the limit is %v", r[0].rows)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Every read and a commit of a damaged file answer, with ErrDamaged or rightly.
func TestADamagedFileIsNamed(t *testing.T) {
	u := sqliteURL(t)
	path := strings.TrimPrefix(u, "sqlite:")
	s := made(t, mustOpen(t, u, Options{Create: true}))
	for i := range 200 {
		must(t, s, "w", InsertToken(Token{ID: NewID(), Wallet: "w", Hash: make([]byte, 32), Created: int64(i)}))
	}
	s.Close()
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	damages := map[string]func([]byte) []byte{
		"an empty file":      func([]byte) []byte { return nil },
		"no database":        func(b []byte) []byte { return []byte(strings.Repeat("walletd ", 1000)) },
		"a header that lies": func(b []byte) []byte { copy(b[16:], "\xff\xff\xff\xff"); return b },
		"a page of zeros":    func(b []byte) []byte { clear(b[4096:8192]); return b },
	}
	for i := range 15 {
		damages[fmt.Sprint("cut ", i)] = func(b []byte) []byte { return b[:random.IntN(len(b))] }
		damages[fmt.Sprint("bytes ", i)] = func(b []byte) []byte {
			for range 1 + random.IntN(200) {
				b[random.IntN(len(b))] = byte(random.Uint32())
			}
			return b
		}
	}
	noticed := 0
	for name, damage := range damages {
		err := os.WriteFile(path, damage(append([]byte(nil), good...)), 0o600)
		if err != nil {
			t.Fatal(err)
		}
		err = useAll(u)
		if err == nil {
			continue // the damage is in free space, or in a column's bytes
		}
		noticed++
		if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrNewerSchema) && !errors.Is(err, ErrDevStore) ||
			errors.Is(err, ErrDamaged) && !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if noticed < 10 {
		t.Errorf("only %d damages were noticed", noticed)
	}
}

// useAll opens a store, reads all of it and commits something.
func useAll(url string) error {
	ctx := context.Background()
	s, err := Open(ctx, url, Options{})
	if err != nil {
		return err
	}
	defer s.Close()
	_, _, err = s.Tokens(ctx, "w", Page{})
	if err == nil {
		_, err = s.Records(ctx, "w", 0, 1000)
	}
	if err == nil {
		_, err = s.Caller(ctx, "op", "")
	}
	if err == nil {
		_, err = s.Commit(ctx, change("w", InsertToken(Token{ID: NewID()})))
	}
	return err
}

func TestADatabaseThatDamagesWhileOpenIsNamed(t *testing.T) {
	u := sqliteURL(t)
	path := strings.TrimPrefix(u, "sqlite:")
	s := made(t, mustOpen(t, u, Options{Create: true}))
	for range 200 { // more than a reader's cache, less than is checked at opening
		c := change("w")
		c.Entries[0].Sealed = make([]byte, 30_000)
		if _, err := s.Commit(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	script(t, s, "pragma wal_checkpoint(truncate)")
	s.Close()
	s = mustOpen(t, u, Options{})
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	junk := []byte(strings.Repeat("\xff", 4096))
	for page := int64(100); page < 1400; page++ {
		if _, err := f.WriteAt(junk, page*4096); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if _, err := s.Records(t.Context(), "w", 0, 1000); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), filepath.Base(path)) {
			t.Errorf("Records = %v", err)
		}
		if _, err := s.Commit(t.Context(), change("w")); err != nil && !errors.Is(err, ErrDamaged) {
			t.Errorf("Commit = %v", err)
		}
	}
}

const childVariable = "WALLETD_STORE_TEST_CHILD"

// TestChildThatCommits is the process that the next test kills: it commits
// without end and prints the number of each record once it is answered.
func TestChildThatCommits(t *testing.T) {
	url := os.Getenv(childVariable)
	if url == "" {
		t.Skip("only a part of TestKilledAtAnyMomentNothingAnsweredIsLost")
	}
	s, err := Open(context.Background(), url, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if db, ok := s.db.(*sqliteDB); ok {
		db.log.size = 1 // so that checkpoints are killed, too
	}
	var mu sync.Mutex
	for range 8 {
		go func() {
			for {
				id := NewID()
				_, err := s.Commit(context.Background(), change("w", InsertToken(Token{ID: id, Wallet: "w"})))
				mu.Lock()
				if err != nil {
					fmt.Println("error", err)
				} else {
					fmt.Println("done", id)
				}
				mu.Unlock()
			}
		}()
	}
	select {}
}

func TestKilledAtAnyMomentNothingAnsweredIsLost(t *testing.T) {
	eachURL(t, func(t *testing.T, url string) {
		made(t, mustOpen(t, url, Options{Create: true})).Close()
		answered := make(map[string]bool)
		for round := range 8 {
			cmd := exec.Command(os.Args[0], "-test.run=^TestChildThatCommits$")
			cmd.Env = append(os.Environ(), childVariable+"="+url)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(out)
			for n := 0; lines.Scan(); n++ {
				id, ok := strings.CutPrefix(lines.Text(), "done ")
				if !ok {
					t.Errorf("the child says %s", lines.Text())
				}
				answered[id] = true
				if n == 50+37*round {
					cmd.Process.Kill()
				}
			}
			cmd.Wait()
		}
		s := mustOpen(t, url, Options{})
		there := 0
		for p := (Page{}); ; {
			tokens, next, err := s.Tokens(t.Context(), "w", p)
			if err != nil {
				t.Fatal(err)
			}
			for _, tok := range tokens {
				delete(answered, tok.ID)
			}
			there += len(tokens)
			if p.Cursor = next; next == "" {
				break
			}
		}
		delete(answered, "") // a line cut short by the kill
		for id := range answered {
			if len(id) == 26 {
				t.Errorf("%s was answered and is lost", id)
			}
		}
		if n := fits(t, s, "w"); n != int64(there) || there < 250 {
			t.Errorf("%d records for %d tokens", n, there)
		}
	})
}

// Replicas on one database, committing to the same chains and grants.
func TestReplicasNeverForkAChain(t *testing.T) {
	url := postgres.Start(t)
	replicas := []*Store{mustOpen(t, url, Options{Create: true}), mustOpen(t, url, Options{}), mustOpen(t, url, Options{})}
	made(t, replicas[0])
	var wg sync.WaitGroup
	const callers, each = 8, 25
	for _, s := range replicas {
		for i := range callers {
			wg.Go(func() {
				for n := range each {
					c := change("chain " + strconv.Itoa((i+n)%5))
					c.Also = []ChainEntries{{"chain " + strconv.Itoa((i*n)%5), entry("also")}}
					c.Nonce = &Nonce{Wallet: "w", Issuer: "i", JTI: fmt.Sprint(i, n)}
					if _, err := s.Commit(t.Context(), c); err != nil && !errors.Is(err, ErrReplayed) {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
	total := int64(0)
	for i := range 5 {
		total += fits(t, replicas[0], "chain "+strconv.Itoa(i))
	}
	if total != 2*callers*each { // each nonce was taken by one replica
		t.Errorf("%d records, want %d", total, 2*callers*each)
	}
}

func TestALockHoldsOnEveryReplica(t *testing.T) {
	url := postgres.Start(t)
	a, b := mustOpen(t, url, Options{Create: true}), mustOpen(t, url, Options{})
	made(t, a)
	if _, err := a.RaiseEpoch(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := change("w")
	c.Epoch = 0
	if _, err := b.Commit(t.Context(), c); !errors.Is(err, ErrChanged) {
		t.Errorf("Commit = %v", err)
	}
	if row, err := b.Caller(t.Context(), "op", ""); err != nil || row.Epoch != 1 {
		t.Errorf("Caller: epoch %d, %v", row.Epoch, err)
	}
}

func TestALostConnectionIsReplaced(t *testing.T) {
	url := postgres.Start(t)
	s := made(t, mustOpen(t, url, Options{Create: true}))
	must(t, s, "w")
	for range 3 {
		rawScript(t, url, `select pg_terminate_backend(pid) from pg_stat_activity
			where datname = current_database() and pid <> pg_backend_pid()`)
		if _, err := s.Wallet(t.Context(), "w"); err != nil {
			t.Errorf("a read: %v", err)
		}
		// Nothing of it had reached the server, so it can be tried again.
		if _, err := s.Commit(t.Context(), change("w")); err != nil {
			t.Errorf("a commit: %v", err)
		}
	}
	fits(t, s, "w")
}

func TestADatabaseThatIsGoneIsUnavailable(t *testing.T) {
	url := postgres.Start(t)
	s := made(t, mustOpen(t, url, Options{Create: true}))
	db := s.db.(*postgresDB)
	config := db.pool.Config().ConnConfig
	name := config.Database
	config.Database = "postgres"
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, text := range []string{
		"alter database " + name + " allow_connections false",
		"select pg_terminate_backend(pid) from pg_stat_activity where datname = '" + name + "' and pid <> pg_backend_pid()",
	} {
		if _, err := conn.Exec(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if _, err := s.Commit(ctx, change("w")); !errors.Is(err, ErrUnavailable) {
		t.Errorf("Commit = %v", err)
	}
	if err := s.Ping(ctx); !errors.Is(err, ErrUnavailable) {
		t.Errorf("Ping = %v", err)
	}
	if _, err := conn.Exec(t.Context(), "alter database "+name+" allow_connections true"); err != nil {
		t.Fatal(err)
	}
	must(t, s, "w")
}
