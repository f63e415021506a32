package pages_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"walletd/internal/server"
	"walletd/internal/wallettest"
	"walletd/internal/wallettest/browser"
	"walletd/internal/wallettest/fixture"
)

// secure serves a wallet over TLS as https://wallet.example, to a browser.
func secure(t *testing.T, options ...wallettest.Option) (*wallettest.Wallet, *browser.Browser) {
	t.Helper()
	w, s := overTLS(t, options...)
	return w, shared.Browser(t, map[string]string{"wallet.example:443": s.Listener.Addr().String()})
}

// overTLS serves a wallet over TLS.
func overTLS(t *testing.T, options ...wallettest.Option) (*wallettest.Wallet, *httptest.Server) {
	t.Helper()
	w := wallettest.New(t, append(options, wallettest.Config(func(c *server.Config) { c.Hosts = append(c.Hosts, "wallet.example") }))...)
	s := httptest.NewTLSServer(w.Server.Handler())
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return w, s
}

// invited is a person who came by an invitation, with a passkey in their hand.
func invited(t *testing.T, w *wallettest.Wallet, b *browser.Browser, view browser.View) (person, *browser.Authenticator) {
	t.Helper()
	p := person{w, b.Page(view), "https://wallet.example"}
	key := p.page.Authenticator()
	p.page.Open(p.site + "/invite#" + w.Invite(wallettest.Members{"name": "Bob"}))
	p.page.Type("#name", "Bob Example")
	p.page.Click("button.primary")
	p.sees("Welcome. This wallet is yours.")
	return p, key
}

