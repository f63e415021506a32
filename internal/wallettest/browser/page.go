package browser

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// View is how a page is looked at. The zero view is the browser's own window.
type View struct {
	Width, Height int     // in CSS pixels
	Scale         float64 // device pixels of a CSS pixel; 0 is 1
	Touch         bool    // a phone: fingers, and a viewport that pages can set
	Dark          bool
	Language      string // "zh-CN"; empty is English
	NoScript      bool
}

// The views that pages are held to.
var (
	Phone = View{Width: 390, Height: 844, Scale: 2, Touch: true}
	Desk  = View{Width: 1280, Height: 800}
)

// Page is a tab. Its methods fail the test when what they wait for does not come.
type Page struct {
	t       testing.TB
	browser *Browser
	ctx     context.Context

	mu       sync.Mutex
	problems []Problem
	requests []*Request
	open     map[network.RequestID]*Request
}

// Page opens an empty tab. Tabs of a browser share cookies and storage.
func (b *Browser) Page(v View) *Page {
	b.t.Helper()
	if b.profile == "" {
		return b.attach(v)
	}
	return b.attach(v, chromedp.WithExistingBrowserContext(b.profile))
}

// Stranger opens an empty tab that shares nothing with the others, as on a device of somebody else.
func (b *Browser) Stranger(v View) *Page {
	b.t.Helper()
	return b.attach(v, chromedp.WithNewBrowserContext(func(p *target.CreateBrowserContextParams) { p.ProxyServer = b.proxy }))
}

func (b *Browser) attach(v View, options ...chromedp.ContextOption) *Page {
	b.t.Helper()
	p := &Page{t: b.t, browser: b, open: map[network.RequestID]*Request{}}
	ctx, cancel := chromedp.NewContext(b.ctx, append(options, chromedp.WithListener(p.listen))...)
	b.t.Cleanup(cancel)
	p.ctx = ctx
	_, err := chromedp.Call(ctx, network.Enable, network.EnableParams{})
	if err == nil {
		_, err = chromedp.Call(ctx, log.Enable, cdp.Empty{})
	}
	if err != nil {
		b.t.Fatalf("opening a tab: %v", err)
	}
	p.Look(v)
	return p
}

// Context is what chromedp's actions take.
func (p *Page) Context() context.Context { return p.ctx }

// Do runs actions of chromedp, which share a minute.
func (p *Page) Do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		p.fail("%v", err)
	}
}

