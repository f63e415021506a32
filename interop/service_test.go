package interop_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// words are those of alice's wallet, which the programs derive from by themselves.
const words = "letter advice cage absurd amount doctor acoustic avoid letter advice cage absurd amount doctor acoustic avoid letter advice cage absurd amount doctor acoustic bless"

// patience bounds one step of a conversation on a machine that is busy.
const patience = 2 * time.Minute

// build makes the program, as its users do, once for all tests.
func build(t *testing.T) string {
	t.Helper()
	bin, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

var built = sync.OnceValues(func() (string, error) {
	// go test knows what the test itself opens, not what go build reads: without this it would
	// answer from its cache after a change of the service.
	for _, dir := range []string{"../api", "../cmd", "../internal", "../go.mod"} {
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.Type().IsRegular() {
				_, err = os.Stat(path)
			}
			return err
		})
		if err != nil {
			return "", err
		}
	}
	bin := filepath.Join(shared, "walletd")
	if out, err := exec.Command("go", "build", "-o", bin, "walletd/cmd/walletd").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return bin, nil
})

// unwatched is what programs of others are compiled with: without the race detector, and as the binary is that is shipped,
// so that .ci/run compiles the packages of both once.
var unwatched = []string{"GOFLAGS=-trimpath", "CGO_ENABLED=0"}

// service is walletd as a person runs it: the program, a directory with its secrets, a store, and
// a process that serves it. All that is done to it is done by its command line.
type service struct {
	bin, dir string
	place    []string // the flags that name the store
	serve    []string // those of serve besides
	env      []string // that every command has besides
	tls      bool     // it speaks TLS, with a certificate that env has commands trust
	url      string
	wallet   string // alice's
	stop     func() // waits until it has ended
}

// newService makes a keystore and alice's wallet in it, and serves it for the length of the test.
func newService(t *testing.T, bin string, place ...string) *service {
	t.Helper()
	return newServiceWith(t, bin, nil, place...)
}

// newServiceWith is newService, served with more flags.
func newServiceWith(t *testing.T, bin string, serve []string, place ...string) *service {
	t.Helper()
	s := &service{bin: bin, dir: t.TempDir(), place: place, serve: serve}
	s.settle(t)
	owner := said[struct{ Token string }](t, s, "operator", "token", "create", "--role", "owner", "--wallet", s.wallet, "--name", "alice")
	s.write(t, "owner.token", owner.Token)
	return s
}

// settle makes a keystore and alice's wallet in it, which nobody owns yet, and serves it for the length of the test.
func (s *service) settle(t *testing.T) {
	t.Helper()
	s.write(t, "passphrase", "correct horse battery staple")
	s.write(t, "words", words)
	made := said[struct{ OperatorToken string }](t, s, "", append([]string{"init", "--passphrase-file", s.file("passphrase")}, s.place...)...)
	s.write(t, "operator.token", made.OperatorToken)
	s.start(t)
	t.Cleanup(func() { s.stop() })

	s.wallet = said[struct{ Wallet string }](t, s, "operator", "wallet", "import", "--name", "alice", "--words-file", s.file("words")).Wallet
}

func (s *service) file(name string) string { return filepath.Join(s.dir, name) }

// write makes a file that only its owner may read.
func (s *service) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(s.file(name), []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// start serves the store on a free port and waits until it is unlocked.
func (s *service) start(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, s.bin, slices.Concat([]string{"serve", "--listen", "127.0.0.1:0", "--passphrase-file", s.file("passphrase")}, s.serve, s.place)...)
	cmd.Env = s.environ("")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = patience
	stderr, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatalf("walletd serve: %v", err)
	}
	address, read := make(chan string, 1), make(chan struct{})
	var log strings.Builder
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			log.Write(append(lines.Bytes(), '\n'))
			var line struct{ Message, Address string }
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Message == "listening" {
				address <- line.Address
			}
		}
	}()
	s.stop = func() {
		s.stop = func() {}
		cancel()
		<-read
		if err := cmd.Wait(); !errors.Is(err, context.Canceled) {
			t.Errorf("walletd serve did not stop as it was told: %v", err)
		}
		if t.Failed() {
			t.Logf("walletd serve said:\n%s", log.String())
		}
	}
	select {
	case a := <-address:
		s.url = "http://" + a
		if s.tls {
			s.url = "https://" + a
		}
	case <-read:
		s.stop()
		t.Fatal("walletd serve ended")
	}
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		out, err := s.command("", "health", "--ready").CombinedOutput()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			s.stop()
			t.Fatalf("walletd is not ready: %s", out)
		}
	}
}

