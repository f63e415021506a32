package interop_test

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"walletd/internal/wallettest/browser"
)

// installPage installs the package whose function a dApp's page calls when its web wallet button is pressed.
func installPage(t *testing.T) peers {
	t.Helper()
	needNode(t)
	p := peers{t.TempDir(), "node"}
	if err := p.copy("page/package.json", "page/package-lock.json", "page/.npmrc"); err != nil {
		t.Fatal(err)
	}
	p.ci(t, "page")
	return p
}

// webWallet adds to a dApp's server the module of @arcblock/ux that has openWebWallet, as it was published, and is the import map of its
// pages. What it imports besides (React, dates, themes) is empty, for the function uses none of it.
func (p peers) webWallet(t *testing.T, mux *http.ServeMux) string {
	t.Helper()
	lib := filepath.Join(p.dir, "page", "node_modules", "@arcblock", "ux", "lib")
	var modules []byte
	for _, name := range []string{"index.js", "federated.js"} {
		text, err := os.ReadFile(filepath.Join(lib, "Util", name))
		if err != nil {
			t.Fatal(err)
		}
		modules = append(append(modules, text...), '\n')
	}
	imports, names := map[string]string{}, map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^import (?:\{([^}]*)\} from |\w+ from )?"([^".][^"]*)";`).FindAllSubmatch(modules, -1) {
		imports[string(m[2])] = "/empty.mjs"
		for name := range strings.SplitSeq(string(m[1]), ",") {
			if name, _, _ := strings.Cut(strings.TrimSpace(name), " "); name != "" {
				names[name] = true
			}
		}
	}
	if len(imports) == 0 {
		t.Fatal("the module imports nothing; was it published in another form?")
	}
	empty := "const nothing = () => {}; export default nothing;"
	for name := range names {
		empty += "export const " + name + " = nothing;"
	}
	text, err := json.Marshal(map[string]any{"imports": imports})
	if err != nil {
		t.Fatal(err)
	}
	mux.Handle("GET /lib/", http.StripPrefix("/lib/", http.FileServerFS(os.DirFS(lib))))
	mux.HandleFunc("GET /empty.mjs", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		fmt.Fprint(w, empty)
	})
	return string(text)
}

// webWalletPage is a page with a web wallet button, which calls openWebWallet.
func webWalletPage(t *testing.T, p peers, webWallet, link string) http.Handler {
	t.Helper()
	mux := http.NewServeMux()
	imports := p.webWallet(t, mux)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, `<!doctype html><html lang=en><title>A dApp</title><link rel=icon href=data:,>
			<script type=importmap>%s</script><button id=b disabled>Web wallet</button>
			<script type=module>
				import {openWebWallet} from "/lib/Util/index.js";
				b.onclick = () => { window.way = openWebWallet({webWalletUrl: %q, locale: "en", url: %q, appInfo: {name: "A dApp"}, memberAppInfo: null}).type; };
				b.disabled = false;
			</script>`, imports, webWallet, link)
	})
	return mux
}

// The button of a dApp's page opens the wallet of this browser: with the extension the one that the person set, by the hook; without
// it, the one that the dApp names.
func TestWebWalletButton(t *testing.T) {
	t.Parallel()
	p := installPage(t)
	link := "https://abtwallet.io/i/?action=requestAuth&url=" + url.QueryEscape(url.QueryEscape("https://dapp.example/api/did/login/auth?_t_=5d0f0a1b"))
	app := httptest.NewTLSServer(webWalletPage(t, p, "https://named.example/", link))
	t.Cleanup(app.Close)
	wallet := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!doctype html><title>A wallet</title><link rel=icon href=data:,><h1>The wallet</h1>")
	}))
	t.Cleanup(wallet.Close)
	options := browser.Options{
		Hosts: map[string]string{
			"dapp.example:443":   app.Listener.Addr().String(),
			"wallet.example:443": wallet.Listener.Addr().String(), "named.example:443": wallet.Listener.Addr().String(),
		},
		Trust: []*x509.Certificate{app.Certificate(), wallet.Certificate()},
	}
	press := func(b *browser.Browser) *browser.Page {
		page := b.Page(browser.Desk)
		page.Open("https://dapp.example/")
		page.Click("#b")
		return page
	}
	opened := func(t *testing.T, b *browser.Browser, wallet string) {
		t.Helper()
		w := b.Window(browser.View{}, func(url string) bool { return strings.HasPrefix(url, wallet) })
		w.Wait("text=The wallet")
		at, err := url.Parse(w.URL())
		if err != nil {
			t.Fatal(err)
		}
		if q := at.Query(); at.Path != "/" || q.Get("action") != "login" || q.Get("locale") != "en" || q.Get("url") != link {
			t.Errorf("the wallet is opened at %s", at)
		}
	}
	t.Run("with the extension", func(t *testing.T) {
		o := options
		o.Extension = extensionFor(t, "https://dapp.example")
		b := browser.Start(t, o)
		set := b.Window(browser.Desk, func(url string) bool { return url == b.Extension+"options.html" })
		set.Type("#address", "https://wallet.example")
		set.Click("text=Save")
		set.Wait("text=Saved. Sites do not learn this address.")
		page := press(b)
		opened(t, b, "https://wallet.example/")
		if way := browser.Eval[string](page, "window.way"); way != "extension" {
			t.Errorf("the page says that it opened the wallet by %q", way)
		}
		if problems := page.Problems(); len(problems) > 0 {
			t.Errorf("problems: %v", problems)
		}
	})
	t.Run("without it", func(t *testing.T) {
		b := browser.Start(t, options)
		page := press(b)
		opened(t, b, "https://named.example/")
		if way := browser.Eval[string](page, "window.way"); way == "extension" {
			t.Error("the page says that it opened an extension")
		}
	})
}

// extensionFor is sdk/extension as it is once its person allowed a site: what a browser asks the person, a test cannot answer.
func extensionFor(t *testing.T, site string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../sdk/extension/src")); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "manifest.json")
	var manifest map[string]any
	text, err := os.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(text, &manifest)
	}
	if err != nil {
		t.Fatal(err)
	}
	manifest["permissions"], manifest["host_permissions"] = []string{"storage", "scripting"}, []string{site + "/*"}
	delete(manifest, "optional_permissions")
	if text, err = json.Marshal(manifest); err == nil {
		err = os.WriteFile(name, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
