package pages_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image/png"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"walletd/internal/wallettest"
	"walletd/internal/wallettest/browser"
)

// shared is the browser of all tests that need none of their own.
var shared browser.Shared

func TestMain(m *testing.M) { os.Exit(shared.Main(m)) }

// person is somebody at a browser that is signed in to a wallet.
type person struct {
	*wallettest.Wallet
	page *browser.Page
	site string // that the browser is at
}

// signedIn starts a wallet and a browser, in which its owner has signed in with a token.
func signedIn(t *testing.T, view browser.View, options ...wallettest.Option) person {
	t.Helper()
	w := wallettest.New(t, options...)
	p := shared.Browser(t, nil).Page(view)
	who := person{w, p, w.URL}
	who.signIn()
	return who
}

func (p person) signIn() {
	p.page.Open(p.site + "/")
	p.page.Click("text=With a token")
	p.page.Type("#token", p.Owner)
	p.page.Click("form:has(#token) button")
	p.page.Wait("nav")
}

// sees waits until a text is to be seen.
func (p person) sees(text string) {
	p.page.Until(fmt.Sprintf("document.body.innerText.includes(%q)", text))
}

// fine fails the test if the browser complained of anything.
func (p person) fine(t *testing.T) {
	t.Helper()
	for _, problem := range p.page.Problems() {
		t.Errorf("the browser complains: %s", problem)
	}
}

func TestAnOwnerSeesWhatWaitsAndDecides(t *testing.T) {
	p := signedIn(t, browser.Phone, wallettest.Dev())
	p.sees("Nothing waits for you")
	notes := p.App("Notes")
	asked := notes.Ask(wallettest.EncryptionKey("diary"))
	p.sees(asked.Text("code")) // without a reload
	p.page.Screenshot("home/phone-light")
	p.page.Click("a.card")
	p.sees("An encryption key")
	p.sees("You have decided nothing about this app before.")
	if got := p.page.Text("dl.from"); !strings.Contains(got, "127.0.0.1") || !strings.Contains(got, "Go-http-client") {
		t.Errorf("the app asks from %q", got)
	}
	p.page.Screenshot("approval/phone-light")
	p.page.Click("button[value=approve]")
	p.sees("Approved.")
	if key := notes.Collect(asked.Text("id")).Key(); key == "" {
		t.Error("the app has no key")
	}
	p.page.Open(p.site + "/approvals/" + notes.Ask(wallettest.EncryptionKey("letters")).Text("id"))
	p.page.Until(`/You approved it once since .*, never with this salt\./.test(document.body.innerText)`)
	p.fine(t)
}

// appLink is the link of an app that is not there, as its page shows it.
const appLink = "https://abtwallet.io/i/?action=requestAuth&url=https%3A%2F%2Fnotes.example%2Fapi%2Fdid%2Flogin%2Fauth%3F_t_%3D1a2b3c4d"

func TestALinkIsTakenFromItsQRCode(t *testing.T) {
	code := browser.QR(t, appLink)
	w := wallettest.New(t, wallettest.Dev())
	p := person{w, browser.Start(t, browser.Options{Camera: browser.Film(t, code)}).Page(browser.Phone), w.URL}
	p.signIn()
	t.Run("that the camera sees", func(t *testing.T) {
		p.page.Open(p.site + "/open")
		p.page.Click("text=Scan with the camera")
		p.sees("https://notes.example")
		p.sees("Nothing has been sent there yet.")
	})
	var picture bytes.Buffer
	if err := png.Encode(&picture, code); err != nil {
		t.Fatal(err)
	}
	// give has the page handle an event that brings a picture.
	give := func(event, with string, picture []byte) {
		p.page.Open(p.site + "/open")
		p.page.Wait("text=Choose a picture")
		browser.Eval[bool](p.page, fmt.Sprintf(`(() => {
			const data = new DataTransfer();
			data.items.add(new File([Uint8Array.fromBase64(%q)], "code.png", {type: "image/png"}));
			return document.body.dispatchEvent(new %s("%s", {bubbles: true, cancelable: true, %s: data}));
		})()`, base64.StdEncoding.EncodeToString(picture), event, map[string]string{"ClipboardEvent": "paste", "DragEvent": "drop"}[event], with))
	}
	t.Run("that is pasted", func(t *testing.T) {
		give("ClipboardEvent", "clipboardData", picture.Bytes())
		p.sees("https://notes.example")
	})
	t.Run("that is dropped", func(t *testing.T) {
		give("DragEvent", "dataTransfer", picture.Bytes())
		p.sees("https://notes.example")
	})
	t.Run("but not from a picture without one", func(t *testing.T) {
		give("ClipboardEvent", "clipboardData", []byte("no picture"))
		p.sees("No QR code was found")
	})
	t.Run("but not from a code that holds something else", func(t *testing.T) {
		picture.Reset()
		if err := png.Encode(&picture, browser.QR(t, "WIFI:S:home;T:WPA;P:secret;;")); err != nil {
			t.Fatal(err)
		}
		give("DragEvent", "dataTransfer", picture.Bytes())
		p.sees("This is not the link of a DID Connect session.")
	})
}

