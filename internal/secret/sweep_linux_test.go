package secret_test

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"testing"

	"walletd/internal/secret"
	"walletd/internal/wallettest/memory"
)

// The child of TestSweep: it leaves copies of what it reads in free places among objects in use, says so, sweeps, and
// says so again.
const envSweepChild = "WALLETD_TEST_SWEEP"

func TestSweepChild(t *testing.T) {
	if os.Getenv(envSweepChild) == "" {
		t.Skip("the child of TestSweep")
	}
	canary := make([]byte, 32)
	if _, err := io.ReadFull(os.Stdin, canary); err != nil {
		t.Fatal(err)
	}
	var used [][]byte
	var usedToo []*pointed
	for range 500 {
		for _, size := range []int{32, 48, 100, 500, 1000, 4000, 20000} {
			if size > 4000 && len(used)%10 != 0 {
				continue
			}
			object := make([]byte, size)
			copy(object, canary)
			if len(used)%5 == 0 {
				clear(object)
			}
			used = append(used, object)
		}
		p := new(pointed)
		p.next = p
		copy(p.held[:], canary)
		if len(usedToo)%5 == 0 {
			clear(p.held[:])
		}
		usedToo = append(usedToo, p)
	}
	for i := range used {
		if i%5 != 0 {
			used[i] = nil
		}
	}
	for i := range usedToo {
		if i%5 != 0 {
			usedToo[i] = nil
		}
	}
	clear(canary)
	fmt.Println("left")
	wait := bufio.NewReader(os.Stdin)
	if _, err := wait.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	secret.Sweep()
	fmt.Println("swept")
	if _, err := wait.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	runtime.KeepAlive(used)
	runtime.KeepAlive(usedToo)
}

// pointed is an object with a pointer, which has other places than one without.
type pointed struct {
	next *pointed
	held [64]byte
}

func TestSweep(t *testing.T) {
	child := exec.Command(os.Args[0], "-test.run=^TestSweepChild$")
	// Go would have the system write registers down wherever it interrupts a thread, with what was being copied.
	child.Env = append(os.Environ(), envSweepChild+"=1", "GODEBUG=asyncpreemptoff=1", "LD_BIND_NOW=1", "GOGC=off")
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(in.Close(), child.Wait()); err != nil {
			t.Error(err)
		}
	}()
	said := bufio.NewReader(out)
	hear := func(want string) {
		t.Helper()
		if line, err := said.ReadString('\n'); err != nil || line != want+"\n" {
			t.Fatalf("the child says %q, %v; want %q", line, err, want)
		}
	}
	canary := map[string][]byte{"it": make([]byte, 32)}
	rand.Read(canary["it"])
	if _, err := in.Write(canary["it"]); err != nil {
		t.Fatal(err)
	}
	hear("left")
	if n := memory.Count(t, child.Process.Pid, canary)["it"]; n < 1000 {
		t.Errorf("%d copies are left before the sweep; the test looks in the wrong place", n)
	}
	if _, err := io.WriteString(in, "\n"); err != nil {
		t.Fatal(err)
	}
	hear("swept")
	if n := memory.Count(t, child.Process.Pid, canary)["it"]; n > 0 {
		t.Errorf("%d copies are left after the sweep", n)
	}
	if _, err := io.WriteString(in, "\n"); err != nil {
		t.Fatal(err)
	}
}
