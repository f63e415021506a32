package pages

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/go-chi/chi/v5"

	"walletd/internal/auth"
	"walletd/internal/keystore"
	"walletd/internal/store"
)

// visit is one request of a browser while it is answered.
type visit struct {
	pages  *Pages
	w      http.ResponseWriter
	r      *http.Request
	lang   *language
	caller *auth.Caller // nil for who is not signed in
	form   form         // of a POST
	locked bool         // the keystore is, so that nobody can be known
}

func (v *visit) ctx() context.Context { return v.r.Context() }

// anyone makes a handler of a page that asks nobody who they are. A caller who is signed in is known all the same.
func (p *Pages) anyone(page func(*visit) error) http.HandlerFunc {
	return p.handle(false, page)
}

// owner makes a handler of a page for owners: who is not signed in is sent to do so, and comes back.
func (p *Pages) owner(page func(*visit) error) http.HandlerFunc {
	return p.handle(true, page)
}

func (p *Pages) handle(owned bool, page func(*visit) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		setHeaders(w.Header())
		v := &visit{pages: p, w: w, r: r, lang: p.languages.of(r)}
		defer func() { v.caller.Close(); v.form.wipe() }()
		if err := v.answer(owned, page); err != nil {
			v.fail(err)
		}
	}
}

func (v *visit) answer(owned bool, page func(*visit) error) (err error) {
	if v.r.Method == http.MethodPost {
		if v.form, err = readForm(v.r); err != nil {
			return err
		}
	}
	err = v.identify()
	switch {
	case errors.Is(err, auth.ErrUnauthorized) && owned:
		return v.askSignIn()
	case errors.Is(err, keystore.ErrLocked) && !owned:
		v.locked = true
	case errors.Is(err, auth.ErrUnauthorized):
	case err != nil:
		return err
	}
	if err := v.checkTouch(); err != nil {
		return err
	}
	return page(v)
}

// askSignIn sends who is not signed in to do so, and from there back to where they wanted to go.
func (v *visit) askSignIn() error {
	to := "/sign-in"
	if v.r.Method == http.MethodGet {
		to += "?" + url.Values{"next": {v.r.URL.RequestURI()}}.Encode()
	}
	return v.redirect(to)
}

// local returns a path of this service that somebody named, or "/": never one that leads elsewhere.
func local(path string) string {
	u, err := url.Parse(path)
	if err != nil || u.IsAbs() || u.Host != "" || u.User != nil || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\r\n\t") {
		return "/"
	}
	return path
}

// redirect sends the browser to a path of this service with a GET.
func (v *visit) redirect(path string) error {
	v.w.Header().Set("Location", path)
	v.w.WriteHeader(http.StatusSeeOther)
	return nil
}

// redirectDone is redirect to a page that says what was done, by the name of its message.
func (v *visit) redirectDone(path, done string) error {
	u, err := url.Parse(path)
	if err != nil {
		return err
	}
	query := u.Query()
	query.Set("done", done)
	u.RawQuery = query.Encode()
	return v.redirect(u.String())
}

// name returns a name in the path, unescaped once; "" if it is none.
func (v *visit) name(key string) string {
	text, err := url.PathUnescape(chi.URLParam(v.r, key))
	if err != nil || len(text) > 255 || !utf8.ValidString(text) {
		return ""
	}
	return text
}

// show answers with a page.
func (v *visit) show(status int, page string, data any) error {
	return v.pages.languages.show(v, status, page, data)
}

// problem is what the page of a failure shows.
type problem struct {
	Code, Detail string // Detail is in English
	Request      string // id of the line in the log, "" of what a person may cause
	Locked       bool
}

// fail answers with the page of a failure. What is the service's own fault is logged, once.
func (v *visit) fail(err error) {
	p, expected := v.pages.Describe(err)
	shown := problem{Code: string(p.Code), Detail: p.Detail, Locked: errors.Is(err, keystore.ErrLocked)}
	if !expected {
		shown.Request = store.NewID()
		v.pages.Log.Error().Str("request", shown.Request).Str("page", chi.RouteContext(v.ctx()).RoutePattern()).Err(err).Msg("a page failed")
	}
	if v.r.Header.Get("Accept") == "application/json" { // a script asked
		v.w.Header().Set("Content-Type", "application/problem+json")
		v.w.WriteHeader(p.Status)
		if err := json.NewEncoder(v.w).Encode(p); err != nil {
			v.pages.Log.Error().Err(err).Msg("a problem could not be written")
		}
		return
	}
	if err := v.show(p.Status, "problem", shown); err != nil {
		v.pages.Log.Error().Err(err).Msg("the page of a failure could not be shown")
	}
}