func TestTheCameraMayBeRefused(t *testing.T) {
	w := wallettest.New(t, wallettest.Dev())
	p := person{w, browser.Start(t, browser.Options{Camera: browser.Film(t, browser.QR(t, appLink)), NoCamera: true}).Page(browser.Phone), w.URL}
	p.signIn()
	p.page.Open(p.site + "/open")
	p.page.Click("text=Scan with the camera")
	p.sees("The camera is not available.")
}

// text is a value as JSON.
func text(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestPagesWorkWithoutScripts(t *testing.T) {
	view := browser.Phone
	view.NoScript = true
	w := wallettest.New(t)
	p := person{w, shared.Browser(t, nil).Page(view), w.URL}
	asked := w.App("Notes").Ask(wallettest.EncryptionKey("diary"))
	p.page.Open(p.site + "/approvals/" + asked.Text("id"))
	p.sees("A passkey takes scripts, which are off in this browser.")
	p.signIn()
	p.sees(asked.Text("code"))
	p.page.Click("a.card")
	p.sees("Approving takes a passkey, and scripts.")
	p.page.Click("button[value=reject]")
	p.sees("Rejected. The app gets nothing.")
}

func TestTheKeyboardAloneLeadsThroughADecision(t *testing.T) {
	p := signedIn(t, browser.Desk, wallettest.Dev())
	notes := p.App("Notes")
	asked := notes.Ask(wallettest.EncryptionKey("diary"))
	p.sees(asked.Text("code"))
	// to presses Tab until what a selector names has the focus.
	to := func(selector string) {
		t.Helper()
		for range 60 {
			if browser.Eval[bool](p.page, fmt.Sprintf("document.activeElement.matches(%q)", selector)) {
				if !browser.Eval[bool](p.page, "document.activeElement.matches(':focus-visible')") {
					t.Errorf("%s has the focus, which cannot be seen", selector)
				}
				return
			}
			p.page.Press(kb.Tab)
		}
		t.Fatalf("the keyboard does not lead to %s", selector)
	}
	to("a.skip")
	to("a.card")
	p.page.Press(kb.Enter)
	p.sees("What it asks for")
	to("input[value=once]")
	p.page.Press(kb.ArrowRight)
	to("button[value=approve]")
	p.page.Press(kb.Enter)
	p.sees("Approved.")
	var grants struct{ Items []wallettest.Members }
	p.Do("GET", p.Path("/grants"), p.Owner, nil).Must(200).Into(&grants)
	if len(grants.Items) != 1 {
		t.Errorf("there are %d grants, want the one for an hour", len(grants.Items))
	}
	p.fine(t)
}

func TestTheFirstPageIsSmallAndAsksNobodyElse(t *testing.T) {
	p := signedIn(t, browser.Phone, wallettest.Dev())
	stranger := person{p.Wallet, shared.Browser(t, nil).Page(browser.Phone), p.site}
	for name, who := range map[string]person{"to sign in": stranger, "of an owner": p} {
		who.page.Forget()
		who.page.Open(who.site + "/")
		who.page.Until("document.readyState === 'complete'")
		total := browser.Eval[int](who.page, `performance.getEntries().filter(e => e.transferSize !== undefined).reduce((n, e) => n + e.encodedBodySize + 300, 0)`)
		if total > 100_000 || total < 10_000 {
			t.Errorf("the first page %s has %d bytes, want fewer than 100,000", name, total)
		}
		for _, r := range who.page.Requests() {
			if !strings.HasPrefix(r.URL, who.site+"/") {
				t.Errorf("the page %s asks %s", name, r.URL)
			}
		}
	}
}

func TestPagesAreFramedByNobody(t *testing.T) {
	p := signedIn(t, browser.Desk, wallettest.Dev())
	outer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, "<!doctype html><title>Outer</title><iframe src=%q></iframe>", p.site+"/")
	}))
	t.Cleanup(outer.Close)
	p.page.Forget()
	p.page.Open(outer.URL)
	p.page.Until("document.readyState === 'complete'")
	refused := func() bool { return strings.Contains(strings.ToLower(fmt.Sprint(p.page.Problems())), "frame") }
	for end := time.Now().Add(time.Minute); !refused(); time.Sleep(10 * time.Millisecond) { // it is told apart from the page
		if time.Now().After(end) {
			t.Fatalf("the browser refuses no frame: %v", p.page.Problems())
		}
	}
	if got := browser.Eval[string](p.page, `(() => { try { return document.querySelector("iframe").contentDocument?.body?.innerText ?? "" } catch { return "" } })()`); strings.Contains(got, "Nothing waits") {
		t.Error("the page is shown in a frame")
	}
}

