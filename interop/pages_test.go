package interop_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"image"
	"image/png"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"walletd/internal/wallettest/browser"
)

// walletPages is where people's browsers find the service.
const walletPages = "https://wallet.example"

// newSecureService is newService over TLS, whose pages are at walletPages, and whose sessions may lead to this machine.
// It trusts what proves itself by one of these certificates.
func newSecureService(t *testing.T, bin string, trusted ...*x509.Certificate) (*service, *x509.Certificate) {
	t.Helper()
	s := &service{bin: bin, dir: t.TempDir(), tls: true, place: []string{"--data", filepath.Join(t.TempDir(), "data")}}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"wallet.example"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}, &x509.Certificate{SerialNumber: big.NewInt(1)}, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	own, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	var roots string
	for _, c := range trusted {
		roots += block("CERTIFICATE", c.Raw)
	}
	s.write(t, "wallet.pem", block("CERTIFICATE", der))
	s.write(t, "wallet.key", block("PRIVATE KEY", secret))
	s.write(t, "roots.pem", roots)
	s.env = []string{"WALLETD_CA_FILE=" + s.file("wallet.pem"), "SSL_CERT_FILE=" + s.file("roots.pem")}
	s.serve = []string{"--tls-cert", s.file("wallet.pem"), "--tls-key", s.file("wallet.key"), "--public-url", walletPages, "--allow-network", "127.0.0.0/8"}
	s.settle(t)
	return s, own
}

// notesPage is what the packages for pages do, without their looks: it begins a session, shows its link, as text and as a
// QR code, opens a web wallet on a click, and polls. Its first verb is the import map.
const notesPage = `<!doctype html><html lang=en><meta charset=utf-8><title>Notes</title><link rel=icon href=data:,>
<script type=importmap>%s</script>
<h1>Notes</h1>
<p><code id=link></code></p>
<img id=code alt="QR code">
<p><button id=b disabled>Web wallet</button></p>
<p id=status role=status></p>
<script type=module>
	import {openWebWallet} from "/lib/Util/index.js";
	const get = async (path) => (await fetch("/api/did/notes" + path)).json();
	const {token, url} = await get("/token");
	link.textContent = url;
	code.src = "/code?" + new URLSearchParams({url});
	b.onclick = () => openWebWallet({webWalletUrl: %q, locale: "en", url, appInfo: {name: "Notes"}, memberAppInfo: null});
	b.disabled = false;
	while (!document.getElementById("status").textContent) {
		await new Promise((resolve) => setTimeout(resolve, 200));
		const {status} = await get("/status?_t_=" + token);
		if (status === "succeed") document.getElementById("status").textContent = "Welcome";
		if (status === "error" || status === "busy") document.getElementById("status").textContent = "Not logged in: " + status;
	}
</script>`

// newSite is a dApp as the world has it: over TLS, behind a proxy, with a page.
func newSite(t *testing.T, p peers) (*dapp, *httptest.Server) {
	t.Helper()
	mux := http.NewServeMux()
	site := httptest.NewTLSServer(mux)
	t.Cleanup(site.Close)
	d := newDAppAt(t, p, map[string]string{"words": words, "baseUrl": site.URL})
	behind, err := url.Parse(d.url)
	if err != nil {
		t.Fatal(err)
	}
	mux.Handle("/api/", &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(behind); r.SetXForwarded() }})
	page := fmt.Sprintf(notesPage, installPage(t).webWallet(t, mux), walletPages+"/")
	mux.HandleFunc("GET /notes", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, page)
	})
	mux.HandleFunc("GET /code", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "image/png")
		if err := png.Encode(w, browser.QR(t, r.URL.Query().Get("url"))); err != nil {
			t.Error(err)
		}
	})
	return d, site
}

