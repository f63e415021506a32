package browser

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"walletd/internal/wallettest/needs"
)

// Violation is a rule of axe-core that a page breaks.
type Violation struct {
	ID, Impact, Help string
	Nodes            []struct {
		HTML           string
		FailureSummary string
	}
}

func (v Violation) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s (%s): %s", v.ID, v.Impact, v.Help)
	for _, n := range v.Nodes {
		fmt.Fprintf(&s, "\n  %s\n    %s", n.HTML, strings.ReplaceAll(n.FailureSummary, "\n", "\n    "))
	}
	return s.String()
}

// Axe is what axe-core finds on the page as it is now, by the rules of WCAG 2.2 A and AA and its own good
// practice. It looks from a world of its own, so that the page's policy holds for the page and not for it.
// Without npm the test is skipped, and fails if CI=true.
func (p *Page) Axe() []Violation {
	p.t.Helper()
	source, err := axe()
	if missing, ok := err.(*missingError); ok {
		needs.Missing(p.t, missing.what, err)
	} else if err != nil {
		p.t.Fatal(err)
	}
	tree := call(p, page.GetFrameTree, cdp.Empty{})
	world := call(p, page.CreateIsolatedWorld, page.CreateIsolatedWorldParams{FrameID: tree.FrameTree.Frame.ID, WorldName: "axe"})
	there := func(e *runtime.EvaluateParams) { e.ContextID = world.ExecutionContextID }
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool](source+";true", there)); err != nil {
		p.fail("loading axe-core: %v", err)
	}
	const rules = `axe.run(document, {resultTypes: ["violations"], runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]})
		.then(r => JSON.stringify(r.violations))`
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](rules, there, chromedp.EvalAwaitPromise))
	if err != nil {
		p.fail("running axe-core: %v", err)
	}
	var found []Violation
	if err := json.Unmarshal([]byte(text), &found); err != nil {
		p.t.Fatalf("what axe-core found: %v", err)
	}
	return found
}

//go:embed package.json package-lock.json .npmrc
var lock embed.FS

// missingError says that axe-core could not be had, for want of something.
type missingError struct {
	what string
	error
}

func (e *missingError) Unwrap() error { return e.error }

// offline matches what npm says when it cannot reach the registry.
var offline = regexp.MustCompile(`npm (error|ERR!) code (ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ERR_SOCKET_TIMEOUT)\b`)

// axe is the script of axe-core that the lock file names, installed once for the process.
var axe = sync.OnceValues(func() (string, error) {
	if _, err := exec.LookPath("npm"); err != nil {
		return "", &missingError{"npm", err}
	}
	dir, err := os.MkdirTemp("", "walletd-axe")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	if err := os.CopyFS(dir, lock); err != nil {
		return "", err
	}
	// No package may run anything while it is installed; none needs to.
	npm := exec.Command("npm", "ci", "--ignore-scripts", "--prefer-offline")
	npm.Dir = dir
	if out, err := npm.CombinedOutput(); err != nil {
		if offline.Match(out) {
			return "", &missingError{"a package registry, or npm's cache", err}
		}
		return "", fmt.Errorf("npm ci: %w\n%s", err, out)
	}
	script, err := os.ReadFile(filepath.Join(dir, "node_modules", "axe-core", "axe.min.js"))
	return string(script), err
})
