package pages_test

import (
	"sync/atomic"
	"testing"
	"time"

	"walletd/internal/wallettest"
	"walletd/internal/wallettest/browser"
)

// What happens while a page is open is seen on it, and what is shown too late decides nothing.
func TestAnOpenPageKeepsUp(t *testing.T) {
	var ahead atomic.Int64
	p := signedIn(t, browser.Phone, wallettest.Dev(), wallettest.Clock(func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }))
	notes := p.App("Notes")
	// open shows what an app asks for, and returns its path.
	open := func(salt string) string {
		t.Helper()
		path := "/approvals/" + notes.Ask(wallettest.EncryptionKey(salt)).Text("id")
		p.page.Open(p.site + path)
		p.page.Wait("button[value=approve]")
		return path
	}
	t.Run("decided elsewhere", func(t *testing.T) {
		path := open("elsewhere")
		p.Do("POST", "/v1"+path+"/reject", p.Owner, wallettest.Members{}).Must(200)
		p.page.WaitGone("button[value=approve]")
		p.sees("Rejected")
	})
	t.Run("a slow network, and a button that is pressed twice", func(t *testing.T) {
		path := open("slow")
		p.page.Connect(browser.Network{Latency: 300 * time.Millisecond, BytesPerSecond: 20_000})
		browser.Eval[bool](p.page, `(b => { b.click(); b.click(); return true; })(document.querySelector("button[value=approve]"))`)
		p.sees("Approved.")
		p.page.Connect(browser.Network{})
		if state := p.Do("GET", "/v1"+path, p.Owner, nil).Must(200).Text("status"); state != "approved" {
			t.Errorf("it is %s", state)
		}
	})
	t.Run("a phone that slept for an hour", func(t *testing.T) {
		open("asleep")
		p.page.Connect(browser.Network{Away: true})
		ahead.Store(int64(time.Hour))
		p.page.Connect(browser.Network{})
		// As when its screen is unlocked.
		browser.Eval[bool](p.page, `document.dispatchEvent(new Event("visibilitychange"))`)
		p.page.WaitGone("button[value=approve]")
		p.sees("Expired")
	})
	t.Run("locked in the middle", func(t *testing.T) {
		path := open("locked")
		p.LockKeystore()
		p.sees("The wallet is locked")
		p.UnlockKeystore()
		p.page.Open(p.site + path)
		p.page.Click("button[value=approve]")
		p.sees("Approved.")
	})
	t.Run("a wallet that cannot be reached", func(t *testing.T) {
		path := open("away")
		p.page.Until("navigator.serviceWorker.controller !== null")
		p.Stop()
		p.page.Open(p.site + path)
		p.sees("There is no connection")
		if again := browser.Eval[string](p.page, `document.querySelector("a.button").href`); again != p.site+path {
			t.Errorf("trying again leads to %s", again)
		}
	})
}
