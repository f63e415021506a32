package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"walletd/internal/wallettest/port"
)

// TestDocs runs the commands that README.md and docs/ show, page by page, and compares what they print
// with what is shown there. A command is a line of an indented block that begins with "$ "; what
// follows it is its output, in which … stands for anything.
//
// A page is one shell in a directory of its own, on a port of its own. What differs from run to run
// (addresses, tokens, times) is compared by its kind, and where a later command has it, the run's own is
// put in its place: so a page reads as one story, and is run as one.
func TestDocs(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(pages) < 5 {
		t.Fatalf("docs has %d pages, %v", len(pages), err)
	}
	for _, page := range append(pages, "../../README.md") {
		t.Run(filepath.Base(page), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			s := newDocShell(t)
			for _, step := range docSteps(t, string(text)) {
				s.run(t, step)
			}
		})
	}
}

// TestReadmeIsShort holds that what a stranger reads first is read to its end.
func TestReadmeIsShort(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(text, []byte("\n")); n > 150 {
		t.Errorf("README.md has %d lines", n)
	}
}

// runElsewhere are commands that are shown without "$ ", and what runs them instead.
var runElsewhere = map[string]string{
	"walletd store restore /var/lib/walletd/before-schema-2/walletd.db --data /var/lib/walletd":                  "cmd/walletd/testdata/upgrade.txt",
	"go test ./interop ./cmd/walletd ./...":                                                                      ".ci/run", // of which this test is a part
	"walletd secret import-key --app DID KEYID description.json --key-file recovery-key":                         "cmd/walletd/testdata/secret.txt",
	"walletd connect LINK --ephemeral --yes":                                                                     "interop/didconnect/login.test.mjs",
	"walletd serve --dev --dev-listen 0.0.0.0:8080 --host wallet --dev-words-file words --dev-token-file tokens": "cmd/walletd/testdata/serve_dev_listen.txt",
}

// TestCommandsInProse holds every command that a text names to the grammar: its words are commands, and
// its flags are that command's.
func TestCommandsInProse(t *testing.T) {
	parser, err := newParser(&commands{}, newConsole())
	if err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("(?m)(?:`|^    (?:\\$ )?|&& | -- )walletd ([^`\n]*)")
	flag := regexp.MustCompile(`(?:^|\s)--([a-z][a-z-]*)`)
	checked := 0
	for _, page := range append(pages, "../../README.md", "../../SECURITY.md", "../../CHANGELOG.md", "../../deploy/README.md", "../../sdk/matrix/README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range named.FindAllStringSubmatch(string(text), -1) {
			node := parser.Model.Node
			for word := range strings.FieldsSeq(m[1]) {
				child := childNamed(node, strings.TrimRight(word, ",.;)"))
				if child == nil {
					break
				}
				node = child
			}
			if node == parser.Model.Node && !strings.HasPrefix(m[1], "--") {
				if first, _, _ := strings.Cut(m[1], " "); regexp.MustCompile(`^[a-z]+$`).MatchString(first) && !strings.HasPrefix(m[1], "listens on") && m[1] != "says" {
					t.Errorf("%s: there is no command %q", filepath.Base(page), m[1])
				}
				continue
			}
			checked++
			for _, f := range flag.FindAllStringSubmatch(m[1], -1) {
				if flagNamed(node, f[1]) == nil {
					t.Errorf("%s: %q: %s has no flag --%s", filepath.Base(page), m[1], node.FullPath(), f[1])
				}
			}
		}
	}
	if checked < 50 {
		t.Errorf("only %d commands were found", checked)
	}
}

// docStep is a command and what it prints.
type docStep struct {
	line    int
	command string
	want    []string
}

