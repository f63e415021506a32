package browser_test

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"walletd/internal/wallettest/browser"
)

const host = "wallet.example"

// shared is the browser of the tests that change nothing of it.
var shared browser.Shared

func TestMain(m *testing.M) { os.Exit(shared.Main(m)) }

// serve answers over TLS, with a certificate that nobody trusts, and returns a browser that knows it under
// another name than the certificate has.
func serve(t *testing.T, pages map[string]string) *browser.Browser {
	t.Helper()
	return shared.Browser(t, map[string]string{host + ":443": listen(t, pages).Listener.Addr().String()})
}

// serveAlone is serve with a browser of the test's own.
func serveAlone(t *testing.T, o browser.Options, pages map[string]string) *browser.Browser {
	t.Helper()
	s := listen(t, pages)
	o.Hosts = map[string]string{host + ":443": s.Listener.Addr().String()}
	o.Trust = []*x509.Certificate{s.Certificate()}
	return browser.Start(t, o)
}

func listen(t *testing.T, pages map[string]string) *httptest.Server {
	t.Helper()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := pages[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self' 'nonce-n'; require-trusted-types-for 'script'; media-src blob:; img-src 'self' data:; connect-src 'self'")
		fmt.Fprintf(w, "<!doctype html><html lang=en><meta name=viewport content='width=device-width'><title>A page</title>"+
			"<link rel=icon href=data:,><main><h1>A page</h1><p id=accepts>%s</p>%s</main>", r.Header.Get("Accept-Language"), body)
	}))
	t.Cleanup(s.Close)
	return s
}

func TestAPageIsLookedAt(t *testing.T) {
	t.Parallel()
	b := serve(t, map[string]string{
		"/": `<button id=b>Press</button><input id=i aria-label=Name><a id=w href="/popup" target=_blank rel=opener>Open</a>
			<script nonce=n>b.onclick = e => { b.textContent = e.isTrusted ? "Pressed" : "Forged" }</script>`,
		"/popup": `<h2>Another</h2>`,
	})
	v := browser.Phone
	v.Dark, v.Language = true, "ja"
	p := b.Page(v)
	p.Open("https://" + host + "/")
	if got := browser.Eval[[]int](p, "[innerWidth, innerHeight, devicePixelRatio, navigator.maxTouchPoints > 0 ? 1 : 0]"); !slices.Equal(got, []int{390, 844, 2, 1}) {
		t.Errorf("a phone is %v", got)
	}
	if !browser.Eval[bool](p, `matchMedia("(prefers-color-scheme: dark)").matches && isSecureContext && navigator.language == "ja"`) {
		t.Error("the page is not dark, not secure, or not in Japanese")
	}
	if got := p.Text("#accepts"); got != "ja" {
		t.Errorf("the server is asked for %q", got)
	}
	p.Click("#b")
	p.Wait("text=Pressed")
	p.Type("#i", "first")
	p.Type("#i", "Ünï 花")
	p.Until(`document.querySelector("#i").value === "Ünï 花"`)
	w := p.Popup(browser.Desk, func() { p.Click("#w") })
	w.Wait("text=Another")
	if got := w.URL(); got != "https://"+host+"/popup" {
		t.Errorf("the window is %s", got)
	}
	if got := b.Windows(); !slices.Contains(got, w.URL()) || !slices.Contains(got, p.URL()) {
		t.Errorf("the windows are %q", got)
	}
	if problems := p.Problems(); len(problems) > 0 {
		t.Errorf("problems: %v", problems)
	}
}

func TestAPageIsDrawn(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("WALLETD_SCREENSHOTS", dir)
	p := serve(t, map[string]string{"/": "Hello"}).Page(browser.Phone)
	p.Open("https://" + host + "/")
	p.Screenshot("first/phone")
	if shot, err := os.ReadFile(filepath.Join(dir, "first", "phone.png")); err != nil || !strings.HasPrefix(string(shot), "\x89PNG") {
		t.Errorf("the screenshot: %v, %.8q", err, shot)
	}
}

