package pages_test

import (
	"fmt"
	"strings"
	"testing"

	"walletd/internal/wallettest"
	"walletd/internal/wallettest/browser"
	"walletd/internal/wallettest/fixture"
)

// looks are how every page is looked at. The language is that of the browser.
var looks = []struct {
	name string
	view browser.View
	axe  bool
}{
	{"phone-light-en", browser.Phone, true},
	{"phone-dark-zh", dark(browser.Phone, "zh-CN"), false},
	{"desk-light-en", browser.Desk, false},
	{"desk-dark-ja", dark(browser.Desk, "ja"), true},
	{"zoomed-en", zoomed, false},
}

// zoomed is a window of 1280 by 1024 pixels at 400 %.
var zoomed = browser.View{Width: 320, Height: 256, Scale: 4}

// cut are the texts and controls of a page that reach out of the window, or out of a part that hides what does. What a
// field holds, and a text that is shown as it was sent, scroll by themselves.
const cut = `[...document.querySelectorAll("body *")].filter(e => e.checkVisibility({visibilityProperty: true}) && !e.closest(".hidden, .skip, svg, input")).filter(e => {
	const r = e.getBoundingClientRect(), s = getComputedStyle(e), hides = (o) => o === "hidden" || o === "clip";
	return r.width > 0 && (r.left < -1 || r.right > innerWidth + 1) ||
		hides(s.overflowX) && e.scrollWidth > e.clientWidth + 1 || hides(s.overflowY) && e.scrollHeight > e.clientHeight + 1;
}).map(e => e.tagName + "." + e.className + ": " + e.textContent.trim().slice(0, 60)).join("\n")`

func dark(v browser.View, language string) browser.View {
	v.Dark, v.Language = true, language
	return v
}

// TestEveryPage looks at every page in every way: axe-core finds nothing, the policy holds, nothing is cut off, and all of
// it is drawn.
func TestEveryPage(t *testing.T) {
	p := signedIn(t, browser.Phone, wallettest.Dev())
	p.Do("PUT", p.Path("/profile"), p.Owner, wallettest.Members{"fullName": "Alice Example", "email": "alice@example.org"}).Must(200)
	notes, drive := p.App("Notes"), p.App("Drive")
	p.Rules(wallettest.Members{"app": drive.DID.String(), "claim": "encryptionKey", "salt": "photos", "decision": "allow"},
		wallettest.Members{"app": "*", "claim": "keyPair", "decision": "deny"})
	p.MustApprove(notes.Ask(wallettest.EncryptionKey("diary")).Text("code"), wallettest.Members{"remember": wallettest.Members{"seconds": 86400}})
	drive.Ask(wallettest.EncryptionKey("photos")).Must(200)
	waiting := drive.Ask(wallettest.EncryptionKey("letters", wallettest.Members{"description": "Open your letters"})).Must(202)
	account := func(app *wallettest.App, key, hash string) string {
		body := wallettest.Members{"app": app.DID.String(), "targetType": wallettest.Members{"role": "account", "key": key, "hash": hash}}
		return p.Do("POST", p.Path("/accounts"), p.Owner, body).Must(201).Text("account")
	}
	usual := account(drive, "ed25519", "sha3")
	account(drive, "ethereum", "keccak")
	issuer := fixture.NewPeer(t, 9)
	for id, about := range map[string]string{"card-1": usual, "card-2": account(notes, "ed25519", "sha3")} {
		p.Do("POST", p.Path("/credentials"), p.Owner, wallettest.Members{"credential": issuer.Issue(t, id, about, "")}).Must(201)
	}
	choices := drive.Ask(wallettest.Members{"type": "authPrincipal"}, wallettest.Members{"type": "profile", "items": []string{"fullName", "email"}},
		wallettest.Members{"type": "verifiableCredential", "item": []string{"Card"}, "challenge": "A1B2C3D4E5F60718"}).Must(202)
	client := p.Page("https://client.example")
	pages := map[string]string{
		"home": "/", "approval": "/approvals/" + waiting.Text("id"), "approval-choices": "/approvals/" + choices.Text("id"), "owners": "/owners", "open": "/open", "open-leads": "/open?link=" + link, "apps": "/apps", "app": "/apps/" + notes.DID.Address(),
		"rules": "/rules", "rules-test": "/rules?test=yes&claim=encryptionKey&salt=photos&app=" + drive.DID.String(), "record": "/record?verify=yes", "settings": "/settings", "devices": "/devices", "notices": "/notices", "pair": "/pair", "pair-asks": "/pair?code=" + client.Begin("Element"),
		"profile": "/profile", "secrets": "/secrets", "backup": "/backup", "operator": "/operator", "offline": "/offline", "missing": "/approvals/none",
	}
	for _, look := range looks {
		p.page.Look(look.view)
		for name, path := range pages {
			p.look(t, name+"/"+look.name, path, look.axe)
			if look.view == zoomed {
				// Again, on a phone whose person has set letters twice as large.
				p.page.Look(browser.Phone)
				browser.Eval[bool](p.page, `(document.documentElement.style.fontSize = "200%") === "200%"`)
				p.loses(t, name+" with large letters")
				p.page.Look(zoomed)
			}
		}
	}
	p.LockKeystore()
	p.page.Look(browser.Phone)
	p.look(t, "locked/phone-light-en", "/", true)
	p.look(t, "operator-locked/phone-light-en", "/operator", true)
}

// link leads to an app that is not there.
const link = "https%3A%2F%2Fabtwallet.io%2Fi%2F%3Faction%3DrequestAuth%26url%3Dhttps%253A%252F%252Fnotes.example%252Fapi%252Fdid%252Flogin%252Fauth%253F_t_%253D1a2b3c4d"

func (p person) look(t *testing.T, name, path string, axe bool) {
	t.Helper()
	p.page.Open(p.site + path)
	p.loses(t, name)
	if title := browser.Eval[string](p.page, "document.title"); !strings.HasSuffix(title, " · walletd") {
		t.Errorf("%s has the title %q", name, title)
	}
	if axe {
		for _, v := range p.page.Axe() {
			t.Errorf("%s: %s", name, v)
		}
	}
	if !strings.Contains(name, "zoomed") {
		p.page.Screenshot(name)
	}
	for _, problem := range p.page.Problems() {
		if problem.Kind != "request" || problem.URL != "" && !strings.Contains(fmt.Sprint(problem), path) {
			t.Errorf("%s: the browser complains: %s", name, problem)
		}
	}
	p.page.Forget()
}

// loses fails the test if the page scrolls sideways, or shows something only in part.
func (p person) loses(t *testing.T, name string) {
	t.Helper()
	if wide := browser.Eval[int](p.page, "document.documentElement.scrollWidth - innerWidth"); wide > 0 {
		t.Errorf("%s is %d pixels wider than the window", name, wide)
	}
	if got := browser.Eval[string](p.page, cut); got != "" {
		t.Errorf("%s cuts\n%s", name, got)
	}
}