// docSteps reads the commands of a page, and wants every other line that looks like one to be run
// elsewhere.
func docSteps(t *testing.T, text string) (steps []docStep) {
	t.Helper()
	looksLikeCommand := regexp.MustCompile(`^(\$ |(walletd|go|docker|npm|curl|kubectl|export|\.ci/)\S* ?)`)
	inside := false
	for i, line := range strings.Split(text, "\n") {
		code, indented := strings.CutPrefix(line, "    ")
		switch last := len(steps) - 1; {
		case !indented && strings.TrimSpace(line) == "":
			// An empty line inside a block belongs to it if the block goes on.
			if inside {
				steps[last].want = append(steps[last].want, "")
			}
		case !indented:
			inside = false
		case strings.HasPrefix(code, "$ "):
			steps = append(steps, docStep{line: i + 1, command: code[2:]})
			inside = true
		case inside && len(steps[last].want) == 0 && strings.HasSuffix(steps[last].command, `\`):
			steps[last].command += "\n" + code
		case inside:
			steps[last].want = append(steps[last].want, code)
		case looksLikeCommand.MatchString(code):
			if by := runElsewhere[code]; by == "" {
				t.Errorf("line %d: %q is run by no test: begin it with $, or name the test that runs it", i+1, code)
			} else if _, err := os.Stat("../../" + by); err != nil {
				t.Errorf("line %d: %v", i+1, err)
			}
		}
	}
	for i, s := range steps {
		steps[i].want = slices.Clone(s.want)
		for n := len(steps[i].want); n > 0 && steps[i].want[n-1] == ""; n-- {
			steps[i].want = steps[i].want[:n-1]
		}
	}
	return steps
}

// docShell is a shell that runs the commands of a page.
type docShell struct {
	dir, address string
	in           *os.File
	steps        int
	real         map[string]string // what stands in the page -> what it is in this run
}

func newDocShell(t *testing.T) *docShell {
	t.Helper()
	s := &docShell{dir: t.TempDir(), address: port.Free(t), real: map[string]string{}}
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s.in = out
	shell := exec.Command("bash", "--norc", "--noprofile")
	shell.Dir, shell.Stdin = s.dir, in
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "WALLETD_") && !strings.HasPrefix(e, "CREDENTIALS_DIRECTORY=") {
			shell.Env = append(shell.Env, e)
		}
	}
	shell.Env = append(shell.Env, "TZ=UTC", "LC_ALL=C.UTF-8", "WALLETD_DRAIN=0s", "WALLETD_LISTEN="+s.address)
	shell.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	t.Cleanup(func() {
		out.Close()
		_ = syscall.Kill(-shell.Process.Pid, syscall.SIGTERM) // the services that the page started
		_ = shell.Wait()
		for end := time.Now().Add(scriptPatience); syscall.Kill(-shell.Process.Pid, 0) == nil && time.Now().Before(end); {
			time.Sleep(10 * time.Millisecond)
		}
	})
	return s
}

// run runs one command of the page.
func (s *docShell) run(t *testing.T, step docStep) {
	t.Helper()
	s.steps++
	command := strings.ReplaceAll(step.command, "go run ./cmd/walletd", "walletd")
	command = strings.ReplaceAll(command, defaultListen, s.address)
	command = docVaries.ReplaceAllStringFunc(command, func(shown string) string {
		if real, ok := s.real[shown]; ok {
			return real
		}
		return shown
	})
	serves := strings.HasPrefix(command, "walletd serve") && len(step.want) > 0 && !strings.HasPrefix(step.want[0], "walletd: ")
	if name, ok := strings.CutPrefix(command, "cat "); ok && len(step.want) > 0 {
		// A file that the page shows is the file that it uses.
		if _, err := os.Stat(filepath.Join(s.dir, name)); errors.Is(err, fs.ErrNotExist) {
			text := docVaries.ReplaceAllStringFunc(strings.Join(step.want, "\n")+"\n", func(shown string) string {
				if real, ok := s.real[shown]; ok {
					return real
				}
				return shown
			})
			if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	output, done := filepath.Join(s.dir, fmt.Sprintf(".out%d", s.steps)), filepath.Join(s.dir, fmt.Sprintf(".done%d", s.steps))
	if serves && !strings.HasSuffix(command, "&") {
		command += " &"
	}
	fmt.Fprintf(s.in, "{ %s\n} >%s 2>&1 </dev/null; echo $? >%s\n", command, output, done)

	var got []byte
	for end := time.Now().Add(scriptPatience); ; time.Sleep(10 * time.Millisecond) {
		_, err := os.Stat(done)
		got, _ = os.ReadFile(output)
		if err == nil && (!serves || s.fits(step.want, string(got)) == "") {
			break
		}
		if time.Now().After(end) {
			break
		}
	}
	if why := s.fits(step.want, string(got)); why != "" {
		t.Fatalf("line %d: $ %s\n%s\nit printed:\n%s", step.line, step.command, why, got)
	}
	if serves {
		s.settle(t)
	}
}

// settle waits until a service that was started answers.
func (s *docShell) settle(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(scriptPatience); ; time.Sleep(20 * time.Millisecond) {
		health := exec.Command("walletd", "health")
		health.Dir, health.Env = s.dir, append(os.Environ(), "WALLETD_LISTEN="+s.address)
		if health.Run() == nil {
			return
		} else if time.Now().After(end) {
			t.Fatal("the service does not answer")
		}
	}
}

// docVaries matches what differs from run to run.
var docVaries = regexp.MustCompile(strings.Join([]string{
	`wd_(?:app|owner|operator)_[a-z2-7_]+…?`,
	`AGE-SECRET-KEY-[0-9A-Z-]+…?`,
	`did:abt:z[1-9A-HJ-NP-Za-km-z]{20,}`,
	`\b[a-z2-7]{26}\b`,
	`\bz[1-9A-HJ-NP-Za-km-z]{20,}`,
	`\b[0-9a-f]{64,128}\b`,
	`\b[A-Z2-9]{6}\b`,
	`\b20\d\d-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?Z?`,
	`\b127\.0\.0\.1:\d+`,
	`\blocalhost:\d+/dev/[A-Z2-7]+…?`,
	`sha-256=:[^:]*:`,
	`Es[0-9A-Za-z]{2}(?: [0-9A-Za-z]{4}){11}`,
}, "|"))

// docKinds says what kind each alternative of docVaries is of, by how it begins.
func docKind(s string) string {
	switch {
	case len(s) == 26 && !strings.ContainsAny(s, "-_:"):
		return "ID" // which may begin with any letter
	case strings.HasPrefix(s, "wd_"):
		return s[:strings.Index(s[3:], "_")+4]
	case strings.HasPrefix(s, "localhost:"):
		return "PAGES"
	case strings.HasPrefix(s, "AGE-"):
		return "AGE"
	case strings.HasPrefix(s, "did:"):
		return "DID"
	case strings.HasPrefix(s, "z1") && len(s) < 40: // a key of 32 bytes may begin so too, and is longer
		return "ADDRESS"
	case strings.HasPrefix(s, "z"):
		return "KEY"
	case strings.HasPrefix(s, "20"):
		return "TIME"
	}
	return "VARIES"
}

// fits compares what is shown with what was printed, and says where they differ first. From what
// fits it learns what the run's own values are.
func (s *docShell) fits(want []string, got string) string {
	printed := strings.Split(strings.TrimRight(got, "\n"), "\n")
	if len(want) == 0 {
		return "" // the page does not show it
	}
	i := 0
	for n, line := range want {
		if line == "…" {
			// Lines that are left out: go on where the next one that is shown fits.
			if n == len(want)-1 {
				return ""
			}
			for i < len(printed) && !s.lineFits(want[n+1], printed[i]) {
				i++
			}
			continue
		}
		if i >= len(printed) || !s.lineFits(line, printed[i]) {
			return fmt.Sprintf("the page shows %q", line)
		}
		s.learn(line, printed[i])
		i++
	}
	if i < len(printed) {
		return fmt.Sprintf("the page does not show %q", printed[i])
	}
	return ""
}

var docBlanks = regexp.MustCompile(`[ \t]+`)

// plainDoc is a line with the kind of what varies in its place.
func plainDoc(line string) string {
	line = docVaries.ReplaceAllStringFunc(line, func(v string) string { return "<" + docKind(v) + ">" })
	return strings.TrimSpace(docBlanks.ReplaceAllString(strings.TrimSuffix(line, "\r"), " "))
}

// lineFits compares a line; … in it stands for anything.
func (s *docShell) lineFits(want, got string) bool {
	parts := strings.Split(plainDoc(want), "…")
	for i, p := range parts {
		parts[i] = regexp.QuoteMeta(p)
	}
	return regexp.MustCompile("^" + strings.Join(parts, ".*") + "$").MatchString(plainDoc(got))
}

// learn notes the values of the run, up to what is left out of the line.
func (s *docShell) learn(want, got string) {
	shown := docVaries.FindAllStringIndex(want, -1)
	real := docVaries.FindAllString(got, -1)
	for i, at := range shown {
		v := want[at[0]:at[1]]
		if i >= len(real) || strings.Contains(strings.TrimSuffix(want[:at[1]], "…"), "…") {
			return
		}
		if docKind(v) == docKind(real[i]) {
			s.real[v] = real[i]
		}
	}
}