func TestProblemsAreSeen(t *testing.T) {
	t.Parallel()
	b := serve(t, map[string]string{
		"/": `<img src="/gone.png" alt=""><img src="https://elsewhere.example/x.png" alt="">
			<script>document.title = "unreachable"</script>
			<script nonce=n>
				console.error("broken", 7);
				fetch("/nothing");
				setTimeout(() => { throw new Error("thrown") });
				setTimeout(() => { document.body.innerHTML = "<b>" });
			</script>`,
	})
	p := b.Page(browser.Desk)
	p.Open("https://" + host + "/")
	for _, want := range []string{"request: GET 404 https://" + host + "/gone.png", "request: GET 404 https://" + host + "/nothing", `console: "broken" 7`, "exception: Uncaught Error: thrown", "img-src", "script-src", "TrustedHTML"} {
		seen := func() bool {
			return slices.ContainsFunc(p.Problems(), func(q browser.Problem) bool { return strings.Contains(q.String(), want) })
		}
		for range 500 {
			if seen() {
				break
			}
			p.Until("new Promise(done => setTimeout(() => done(true), 10))")
		}
		if !seen() {
			t.Errorf("%s is not among %v", want, p.Problems())
		}
	}
	p.Forget()
	if len(p.Problems()) > 0 || len(p.Requests()) > 0 {
		t.Error("problems are not forgotten")
	}
	p.Open("https://" + host + "/")
	if all := p.Requests(); len(all) < 2 || all[0].URL != "https://"+host+"/" || all[0].Status != 200 || all[0].Bytes == 0 {
		t.Errorf("the requests are %+v", all)
	}
}

func TestNobodyElseIsReached(t *testing.T) {
	t.Parallel()
	p := serve(t, map[string]string{"/": ""}).Page(browser.Desk)
	p.Open("https://" + host + "/")
	if got := browser.Eval[string](p, `fetch("https://deb.debian.org/", {mode: "no-cors"}).then(() => "reached", e => e.name)`); got != "TypeError" {
		t.Errorf("another host: %s", got)
	}
}

func TestPasskeysAreMadeAndUsed(t *testing.T) {
	t.Parallel()
	b := serve(t, map[string]string{"/": `<script nonce=n>
		const challenge = new Uint8Array(32);
		const make = () => navigator.credentials.create({publicKey: {challenge, rp: {name: "walletd"}, user: {id: new Uint8Array([1]), name: "alice", displayName: "Alice"},
			pubKeyCredParams: [{type: "public-key", alg: -7}], authenticatorSelection: {residentKey: "required", userVerification: "required"}}})
			.then(c => c.type, e => e.name);
		const use = () => navigator.credentials.get({publicKey: {challenge, userVerification: "required", timeout: 3000}})
			.then(c => new Uint8Array(c.response.authenticatorData)[32] & 5, e => e.name);
	</script>`})
	p := b.Page(browser.Phone)
	p.Open("https://" + host + "/")
	a := p.Authenticator()
	if got := browser.Eval[string](p, "make()"); got != "public-key" {
		t.Fatalf("no passkey is made: %s", got)
	}
	const presentAndVerified = 5
	if got := browser.Eval[any](p, "use()"); got != float64(presentAndVerified) {
		t.Errorf("the passkey says %v", got)
	}
	keys := a.Passkeys()
	if len(keys) != 1 || keys[0].RPID != host || keys[0].SignCount == 0 {
		t.Fatalf("the passkeys are %+v", keys)
	}
	a.Knows(false)
	if got := browser.Eval[any](p, "use()"); got != "NotAllowedError" {
		t.Errorf("whom it does not know: %v", got)
	}

	other := b.Stranger(browser.Phone)
	other.Open("https://" + host + "/")
	held := other.Authenticator(keys...)
	if got := browser.Eval[any](other, "use()"); got != float64(presentAndVerified) {
		t.Errorf("carried to another device, the passkey says %v", got)
	}
	held.Rewind(keys[0], 1)
	if got := held.Passkeys()[0].SignCount; got != 1 {
		t.Errorf("the counter went back to %v", got)
	}
}

