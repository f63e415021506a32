package pages_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image/png"
	"testing"

	"walletd/internal/wallettest"
	"walletd/internal/wallettest/browser"
)

// person is somebody at a browser that is signed in to a wallet.
type person struct {
	*wallettest.Wallet
	page *browser.Page
}

// signedIn starts a wallet and a browser, in which its owner has signed in with a token.
func signedIn(t *testing.T, view browser.View, options ...wallettest.Option) person {
	t.Helper()
	w := wallettest.New(t, options...)
	p := browser.Start(t, browser.Options{}).Page(view)
	who := person{w, p}
	who.signIn()
	return who
}

func (p person) signIn() {
	p.page.Open(p.URL + "/")
	p.page.Type("#token", p.Owner)
	p.page.Click("button.primary")
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
	p.page.Screenshot("approval/phone-light")
	p.page.Click("button[value=approve]")
	p.sees("Approved.")
	if key := notes.Collect(asked.Text("id")).Key(); key == "" {
		t.Error("the app has no key")
	}
	p.fine(t)
}

// appLink is the link of an app that is not there, as its page shows it.
const appLink = "https://abtwallet.io/i/?action=requestAuth&url=https%3A%2F%2Fnotes.example%2Fapi%2Fdid%2Flogin%2Fauth%3F_t_%3D1a2b3c4d"

func TestALinkIsTakenFromItsQRCode(t *testing.T) {
	code := browser.QR(t, appLink)
	w := wallettest.New(t, wallettest.Dev())
	p := person{w, browser.Start(t, browser.Options{Camera: browser.Film(t, code)}).Page(browser.Phone)}
	p.signIn()
	t.Run("that the camera sees", func(t *testing.T) {
		p.page.Open(p.URL + "/open")
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
		p.page.Open(p.URL + "/open")
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
	p := person{w, browser.Start(t, browser.Options{Camera: browser.Film(t, browser.QR(t, appLink)), NoCamera: true}).Page(browser.Phone)}
	p.signIn()
	p.page.Open(p.URL + "/open")
	p.page.Click("text=Scan with the camera")
	p.sees("The camera is not available.")
}
