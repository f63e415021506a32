package claims

import (
	"errors"
	"strings"
	"testing"
)

func TestOriginsOfAToken(t *testing.T) {
	for origin, good := range map[string]bool{
		"https://app.element.io":              true,
		"https://app.example:8443":            true,
		"http://localhost:5173":               true,
		"http://127.0.0.1:8000":               true,
		"http://[::1]:8000":                   true,
		"vector://vector":                     true, // of a desktop client
		"http://app.example":                  false,
		"http://localhost.example":            false,
		"https://app.example/":                false,
		"https://app.example/page":            false,
		"https://app.example?x":               false,
		"https://app.example:443":             false,
		"http://localhost:80":                 false,
		"https://app.example:":                false,
		"https://App.example":                 false,
		"https://user@app.example":            false,
		"https://*.example":                   false,
		"https://a.example https://b.example": false,
		"https://a.example,https://b.example": false,
		"https://":                            false,
		"https://bücher.example":              false,
		"*":                                   false,
		"null":                                false,
		"":                                    false,
		"https://" + strings.Repeat("a", 90) + ".com": false,
	} {
		if got, err := joinOrigins([]string{origin}); (err == nil) != good || good && got != origin {
			t.Errorf("%q: %q, %v", origin, got, err)
		}
	}
	if _, err := joinOrigins([]string{"https://a.example", "https://a.example"}); !errors.Is(err, ErrInput) {
		t.Errorf("one twice: %v", err)
	}
	if _, err := joinOrigins(make([]string, 9)); !errors.Is(err, ErrInput) {
		t.Errorf("nine: %v", err)
	}
}

func TestATokensOriginsAreAuthenticated(t *testing.T) {
	h := newHouse(t)
	made := h.token(h.owner, NewToken{Role: App, Wallet: h.wallet, Origins: []string{"https://a.example", "https://b.example"}})
	c := h.as(made.Text)
	if !c.Lists("https://a.example") || !c.Lists("https://b.example") || c.Lists("https://c.example") || c.Lists("https://a.example https://b.example") || c.Lists("") {
		t.Errorf("it lists %v", c.origins)
	}
	if h.as(h.owner).Lists("https://a.example") {
		t.Error("an owner's token lists origins")
	}
	_, err := h.door.CreateToken(t.Context(), h.as(h.owner), NewToken{Role: Owner, Wallet: h.wallet, Origins: []string{"https://a.example"}})
	wantErr(t, err, ErrInput)
	_, err = h.door.CreateToken(t.Context(), h.as(h.operator), NewToken{Role: Operator, Origins: []string{"https://a.example"}})
	wantErr(t, err, ErrInput)
	h.exec(`update tokens set origins = 'https://evil.example' where id = '` + made.ID + `'`)
	_, err = h.door.Authenticate(t.Context(), made.Text)
	wantErr(t, err, ErrUnauthorized)
}