func TestTheCameraSeesAPicture(t *testing.T) {
	t.Parallel()
	const watch = `<video id=v autoplay muted playsinline></video><script nonce=n>
		const seen = navigator.mediaDevices.getUserMedia({video: true}).then(async stream => {
			v.srcObject = stream;
			await v.play();
			const c = new OffscreenCanvas(v.videoWidth, v.videoHeight).getContext("2d");
			c.drawImage(v, 0, 0);
			const at = (x, y) => c.getImageData(x, y, 1, 1).data[0];
			const d = c.getImageData(0, 0, v.videoWidth, v.videoHeight).data;
			let black = 0, white = 0;
			for (let i = 0; i < d.length; i += 4) { if (d[i] < 60) black++; if (d[i] > 200) white++; }
			return [v.videoWidth, v.videoHeight, at(2, 2) > 90 && at(2, 2) < 190, black > 50000, white > 50000].join();
		}).catch(e => e.name);
	</script>`
	film := browser.Film(t, browser.QR(t, "https://abtwallet.io/i/?action=requestAuth&url=x"))
	b := serveAlone(t, browser.Options{Camera: film}, map[string]string{"/": watch})
	p := b.Page(browser.Phone)
	p.Open("https://" + host + "/")
	if got := browser.Eval[string](p, "seen"); got != "1280,960,true,true,true" {
		t.Errorf("the camera sees %s", got)
	}
	b = serveAlone(t, browser.Options{Camera: film, NoCamera: true}, map[string]string{"/": watch})
	p = b.Page(browser.Phone)
	p.Open("https://" + host + "/")
	if got := browser.Eval[string](p, "seen"); got != "NotAllowedError" {
		t.Errorf("a camera that is refused: %s", got)
	}
}

func TestAxeFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	b := serve(t, map[string]string{"/": "", "/bad": `<input id=i><img src="/x">`})
	p := b.Page(browser.Phone)
	p.Open("https://" + host + "/")
	if found := p.Axe(); len(found) > 0 {
		t.Errorf("on a good page: %v", found)
	}
	p.Open("https://" + host + "/bad")
	var ids []string
	for _, v := range p.Axe() {
		ids = append(ids, v.ID)
	}
	if !slices.Equal(ids, []string{"image-alt", "label"}) {
		t.Errorf("on a bad page: %v", ids)
	}
}

func TestASharedBrowserHasProfiles(t *testing.T) {
	t.Parallel()
	alice := serve(t, map[string]string{"/": "<h2>Of Alice</h2>", "/popup": "<h2>Another</h2>"})
	bob := serve(t, map[string]string{"/": "<h2>Of Bob</h2>"})
	a, b := alice.Page(browser.Phone), bob.Page(browser.Phone)
	a.Open("https://" + host + "/")
	a.Wait("text=Of Alice")
	browser.Eval[bool](a, `(localStorage.mine = document.cookie = "mine=yes", true)`)
	b.Open("https://" + host + "/") // which leads elsewhere
	b.Wait("text=Of Bob")
	again := alice.Page(browser.Desk)
	again.Open("https://" + host + "/popup")
	const there = `document.cookie + localStorage.mine`
	if got := browser.Eval[string](b, there); got != "undefined" {
		t.Errorf("Bob's profile holds %q", got)
	}
	if got := browser.Eval[string](again, there); got != "mine=yesmine=yes" {
		t.Errorf("another tab of Alice's holds %q", got)
	}
	if got := bob.Windows(); !slices.Equal(got, []string{"https://" + host + "/"}) {
		t.Errorf("Bob's windows are %q", got)
	}
	if got := browser.Eval[string](b, `fetch("https://deb.debian.org/", {mode: "no-cors"}).then(() => "reached", e => e.name)`); got != "TypeError" {
		t.Errorf("another host: %s", got)
	}
}

func TestAnExtensionIsLoaded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"manifest.json": `{"manifest_version": 3, "name": "A test", "version": "1", "options_page": "options.html",
			"content_scripts": [{"matches": ["https://` + host + `/*"], "js": ["mark.js"], "world": "MAIN", "run_at": "document_start"}]}`,
		"mark.js":      `window.marked = document.body === null;`,
		"options.html": `<!doctype html><title>Options</title><h1>Options</h1>`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b := serveAlone(t, browser.Options{Extension: dir}, map[string]string{"/": ""})
	p := b.Page(browser.Desk)
	p.Open("https://" + host + "/")
	if !browser.Eval[bool](p, "window.marked") {
		t.Error("the extension's script did not run first")
	}
	p.Open(b.Extension + "options.html")
	p.Wait("text=Options")
}

func TestScriptsCanBeOff(t *testing.T) {
	t.Parallel()
	v := browser.Desk
	v.NoScript = true
	p := serve(t, map[string]string{"/": `<noscript><h2>Off</h2></noscript>`}).Page(v)
	p.Open("https://" + host + "/")
	p.Wait("text=Off")
}
