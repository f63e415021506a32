package main

import (
	"archive/zip"
	"bytes"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"walletd/internal/wallettest/browser"
)

const (
	app     = "https://app.example"
	other   = "https://other.example"
	unknown = "https://unknown.example"
	wallet  = "https://wallet.example/my/"
)

// link is what an app's page shows: n makes one differ from another.
func link(n int) string {
	return fmt.Sprintf("https://abtwallet.io/i/?action=requestAuth&url=%s", url.QueryEscape(url.QueryEscape(fmt.Sprintf("%s/api/did/login/auth?_t_=%08x", app, n))))
}

// page is an app's page. A click calls what a test made of window.click.
const page = `<!doctype html><html lang=en><title>An app</title><link rel=icon href=data:,>
	<script>const first = typeof window.ABT?.open;</script>
	<button id=b onclick="window.click()">Web wallet</button>`

// start is a browser with the extension, whose person set their wallet's address and allowed app and other. The browser's own
// question cannot be answered by a test: its extension has from the start what the person would be asked for.
func start(t *testing.T) *browser.Browser {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("src")); err != nil {
		t.Fatal(err)
	}
	var manifest map[string]any
	read(t, "manifest.json", &manifest)
	manifest["permissions"] = []string{"storage", "scripting"}
	manifest["host_permissions"] = []string{app + "/*", other + "/*"}
	delete(manifest, "optional_permissions")
	text, err := json.Marshal(manifest)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "manifest.json"), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return load(t, dir)
}

// load is a browser with the extension in a directory.
func load(t *testing.T, dir string) *browser.Browser {
	t.Helper()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if r.Host == "wallet.example" {
			fmt.Fprint(w, "<!doctype html><title>A wallet</title><link rel=icon href=data:,><h1>The wallet</h1>")
			return
		}
		fmt.Fprint(w, page)
	}))
	t.Cleanup(s.Close)
	hosts := map[string]string{}
	for _, name := range []string{"app", "other", "unknown", "wallet"} {
		hosts[name+".example:443"] = s.Listener.Addr().String()
	}
	return browser.Start(t, browser.Options{Hosts: hosts, Trust: []*x509.Certificate{s.Certificate()}, Extension: dir})
}

// options is the page that the extension opens when it is installed.
func options(b *browser.Browser, v browser.View) *browser.Page {
	return b.Window(v, func(url string) bool { return url == b.Extension+"options.html" })
}

// setUp sets the wallet's address and allows app, as the person does.
func setUp(t *testing.T, b *browser.Browser) *browser.Page {
	t.Helper()
	o := options(b, browser.Desk)
	o.Type("#address", "wallet.example/my")
	o.Click("text=Save")
	o.Until(`document.getElementById("address").value === "` + wallet + `"`)
	o.Type("#allow", app+"/any/page?x#y")
	o.Click("text=Allow")
	o.Until(`document.getElementById("site-said").textContent.startsWith("` + app + ` is allowed")`)
	return o
}

// wallets are the addresses of the windows of the wallet.
func wallets(b *browser.Browser) []string {
	return slices.DeleteFunc(b.Windows(), func(url string) bool { return !strings.HasPrefix(url, "https://wallet.example/") })
}

// click opens a page and clicks it; what it does then is a script.
func click(b *browser.Browser, at, script string) *browser.Page {
	p := b.Page(browser.Desk)
	p.Open(at + "/")
	browser.Eval[bool](p, "window.click = () => {"+script+"}; true")
	p.Click("#b")
	return p
}

// call is a script that opens a link as pages do.
func call(n int) string {
	return fmt.Sprintf(`window.ABT.open({action: "login", locale: "zh", url: %q, appInfo: {name: "An app"}, memberAppInfo: {}})`, url.PathEscape(link(n)))
}

// address is where a wallet is opened for call.
func address(n int) string {
	return wallet + "?action=login&locale=zh&url=" + strings.ReplaceAll(url.QueryEscape(link(n)), "+", "%20")
}

