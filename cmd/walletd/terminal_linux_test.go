package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is a pseudo-terminal with a program on it, from the side of the owner.
type terminal struct {
	t   *testing.T
	pty *os.File
	cmd *exec.Cmd

	mu    sync.Mutex
	shows strings.Builder
}

// onTerminal starts a program.
func onTerminal(t *testing.T, program string, args ...string) *terminal {
	t.Helper()
	pty, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pty.Close() })
	if err := unix.IoctlSetPointerInt(int(pty.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(pty.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	term := &terminal{t: t, pty: pty, cmd: exec.Command(program, args...)}
	term.cmd.Stdin, term.cmd.Stdout, term.cmd.Stderr = tty, tty, tty
	term.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := term.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { term.cmd.Process.Kill() })
	go func() {
		b := make([]byte, 1024)
		for {
			n, err := pty.Read(b)
			term.mu.Lock()
			term.shows.Write(b[:n])
			term.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return term
}

func (term *terminal) shown() string {
	term.mu.Lock()
	defer term.mu.Unlock()
	return term.shows.String()
}

func (term *terminal) write(text string) {
	term.t.Helper()
	if _, err := term.pty.WriteString(text); err != nil {
		term.t.Fatal(err)
	}
}

func (term *terminal) echo() bool {
	state, err := unix.IoctlGetTermios(int(term.pty.Fd()), unix.TCGETS)
	if err != nil {
		term.t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

// until waits for something to be so.
func (term *terminal) until(what string, is func() bool) {
	term.t.Helper()
	for end := time.Now().Add(scriptPatience); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			term.t.Fatalf("waiting until %s; the terminal shows:\n%s", what, term.shown())
		}
	}
}

func TestTypedSecret(t *testing.T) {
	t.Run("is not shown", func(t *testing.T) {
		term := onTerminal(t, "walletd", "init", "--data", filepath.Join(t.TempDir(), "data"))
		for _, prompt := range []string{"New passphrase: ", "New passphrase again: "} {
			term.until("it asks without echo", func() bool { return strings.Contains(term.shown(), prompt) && !term.echo() })
			term.write("correct horse\n")
		}
		if err := term.cmd.Wait(); err != nil {
			t.Fatalf("%v; the terminal shows:\n%s", err, term.shown())
		}
		term.until("it shows the token", func() bool { return strings.Contains(term.shown(), "wd_operator_") })
		if strings.Contains(term.shown(), "horse") {
			t.Errorf("the terminal shows:\n%s", term.shown())
		}
	})
	t.Run("leaves a terminal with echo when it is interrupted", func(t *testing.T) {
		term := onTerminal(t, "walletd", "init", "--data", filepath.Join(t.TempDir(), "data"))
		term.until("it asks without echo", func() bool { return strings.Contains(term.shown(), "New passphrase: ") && !term.echo() })
		term.write("\x03") // the interrupt key
		if err := term.cmd.Wait(); err == nil || term.cmd.ProcessState.ExitCode() != exitFailed {
			t.Errorf("it ended with %v", err)
		}
		if !term.echo() {
			t.Error("the terminal shows nothing that is typed any more")
		}
		term.until("it says so", func() bool { return strings.Contains(term.shown(), "interrupted") })
	})
}
