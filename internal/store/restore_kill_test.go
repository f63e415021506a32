package store

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A process is killed while it restores, when much of it is on the disk already. Nothing of it is there afterwards.
func TestARestoreThatIsKilledLeavesNothing(t *testing.T) {
	if path := os.Getenv("WALLETD_TEST_RESTORE"); path != "" {
		killedInRestore(t, path)
	}
	path := filepath.Join(t.TempDir(), "data", "walletd.db")
	s, err := Open(t.Context(), "sqlite:"+path, Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	made(t, s)
	before := fits(t, s, ServiceChain)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestARestoreThatIsKilledLeavesNothing$")
	cmd.Env = append(os.Environ(), "WALLETD_TEST_RESTORE="+path)
	out, err := cmd.CombinedOutput()
	exit, ended := errors.AsType[*exec.ExitError](err)
	if !ended || exit.Sys().(syscall.WaitStatus).Signal() != unix.SIGKILL {
		t.Fatalf("it was not killed: %v\n%s", err, out)
	}
	if log, err := os.Stat(path + "-wal"); err != nil || log.Size() < 4<<20 {
		t.Fatalf("little was written before it was killed: %v", err)
	}
	if s, err = Open(t.Context(), "sqlite:"+path, Options{}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Wallet(t.Context(), "v"); !errors.Is(err, ErrNotFound) {
		t.Errorf("the wallet is there: %v", err)
	}
	if end, err := s.ChainEnd(t.Context(), "v"); err != nil || end.Seq != 0 {
		t.Errorf("entries are there: %+v, %v", end, err)
	}
	if n := fits(t, s, ServiceChain); n != before {
		t.Errorf("%d entries on the service's chain, there were %d", n, before)
	}
	if err := s.Restore(t.Context(), restoration(), oldChain("v", 300).rows()); err != nil {
		t.Errorf("and it cannot be restored: %v", err)
	}
}

// killedInRestore restores a wallet, and ends before the last of its rows.
func killedInRestore(t *testing.T, path string) {
	s, err := Open(t.Context(), "sqlite:"+path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	old := oldChain("v", 6000)
	for i := range old.Records { // long, so that the database does not keep them in memory
		r := &old.Records[i]
		r.Sealed = make([]byte, 2000)
		if i > 0 {
			r.Prev = old.Records[i-1].Hash
		}
		r.Hash = r.Sum(r.Prev)
	}
	err = s.Restore(t.Context(), restoration(), func(yield func(OldRow, error) bool) {
		for row := range old.rows() {
			if row.Head != nil {
				_ = unix.Kill(os.Getpid(), unix.SIGKILL)
			}
			if !yield(row, nil) {
				return
			}
		}
	})
	fmt.Println("not killed:", err)
	os.Exit(1)
}
