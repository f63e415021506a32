package interop_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"walletd/internal/wallettest/needs"
)

// Generators take the contract as it is, and the clients that they make ask for a key. What looks for
// faults in contracts finds none.
func TestContract(t *testing.T) {
	needNode(t)
	p := peers{t.TempDir(), "node"}
	if err := p.copy("contract/*.json", "contract/*.yaml", "contract/*.ts", "contract/go.*", "contract/*/*.go"); err != nil {
		t.Fatal(err)
	}
	c := made{peers: p, dir: filepath.Join(p.dir, "contract")}
	text, err := os.ReadFile("../api/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.dir, "openapi.yaml"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	bin := build(t)
	serve := func(t *testing.T) *service { return newService(t, bin, "--data", filepath.Join(t.TempDir(), "data")) }
	t.Run("Go", func(t *testing.T) {
		t.Parallel()
		c.run(t, "go", "tool", "oapi-codegen", "-generate", "types,client", "-package", "walletd", "-o", "oapi/walletd/walletd.go", "openapi.yaml")
		c.run(t, "go", "tool", "ogen", "--config", "ogen.yaml", "--target", "ogen/walletd", "--package", "walletd", "openapi.yaml")
		c.run(t, "go", "build", "-o", "bin/", "./oapi", "./ogen")
		s := serve(t)
		t.Run("oapi-codegen", func(t *testing.T) { c.asks(t, s, "bin/oapi") })
		t.Run("ogen", func(t *testing.T) { c.asks(t, s, "bin/ogen") })
	})
	t.Run("JavaScript", func(t *testing.T) {
		t.Parallel()
		c.ci(t, "contract")
		t.Run("redocly", func(t *testing.T) {
			c.run(t, "node_modules/.bin/redocly", "lint", "--config", "redocly.yaml", "openapi.yaml")
		})
		t.Run("spectral", func(t *testing.T) {
			c.run(t, "node_modules/.bin/spectral", "lint", "--ruleset", "spectral.yaml", "--fail-severity", "hint", "openapi.yaml")
		})
		t.Run("openapi-typescript", func(t *testing.T) {
			c.run(t, "node_modules/.bin/openapi-typescript", "openapi.yaml", "--output", "walletd.d.ts")
			c.run(t, "node_modules/.bin/tsc")
			c.asks(t, serve(t), "node", "made/ask.js")
		})
	})
}

// made is a directory in which clients are made of the contract.
type made struct {
	peers
	dir string
}

// command is a program in that directory, or one that is installed.
func (c made) command(t *testing.T, program string, args ...string) *exec.Cmd {
	if strings.Contains(program, "/") {
		program = filepath.Join(c.dir, program)
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = c.dir
	return cmd
}

// run runs a program there to its end.
func (c made) run(t *testing.T, program string, args ...string) {
	t.Helper()
	cmd := c.command(t, program, args...)
	// Generators say nothing to who made them.
	cmd.Env = append(append(os.Environ(), unwatched...), "REDOCLY_TELEMETRY=off", "REDOCLY_SUPPRESS_UPDATE_NOTICE=true")
	out, err := cmd.CombinedOutput()
	if err == nil {
		return
	}
	if unreached.Match(out) {
		needs.Missing(t, "the Go module proxy, or its cache", err)
	}
	t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
}

// unreached matches what go says when it cannot reach the module proxy.
var unreached = regexp.MustCompile(`dial tcp|no such host|i/o timeout|module lookup disabled`)

// asks runs a client twice: where the person is asked, and where a rule allows. The key is that of
// the command line.
func (c made) asks(t *testing.T, s *service, program string, args ...string) {
	a := s.newApp(t, filepath.Base(program), "")
	ask := func(decide func(*testing.T, pending)) outcome {
		return converse[outcome](t, c.command(t, program, args...), input{"url": s.url, "token": a.Token, "salt": "notes"}, decide)
	}
	asked := ask(s.approve)
	s.rules(t, "encryptionKey", a.App)
	allowed := ask(nil)
	keys := []string{s.keyOf(t, a, "notes")}
	if !asked.Asked || allowed.Asked || !slices.Equal(asked.Keys, keys) || !slices.Equal(allowed.Keys, keys) {
		t.Errorf("asked %+v, allowed %+v; the command line has the keys %q", asked, allowed, keys)
	}
}
