package main

import (
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"walletd/internal/keystore"
	"walletd/internal/ledger"
	"walletd/internal/wallettest/fixture"
	"walletd/internal/wallettest/port"
)

// oldStore is a store whose wallet has n entries that are 100 days old, and some of today.
type oldStore struct {
	*fixture.Fixture
	passphrase, archive, token, owner string // files and a directory
	address                           string
}

func newOldStore(t *testing.T, n int) *oldStore {
	t.Helper()
	f := fixture.NewAt(t, time.Now().Add(-100*24*time.Hour).Truncate(time.Second))
	const pass = "correct horse battery staple, for tests"
	slot := keystore.NewSlot{Name: "second", Passphrase: keystore.Passphrase([]byte(pass))}
	if _, err := f.Keystore.AddSlot(t.Context(), "test", fixture.RecoveryIdentity().Identity, slot); err != nil {
		t.Fatal(err)
	}
	f.Grow(n)
	if err := f.Ledger.SignHeads(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.Clock = time.Now().Truncate(time.Second)
	f.Grow(3)
	f.Store.Close()
	dir := t.TempDir()
	s := &oldStore{Fixture: f, archive: filepath.Join(dir, "archive"), address: port.Free(t)}
	for name, text := range map[string]string{"passphrase": pass, "operator": f.Operator, "owner": f.Owner} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.passphrase, s.token, s.owner = filepath.Join(dir, "passphrase"), filepath.Join(dir, "operator"), filepath.Join(dir, "owner")
	return s
}

// serve starts the service on the store.
func (s *oldStore) serve() *replica {
	s.T.Helper()
	r := &replica{t: s.T, address: s.address, args: []string{"--data", filepath.Dir(s.Path), "--passphrase-file", s.passphrase, "--archive", s.archive, "--drain", "0s"}}
	r.start()
	return r
}

// as is a command for the service.
func (s *oldStore) as(token string, args ...string) *exec.Cmd {
	return command(s.T, append(args, "--url", "http://"+s.address, "--token-file", token)...)
}

func (s *oldStore) archiving() *exec.Cmd {
	return s.as(s.token, "audit", "archive", "--keep", "30d", "--json")
}

// says runs a command and returns what it prints.
func says(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		t.Fatalf("%v: %v\n%s%s", cmd.Args, err, out, exit.Stderr)
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// look opens the store that no service has, and returns its record as it is verified, and whether its oldest entries are
// there.
func (s *oldStore) look() (ledger.Verification, bool) {
	s.T.Helper()
	s.Open(false)
	defer s.Store.Close()
	s.Unlock()
	found := s.VerifyAuditLog()
	rows, err := s.Store.Records(s.T.Context(), s.Wallet, 0, 1)
	if err != nil || len(rows) != 1 {
		s.T.Fatal(rows, err)
	}
	if found.Archived == nil {
		return found, rows[0].Seq == 1
	}
	file, err := os.Open(filepath.Join(s.archive, found.Archived.File))
	if err != nil {
		s.T.Fatal(err)
	}
	defer file.Close()
	export := strings.NewReader(strings.Join(s.Export(), "\n") + "\n")
	if v, err := ledger.VerifyFiles([]io.ReaderAt{file, export}, ledger.Given{}); err != nil || v.Bad != nil {
		s.T.Fatalf("the archive and what is left: %+v, %v", v.Bad, err)
	}
	return found, rows[0].Seq == 1
}

// A service is killed while it archives, again and again. Each time the entries are in the store, or in a verified file
// that the record names; and in the end the same command has done the whole of it.
func TestAnArchiveThatIsKilledIsGoneOnWith(t *testing.T) {
	const entries = 6000
	s := newOldStore(t, entries)
	count := func(query string) (n int) {
		db, err := sql.Open("sqlite", "file:"+s.Path+"?mode=ro")
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		_ = db.QueryRow(query).Scan(&n) // while it is written to, there may be no answer
		return n
	}
	files := func(pattern string) []string {
		found, err := filepath.Glob(filepath.Join(s.archive, pattern))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	for _, when := range []struct {
		name string
		is   func() bool
	}{
		{"the file is begun", func() bool { return len(files("*.part")) > 0 }},
		{"the file is half there", func() bool {
			return slices.ContainsFunc(files("*.part"), func(path string) bool { info, err := os.Stat(path); return err == nil && info.Size() > 2<<20 })
		}},
		{"the file has its name", func() bool { return len(files("*.ndjson")) > 0 }},
		{"the archive is recorded", func() bool { return count("select count(*) from archives") > 0 }},
		{"some entries are deleted", func() bool { n := count("select count(*) from records"); return n > 0 && n < entries-500 }},
	} {
		reached := t.Run("when "+when.name, func(t *testing.T) {
			r := s.serve()
			defer func() { _ = r.cmd.Process.Kill() }()
			asking := s.archiving()
			if err := asking.Start(); err != nil {
				t.Fatal(err)
			}
			for end := time.Now().Add(scriptPatience); !when.is(); time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("it does not come to that")
				}
			}
			_ = r.cmd.Process.Kill()
			_ = r.cmd.Wait()
			_ = asking.Wait()
			found, whole := s.look()
			if found.Archived == nil && !whole {
				t.Error("entries are neither in the store nor archived")
			}
		})
		if !reached {
			return
		}
	}
	r := s.serve()
	says(t, s.archiving())
	r.stop()
	found, whole := s.look()
	if found.Archived == nil || whole || found.Archived.First != 1 || found.Archived.Last < entries || len(files("*")) != 1 || count("select count(*) from archives") != 1 {
		t.Errorf("in the end %+v, files %v", found, files("*"))
	}
}

// A wallet that does not open keeps none of those after it from being archived.
func TestOneDamagedWalletIsNotArchived(t *testing.T) {
	s := newOldStore(t, 5)
	db, err := sql.Open("sqlite", s.Path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("insert into wallets select 'z1', generation, sealed_key, sealed, version, created from wallets where id = ?", s.Wallet); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	r := s.serve()
	defer r.stop()
	out, err := s.archiving().Output()
	if err == nil {
		t.Error("nothing is said of the wallets that were not archived")
	}
	var made []madeArchive
	if err := json.Unmarshal(out, &made); err != nil || len(made) != 2 {
		t.Fatalf("%s: %v", out, err)
	}
	for _, m := range made {
		if whole := m.Wallet == s.Wallet; whole != (m.Archive != nil) || whole != (m.Error == "") {
			t.Errorf("%+v", m)
		}
	}
}

// What people do with archives, by the command line.
func TestArchivesOnTheCommandLine(t *testing.T) {
	s := newOldStore(t, 50)
	dir := t.TempDir()
	words := filepath.Join(dir, "words")
	if err := os.WriteFile(words, []byte(fixture.Words+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := s.serve()
	defer r.stop()
	before := filepath.Join(dir, "before")
	says(t, s.as(s.owner, "audit", "export", "--out", before))
	for _, args := range [][]string{{"audit", "archive"}, {"audit", "archive", "--keep", "1d"}, {"audit", "archive", "--keep", "30d", "--before", "2026-01-01"}} {
		if out, err := s.as(s.token, args...).CombinedOutput(); err == nil {
			t.Errorf("%v: %s", args, out)
		}
	}
	if out, err := s.as(s.token, "audit", "archive", "--before", time.Now().Format(time.DateOnly)).CombinedOutput(); err == nil || !strings.Contains(string(out), "15 days") {
		t.Errorf("what is of today: %s, %v", out, err)
	}
	if out, err := s.as(s.owner, "audit", "archive", "--keep", "30d").CombinedOutput(); err == nil {
		t.Errorf("an owner archives: %s", out)
	}
	var made []struct {
		Wallet  string
		Deleted int64
		Archive struct {
			First, Last int64
			File        string
			SHA256      string
		}
	}
	if err := json.Unmarshal([]byte(says(t, s.archiving())), &made); err != nil || len(made) != 1 {
		t.Fatal(made, err)
	}
	a := made[0].Archive
	if made[0].Wallet != s.Wallet || made[0].Deleted != a.Last || a.First != 1 || a.Last < 50 {
		t.Fatalf("archived %+v", made)
	}
	file := filepath.Join(s.archive, a.File)
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if info, err := os.Stat(s.archive); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info, err)
	}
	holds := func(what, text string, wants ...string) {
		t.Helper()
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q is not in\n%s", what, want, text)
			}
		}
	}
	since := filepath.Join(dir, "since")
	says(t, s.as(s.owner, "audit", "export", "--out", since))
	holds("archives", says(t, s.as(s.owner, "audit", "archives")), a.File, a.SHA256)
	holds("verify", says(t, s.as(s.owner, "audit", "verify")), "are archived: the newest archive is "+a.File, a.SHA256)
	holds("verify an archive", says(t, command(t, "audit", "verify", file)), "52 entries follow from each other, 1 signed heads fit")
	holds("verify all", says(t, command(t, "audit", "verify", since, file)), "56 entries follow from each other")
	holds("verify what is left", says(t, command(t, "audit", "verify", since)), "not known: ", "entries 1 to 52 are archived")
	if out, err := command(t, "audit", "verify", before, file).CombinedOutput(); err == nil || !strings.Contains(string(out), "leave one of them out") {
		t.Errorf("the same entries twice: %s, %v", out, err)
	}
	holds("show", says(t, s.as(s.owner, "audit", "show", "--limit", "1")), "53  ")
	if out, err := s.as(s.owner, "audit", "show", "--after", "9").CombinedOutput(); err == nil || !strings.Contains(string(out), a.File) {
		t.Errorf("an archived entry: %s, %v", out, err)
	}
	opened := says(t, command(t, "audit", "open", file, "--words-file", words))
	holds("open", opened, "wallet.imported", "so that it is long")
	holds("open as JSON", says(t, command(t, "audit", "open", file, "--words-file", words, "--json")), `{"seq":52,`)
	if out, err := command(t, "audit", "open", since, "--words-file", words).CombinedOutput(); err == nil || !strings.Contains(string(out), "audit show") {
		t.Errorf("opening an export: %s, %v", out, err)
	}
}