func TestAPageOpensTheWalletOfTheBrowser(t *testing.T) {
	t.Parallel()
	b := start(t)
	setUp(t, b)
	p := click(b, app, call(1))
	if got := browser.Eval[string](p, "first"); got != "function" {
		t.Errorf("to the page's first script window.ABT.open is %s", got)
	}
	w := b.Window(browser.View{}, func(url string) bool { return strings.HasPrefix(url, "https://wallet.example/") })
	w.Wait("text=The wallet")
	if diff := cmp.Diff(address(1), w.URL()); diff != "" {
		t.Errorf("the wallet is opened at (-want +got):\n%s", diff)
	}
	if browser.Eval[bool](w, "window.opener !== null || document.referrer !== ''") {
		t.Error("the wallet's window knows the page, or the page it")
	}
	if problems := p.Problems(); len(problems) > 0 {
		t.Errorf("problems: %v", problems)
	}
}

func TestASiteThatIsNotAllowedSeesNothing(t *testing.T) {
	t.Parallel()
	b := start(t)
	setUp(t, b)
	p := click(b, unknown, `window.postMessage({walletd: "open", action: "login", locale: "en", url: "`+url.PathEscape(link(1))+`"}, "*")`)
	if got := browser.Eval[string](p, "first"); got != "undefined" {
		t.Errorf("window.ABT.open is %s", got)
	}
	frame := b.Page(browser.Desk)
	frame.Open(unknown + "/")
	if got := browser.Eval[string](frame, `new Promise(done => {
		const f = document.createElement("iframe");
		f.onload = () => done(typeof f.contentWindow.ABT);
		f.srcdoc = "<p>";
		document.body.append(f);
	})`); got != "undefined" {
		t.Errorf("in a frame window.ABT is %s", got)
	}
	// What came before is done when a good one is: one after the other.
	click(b, app, call(2))
	b.Window(browser.View{}, func(url string) bool { return url == address(2) })
	if got := wallets(b); len(got) != 1 {
		t.Errorf("the wallet is open at %q", got)
	}
}

// A page that may open the wallet opens nothing else, and not without the person.
func TestAHostilePageOpensNothing(t *testing.T) {
	t.Parallel()
	b := start(t)
	setUp(t, b)
	quiet := b.Page(browser.Desk)
	quiet.Open(app + "/")
	browser.Eval[bool](quiet, call(1)+", true") // nobody clicked

	request := func(members string) string {
		return "try { window.ABT.open(" + members + ") } catch {}"
	}
	encoded := url.PathEscape(link(1))
	for _, bad := range []string{
		request(``), request(`null`), request(`"https://evil.example/"`), request(`[]`),
		request(`{action: "login", locale: "en"}`),
		request(`{action: "login", locale: "en", url: "javascript%3Aalert(1)"}`),
		request(`{action: "login", locale: "en", url: "chrome%3A%2F%2Fsettings"}`),
		request(`{action: "login", locale: "en", url: "%"}`),
		request(`{action: "login", locale: "en", url: "https%3A%2F%2Fevil.example%2F"}`),
		request(`{action: "login", locale: "en", url: "` + url.PathEscape(strings.Replace(link(1), "https:", "http:", 1)) + `"}`),
		request(`{action: "login", locale: "en", url: "` + url.PathEscape(link(1)+"&action=requestAuth") + `"}`),
		request(`{action: "iframe", locale: "en", url: "` + encoded + `"}`),
		request(`{action: {toString: () => "login"}, locale: "en", url: "` + encoded + `"}`),
		request(`{get action() { throw 1 }}`),
		request(`{action: "login", locale: "en", url: "` + encoded + `" + "x".repeat(1 << 20)}`),
		`window.postMessage({walletd: "open", action: "login", locale: ["en"], url: "` + encoded + `"}, "*")`,
		`window.dispatchEvent(new MessageEvent("message", {data: {walletd: "open", action: "login", locale: "en", url: "` + encoded + `"}, origin: "https://evil.example", source: window}))`,
		`const f = document.createElement("iframe"); document.body.append(f); f.contentWindow.eval('parent.postMessage({walletd: "open", action: "login", locale: "en", url: "` + encoded + `"}, "*")')`,
	} {
		click(b, app, bad)
	}
	// A click opens one window, whatever it asks for; what is no language is not handed on.
	click(b, app, strings.Repeat(strings.Replace(call(2), `"zh"`, `"zh&url=x#"`, 1)+";", 30))
	last := strings.Replace(address(2), "locale=zh", "locale=en-US", 1)
	b.Window(browser.View{}, func(url string) bool { return strings.HasPrefix(url, wallet) })
	click(b, other, call(3))
	b.Window(browser.View{}, func(url string) bool { return url == address(3) })
	if diff := cmp.Diff([]string{last, address(3)}, wallets(b), cmp.Transformer("sorted", func(s []string) []string { return slices.Sorted(slices.Values(s)) })); diff != "" {
		t.Errorf("the wallet is open at (-want +got):\n%s", diff)
	}
}

