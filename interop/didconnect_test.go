package interop_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"testing"

	"walletd/internal/wallettest/postgres"
)

// development lets sessions lead to a dApp on this machine, and not many at a time.
var development = []string{"--allow-network", "127.0.0.0/8", "--allow-http", "--app-sessions", "3"}

// TestDIDConnect has walletd meet a dApp that is made of the official packages, unchanged.
func TestDIDConnect(t *testing.T) {
	p := installDApp(t)
	bin := build(t)
	for _, store := range []struct {
		name  string
		place func(*testing.T) []string
	}{
		{"on SQLite", func(t *testing.T) []string { return []string{"--data", filepath.Join(t.TempDir(), "data")} }},
		{"on PostgreSQL", func(t *testing.T) []string { return []string{"--store", postgres.Start(t)} }},
	} {
		t.Run(store.name, func(t *testing.T) {
			t.Parallel()
			s := newServiceWith(t, bin, development, store.place(t)...)
			s.write(t, "profile.json", `{"fullName":"Alice Bean","email":"alice@example.test"}`)
			said[struct{}](t, s, "owner", "profile", "set", s.file("profile.json"))
			d := newDApp(t, p, words)
			for _, w := range workflows() {
				t.Run(w.name, func(t *testing.T) {
					page := d.open(t, w.app, w.action, nil)
					w.check(t, d, page, s.connect(t, page.link, "--yes"))
				})
			}
			for _, c := range []struct {
				name string
				run  func(*testing.T, *service, *dapp)
			}{
				{"gives the items that the person names", items},
				{"gives the number that the person reads from the page", number},
				{"ends a session with a number that the page does not show", wrongNumber},
				{"makes an application and opens its backup", restore},
				{"goes on with the workflow that follows", follow},
				{"opens what pages open in a web wallet", webWallet},
				{"declines as nobody where no account was revealed", declineAnonymous},
				{"declines as the account that was revealed", declineRevealed},
				{"shows what the app says went wrong", broken},
				{"tells a backend by events when the person is to be asked", byEvents},
				{"goes on after a restart", restarted},
				{"tells an app with many sessions that it is busy", busy},
			} {
				t.Run(c.name, func(t *testing.T) { c.run(t, s, d) })
			}
		})
	}
	t.Run("on a person's own pages", func(t *testing.T) {
		t.Parallel()
		onTheirPages(t, bin, p)
	})
	t.Run("without a service", func(t *testing.T) {
		t.Parallel()
		s := &service{bin: bin, dir: t.TempDir()}
		s.write(t, "profile.json", `{"fullName":"Alice Bean","email":"alice@example.test"}`)
		d := newDApp(t, p, "")
		t.Run("in a test of Node", func(t *testing.T) { inNode(t, s, d, p) })
		for _, c := range []struct {
			name string
			run  func(*testing.T, *service, *dapp)
		}{
			{"goes on with the workflow that follows", followEphemeral},
			{"makes an application", launchEphemeral},
			{"declines where nobody answers", hangUp},
		} {
			t.Run(c.name, func(t *testing.T) { c.run(t, s, d) })
		}
		for _, w := range workflows() {
			t.Run(w.name, func(t *testing.T) {
				page := d.open(t, w.app, w.action, nil)
				w.newWallet().check(t, d, page, s.connect(t, page.link, "--yes", "--ephemeral", "--profile", s.file("profile.json")))
			})
		}
	})
}

// session is what walletd connect --json prints.
type session struct {
	ID, State, Code, Text, App, AppName, Account, Approval, Previous, Next string
	Unconfirmed                                                            bool
}

// connect opens a link as a user does. The exit status is 0 for a session that is done, and no other.
func (s *service) connect(t *testing.T, link string, args ...string) session {
	t.Helper()
	return s.begin(t, link, args...).end(t)
}

// connecting is a walletd connect that runs.
type connecting struct {
	cmd       *exec.Cmd
	in        io.WriteCloser
	out, errs *bytes.Buffer
}

func (s *service) begin(t *testing.T, link string, args ...string) connecting {
	t.Helper()
	cmd := s.command("owner", append([]string{"connect", link, "--json"}, args...)...)
	c := connecting{cmd: cmd, out: new(bytes.Buffer), errs: new(bytes.Buffer)}
	cmd.Stdout, cmd.Stderr = c.out, c.errs
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatalf("walletd connect: %v", err)
	}
	c.in = in
	return c
}

// say types a line.
func (c connecting) say(t *testing.T, line string) {
	t.Helper()
	if _, err := io.WriteString(c.in, line+"\n"); err != nil {
		t.Fatal(err)
	}
}

