package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"walletd/internal/wallettest/port"
	"walletd/internal/wallettest/postgres"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"walletd": main})
}

// TestTheGrammarIsThatOfOneCommand holds what a command line is parsed with to what it begins with.
func TestTheGrammarIsThatOfOneCommand(t *testing.T) {
	has := func(args ...string) (names []string) {
		t.Helper()
		parser, err := newParser(&commands{}, newConsole(), only(args))
		if err != nil {
			t.Fatal(err)
		}
		for _, child := range parser.Model.Children {
			names = append(names, child.Name)
		}
		return names
	}
	all := has()
	if len(all) < 20 {
		t.Fatalf("the grammar has %d commands", len(all))
	}
	for _, name := range all {
		want := []string{name}
		if name == "man" || name == "complete" {
			want = all
		}
		if got := has("--json", name, "--help"); !slices.Equal(got, want) {
			t.Errorf("walletd %s is parsed with the grammar of %v", name, got)
		}
	}
	for _, line := range [][]string{{"--help"}, {"walet", "list"}, {"--wrong", "wallet"}} {
		if got := has(line...); !slices.Equal(got, all) {
			t.Errorf("walletd %v is parsed with the grammar of %v", line, got)
		}
	}
}

// TestScripts runs the conversations of testdata: the real program, with the real service where
// one is spoken to. What an older version left behind is in $GOLDEN, the
// file for desktops in $DESKTOP. Beside testscript's own they use these commands:
//
//	exits CODE walletd …       runs it and wants this exit code
//	await FILE                 waits until the file is there
//	holds FILE TEXT            waits until the file holds the text
//	ready STATE                waits until `walletd health --ready` says so
//	capture NAME MEMBER        puts a member of the last output, which is JSON, into a variable
//	keep FILE MEMBER           puts it into a file that only its owner may read
//	port NAME                  puts a free port of this machine into a variable
//	certify NAME               makes NAME.pem and NAME.key for NAME
//	opens CODE URL             runs what a desktop runs for a URL, by $DESKTOP, and wants this exit code
//	page NAME FILE ORIGIN TEXT begins a pairing, and puts its code into a variable
func TestScripts(t *testing.T) {
	runScripts(t, "testdata/*.txt", "")
}

// TestScriptsOnPostgreSQL runs those that need a server. Each has a database of its own, in $STORE.
func TestScriptsOnPostgreSQL(t *testing.T) {
	scripts, err := filepath.Glob("testdata/postgres/*.txt")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, script := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(script), ".txt"), func(t *testing.T) {
			t.Parallel()
			runScripts(t, script, postgres.Start(t))
		})
	}
}

func runScripts(t *testing.T, pattern, store string) {
	scripts, err := filepath.Glob(pattern)
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	golden, err := filepath.Abs("../../internal/wallettest/testdata/v1")
	if err != nil {
		t.Fatal(err)
	}
	desktop, err := filepath.Abs("../../deploy/walletd.desktop")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Files:               scripts,
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("TZ", "UTC")
			env.Setenv("WALLETD_DRAIN", "0s")
			env.Setenv("STORE", store)
			env.Setenv("GOLDEN", golden)
			env.Setenv("DESKTOP", desktop)
			return nil
		},
		Condition: func(cond string) (bool, error) {
			// A condition is the name of a program that the script needs.
			_, err := exec.LookPath(cond)
			if err != nil && os.Getenv("CI") == "true" {
				return false, fmt.Errorf("%s is missing", cond)
			}
			return err == nil, nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits":   exits,
			"await":   await,
			"holds":   holds,
			"ready":   ready,
			"capture": capture,
			"keep":    keep,
			"port":    freePort,
			"certify": certify,
			"opens":   opens,
			"page":    page,
		},
	})
}

// scriptPatience bounds what a script waits for on a machine that is busy.
const scriptPatience = time.Minute

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE command …")
	}
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Check(err)
		}
		code = exit.ExitCode()
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

func await(ts *testscript.TestScript, neg bool, args []string) {
	for end := time.Now().Add(scriptPatience); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		} else if time.Now().After(end) {
			ts.Fatalf("waiting for %s: %v", args[0], err)
		}
	}
}

func holds(ts *testscript.TestScript, neg bool, args []string) {
	for end := time.Now().Add(scriptPatience); !strings.Contains(ts.ReadFile(args[0]), args[1]); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			ts.Fatalf("%s does not hold %q", args[0], args[1])
		}
	}
}

func ready(ts *testscript.TestScript, neg bool, args []string) {
	for end := time.Now().Add(scriptPatience); ; time.Sleep(20 * time.Millisecond) {
		ts.Exec("walletd", "health", "--ready")
		if strings.TrimSpace(ts.ReadFile("stdout")) == args[0] {
			return
		} else if time.Now().After(end) {
			ts.Fatalf("the service is not %s", args[0])
		}
	}
}

func member(ts *testscript.TestScript, name string) string {
	var v map[string]json.RawMessage
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &v))
	raw, ok := v[name]
	if !ok {
		ts.Fatalf("the output has no member %s", name)
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return string(raw)
	}
	return text
}

func capture(ts *testscript.TestScript, neg bool, args []string) {
	ts.Setenv(args[0], member(ts, args[1]))
}

func keep(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(member(ts, args[1])+"\n"), 0o600))
}

func freePort(ts *testscript.TestScript, neg bool, args []string) {
	address, release, err := port.Hold()
	ts.Check(err)
	ts.Defer(release)
	_, number, err := net.SplitHostPort(address)
	ts.Check(err)
	ts.Setenv(args[0], number)
}

func certify(ts *testscript.TestScript, neg bool, args []string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: args,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	ts.Check(err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	write := func(name, kind string, b []byte) {
		ts.Check(os.WriteFile(ts.MkAbs(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}), 0o600))
	}
	write(args[0]+".pem", "CERTIFICATE", cert)
	write(args[0]+".key", "PRIVATE KEY", der)
}

// opens runs the line Exec as the Desktop Entry Specification has it: words between blanks, of which %u becomes the URL, one
// word whatever is in it.
func opens(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: opens CODE URL")
	}
	entry := map[string]string{}
	for line := range strings.Lines(ts.ReadFile(ts.Getenv("DESKTOP"))) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		entry[key] = value
	}
	scheme, _, _ := strings.Cut(args[1], ":")
	if !strings.Contains(";"+entry["MimeType"], ";x-scheme-handler/"+scheme+";") || entry["Type"] != "Application" || entry["Terminal"] != "true" {
		ts.Fatalf("no desktop opens %s: by it", scheme)
	}
	if strings.ContainsAny(entry["Exec"], "\"'\\`$;&|<>") {
		ts.Fatalf("words of Exec are quoted, which this does not read: %s", entry["Exec"])
	}
	words := strings.Fields(entry["Exec"])
	for i, word := range words {
		if word == "%u" {
			words[i] = args[1]
		}
	}
	exits(ts, false, append([]string{args[0]}, words...))
}
