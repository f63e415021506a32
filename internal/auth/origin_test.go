package auth_test

import (
	"errors"
	"strings"
	"testing"
	"walletd/internal/auth"
	"walletd/internal/wallettest/fixture"
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
		if got, err := auth.JoinOrigins([]string{origin}); (err == nil) != good || good && got != origin {
			t.Errorf("%q: %q, %v", origin, got, err)
		}
	}
	if _, err := auth.JoinOrigins([]string{"https://a.example", "https://a.example"}); !errors.Is(err, auth.ErrInput) {
		t.Errorf("one twice: %v", err)
	}
	if _, err := auth.JoinOrigins(make([]string, 9)); !errors.Is(err, auth.ErrInput) {
		t.Errorf("nine: %v", err)
	}
}

func TestATokensOriginsAreAuthenticated(t *testing.T) {
	f := fixture.New(t)
	made := f.Token(f.Owner, auth.NewToken{Role: auth.App, Wallet: f.Wallet, Origins: []string{"https://a.example", "https://b.example"}})
	c := f.As(made.Text)
	if !c.AllowsOrigin("https://a.example") || !c.AllowsOrigin("https://b.example") || c.AllowsOrigin("https://c.example") || c.AllowsOrigin("https://a.example https://b.example") || c.AllowsOrigin("") {
		t.Errorf("it lists %v", c.Origins())
	}
	if f.As(f.Owner).AllowsOrigin("https://a.example") {
		t.Error("an owner's token lists origins")
	}
	_, err := f.Auth.CreateToken(t.Context(), f.As(f.Owner), auth.NewToken{Role: auth.Owner, Wallet: f.Wallet, Origins: []string{"https://a.example"}})
	fixture.WantErr(t, err, auth.ErrInput)
	_, err = f.Auth.CreateToken(t.Context(), f.As(f.Operator), auth.NewToken{Role: auth.Operator, Origins: []string{"https://a.example"}})
	fixture.WantErr(t, err, auth.ErrInput)
	f.Exec(`update tokens set origins = 'https://evil.example' where id = '` + made.ID + `'`)
	_, err = f.Auth.Authenticate(t.Context(), made.Text)
	fixture.WantErr(t, err, auth.ErrUnauthorized)
}
