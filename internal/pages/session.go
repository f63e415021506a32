package pages

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"walletd/internal/auth"
	"walletd/internal/keystore"
	"walletd/internal/secret"
)

// The cookie's name. The prefix makes browsers refuse it unless it came over TLS, for this host alone, so that no other
// page of the same domain can put one here.
const (
	cookieName      = "__Host-walletd"
	plainCookieName = "walletd" // on this machine, in the clear
)

// inTheClear reports whether the browser is on this machine and speaks without TLS: then no Secure cookie would stay.
func inTheClear(r *http.Request) bool {
	if r.TLS != nil {
		return false
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	address, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return strings.EqualFold(host, "localhost") || err == nil && address.IsLoopback()
}

// cookie returns a cookie of this service, without a name and a value.
func cookie(r *http.Request) *http.Cookie {
	c := &http.Cookie{Name: cookieName, Path: "/", HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode}
	if inTheClear(r) {
		c.Name, c.Secure = plainCookieName, false
	}
	return c
}

// identify finds the caller by the cookie. The error is auth.ErrUnauthorized without one that is good. But in a
// throw-away wallet it is a browser session, which approves nothing without a touch.
func (v *visit) identify() error {
	cookies := v.r.CookiesNamed(cookie(v.r).Name)
	if len(cookies) != 1 {
		return auth.ErrUnauthorized
	}
	caller, err := v.pages.Auth.Authenticate(v.ctx(), cookies[0].Value)
	if err != nil {
		return err
	}
	if caller.Role != auth.Owner || caller.Passkey == "" && !v.pages.Dev {
		caller.Close()
		return auth.ErrUnauthorized
	}
	v.caller = caller
	return nil
}

// keep puts a session into the browser's cookie.
func (v *visit) keep(session auth.CreatedToken) {
	c := cookie(v.r)
	c.Value, c.Expires = session.Text, session.Expires
	http.SetCookie(v.w, c)
}

// begun puts a session that just began into the browser's cookie, and ends the one that was there, of another wallet or
// of this one, which nobody could reach any more.
func (v *visit) begun(session auth.CreatedToken) error {
	v.keep(session)
	if v.caller == nil {
		return nil
	}
	if err := v.pages.Owners.SignOut(v.ctx(), v.caller); err != nil && !errors.Is(err, auth.ErrNotFound) && !errors.Is(err, auth.ErrUnauthorized) {
		return err
	}
	return nil
}

// signInPage is what the page to sign in shows.
type signInPage struct {
	Next     string
	Passkeys bool   // the service has passkeys
	From     string // the wallet that the browser is signed in to, to go to another one; "" for none
	Problem  string // as its message is called, "" for none
}

func (v *visit) signInPage(problem string) signInPage {
	shown := signInPage{Next: v.nextPath(), Passkeys: !v.pages.Auth.Party().IsZero(), Problem: problem}
	if v.caller != nil {
		shown.From = walletName(v.caller)
	}
	return shown
}

func (v *visit) nextPath() string {
	if v.r.Method == http.MethodPost {
		return local(v.form.text("next"))
	}
	return local(v.r.URL.Query().Get("next"))
}

func (p *Pages) signInForm(v *visit) error {
	switch {
	case v.locked:
		return keystore.ErrLocked
	case v.caller != nil && v.r.URL.Query().Get("another") == "":
		return v.redirect(v.nextPath())
	}
	return v.show(http.StatusOK, "sign-in", v.signInPage(""))
}

// signIn makes a session of the browser for who has an owner's token.
func (p *Pages) signIn(v *visit) error {
	if v.form.bytes("assertion") != nil {
		return p.signInWithPasskey(v)
	}
	token, err := secret.Line(v.form.bytes("token"))
	if err != nil {
		return v.show(http.StatusUnauthorized, "sign-in", v.signInPage("signIn.failed"))
	}
	switch err := v.begin(string(token)); {
	case err == nil:
		return v.redirect(v.nextPath())
	case p.isRefusal(err):
		return v.show(http.StatusUnauthorized, "sign-in", v.signInPage("signIn.failed"))
	default:
		return err
	}
}

// isRefusal reports whether an error says that a token is not that of an owner.
func (p *Pages) isRefusal(err error) bool {
	described, _ := p.Describe(err)
	return described.Status == http.StatusUnauthorized || described.Status == http.StatusForbidden
}

// begin signs the browser in as the owner that a token names.
func (v *visit) begin(token string) error {
	if !v.pages.Dev {
		session, err := v.pages.Owners.SignInWithToken(v.ctx(), token, browserName(v.r.UserAgent()))
		if err != nil {
			return err
		}
		return v.begun(session)
	}
	owner, err := v.pages.Auth.Authenticate(v.ctx(), token)
	if err != nil {
		return err
	}
	defer owner.Close()
	if err := owner.RequireOwner(); err != nil {
		return err
	}
	made, err := v.pages.Auth.CreateToken(v.ctx(), owner, auth.NewToken{
		Role: auth.Owner, Wallet: owner.WalletID, Name: browserName(v.r.UserAgent()), ExpiresIn: auth.SessionLife,
	})
	if err != nil {
		return err
	}
	return v.begun(made)
}

// browserName names a browser from what it says of itself, by words of ours alone.
func browserName(agent string) string {
	name := "Browser"
	for _, known := range [][2]string{{"Edg", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"}, {"Chromium/", "Chromium"}, {"CriOS/", "Chrome"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}} {
		if strings.Contains(agent, known[0]) {
			name = known[1]
			break
		}
	}
	for _, known := range [][2]string{{"Android", "Android"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Windows", "Windows"}, {"Mac OS X", "Mac"}, {"CrOS", "ChromeOS"}, {"Linux", "Linux"}} {
		if strings.Contains(agent, known[0]) {
			return name + " on " + known[1]
		}
	}
	return name
}

// signOut ends the session of the browser.
func (p *Pages) signOut(v *visit) error {
	if err := p.Owners.SignOut(v.ctx(), v.caller); err != nil {
		return err
	}
	return v.forgetSession()
}

// signOutEverywhere ends all sessions of the owner, with this one.
func (p *Pages) signOutEverywhere(v *visit) error {
	if err := p.Owners.SignOutEverywhere(v.ctx(), v.caller); err != nil {
		return err
	}
	if v.caller.Passkey == "" { // of serve --dev, which are tokens
		return p.signOut(v)
	}
	return v.forgetSession()
}

// forgetSession clears the cookie of a session that has ended.
func (v *visit) forgetSession() error {
	c := cookie(v.r)
	c.MaxAge = -1
	http.SetCookie(v.w, c)
	return v.redirect("/sign-in")
}