func TestHostileTextIsText(t *testing.T) {
	p := signedIn(t, browser.Phone, wallettest.Dev())
	name := "<img src=x onerror=alert(1)>\u202egnp.exe\u200b" + strings.Repeat("長", 10000)
	r := p.Request("POST", "/v1/claims", wallettest.Members{"requestedClaims": []wallettest.Members{
		wallettest.EncryptionKey("a\u202eb</pre><script>", wallettest.Members{"description": name[:4000]}),
	}})
	r.Header.Set("Authorization", "Bearer "+p.App("Notes").Token)
	r.Header.Set("User-Agent", "<b onclick=x>curl\u202e\u2066</q></dd>"+strings.Repeat("x", 10000))
	asked := p.Send(r).Must(http.StatusAccepted)
	p.page.Open(p.site + "/approvals/" + asked.Text("id"))
	p.sees("<img src=x onerror=alert(1)>gnp.exe")
	if got := p.page.Text("dl.from q"); !strings.HasPrefix(got, "<b onclick=x>curl</q></dd>xxx") || len(got) > 120 {
		t.Errorf("the program is shown as %q", got)
	}
	p.sees(`a\u{202e}b</pre><script>`)
	if wide := browser.Eval[int](p.page, "document.documentElement.scrollWidth - innerWidth"); wide > 0 {
		t.Errorf("the page is %d pixels too wide", wide)
	}
	if got := browser.Eval[int](p.page, `document.querySelectorAll("main img, main script, main b").length`); got != 0 {
		t.Errorf("the app's text made %d elements", got)
	}
	p.fine(t)
}

func TestALinkIsOpenedOnAClickAlone(t *testing.T) {
	p := signedIn(t, browser.Phone, wallettest.Dev())
	p.page.Open(p.site + "/?action=login&locale=ja&url=" + url.QueryEscape(appLink))
	p.sees("https://notes.example")
	var sessions struct{ Items []wallettest.Members }
	p.Do("GET", "/v1/sessions", p.Owner, nil).Must(200).Into(&sessions)
	if len(sessions.Items) != 0 {
		t.Fatalf("a session was opened before the click: %v", sessions.Items)
	}
	p.page.Click("button.primary")
	p.page.Until(`document.querySelector("[data-session]") !== null`)
	p.page.Until(`document.querySelector("[data-session]").dataset.session === "refused" || document.querySelector("[data-session]").dataset.session === "failed" || document.querySelector("[data-session]").dataset.session === "unknown"`)
	p.sees("The wallet ended this")
	if status := browser.Eval[int](p.page, `fetch("/?action=iframe").then(r => r.status)`); status != 204 {
		t.Errorf("what pages load hidden is answered %d", status)
	}
	p.fine(t)
}
