package pages_test

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"

	"walletd/internal/store"
	"walletd/internal/wallettest"
	"walletd/internal/wallettest/browser"
)

// decodeQR reads the QR code that the page shows, as the page's own scanner would.
const decodeQR = `(async () => {
	const svg = document.querySelector("svg.qr"), canvas = document.createElement("canvas"), picture = new Image();
	picture.src = "data:image/svg+xml," + encodeURIComponent(new XMLSerializer().serializeToString(svg).replace("<svg", '<svg width="400" height="400"'));
	await picture.decode();
	canvas.width = canvas.height = 400;
	const c = canvas.getContext("2d");
	c.drawImage(picture, 0, 0, 400, 400);
	const decode = (await import(new URL("decode.js", document.querySelector("script[type=module]").src))).default;
	return decode({width: 400, height: 400, data: c.getImageData(0, 0, 400, 400).data});
})()`

func TestOwnersOnAPage(t *testing.T) {
	w, b := secure(t)
	p, key := invited(t, w, b, browser.Phone)
	home := key.Passkeys()[0]
	p.page.Open(p.site + "/settings")
	p.page.Click("a[href='/owners']")
	p.sees("Bob Example")
	p.page.Wait(".badge.yes")
	invite := func() string {
		t.Helper()
		p.page.Type("#name", "<b>Carol")
		p.page.Click("form[action='/owners']:has(#name) button")
		p.sees("The invitation for <b>Carol is ready")
		link := p.page.Text("#invitation")
		if got := browser.Eval[string](p.page, decodeQR); got != link || !strings.HasPrefix(link, p.site+"/invite#") {
			t.Fatalf("the QR code holds %q, and the link is %q", got, link)
		}
		return wallettest.InvitationOf(link)
	}
	t.Run("an invitation is shown once, and can be withdrawn", func(t *testing.T) {
		text := invite()
		for _, v := range p.page.Axe() {
			t.Errorf("axe: %s", v)
		}
		p.page.Screenshot("invited/phone-light")
		p.page.Open(p.site + "/owners")
		p.sees("Open invitations")
		if strings.Contains(browser.Eval[string](p.page, "document.documentElement.outerHTML"), strings.Split(text, ".")[1]) {
			t.Error("the link is shown again")
		}
		p.page.Click("text=Withdraw")
		p.sees("Revoked.")
		w.Do("POST", "/v1/invitations/open", "", wallettest.Members{"invitation": text}).Refused(http.StatusGone, "invitation_ended")
	})
	t.Run("who accepts is seen, comes back after losing every passkey, and is removed", func(t *testing.T) {
		carol := w.Accept(invite())
		p.page.Click("text=Lost every passkey?")
		p.page.Click("text=Invite anew")
		p.sees("The invitation is ready")
		again := w.Accept(wallettest.InvitationOf(p.page.Text("#invitation")))
		carol.Do("GET", "/v1/approvals", nil).Refused(http.StatusUnauthorized, "unauthorized")
		if again.Owner != carol.Owner {
			t.Errorf("came back as %s, and was %s", again.Owner, carol.Owner)
		}
		p.page.Click("button[aria-label='Remove the owner <b>Carol']")
		p.sees("Revoked.")
		again.Do("GET", "/v1/approvals", nil).Refused(http.StatusUnauthorized, "unauthorized")
	})
	// sessions counts the browser sessions of a wallet that hold.
	sessions := func(wallet string) (n int) {
		t.Helper()
		tokens, _, err := w.Store.Tokens(t.Context(), wallet, store.Page{Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		for _, token := range tokens {
			if token.Passkey != "" && token.Revoked == 0 {
				n++
			}
		}
		return n
	}
	t.Run("one who owns two wallets goes from one to the other, and back", func(t *testing.T) {
		second := w.Do("POST", "/v1/wallets", w.Operator, wallettest.Members{"name": "Work"}).Must(http.StatusCreated).Text("wallet")
		link := w.Do("POST", "/v1/invitations", w.Operator, wallettest.Members{"wallet": second, "name": "Bob"}).Must(http.StatusCreated).Text("link")
		p.page.Open("about:blank")
		p.page.Open(link)
		p.page.Click("button.primary")
		p.sees("Welcome. This wallet is yours.")
		if got := p.page.Text(".which"); got != "Work" {
			t.Errorf("the page says that this is %q", got)
		}
		if got := sessions(w.Address); got != 0 {
			t.Errorf("%d sessions of the first wallet are left", got)
		}
		held := key.Passkeys()
		of := slices.IndexFunc(held, func(k *browser.Passkey) bool { return bytes.Equal(k.CredentialID, home.CredentialID) })
		if len(held) != 2 || of < 0 || held[1-of].UserName != "Bob · Work" {
			t.Fatalf("the authenticator holds %+v", held)
		}
		key.Remove()
		p.page.Authenticator(held[of]) // and not the one of the other wallet
		p.page.Open(p.site + "/settings")
		p.page.Click("text=Go to another wallet of yours")
		p.sees("This browser is signed in to Work.")
		p.page.Click("text=Sign in with a passkey")
		p.sees(w.Address)
		if got := sessions(second); got != 0 {
			t.Errorf("%d sessions of the second wallet are left", got)
		}
	})
	t.Run("one signs out everywhere", func(t *testing.T) {
		p.page.Open(p.site + "/settings")
		p.page.Click("text=Sign out everywhere")
		p.sees("Sign in with a passkey")
		if got := sessions(w.Address); got != 0 {
			t.Errorf("%d sessions are left", got)
		}
	})
	p.fine(t)
}