func TestASiteOpensFewWindows(t *testing.T) {
	t.Parallel()
	b := start(t)
	o := setUp(t, b)
	p := b.Page(browser.Desk)
	p.Open(app + "/")
	for n := range 9 {
		browser.Eval[bool](p, "window.click = () => {"+call(n)+"}; true")
		p.Click("#b")
	}
	click(b, other, call(99))
	b.Window(browser.View{}, func(url string) bool { return url == address(99) })
	type window struct {
		Site string
		At   float64
	}
	var its []window
	for _, w := range browser.Eval[[]window](o, `chrome.storage.session.get("windows").then(r => r.windows.map(w => ({Site: w.site, At: w.at})))`) {
		if w.Site == app {
			its = append(its, w)
		}
	}
	if len(its) == 0 || len(its) > 5 || len(wallets(b)) != len(its)+1 {
		t.Errorf("nine clicks opened %v, and there are %d", its, len(wallets(b)))
	}
	for i := 1; i < len(its); i++ {
		if its[i].At-its[i-1].At < 1000 {
			t.Errorf("two windows were opened within a second: %v", its)
		}
	}
}

func TestPagesDoNotLearnTheAddress(t *testing.T) {
	t.Parallel()
	b := start(t)
	setUp(t, b)
	p := b.Page(browser.Desk)
	p.Open(app + "/")
	seen := browser.Eval[string](p, `Object.keys(window.ABT) + typeof window.chrome?.storage + window.ABT.open + Object.keys(localStorage)`)
	if strings.Contains(seen, "wallet.example") || !strings.HasPrefix(seen, "openundefined") {
		t.Errorf("a page sees %s", seen)
	}
	if got := browser.Eval[string](p, `fetch("`+b.Extension+`options.html").then(() => "read", e => e.name)`); got != "TypeError" {
		t.Errorf("a page and the extension's files: %s", got)
	}
}

// The options are shown when the extension is new, ask for what is missing, and refuse what is no address.
func TestOptions(t *testing.T) {
	t.Parallel()
	b := start(t)
	v := browser.Phone
	v.Width = 320
	o := options(b, v)
	if found := o.Axe(); len(found) > 0 {
		t.Errorf("axe-core finds %v", found)
	}
	v.Dark = true
	o.Look(v)
	if found := o.Axe(); len(found) > 0 {
		t.Errorf("axe-core finds, in the dark, %v", found)
	}
	if browser.Eval[bool](o, "document.documentElement.scrollWidth > innerWidth") {
		t.Error("at 320 pixels the page is wider than the window")
	}
	for _, bad := range []string{"http://wallet.example", "javascript:alert(1)", "https://a:b@wallet.example", "https://wallet.example/?x", "https://wallet.example/#x", "https://", "file:///etc/passwd", "ftp://wallet.example"} {
		o.Type("#address", bad)
		o.Click("text=Save")
		o.Until(`document.getElementById("wallet-said").textContent.startsWith("This is not")`)
		browser.Eval[bool](o, `document.getElementById("wallet-said").textContent = "", true`)
	}
	for _, bad := range []string{"http://app.example", "https://*.example", "https://*/*", "file:///x", "chrome://settings"} {
		o.Type("#allow", bad)
		o.Click("text=Allow")
		o.Until(`document.getElementById("site-said").textContent.startsWith("This is not")`)
		browser.Eval[bool](o, `document.getElementById("site-said").textContent = "", true`)
	}
	if got := browser.Eval[int](o, `chrome.storage.local.get().then(all => Object.keys(all).length)`); got != 0 {
		t.Errorf("%d things are kept", got)
	}
	if got := o.Text("#sites"); !strings.Contains(got, app) || !strings.Contains(got, other) {
		t.Errorf("the sites are %q", got)
	}
	if problems := o.Problems(); len(problems) > 0 {
		t.Errorf("problems: %v", problems)
	}
	o.Type("#address", "http://localhost:8080")
	o.Click("text=Save")
	o.Until(`document.getElementById("address").value === "http://localhost:8080/"`)
}

