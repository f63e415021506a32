package pages_test

import (
	"fmt"
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
