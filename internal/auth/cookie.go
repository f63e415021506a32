package auth

import (
	"context"
	"net/http"
	"time"
)

// CookieName is the cookie that holds a browser session on the pages. Its prefix has browsers keep it to this very
// host, over TLS.
const CookieName = "__Host-walletd"

// SessionCookie returns the cookie of a browser session. Scripts cannot read it, and no page of another site sends it
// with a POST.
func SessionCookie(t CreatedToken) *http.Cookie {
	return &http.Cookie{Name: CookieName, Value: t.Text, Path: "/", Expires: t.Expires, MaxAge: int(time.Until(t.Expires).Seconds()), Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
}

// ClearedCookie returns the cookie that ends a browser session in the browser.
func ClearedCookie() *http.Cookie {
	return &http.Cookie{Name: CookieName, Path: "/", MaxAge: -1, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
}

// AuthenticateCookie returns the caller of a page: the browser session in the request's cookie. Only pages call it;
// the API takes no cookie, so that no page of another site can make a browser use one there. A token that is not a
// browser session is refused. Errors are those of Authenticate.
func (a *Auth) AuthenticateCookie(ctx context.Context, r *http.Request) (*Caller, error) {
	cookies := r.CookiesNamed(CookieName)
	if len(cookies) != 1 {
		return nil, ErrUnauthorized
	}
	c, err := a.Authenticate(ctx, cookies[0].Value)
	if err != nil {
		return nil, err
	}
	if c.Role != Owner || c.Passkey == "" {
		c.Close()
		return nil, ErrUnauthorized
	}
	return c, nil
}
