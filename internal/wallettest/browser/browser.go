// Package browser gives tests a real browser: Debian's Chromium, without a window, which reaches only
// this machine. A page is looked at as a person does it (a viewport, a language, light or dark, clicks
// and keys that are real events), has a passkey in its hand if the test gives it one, and remembers
// what a browser complains of: errors of the console, violations of the content security policy and
// requests that failed. What it is not told by name it does in chromedp, with Page.Context.
package browser

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/extensions"
	"github.com/chromedp/chromedp"

	"walletd/internal/wallettest/needs"
)

// patience bounds what a page is waited for, on a machine that is busy.
const patience = time.Minute

// Options say how a browser differs from one that was just installed.
type Options struct {
	// Hosts are the names that the browser can resolve besides localhost and addresses: "wallet.example:443"
	// to the "127.0.0.1:41234" that a test listens on. Every other name is not found, so nothing leaves.
	Hosts map[string]string
	// Trust are certificates that servers send; a chain with one of these keys is valid under any name.
	Trust []*x509.Certificate
	// Camera is a file that Film made, which is what the camera sees. Empty: there is no camera.
	Camera string
	// NoCamera refuses pages the camera that there is.
	NoCamera bool
	// Public are addresses (host:port) that the browser takes for public ones, as most servers have; what it
	// reaches otherwise is this machine (Local Network Access).
	Public []string
	// Extension is the directory of an extension to load. Empty: none is.
	Extension string
}

// Browser is a browser of a test's own, with a profile of its own, which ends with the test.
type Browser struct {
	// Extension is the address of the extension that was loaded: chrome-extension://ID/.
	Extension string

	t       testing.TB
	ctx     context.Context
	version string               // as the browser names itself to servers
	profile cdp.BrowserContextID // "" is that of the process
	proxy   string               // that the profile reaches servers by, "" for none
}

// Start starts a browser. Without Chromium the test is skipped, and fails if CI=true.
func Start(t testing.TB, o Options) *Browser {
	t.Helper()
	p, err := launch(o)
	if err != nil {
		fail(t, err)
	}
	t.Cleanup(func() {
		if err := p.end(); err != nil {
			t.Logf("closing the browser: %v", err)
		}
		if t.Failed() {
			t.Logf("the browser said:\n%s", p.said.tail())
		}
	})
	b := &Browser{t: t, ctx: p.ctx, version: p.version}
	if o.Extension != "" {
		dir, err := filepath.Abs(o.Extension)
		if err != nil {
			t.Fatal(err)
		}
		loaded, err := chromedp.CallBrowser(p.ctx, extensions.LoadUnpacked, extensions.LoadUnpackedParams{Path: dir})
		if err != nil {
			t.Fatalf("loading the extension in %s: %v", dir, err)
		}
		b.Extension = "chrome-extension://" + loaded.ID + "/"
	}
	return b
}

func fail(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, errNone) {
		needs.Missing(t, "Chromium", err)
	}
	t.Fatal(err)
}

// process is a browser that runs.
type process struct {
	ctx     context.Context
	end     func() error
	version string
	said    *output
}

func launch(o Options) (*process, error) {
	path, err := program()
	if err != nil {
		return nil, err
	}
	p := &process{said: &output{}}
	alloc, stop := chromedp.NewExecAllocator(context.Background(), append(flags(o), chromedp.ExecPath(path), chromedp.CombinedOutput(p.said))...)
	ctx, cancel := chromedp.NewContext(alloc)
	p.ctx = ctx
	p.end = func() error {
		end, done := context.WithTimeout(ctx, 20*time.Second)
		defer done()
		err := chromedp.Cancel(end)
		cancel()
		stop()
		return err
	}
	version, err := chromedp.CallBrowser(ctx, browser.GetVersion, cdp.Empty{})
	if err != nil {
		p.end()
		return nil, fmt.Errorf("starting %s: %w\n%s", path, err, p.said.tail())
	}
	p.version = strings.Replace(version.UserAgent, "HeadlessChrome", "Chrome", 1)
	return p, nil
}

// errNone: there is no Chromium here.
var errNone = errors.New("neither chromium nor google-chrome is in the PATH")

// program finds Chromium.
func program() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome-stable", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errNone
}

// flags start a browser that asks nothing of anybody but the pages it is given.
func flags(o Options) []chromedp.ExecAllocatorOption {
	rules := []string{}
	for name, address := range o.Hosts {
		rules = append(rules, "MAP "+name+" "+address)
	}
	slices.Sort(rules)
	rules = append(rules, "MAP * ~NOTFOUND", "EXCLUDE localhost", "EXCLUDE 127.0.0.1")
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.Flag("headless", "new"), // the old one has no extensions
		chromedp.NoSandbox,               // it has none as root, and the pages are the tests' own
		chromedp.DisableGPU,
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-domain-reliability", true),
		chromedp.Flag("no-pings", true),
		chromedp.Flag("hide-scrollbars", true),
		// A popup that no click asked for is blocked, as it is for people.
		chromedp.Flag("disable-popup-blocking", false),
		chromedp.Flag("disable-extensions", false),
		chromedp.Flag("enable-unsafe-extension-debugging", o.Extension != ""),
		chromedp.Flag("disable-features", "Translate,OptimizationHints,MediaRouter,DialMediaRouteProvider,CertificateTransparencyComponentUpdater,AutofillServerCommunication"),
		chromedp.Flag("host-resolver-rules", strings.Join(rules, ",")),
		chromedp.Env("LANGUAGE=en", "LC_ALL=C.UTF-8"),
		chromedp.WSURLReadTimeout(patience),
	)
	if len(o.Trust) > 0 {
		keys := make([]string, len(o.Trust))
		for i, c := range o.Trust {
			sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
			keys[i] = base64.StdEncoding.EncodeToString(sum[:])
		}
		options = append(options, chromedp.Flag("ignore-certificate-errors-spki-list", strings.Join(keys, ",")))
	}
	if len(o.Public) > 0 {
		options = append(options, chromedp.Flag("ip-address-space-overrides", strings.Join(o.Public, "=public,")+"=public"))
	}
	if o.Camera != "" {
		answer := "accept"
		if o.NoCamera {
			answer = "deny"
		}
		options = append(options,
			chromedp.Flag("use-fake-device-for-media-stream", true),
			chromedp.Flag("use-file-for-fake-video-capture", o.Camera),
			chromedp.Flag("use-fake-ui-for-media-stream", answer))
	}
	return options
}

// output is what the browser writes to its terminal, of which the last is kept. That there is no desktop for it to
// talk to is left out.
type output struct {
	mu   sync.Mutex
	text []byte
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for line := range bytes.Lines(p) {
		if !bytes.Contains(line, []byte(":dbus/")) {
			o.text = append(o.text, line...)
		}
	}
	o.text = o.text[max(0, len(o.text)-4096):]
	return len(p), nil
}

func (o *output) tail() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text)
}

// root is the directory of the module.
func root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("there is no go.mod above the test")
		}
		dir = up
	}
}