// onTheirPages is what walletd is for, as people do it: an operator invites Alice, who makes a passkey on her phone, opens what a
// dApp shows in each way that there is, sees who asks for what, and touches; and anybody can check later that she did.
func onTheirPages(t *testing.T, bin string, p peers) {
	d, site := newSite(t, p)
	s, certificate := newSecureService(t, bin, site.Certificate())
	camera := browser.Film(t, image.NewGray(image.Rect(0, 0, 8, 8))) // which sees nothing yet
	b := browser.Start(t, browser.Options{
		Hosts:  map[string]string{"wallet.example:443": strings.TrimPrefix(s.url, "https://")},
		Trust:  []*x509.Certificate{certificate, site.Certificate()},
		Camera: camera,
	})

	out, err := s.command("operator", "owner", "invite", "--wallet", s.wallet, "--name", "Alice").Output()
	if err != nil {
		t.Fatalf("walletd owner invite: %v", err)
	}
	invitation := regexp.MustCompile(`(?m)^link\s+(\S+)$`).FindSubmatch(out)
	if invitation == nil {
		t.Fatalf("walletd owner invite printed no link:\n%s", out)
	}
	phone := b.Page(browser.Phone)
	device := phone.Authenticator()
	phone.Open(string(invitation[1]))
	phone.Type("#name", "Alice Bean")
	phone.Click("text=Accept and make a passkey")
	sees(phone, "Welcome. This wallet is yours.")

	// begin opens the dApp's page in a tab beside, and is what it shows.
	begin := func() (page *browser.Page, link string) {
		page = b.Page(browser.Desk)
		page.Open(site.URL + "/notes")
		page.Wait("#b:enabled")
		return page, page.Text("#link")
	}
	// decide leads through the wallet's page from where the link is open, and checks what comes of it on both sides.
	decide := func(t *testing.T, at, page *browser.Page) {
		t.Helper()
		sees(at, "This link leads to\n\n"+site.URL+"\n\nNothing has been sent there yet.")
		at.Click("text=Open")
		sees(at, "To log you in")
		at.Click("text=Approve")
		for _, text := range []string{"calls itself “Demo”", "did:abt:" + d.apps["demo"].DID, site.URL, "An encryption key", "Open your notes", "For the salt"} {
			sees(at, text)
		}
		if got := page.Text("#status"); got != "" {
			t.Errorf("before anybody decided, the dApp says %q", got)
		}
		at.Click("text=Approve")
		page.Until(`document.getElementById("status").textContent === "Welcome"`)
		d.saw(t, seen{Event: "auth", Action: "notes", Step: 1, Own: true, Sealed: true, Opened: "Thursday: näive & <b>", Claims: []told{key}})
		for _, problem := range page.Problems() {
			t.Errorf("on the dApp's page, the browser complains: %s", problem)
		}
	}
	done := func(at *browser.Page) {
		at.Wait("text=Done. You can go back to the app")
	}

	t.Run("a link that is pasted", func(t *testing.T) {
		page, link := begin()
		phone.Open(walletPages)
		phone.Type("#link", link)
		phone.Click("form.open button")
		decide(t, phone, page)
		done(phone)
	})
	t.Run("a QR code that the camera sees", func(t *testing.T) {
		page, _ := begin()
		page.Until("code.naturalWidth > 0")
		shot, err := chromedp.Run(page.Context(), chromedp.Screenshot("#code"))
		if err != nil {
			t.Fatal(err)
		}
		shown, err := png.Decode(bytes.NewReader(shot))
		if err == nil {
			err = os.Rename(browser.Film(t, shown), camera)
		}
		if err != nil {
			t.Fatal(err)
		}
		phone.Open(walletPages)
		phone.Click("text=Scan with the camera")
		decide(t, phone, page)
		done(phone)
	})
	t.Run("a web wallet's address in a tab that the person opened", func(t *testing.T) {
		page, link := begin()
		phone.Open(walletPages + "/?" + url.Values{"action": {"login"}, "locale": {"en"}, "url": {link}}.Encode())
		decide(t, phone, page)
		sees(phone, "You can close this window.") // for the browser does not close it
		sees(phone, "Back to the app")
	})
	for _, problem := range phone.Problems() {
		t.Errorf("on the wallet's pages, the browser complains: %s", problem)
	}
	t.Run("the dApp's own button", func(t *testing.T) {
		page, link := begin()
		window := page.Popup(browser.Phone, func() { page.Click("#b") })
		window.Authenticator(device.Passkeys()...) // it is the same phone's
		window.Until(`location.href !== "about:blank" && document.readyState === "complete"`)
		at, err := url.Parse(window.URL())
		if err != nil {
			t.Fatal(err)
		}
		if want := (url.Values{"action": {"login"}, "locale": {"en"}, "url": {link}}); at.Path != "/" || !maps.EqualFunc(at.Query(), want, slices.Equal) {
			t.Errorf("the dApp opens %s", at)
		}
		decide(t, window, page)
		window.Gone()
	})
	recorded(t, s, phone)
}

// sees waits until a text is to be seen.
func sees(p *browser.Page, text string) {
	p.Until(fmt.Sprintf("document.body.innerText.includes(%q)", text))
}

// recorded downloads the record, and has it checked where there is no service.
func recorded(t *testing.T, s *service, p *browser.Page) {
	t.Helper()
	p.Open(walletPages + "/record")
	file := p.Download(func() { p.Click("text=Download") })
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	// Each approval holds what the person's device signed: the passkey, the client data, the signature.
	touch := regexp.MustCompile(`"touch":\{"passkey":"\w+","publicKey":"\w+","credential":"\w+","origin":"https://wallet\.example","clientData":"\w+","authenticatorData":"\w+","signature":"(\w+)",`)
	touches := touch.FindAllSubmatchIndex(text, -1)
	if len(touches) != 8 {
		t.Fatalf("the record holds %d assertions, want 8", len(touches))
	}
	s.stop()
	offline := func(file string) ([]byte, error) {
		verify := exec.Command(s.bin, "audit", "verify", file)
		verify.Env = []string{} // of no service
		return verify.CombinedOutput()
	}
	out, err := offline(file)
	if err != nil || !regexp.MustCompile(`(?m)^.+ \(\w+\) of owner \w+ signed 8 approvals and 0 other requests; all of it verifies$`).Match(out) {
		t.Errorf("walletd audit verify FILE: %v\n%s", err, out)
	}
	if digit := &text[touches[7][2]+12]; *digit == '0' { // of the signature
		*digit = '1'
	} else {
		*digit = '0'
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := offline(file); err == nil {
		t.Errorf("walletd audit verify takes a forged assertion:\n%s", out)
	}
}
