package interop_test

import (
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"

	"walletd/internal/wallettest"
	"walletd/internal/wallettest/browser"
)

// clientPage is a page of https://client.example that has walletd-matrix, in a browser of its own.
func clientPage(t *testing.T, policy string) *browser.Page {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("GET /sdk/", http.StripPrefix("/sdk/", http.FileServerFS(os.DirFS("../sdk/matrix/src"))))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if policy != "" {
			w.Header().Set("Content-Security-Policy", policy)
		}
		fmt.Fprint(w, `<!doctype html><html lang=en><title>A client</title><link rel=icon href=data:,><h1>A client</h1>
			<script type=module>
				import {createCryptoCallbacks} from "/sdk/index.js";
				import {pair, resume} from "/sdk/pair.js";
				Object.assign(window, {pair, resume, createCryptoCallbacks, loaded: true});
			</script>`)
	})
	s := httptest.NewTLSServer(mux)
	t.Cleanup(s.Close)
	b := browser.Start(t, browser.Options{Hosts: map[string]string{"client.example:443": s.Listener.Addr().String()}, Trust: []*x509.Certificate{s.Certificate()}})
	p := b.Page(browser.Desk)
	p.Open("https://client.example/")
	p.Until("window.loaded")
	return p
}

// A page in a real browser is paired, gets its key by a rule that holds for bound tokens alone, and cannot give its own key away.
func TestAPageInABrowserIsPaired(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	p := clientPage(t, "")
	begin := fmt.Sprintf(`void pair({url: %q, name: "Client", onCode: (c) => { window.shown = c }}).then((p) => { window.pairing = p }, (e) => { window.failed = e.code })`, w.URL)
	browser.Eval[any](p, begin)
	p.Until("window.shown")
	code, thumbprint := browser.Eval[string](p, "shown.code"), browser.Eval[string](p, "shown.thumbprint")
	seen := w.Do("GET", "/v1/pairings/"+code, w.Owner, nil).Must(200)
	if seen.Text("origin") != "https://client.example" || seen.Text("callsItself") != "Client" || seen.Text("thumbprint") != thumbprint {
		t.Errorf("the owner sees %s, the page has the key %s", seen.Body, thumbprint)
	}
	app := w.MustApprovePairing(code).Text("app")
	p.Until("window.pairing")

	w.Rules(wallettest.Members{"app": app, "claim": "secretStorageKey", "decision": "allow"})
	made := browser.Eval[string](p, `createCryptoCallbacks({pairing}).createSecretStorageKey().then((k) => btoa(String.fromCharCode(...k.privateKey)))`)
	if key, err := base64.StdEncoding.DecodeString(made); err != nil || len(key) != 32 {
		t.Errorf("the page's key is %q, %v", made, err)
	}

	// What the page stores is a key that no script can read, in any form.
	const stored = `new Promise((resolve, reject) => {
		const opening = indexedDB.open("walletd");
		opening.onerror = () => reject(opening.error);
		opening.onsuccess = () => {
			const all = opening.result.transaction("pairings").objectStore("pairings").getAll();
			all.onsuccess = () => { opening.result.close(); resolve(all.result); };
		};
	})`
	for _, format := range []string{"jwk", "pkcs8", "raw"} {
		got := browser.Eval[string](p, fmt.Sprintf(`%s.then(([{keys}]) => crypto.subtle.exportKey(%q, keys.privateKey)).then(() => "exported", (e) => e.name)`, stored, format))
		if got != "InvalidAccessError" && got != "NotSupportedError" {
			t.Errorf("exporting the key as %s: %s", format, got)
		}
	}
	if got := browser.Eval[string](p, `JSON.stringify([Object.values(localStorage), Object.values(sessionStorage), document.cookie, pairing, window.shown])`); strings.Contains(got, "wd_app_") {
		t.Errorf("the page shows its token: %s", got)
	}

	// Loaded again, it goes on with the same key, and nobody is asked.
	p.Open("https://client.example/")
	p.Until("window.loaded")
	again := browser.Eval[string](p, fmt.Sprintf(`resume({url: %q}).then((p) => { window.pairing = p; return p.thumbprint() })`, w.URL))
	if again != thumbprint {
		t.Errorf("loaded again, its key is %s and was %s", again, thumbprint)
	}
	if same := browser.Eval[string](p, `createCryptoCallbacks({pairing}).createSecretStorageKey().then((k) => btoa(String.fromCharCode(...k.privateKey)))`); same != made {
		t.Error("loaded again, it gets another key")
	}

	// Logged out, it has nothing, and its token is revoked.
	browser.Eval[any](p, "pairing.end().then(() => true)")
	if left := browser.Eval[int](p, stored+".then((all) => all.length)"); left != 0 {
		t.Errorf("after logout %d keys are stored", left)
	}
	if got := browser.Eval[bool](p, fmt.Sprintf("resume({url: %q}).then((p) => p === null)", w.URL)); !got {
		t.Error("after logout the page is paired")
	}
	if tokens := string(w.Do("GET", "/v1/tokens", w.Owner, nil).Must(200).Body); strings.Count(tokens, "revokedAt") != 1 {
		t.Errorf("the tokens are %s", tokens)
	}
}

// A page of the Internet reaches no address of the local network unless its person lets it (Local Network Access). The
// adapter tells that from a wallet that is away.
func TestABrowserBlocksTheLocalNetwork(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	p := clientPage(t, "treat-as-public-address")
	allow := func(setting cdpbrowser.PermissionSetting) {
		t.Helper()
		for _, name := range []string{"local-network-access", "local-network", "loopback-network"} {
			params := cdpbrowser.SetPermissionParams{Permission: &cdpbrowser.PermissionDescriptor{Name: name}, Setting: setting, Origin: "https://client.example"}
			if _, err := chromedp.CallBrowser(p.Context(), cdpbrowser.SetPermission, params); err != nil {
				t.Fatalf("setting the permission %s: %v", name, err)
			}
		}
	}
	try := fmt.Sprintf(`pair({url: %q, name: "Client", onCode: (c) => { window.shown = c }}).then(() => "paired", (e) => e.code)`, w.URL)
	allow(cdpbrowser.PermissionSettingDenied)
	if got := browser.Eval[string](p, try); got != "blocked" {
		t.Errorf("where the person said no, it is %s", got)
	}
	allow(cdpbrowser.PermissionSettingGranted)
	browser.Eval[any](p, "void "+try)
	p.Until("window.shown")
	w.Do("GET", "/v1/pairings/"+browser.Eval[string](p, "shown.code"), w.Owner, nil).Must(200)
}