func TestAnInvitedPersonMakesAPasskeyAndApprovesWithATouch(t *testing.T) {
	w, b := secure(t)
	p, key := invited(t, w, b, browser.Phone)
	if held := key.Passkeys(); len(held) != 1 || held[0].RPID != "wallet.example" || !held[0].IsResidentCredential {
		t.Fatalf("the authenticator holds %+v", held)
	}
	notes := w.App("Notes")

	t.Run("which a script cannot read the session of", func(t *testing.T) {
		if got := browser.Eval[string](p.page, "document.cookie"); strings.Contains(got, "walletd") {
			t.Errorf("scripts see %q", got)
		}
	})
	t.Run("whose yes holds a signature over what was asked and chosen", func(t *testing.T) {
		asked := notes.Ask(wallettest.EncryptionKey("diary"))
		p.sees(asked.Text("code"))
		p.page.Click("a.card")
		p.page.Click("text=A day")
		p.page.Click("button[value=approve]")
		p.sees("Approved.")
		if notes.Collect(asked.Text("id")).Key() == "" {
			t.Error("the app has no key")
		}
		notes.Ask(wallettest.EncryptionKey("diary")).Must(http.StatusOK) // for a day
		record := string(w.Do("GET", w.Path("/audit/export"), w.Owner, nil).Must(http.StatusOK).Body)
		if !strings.Contains(record, "clientDataJSON") && !strings.Contains(record, "clientData") {
			t.Error("the record does not hold the assertion")
		}
		verified := w.Do("GET", w.Path("/audit/verify"), w.Owner, nil).Must(http.StatusOK).Members()
		if verified["ok"] != true {
			t.Errorf("the record does not verify: %v", verified)
		}
	})
	t.Run("who chooses the account and the credentials that answer, and signs that choice", func(t *testing.T) {
		account := func(key, hash string) string {
			made := w.Do("POST", w.Path("/accounts"), w.Owner, wallettest.Members{"app": notes.DID.String(), "targetType": wallettest.Members{"role": "account", "key": key, "hash": hash}})
			return made.Must(http.StatusCreated).Text("account")
		}
		usual, other := account("ed25519", "sha3"), account("ethereum", "keccak")
		stored := func(credential json.RawMessage) string {
			return w.Do("POST", w.Path("/credentials"), w.Owner, wallettest.Members{"credential": credential}).Must(http.StatusCreated).Text("id")
		}
		issuer := fixture.NewPeer(t, 9)
		foreign := w.Do("POST", w.Path("/accounts"), w.Owner, wallettest.Members{"app": w.App("Drive").DID.String()}).Must(http.StatusCreated).Text("account")
		cards := []string{stored(issuer.Issue(t, "card-1", usual, "")), stored(issuer.Issue(t, "card-2", foreign, ""))}
		passports := []string{stored(issuer.IssuePassport(t, "pass-1", usual, "owner")), stored(issuer.IssuePassport(t, "pass-2", usual, "member"))}
		asked := notes.Ask(wallettest.Members{"type": "authPrincipal"},
			wallettest.Members{"type": "verifiableCredential", "item": []string{"Card"}, "challenge": "A1B2C3D4E5F60718"},
			wallettest.Members{"type": "verifiableCredential", "item": []string{"NodePassport"}, "challenge": "A1B2C3D4E5F60718"})
		p.page.Open(p.site + "/approvals/" + asked.Must(http.StatusAccepted).Text("id"))
		p.page.Click(fmt.Sprintf("label:has(input[value='%s'])", other))
		p.page.Click(fmt.Sprintf("label:has(input[value='%s'])", passports[1]))
		p.page.Click(fmt.Sprintf("label:has(input[value='%s'])", cards[1])) // of another account, so that it is for once
		p.sees("This choice is for once: you are asked each time.")
		for _, v := range p.page.Axe() {
			t.Errorf("the choices: %s", v)
		}
		p.page.Wait("fieldset[data-remember]:disabled")
		p.page.Click(fmt.Sprintf("label:has(input[value='%s'])", cards[0]))
		p.page.Wait("fieldset[data-remember]:not(:disabled)")
		p.page.Click("text=An hour")
		p.page.Click("button[value=approve]")
		p.sees("Approved.")
		var answer struct {
			UserDid         string
			RequestedClaims []struct{ Presentation string }
		}
		notes.Collect(asked.Text("id")).Must(http.StatusOK).Into(&answer)
		if answer.UserDid != other || !strings.Contains(answer.RequestedClaims[1].Presentation, "card-1") || !strings.Contains(answer.RequestedClaims[2].Presentation, "pass-2") {
			t.Errorf("the answer is %+v", answer)
		}
	})
	t.Run("who is offered nothing to remember of what is asked each time", func(t *testing.T) {
		asked := notes.Ask(wallettest.EncryptionKey("mfa", wallettest.Members{"mfaCode": []int{11, 22, 33}}))
		p.page.Open(p.site + "/approvals/" + asked.Must(http.StatusAccepted).Text("id"))
		p.sees("This is for once: you are asked each time.")
		p.sees("a number shown on the app's page must be chosen")
		p.page.Click("label:has(input[value='22'])")
		if browser.Eval[bool](p.page, `document.querySelector("[name=remember]") !== null`) {
			t.Error("the page offers to remember it")
		}
		p.page.Click("button[value=approve]")
		p.sees("Approved.")
	})
	t.Run("whose no takes none", func(t *testing.T) {
		asked := notes.Ask(wallettest.EncryptionKey("letters"))
		p.page.Open(p.site + "/approvals/" + asked.Text("id"))
		p.page.Click("button[value=reject]")
		p.sees("Rejected. The app gets nothing.")
	})
	t.Run("who changes the rules with a touch", func(t *testing.T) {
		p.page.Open(p.site + "/rules")
		p.page.Click("text=Add a rule")
		p.page.Type("#app-add", notes.DID.String())
		p.page.Click("text=Deny")
		p.page.Click("text=Add at the end")
		p.sees("Saved.")
		notes.Ask(wallettest.EncryptionKey("other")).Refused(http.StatusForbidden, "denied")
	})
	t.Run("who pairs a page by its code, with a touch", func(t *testing.T) {
		client := w.Page("https://client.example")
		p.page.Open(p.site + "/pair#" + client.Begin("Element"))
		p.page.Click("form[action='/pair'] button") // the code was in the link
		p.sees("https://client.example")
		p.sees("calls itself “Element”")
		client.Poll().Must(http.StatusAccepted) // looking approves nothing
		p.page.Click("button[value=approve]")
		p.sees("Paired. The page goes on by itself.")
		client.Poll().Must(http.StatusOK)

		other := w.Page("https://other.example")
		code := other.Begin("Element")
		p.page.Open(p.site + "/pair")
		p.page.Type("#code", code)
		p.page.Click("form[action='/pair'] button")
		p.page.Click("button[value=reject]")
		p.sees("Rejected.")
		other.Poll().Refused(http.StatusForbidden, "rejected")
		p.page.Open(p.site + "/pair?code=" + code)
		p.sees("No page waits with this code.")
		p.page.Forget() // the answer was 404
	})
	t.Run("whose pages the documentation shows", func(t *testing.T) {
		photos := w.App("Photos")
		asked := photos.Ask(wallettest.EncryptionKey("albums", wallettest.Members{"description": "Open your albums"}))
		name := w.App("Calendar").Ask(wallettest.Members{"type": "profile", "items": []string{"fullName"}}).Must(http.StatusAccepted)
		zh, desk := browser.Phone, browser.Desk
		zh.Language, desk.Dark = "zh-CN", true
		for _, shot := range []struct {
			name, path string
			view       browser.View
		}{
			{"docs/approval", "/approvals/" + asked.Text("id"), browser.Phone},
			{"docs/record-zh", "/record", zh},
			{"docs/home", "/", desk},
		} {
			p.page.Look(shot.view)
			p.page.Open(p.site + shot.path)
			p.page.Picture(shot.name)
		}
		p.page.Look(browser.Phone)
		w.MustReject(asked.Text("code"))
		w.MustReject(name.Text("code"))
	})
	t.Run("who signs out, and in again", func(t *testing.T) {
		p.page.Open(p.site + "/settings")
		p.page.Click("text=Sign out")
		p.page.Click("text=Sign in with a passkey")
		p.sees("Nothing waits for you")
	})
	t.Run("whose other page learns that the session is over", func(t *testing.T) {
		other := b.Page(browser.Desk)
		other.Open(p.site + "/settings")
		other.Click("text=Sign out")
		p.sees("Sign in with a passkey")
	})
	p.fine(t)
}

