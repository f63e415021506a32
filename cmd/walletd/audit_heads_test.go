package main

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"walletd/internal/ledger"
	"walletd/internal/wallets"
)

// What an operator does to find out whether heads are missing: of a copy while the service runs, and with its log.
func TestHeadsOnTheCommandLine(t *testing.T) {
	s := newOldStore(t, 5)
	s.Open(false)
	s.Unlock()
	for i := range 20 {
		if _, err := s.Wallets.Create(t.Context(), s.As(s.Operator), wallets.NewWallet{Name: fmt.Sprint("wallet ", i)}); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	written, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	defer written.Close()
	signing := ledger.New(s.Store, s.Keystore, ledger.Options{Log: zerolog.New(written).With().Timestamp().Logger()})
	sign := func() {
		t.Helper()
		if err := signing.SignHeads(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.Clock = s.Clock.Add(time.Minute)
	}
	sign()
	s.Grow(2)
	sign()
	s.Store.Close()

	r := s.serve()
	data := filepath.Dir(s.Path)
	out, err := command(t, "audit", "heads", "--data", data).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "walletd keystore snapshot --out DIR/walletd.db") {
		t.Errorf("while the service runs: %s, %v", out, err)
	}
	if err := os.Mkdir(filepath.Join(dir, "copy"), 0o700); err != nil {
		t.Fatal(err)
	}
	says(t, s.as(s.token, "keystore", "snapshot", "--out", filepath.Join(dir, "copy", "walletd.db")))
	holds := func(what, text string, wants ...string) {
		t.Helper()
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q is not in\n%s", what, want, text)
			}
		}
	}
	holds("a copy", says(t, command(t, "audit", "heads", "--data", filepath.Join(dir, "copy"), "--log", log)), "looked for ", "none is missing", "the log names 2 trees, from ")
	says(t, s.archiving())
	r.stop()

	fails := func(what string, cmd *exec.Cmd, code int, wants ...string) {
		t.Helper()
		out, _ := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != code {
			t.Errorf("%s: exit code %d\n%s", what, cmd.ProcessState.ExitCode(), out)
		}
		holds(what, string(out), wants...)
	}
	holds("without the log", says(t, command(t, "audit", "heads", "--data", data)), "of them are of entries that are archived", "not known: whether heads were deleted with all that tells of them")
	withLog := says(t, command(t, "audit", "heads", "--data", data, "--log", log))
	if holds("with the log", withLog, "the log names 2 trees"); strings.Contains(withLog, "not known") {
		t.Errorf("with the log: %s", withLog)
	}
	journal := filepath.Join(dir, "journal")
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(text), "\n")
	cut := lines[0][:len(lines[0])/2] + `"signature"} of the audit log`
	if err := os.WriteFile(journal, []byte("Jan 01 host walletd[1]: "+lines[1]+"another line\n"+cut), 0o600); err != nil {
		t.Fatal(err)
	}
	holds("a journal", says(t, command(t, "audit", "heads", "--data", data, "--log", journal)), "the log names 1 trees", "not known: what 1 lines of the log name", "line 3 of ")
	fromPipe := command(t, "audit", "heads", "--data", data, "--log", "-")
	fromPipe.Stdin = strings.NewReader(string(text))
	holds("a pipe", says(t, fromPipe), "the log names 2 trees")
	fails("a log without heads", command(t, "audit", "heads", "--data", data, "--log", s.token), exitFailed, "the log names no heads", "hint: ")
	fails("no store", command(t, "audit", "heads"), exitUsage, "--data DIR")

	thief := func(statements ...string) {
		t.Helper()
		db, err := sql.Open("sqlite", s.Path)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		for _, text := range statements {
			if _, err := db.Exec(text); err != nil {
				t.Fatal(err)
			}
		}
	}
	var victim string
	db, err := sql.Open("sqlite", s.Path)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.QueryRow("select min(chain) from chains where chain not in ('service', ?)", s.Wallet).Scan(&victim); err != nil {
		t.Fatal(err)
	}
	db.Close()
	thief("delete from heads where chain = '" + victim + "'")
	fails("a head of 21", command(t, "audit", "heads", "--data", data), exitFailed,
		"bad: entry 1 on the record of "+victim+", signed 20", "its head is missing, and the entry is there as it was signed",
		"walletd: heads that were signed are missing, or are not as they were signed: 1 faults", "hint: store a copy of the store as it is", "hint: if an older copy")
	var found headsFound
	asJSON := command(t, "audit", "heads", "--data", data, "--json")
	printed, _ := asJSON.Output()
	if err := json.Unmarshal(printed, &found); err != nil || found.OK || found.Faults != 1 || len(found.Found) != 1 || found.Found[0].Chain != victim || found.Found[0].Seq != 1 {
		t.Errorf("as JSON: %s, %v", printed, err)
	}
	thief("delete from heads where time = (select max(time) from trees)", "delete from trees where time = (select max(time) from trees)")
	thief("delete from heads where time = (select max(time) from trees)", "delete from trees where time = (select max(time) from trees)")
	fails("the newest trees, with the log", command(t, "audit", "heads", "--data", data, "--log", log), exitFailed,
		"bad: the tree of 2", "the log names it, and the store does not", "bad: entry ")
}
