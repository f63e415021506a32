package pages

import (
	"crypto/rand"
	"net/http"
	"sync"
)

// links are those of serve --dev that sign in: each works once. The zero value has none.
type links struct {
	mu     sync.Mutex
	tokens map[string]string // the owner's token, by the code in the link
}

// Link returns a path that signs a browser in once as the owner of a token. It is for serve --dev alone.
func (p *Pages) Link(token string) string {
	code := rand.Text()
	p.links.mu.Lock()
	defer p.links.mu.Unlock()
	if p.links.tokens == nil {
		p.links.tokens = map[string]string{}
	}
	p.links.tokens[code] = token
	return "/dev/" + code
}

// followLink signs the browser in with a link of serve --dev.
func (p *Pages) followLink(v *visit) error {
	code := v.name("code")
	p.links.mu.Lock()
	token, there := p.links.tokens[code]
	delete(p.links.tokens, code)
	p.links.mu.Unlock()
	if !there {
		return v.show(http.StatusNotFound, "sign-in", v.signInPage("signIn.used"))
	}
	if err := v.begin(token); err != nil {
		return err
	}
	return v.redirect("/")
}