// fail ends the test and says what the page looks like.
func (p *Page) fail(format string, args ...any) {
	p.t.Helper()
	said := fmt.Sprintf(format, args...)
	ctx, cancel := context.WithTimeout(p.ctx, 10*time.Second)
	defer cancel()
	seen, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + "\n" + (document.body ? document.body.innerText : "")`))
	p.t.Fatalf("%s\non %.2000s\nproblems: %v", said, seen, p.Problems())
}

// call runs a command of the browser's.
func call[P, R any](p *Page, command cdp.Command[P, R], params P) R {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	r, err := chromedp.Call(ctx, command, params)
	if err != nil {
		p.fail("%s: %v", command.Method, err)
	}
	return r
}

// Look changes how the page is looked at. Servers learn of another language at the next request.
func (p *Page) Look(v View) {
	p.t.Helper()
	if v.Width > 0 {
		call(p, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
			Width: int64(v.Width), Height: int64(v.Height), DeviceScaleFactor: max(v.Scale, 1), Mobile: v.Touch,
		})
		call(p, emulation.SetTouchEmulationEnabled, emulation.SetTouchEmulationEnabledParams{Enabled: v.Touch})
	}
	scheme := "light"
	if v.Dark {
		scheme = "dark"
	}
	call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
	if v.Language == "" {
		v.Language = "en-US"
	}
	call(p, emulation.SetUserAgentOverride, emulation.SetUserAgentOverrideParams{UserAgent: p.browser.version, AcceptLanguage: v.Language})
	call(p, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: v.NoScript})
}

// Open goes to an address and waits until it has loaded, whatever its status.
func (p *Page) Open(url string) {
	p.t.Helper()
	p.Do(chromedp.Navigate(url))
}

// URL is where the page is.
func (p *Page) URL() string {
	p.t.Helper()
	return Eval[string](p, "location.href")
}

// Eval is the value of a JavaScript expression, awaited if it is a promise. The page's policy does not bind it.
func Eval[T any](p *Page, expression string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.fail("%s: %v", expression, err)
	}
	return v
}

// find is an expression for the first visible element of a selector: CSS, or "text=" and the whole text of
// a link, a button, a label, a heading or a status.
func find(selector string) string {
	quote := func(s string) string {
		b, err := json.Marshal(s)
		if err != nil {
			panic(err) // text is always JSON
		}
		return string(b)
	}
	css, match := quote(selector), "true"
	if text, is := strings.CutPrefix(selector, "text="); is {
		css = quote("a, button, summary, label, h1, h2, h3, [role=button], [role=tab], [role=status]")
		match = `e.textContent.trim().replace(/\s+/g, " ") === ` + quote(text)
	}
	return `[...document.querySelectorAll(` + css + `)].find(e => e.getClientRects().length > 0 && e.checkVisibility({visibilityProperty: true}) && (` + match + `))`
}

// Until waits until a JavaScript expression is true, on this page or one that it leads to.
func (p *Page) Until(expression string) {
	p.t.Helper()
	p.until(expression, expression)
}

func (p *Page) until(expression, what string) {
	p.t.Helper()
	p.wait(what, func(ctx context.Context) (bool, error) {
		return chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
	})
}

// wait asks again and again. A page that is being left has no answer; the next one is asked.
func (p *Page) wait(what string, there func(context.Context) (bool, error)) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	var last error
	for {
		yes, err := there(ctx)
		if yes && err == nil {
			return
		}
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			last = err
		}
		select {
		case <-ctx.Done():
			p.fail("waited in vain for %s (%v)", what, last)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Wait waits until something that a selector names is to be seen.
func (p *Page) Wait(selector string) {
	p.t.Helper()
	p.until(find(selector), selector)
}

// WaitGone waits until nothing that a selector names is to be seen.
func (p *Page) WaitGone(selector string) {
	p.t.Helper()
	p.until("!"+find(selector), selector+" to go")
}

// Text is the text of what a selector names, as it is to be seen.
func (p *Page) Text(selector string) string {
	p.t.Helper()
	p.Wait(selector)
	return Eval[string](p, find(selector)+".innerText")
}

// Click presses the mouse where the element is, once it is there, enabled, under nothing else, and does not move.
func (p *Page) Click(selector string) {
	p.t.Helper()
	place := `(e => {
		if (!e || e.matches(":disabled") || getComputedStyle(e).pointerEvents === "none") return "";
		e.scrollIntoView({block: "center", behavior: "instant"});
		const r = e.getClientRects()[0], x = r.x + r.width / 2, y = r.y + r.height / 2, hit = document.elementFromPoint(x, y);
		return hit && (e.contains(hit) || hit.contains(e) || e.control === hit) ? x + " " + y : "";
	})(` + find(selector) + `)`
	var at string
	p.wait(selector+" to be clicked", func(ctx context.Context) (bool, error) {
		was := at
		var err error
		at, err = chromedp.Run(ctx, chromedp.Evaluate[string](place))
		return at != "" && at == was, err
	})
	var x, y float64
	if _, err := fmt.Sscan(at, &x, &y); err != nil {
		p.fail("%s is at %q: %v", selector, at, err)
	}
	p.Do(chromedp.MouseClickXY(x, y))
}

// Type replaces what is in a field by a text, key by key.
func (p *Page) Type(selector, text string) {
	p.t.Helper()
	p.Wait(selector)
	Eval[bool](p, `(e => { e.focus(); if (e.select) e.select(); return true; })(`+find(selector)+`)`)
	p.Press(text)
}

// Press types keys into what has the focus: text, or the keys of chromedp's package kb.
func (p *Page) Press(keys string) {
	p.t.Helper()
	p.Do(chromedp.KeyEvent(keys))
}

// Popup does something that makes the page open a window, and is that window.
func (p *Page) Popup(v View, do func()) *Page {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	profile := p.target().BrowserContextID
	opened := chromedp.WaitNewTarget(ctx, func(i *target.Info) bool {
		return i.Type == "page" && i.BrowserContextID == profile
	})
	do()
	select {
	case id, ok := <-opened:
		if ok {
			return p.browser.attach(v, chromedp.WithTargetID(id))
		}
	case <-ctx.Done():
	}
	p.fail("no window was opened")
	return nil
}

// Window waits for a tab or a window that something else than a page opened, and is the first whose address matches.
func (b *Browser) Window(v View, matches func(url string) bool) *Page {
	b.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		for _, i := range b.tabs() {
			if matches(i.URL) {
				return b.attach(v, chromedp.WithTargetID(i.TargetID))
			}
		}
	}
	b.t.Fatalf("no such window among %q", b.Windows())
	return nil
}

// Gone waits until the page's tab or window is closed.
func (p *Page) Gone() {
	p.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if p.target() == nil {
			return
		}
	}
	p.fail("the window is not closed")
}

// target is the page as the browser lists it; nil if it was closed.
func (p *Page) target() *target.Info {
	p.t.Helper()
	all, err := chromedp.Targets(p.browser.ctx)
	if err != nil {
		p.t.Fatal(err)
	}
	id := chromedp.FromContext(p.ctx).Target.TargetID
	if i := slices.IndexFunc(all, func(i *target.Info) bool { return i.TargetID == id }); i >= 0 {
		return all[i]
	}
	return nil
}

// Download does something that makes the page's browser download a file, and is that file.
func (p *Page) Download(do func()) string {
	p.t.Helper()
	dir := p.t.TempDir()
	if _, err := chromedp.CallBrowser(p.ctx, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
		Behavior: browser.SetDownloadBehaviorBehaviorAllow, BrowserContextID: p.target().BrowserContextID, DownloadPath: dir,
	}); err != nil {
		p.t.Fatal(err)
	}
	do()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		files, err := os.ReadDir(dir)
		if err != nil {
			p.t.Fatal(err)
		}
		for _, f := range files {
			if file := filepath.Join(dir, f.Name()); filepath.Ext(file) != ".crdownload" {
				return file
			}
		}
	}
	p.fail("nothing was downloaded")
	return ""
}

// Windows are the addresses of all tabs and windows of the browser; of a shared one, those of its profile.
func (b *Browser) Windows() (urls []string) {
	b.t.Helper()
	for _, i := range b.tabs() {
		urls = append(urls, i.URL)
	}
	return urls
}

func (b *Browser) tabs() []*target.Info {
	b.t.Helper()
	all, err := chromedp.Targets(b.ctx)
	if err != nil {
		b.t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(i *target.Info) bool {
		return i.Type != "page" || b.profile != "" && i.BrowserContextID != b.profile
	})
}

// Screenshot writes what is to be seen of the page, whole, to NAME.png in the directory screenshots of the
// module, which git ignores, or in what WALLETD_SCREENSHOTS names.
func (p *Page) Screenshot(name string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	shot, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		p.fail("taking a screenshot: %v", err)
	}
	p.write(name, shot)
}

func (p *Page) write(name string, shot []byte) {
	p.t.Helper()
	dir := os.Getenv("WALLETD_SCREENSHOTS")
	if dir == "" {
		top, err := root()
		if err != nil {
			p.t.Fatal(err)
		}
		dir = filepath.Join(top, "screenshots")
	}
	file := filepath.Join(dir, name+".png")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(file, shot, 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// Network is what lies between a page and its server. The zero Network is this machine's own.
type Network struct {
	Away           bool // there is none
	Latency        time.Duration
	BytesPerSecond int // each way; 0 is no bound
}

// Connect changes what lies between the page and its server, of what the page itself requests from now on.
func (p *Page) Connect(n Network) {
	p.t.Helper()
	speed := float64(n.BytesPerSecond)
	if speed == 0 {
		speed = -1
	}
	call(p, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{MatchedNetworkConditions: []*network.Conditions{{
		Offline: n.Away, Latency: float64(n.Latency.Milliseconds()), DownloadThroughput: speed, UploadThroughput: speed,
	}}})
	call(p, network.OverrideNetworkState, network.OverrideNetworkStateParams{Offline: n.Away, Latency: float64(n.Latency.Milliseconds()), DownloadThroughput: speed, UploadThroughput: speed})
}