// As it is shipped the extension may do nothing on any site, and loads without a complaint.
func TestAsShipped(t *testing.T) {
	t.Parallel()
	var manifest struct {
		Permissions     []string
		HostPermissions []string `json:"host_permissions"`
		ContentScripts  []any    `json:"content_scripts"`
	}
	read(t, "manifest.json", &manifest)
	if !slices.Equal(manifest.Permissions, []string{"storage"}) || manifest.HostPermissions != nil || manifest.ContentScripts != nil {
		t.Errorf("the extension is installed with %+v", manifest)
	}
	b := load(t, "src")
	o := options(b, browser.Desk)
	o.Wait("text=Your wallet")
	if got := browser.Eval[string](o, `chrome.permissions.getAll().then(p => JSON.stringify([p.permissions, p.origins ?? []]))`); got != `[["storage"],[]]` {
		t.Errorf("it may %s", got)
	}
	p := b.Page(browser.Desk)
	p.Open(app + "/")
	if got := browser.Eval[string](p, "first"); got != "undefined" {
		t.Errorf("window.ABT.open is %s", got)
	}
	if problems := o.Problems(); len(problems) > 0 {
		t.Errorf("problems: %v", problems)
	}
}

func TestMessagesAreThereInEachLanguage(t *testing.T) {
	type message struct {
		Message      string
		Placeholders map[string]struct{ Content string }
	}
	var english map[string]message
	read(t, "_locales/en/messages.json", &english)
	dirs, err := os.ReadDir("src/_locales")
	if err != nil || len(dirs) != 3 {
		t.Fatalf("the languages: %v, %v", dirs, err)
	}
	for _, dir := range dirs {
		var m map[string]message
		read(t, "_locales/"+dir.Name()+"/messages.json", &m)
		for key, e := range english {
			if m[key].Message == "" || len(m[key].Placeholders) != len(e.Placeholders) || strings.Count(m[key].Message, "$") != 2*len(e.Placeholders) {
				t.Errorf("%s: %s is %+v", dir.Name(), key, m[key])
			}
		}
		for key := range m {
			if _, there := english[key]; !there {
				t.Errorf("%s: %s is in no other language", dir.Name(), key)
			}
		}
	}
	used := map[string]bool{"name": true}
	for _, name := range []string{"options.html", "options.js", "manifest.json"} {
		text, err := os.ReadFile("src/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`data-text="(\w+)"|\bt\('(\w+)'|\? '(\w+)' : '(\w+)'|__MSG_(\w+)__`).FindAllSubmatch(text, -1) {
			for _, key := range m[1:] {
				if len(key) > 0 {
					used[string(key)] = true
				}
			}
		}
	}
	for key := range english {
		if !used[key] {
			t.Errorf("%s is not used", key)
		}
	}
	for key := range used {
		if _, there := english[key]; !there {
			t.Errorf("%s has no words", key)
		}
	}
}

func TestTheArchiveIsTheSameEachTime(t *testing.T) {
	var first, second bytes.Buffer
	if err := pack(&first); err != nil {
		t.Fatal(err)
	}
	if err := pack(&second); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("two archives differ")
	}
	archive, err := zip.NewReader(bytes.NewReader(first.Bytes()), int64(first.Len()))
	if err != nil {
		t.Fatal(err)
	}
	if err := fs.WalkDir(os.DirFS("src"), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		want, err := os.ReadFile(filepath.Join("src", path))
		if err != nil {
			return err
		}
		if got, err := fs.ReadFile(archive, path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s in the archive: %v", path, err)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// read reads a JSON file of the extension.
func read(t *testing.T, name string, v any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("src", name))
	if err == nil {
		err = json.Unmarshal(text, v)
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}
