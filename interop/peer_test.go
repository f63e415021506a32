package interop_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"walletd/internal/wallettest/needs"
)

// peers are the programs made of the official packages, installed, and the Node.js they run on.
type peers struct{ dir, node string }

// install copies the programs and installs what the lock file names, by npm ci. Without Node, or
// a registry to install from, the test is skipped, and fails if CI=true.
func install(t *testing.T) peers {
	t.Helper()
	needNode(t)
	p := peers{t.TempDir(), "node"}
	if err := p.copy("package.json", "package-lock.json", ".npmrc", "*.mjs", "lib/*.mjs"); err != nil {
		t.Fatal(err)
	}
	p.ci(t, ".")
	return p
}

// needNode is for what cannot be done without Node.js and npm.
func needNode(t *testing.T) {
	t.Helper()
	if major, err := majorOf(t, "node"); err != nil {
		needs.Missing(t, "Node.js 20 or newer", err)
	} else if major < 20 {
		needs.Missing(t, "Node.js 20 or newer", fmt.Errorf("node is %d", major))
	}
	if _, err := exec.LookPath("npm"); err != nil {
		needs.Missing(t, "npm", err)
	}
}

// majorOf is the first number of the version of a Node.js.
func majorOf(t *testing.T, node string) (int, error) {
	t.Helper()
	version, err := exec.CommandContext(t.Context(), node, "--version").Output()
	if err != nil {
		return 0, err
	}
	major, _, _ := strings.Cut(strings.TrimPrefix(string(version), "v"), ".")
	return strconv.Atoi(major)
}

// ci installs what the lock file of a directory names.
func (p peers) ci(t *testing.T, dir string) {
	t.Helper()
	// No package may run anything while it is installed; none needs to.
	npm := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--prefer-offline")
	npm.Dir = filepath.Join(p.dir, dir)
	if out, err := npm.CombinedOutput(); err != nil {
		if offline.Match(out) {
			needs.Missing(t, "a package registry, or npm's cache", err)
		}
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
}

// offline matches what npm says when it cannot reach the registry.
var offline = regexp.MustCompile(`npm (error|ERR!) code (ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ERR_SOCKET_TIMEOUT)\b`)

// copy takes what the patterns name from this directory.
func (p peers) copy(patterns ...string) error {
	for _, pattern := range patterns {
		names, err := filepath.Glob(pattern)
		if err == nil && len(names) == 0 {
			err = errors.New("there is no " + pattern)
		}
		if err != nil {
			return err
		}
		for _, name := range names {
			b, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			to := filepath.Join(p.dir, name)
			if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
				return err
			}
			if err := os.WriteFile(to, b, 0o600); err != nil {
				return err
			}
		}
	}
	return nil
}

// input is what a program reads: README.md has a table of it for each.
type input map[string]any

// pending is the line of a program that waits for the person.
type pending struct{ Pending, Code, ExpiresAt string }

// outcome is the last line of a program.
type outcome struct {
	OK                  bool
	Status              int
	Code, Detail, Error string // of a refusal, of a failure
	Asked               bool
	Opened, Echoed      bool
	KeyBytes            int
	Account, UserDID    string
	Reason              string
	Verified, Derives   bool
	Challenged, Sealed  bool
	Lifetime            int
	App                 string
	Types               []string
	Keys                []string
	Body                json.RawMessage
}

// run is talk with a program that asks for claims.
func (p peers) run(t *testing.T, program string, in input, decide func(*testing.T, pending)) outcome {
	t.Helper()
	return talk[outcome](t, p, program, in, decide)
}

// talk runs a program to its end, and reads its last line. While it waits for the person, decide
// is called; nil if nobody should be asked.
func talk[T any](t *testing.T, p peers, program string, in input, decide func(*testing.T, pending)) (o T) {
	t.Helper()
	return converse[T](t, exec.CommandContext(t.Context(), p.node, filepath.Join(p.dir, program)), in, decide)
}

// converse is talk with any program.
func converse[T any](t *testing.T, peer *exec.Cmd, in input, decide func(*testing.T, pending)) (o T) {
	t.Helper()
	program := filepath.Base(peer.Args[len(peer.Args)-1])
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var problems bytes.Buffer
	peer.Stdin, peer.Stderr = bytes.NewReader(text), &problems
	stdout, err := peer.StdoutPipe()
	if err == nil {
		err = peer.Start()
	}
	if err != nil {
		t.Fatalf("%s: %v", program, err)
	}
	// A peer that waits for an answer that nobody gives is a failure, and no hang.
	defer time.AfterFunc(5*time.Minute, func() { _ = peer.Process.Kill() }).Stop()
	var last []byte
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		last = bytes.Clone(lines.Bytes())
		var waits pending
		if json.Unmarshal(last, &waits) != nil || waits.Pending == "" {
			continue
		}
		if decide == nil {
			peer.Process.Kill()
			t.Errorf("%s: the person is asked", program)
			continue
		}
		decide(t, waits)
	}
	err = peer.Wait()
	var end struct{ OK bool }
	if json.Unmarshal(last, &end) != nil || json.Unmarshal(last, &o) != nil || (err == nil) != end.OK {
		t.Fatalf("%s: %v: its last line is %q\n%s", program, err, last, problems.Bytes())
	}
	return o
}