func TestAnInvitationWorksOnce(t *testing.T) {
	w, b := secure(t)
	text := w.Invite(wallettest.Members{"name": "Bob"})
	w.Accept(text)
	p := person{w, b.Page(browser.Phone), "https://wallet.example"}
	p.page.Authenticator()
	for name, link := range map[string]string{"that was used": text, "that was cut off": text[:len(text)-3], "without what it is for": ""} {
		t.Run(name+" says so, and to ask for another", func(t *testing.T) {
			p.page.Open("about:blank") // what differs behind the # alone is the same page
			p.page.Open(p.site + "/invite#" + link)
			p.page.Click("button.primary")
			p.sees("This invitation was used, is older than a day, or its link is not whole. Ask for a new one.")
		})
	}
}

// post sends a form to a page as a browser does, with cookies and headers.
func post(t *testing.T, w *wallettest.Wallet, path string, header http.Header, fields url.Values) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.URL+path, strings.NewReader(fields.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header.Clone()
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { answer.Body.Close() })
	return answer
}

func TestAStolenSessionGivesNothingAway(t *testing.T) {
	w := wallettest.New(t)
	bob := w.Person("Bob")
	with := http.Header{"Cookie": {"walletd=" + bob.Token}}
	asked := w.App("Notes").Ask(wallettest.EncryptionKey("diary"))
	path := "/approvals/" + asked.Text("id")
	if got := post(t, w, path, with, url.Values{"decision": {"approve"}}); got.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("approving without a touch: %d", got.StatusCode)
	}
	client := w.Page("https://client.example")
	code := client.Begin("Element")
	asks := client.Poll().Must(http.StatusAccepted)
	pair := url.Values{"code": {code}, "origin": {client.Origin}, "thumbprint": {asks.Text("thumbprint")}, "decision": {"approve"}}
	if got := post(t, w, "/pair", with, pair); got.StatusCode != http.StatusForbidden {
		t.Errorf("pairing a page without a touch: %d", got.StatusCode)
	}
	client.Poll().Must(http.StatusAccepted)
	other := w.App("Drive").Ask(wallettest.EncryptionKey("diary")).Text("id")
	challenge := bob.Do("POST", "/v1/approvals/"+other+"/challenge", wallettest.Members{}).Must(http.StatusOK)
	assertion := wallettest.Members(bob.Answer(challenge))
	if got := post(t, w, path, with, url.Values{"decision": {"approve"}, "assertion": {text(t, assertion)}}); got.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("approving with the touch for another approval: %d", got.StatusCode)
	}
	if got := post(t, w, "/approvals/"+other, with, url.Values{"decision": {"approve"}, "assertion": {text(t, assertion)}, "remember": {"always"}}); got.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("approving with the touch for another choice: %d", got.StatusCode)
	}
	for path, fields := range map[string]url.Values{
		"/backup": {}, "/settings": {"name": {"mine"}}, "/profile": {"fullName": {"Eve"}}, "/apps/" + w.App("Notes").DID.Address() + "/name": {"name": {"x"}},
		"/owners": {"name": {"Eve"}}, "/owners/" + bob.Owner + "/remove": {},
		"/passkeys/" + bob.Passkey + "/remove": {}, "/passkeys/" + bob.Passkey + "/name": {"name": {"x"}},
	} {
		if got := post(t, w, path, with, fields); got.StatusCode != http.StatusForbidden {
			t.Errorf("%s without a touch: %d", path, got.StatusCode)
		}
	}
	if got := post(t, w, path, with, url.Values{"decision": {"reject"}}); got.StatusCode != http.StatusSeeOther {
		t.Errorf("rejecting: %d", got.StatusCode)
	}
	t.Run("and an owner's token is no session", func(t *testing.T) {
		if got := post(t, w, path, http.Header{"Cookie": {"walletd=" + w.Owner}}, url.Values{"decision": {"reject"}}); got.Header.Get("Location") != "/sign-in" {
			t.Errorf("got %d", got.StatusCode)
		}
	})
}

func TestPagesOfOtherSitesMakeABrowserDoNothing(t *testing.T) {
	w := wallettest.New(t)
	bob := w.Person("Bob")
	asked := w.App("Notes").Ask(wallettest.EncryptionKey("diary"))
	for name, header := range map[string]http.Header{
		"by where it came from": {"Sec-Fetch-Site": {"cross-site"}}, "by its origin": {"Origin": {"https://evil.example"}}, "by a site of the same domain": {"Sec-Fetch-Site": {"same-site"}},
	} {
		header.Set("Cookie", "walletd="+bob.Token)
		if got := post(t, w, "/approvals/"+asked.Text("id"), header, url.Values{"decision": {"reject"}}); got.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d", name, got.StatusCode)
		}
	}
	if w.Waiting(asked.Text("code"))["status"] != "pending" {
		t.Error("the approval was decided")
	}
}
