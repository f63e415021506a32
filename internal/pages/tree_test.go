package pages_test

import (
	"slices"
	"strings"
	"testing"

	"walletd/internal/wallettest"
	"walletd/internal/wallettest/browser"
)

// leads fails the test unless a screen reader finds the parts on the page, in this order, and everything that can be
// operated has a name.
func leads(t *testing.T, page *browser.Page, parts ...browser.Spoken) {
	t.Helper()
	tree := page.Tree()
	operated := []string{"button", "link", "radio", "checkbox", "textbox", "combobox", "DisclosureTriangle", "radiogroup", "group", "heading"}
	for _, s := range tree {
		if slices.Contains(operated, s.Role) && strings.TrimSpace(s.Name) == "" && s.Role != "group" {
			t.Errorf("a %s has no name", s.Role)
		}
	}
	rest := tree
	for _, part := range parts {
		begin, more := strings.CutSuffix(part.Name, "…")
		i := slices.IndexFunc(rest, func(s browser.Spoken) bool {
			return s.Role == part.Role && (s.Name == part.Name || more && strings.HasPrefix(s.Name, begin))
		})
		if i < 0 {
			t.Fatalf("a screen reader does not find the %s %q where it should come, in\n%q", part.Role, part.Name, tree)
		}
		rest = rest[i+1:]
	}
}

// Who hears the pages instead of seeing them is led through a decision: what waits, the code letter by letter, who asks, for
// what, what that gives, and only then the choices; and hears what came of it.
func TestAScreenReaderLeadsThroughADecision(t *testing.T) {
	p := signedIn(t, browser.Phone, wallettest.Dev())
	asked := p.App("Notes").Ask(wallettest.EncryptionKey("diary"))
	code := asked.Text("code")
	p.sees(code)
	leads(t, p.page,
		browser.Spoken{Role: "link", Name: "Skip to the content"},
		browser.Spoken{Role: "heading", Name: "Waiting for you: 1"},
		browser.Spoken{Role: "link", Name: code + "…"},
		browser.Spoken{Role: "textbox", Name: "Link"},
		browser.Spoken{Role: "button", Name: "Scan with the camera"},
	)
	p.page.Click("a.card")
	p.sees("What it asks for")
	leads(t, p.page,
		browser.Spoken{Role: "heading", Name: "Request " + code},
		browser.Spoken{Role: "StaticText", Name: strings.Join(strings.Split(code, ""), " ")},
		browser.Spoken{Role: "heading", Name: "Who asks"},
		browser.Spoken{Role: "heading", Name: "What it asks for"},
		browser.Spoken{Role: "heading", Name: "An encryption key"},
		browser.Spoken{Role: "heading", Name: "What you decided before"},
		browser.Spoken{Role: "radio", Name: "Once"},
		browser.Spoken{Role: "button", Name: "Reject"},
		browser.Spoken{Role: "button", Name: "Approve"},
	)
	p.page.Click("text=Approve")
	p.sees("Approved.")
	leads(t, p.page, browser.Spoken{Role: "status", Name: ""}, browser.Spoken{Role: "StaticText", Name: "Approved. The app can now collect its answer."})
}