// restart ends the process and serves the same store by another.
func (s *service) restart(t *testing.T) {
	t.Helper()
	s.stop()
	s.start(t)
}

// environ is that of a command of one who has the token of a role, or none.
func (s *service) environ(role string) []string {
	env := []string{"WALLETD_DRAIN=0s"} // there is no proxy that would have to notice
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "WALLETD_") && !strings.HasPrefix(e, "CREDENTIALS_DIRECTORY=") {
			env = append(env, e)
		}
	}
	env = append(env, s.env...)
	if s.url != "" {
		env = append(env, "WALLETD_URL="+s.url)
	}
	if role != "" {
		env = append(env, "WALLETD_TOKEN_FILE="+s.file(role+".token"))
	}
	return env
}

func (s *service) command(role string, args ...string) *exec.Cmd {
	cmd := exec.Command(s.bin, args...)
	cmd.Dir, cmd.Env = s.dir, s.environ(role)
	return cmd
}

// said runs a command with --json as who has the token of a role, and reads what it prints.
func said[T any](t *testing.T, s *service, role string, args ...string) (v T) {
	t.Helper()
	out, err := s.command(role, append(args, "--json")...).Output()
	if err == nil {
		err = json.Unmarshal(out, &v)
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		t.Fatalf("walletd %s: %v\n%s", strings.Join(args, " "), err, exit.Stderr)
	} else if err != nil {
		t.Fatalf("walletd %s: %v in %s", strings.Join(args, " "), err, out)
	}
	return v
}

// app is one that asks: its DID, and its token in alice's wallet.
type app struct{ App, Token string }

// newApp gives an app a token, and a DID if it has none.
func (s *service) newApp(t *testing.T, name, did string) app {
	t.Helper()
	args := []string{"token", "create", "--role", "app", "--wallet", s.wallet, "--name", name}
	if did != "" {
		args = append(args, "--app", did)
	}
	return said[app](t, s, "owner", args...)
}

// rules sets the policy of alice's wallet: these apps are allowed a claim, all else is asked.
func (s *service) rules(t *testing.T, claim string, allowed ...string) {
	t.Helper()
	type rule struct {
		App      string `json:"app"`
		Claim    string `json:"claim"`
		Decision string `json:"decision"`
		Tokens   string `json:"tokens,omitempty"`
	}
	rules := []rule{}
	for _, a := range allowed {
		r := rule{App: a, Claim: claim, Decision: "allow"}
		if claim == "*" || claim == "secretStorageKey" {
			r.Tokens = "any" // all peers are bearers
		}
		rules = append(rules, r)
	}
	text, err := json.Marshal(map[string]any{"rules": rules})
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, "policy.json", string(text))
	said[struct{}](t, s, "owner", "policy", "set", s.file("policy.json"))
}

// approve says yes to what waits, once it is seen to be what the app says that it asked.
func (s *service) approve(t *testing.T, p pending) {
	t.Helper()
	s.decide(t, p, "approve")
}

// reject says no to it.
func (s *service) reject(t *testing.T, p pending) {
	t.Helper()
	s.decide(t, p, "reject")
}

func (s *service) decide(t *testing.T, p pending, how string) {
	t.Helper()
	seen := said[struct{ Code, Status string }](t, s, "owner", "approvals", "show", p.Pending)
	if seen.Code != p.Code || seen.Status != "pending" {
		t.Errorf("the owner sees %+v; the app shows the code %s", seen, p.Code)
	}
	said[struct{}](t, s, "owner", "approvals", how, p.Pending)
}