func (c connecting) end(t *testing.T) (v session) {
	t.Helper()
	err := c.cmd.Wait()
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
		t.Fatalf("walletd connect: %v", err)
	}
	if json.Unmarshal(c.out.Bytes(), &v) != nil || (err == nil) != (v.State == "done") {
		t.Fatalf("walletd connect: %v: it printed %s\n%s", err, c.out.Bytes(), c.errs.Bytes())
	}
	return v
}

// workflow is one of the dApp's that a wallet completes by saying yes.
type workflow struct {
	name, app, action string
	unconfirmed       bool
	refused           string // the code of a session that is declined
	sees              []seen
}

// Claims as the dApp sees them answered.
var (
	principal = told{Type: "authPrincipal"}
	person    = told{Type: "profile", Meta: map[string]any{"form": "welcome"}, Items: []string{"fullName", "email"}, FullName: "Alice Bean", Email: "alice@example.test"}
	text      = told{Type: "signature", Meta: map[string]any{"article": 7.0}, TypeURL: "mime:text/plain", Verified: true}
	html      = told{Type: "signature", Meta: map[string]any{"article": 7.0}, TypeURL: "mime:text/html", Verified: true}
	key       = told{Type: "encryptionKey", Bytes: 32, Right: true}
)

func workflows() []workflow {
	auth := func(action string, step int, claims ...told) seen {
		return seen{Event: "auth", Action: action, Step: step, Own: true, Claims: claims}
	}
	sealed := func(s seen) seen { s.Sealed = true; return s }
	return []workflow{
		{name: "login", app: "demo", action: "login", sees: []seen{auth("login", 0, principal)}},
		{name: "profile", app: "demo", action: "profile", sees: []seen{auth("profile", 1, person)}},
		{name: "an encryption key over the channel", app: "demo", action: "key", sees: []seen{sealed(auth("key", 1, key))}},
		{name: "an encryption key in the clear", app: "demo", action: "plain-key", sees: []seen{auth("plain-key", 1, key, person)}},
		{name: "an encryption key for a salt in hex", app: "demo", action: "hex-key", sees: []seen{sealed(auth("hex-key", 1, key))}},
		{name: "several claims in one step", app: "demo", action: "several", sees: []seen{auth("several", 1, person, text, html)}},
		{name: "several steps", app: "demo", action: "steps", sees: []seen{auth("steps", 1, person), auth("steps", 2, text), sealed(auth("steps", 3, key))}},
		{name: "claims chosen after connect", app: "demo", action: "dynamic", sees: []seen{auth("dynamic", 1, text, person)}},
		{name: "claims without authPrincipal", app: "demo", action: "no-principal", sees: []seen{auth("no-principal", 0, person)}},
		{name: "an Ethereum account", app: "demo", action: "ethereum", sees: []seen{auth("ethereum", 1, text), sealed(auth("ethereum", 2, key))}},
		{name: "login at an agent", app: "delegated", action: "login", sees: []seen{auth("login", 0, principal)}},
		{name: "a profile for an agent", app: "delegated", action: "profile", sees: []seen{auth("profile", 1, person)}},
		{name: "an encryption key for an agent", app: "delegated", action: "key", sees: []seen{sealed(auth("key", 1, key))}},
		{name: "an agent that asks for more than it may", app: "narrow", action: "key", refused: "delegation_claim_not_allowed", sees: []seen{{Event: "declined", Action: "key", Step: 1, Own: true, Claims: []told{}}}},
		{name: "login at an app with an ECDSA key", app: "ecdsa", action: "login", unconfirmed: true, sees: []seen{auth("login", 0, principal)}},
		{name: "an encryption key for an app with an ECDSA key", app: "ecdsa", action: "key", unconfirmed: true, sees: []seen{sealed(auth("key", 1, key))}},
	}
}

// newWallet is the workflow with a wallet that the dApp cannot compute.
func (w workflow) newWallet() workflow {
	for i := range w.sees {
		for j := range w.sees[i].Claims {
			w.sees[i].Claims[j].Right = false
		}
	}
	return w
}

func (w workflow) check(t *testing.T, d *dapp, p page, got session) {
	t.Helper()
	whole := d.saw(t, w.sees...)
	shown := p.status(t)
	if w.refused != "" {
		if got.State != "declined" || got.Code != w.refused || shown.Status != "error" {
			t.Errorf("the session ended as %+v, the page shows %+v", got, shown)
		}
		return
	}
	if got.State != "done" || got.Unconfirmed != w.unconfirmed || shown.Status != "succeed" {
		t.Errorf("the session ended as %+v, the page shows %+v", got, shown)
	}
	if got.Account != whole[len(whole)-1].User || got.App != "did:abt:"+d.apps[w.app].DID {
		t.Errorf("%s answered %s: the dApp is %s and saw %+v", got.Account, got.App, d.apps[w.app].DID, whole)
	}
}
