package server

import (
	"net/http"
	"strings"
	"walletd/internal/auth"
)

// Pages of other origins may call what apps may call, where an app's token lists their origin
// (Matrix clients run in browsers). A browser asks in advance, without the token, so the preflight
// is allowed for an origin that any living token lists, and the request itself is held to its own
// token's list. No cookie and no address gives a page anything here: it must have the token.

// checkSource refuses a request where too many came, one for another Host, and one that a page of another origin made the
// browser send, unless apps may call. Then the page may read the answer if any token lists its
// origin.
func (s *Server) checkSource(w http.ResponseWriter, r *http.Request, by callers) error {
	if !by.probe {
		if err := s.rates.check(w, r, s.proxies.client(r)); err != nil {
			return err
		}
	}
	if by.stranger {
		if err := s.rates.checkStranger(w, r, s.proxies.client(r)); err != nil {
			return err
		}
	}
	switch host := s.proxies.host(r); {
	case by.probe: // probes name whatever they happen to connect to
	case by.local && isAddress(host): // and scrapers the address of a pod; a name that was made to lead here is none
	case !s.hosts.answers(host):
		return errHost
	}
	origin, cross := s.crossOrigin(r)
	switch {
	case cross && by.ofApps():
		return s.allowOrigin(w, r, origin, by)
	case s.cross.Check(asked(r, s.proxies.host(r))) != nil:
		return errCrossOrigin
	}
	return nil
}

// checkUnrouted is checkSource for a request that no route answers.
func (s *Server) checkUnrouted(w http.ResponseWriter, r *http.Request) error {
	return s.checkSource(w, r, callers{})
}

// preflight answers what a browser asks in advance of a request by a page of another origin.
func (s *Server) preflight(w http.ResponseWriter, r *http.Request, origin string, by callers) error {
	if err := s.rates.check(w, r, s.proxies.client(r)); err != nil {
		return err
	}
	if !s.hosts.answers(s.proxies.host(r)) {
		return errHost
	}
	if err := s.allowOrigin(w, r, origin, by); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, DPoP, Idempotency-Key, If-Match, If-None-Match")
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// crossOrigin returns the origin of the page that made the browser send a request, if it is not
// one of this service's own.
func (s *Server) crossOrigin(r *http.Request) (origin string, cross bool) {
	said := r.Header.Values("Origin")
	switch {
	case len(said) == 0:
		return "", false
	case len(said) > 1:
		return "", true
	}
	return said[0], !sameHost(said[0], s.proxies.host(r))
}

// sameHost reports whether an origin is of a host: the port of the origin's scheme goes without saying.
func sameHost(origin, host string) bool {
	scheme, named, ok := strings.Cut(originOf(origin), "://")
	return ok && named != "" && originOf(scheme+"://"+host) == scheme+"://"+named
}

// asked is a request as the client sent it: with the Host that it named, however a proxy has passed
// it on, without a port that goes without saying.
func asked(r *http.Request, host string) *http.Request {
	said := r.Header.Get("Origin")
	if said == "" {
		return r
	}
	as := r.WithContext(r.Context())
	if as.Host = host; sameHost(said, host) {
		_, as.Host, _ = strings.Cut(said, "://")
	}
	return as
}

// originOf writes an origin as browsers do: its scheme and host are the same in any case, and the
// port of the scheme goes without saying (RFC 6454).
func originOf(text string) string {
	text = strings.ToLower(text)
	for scheme, port := range map[string]string{"https://": ":443", "http://": ":80"} {
		if bare, ok := strings.CutSuffix(text, port); ok && strings.HasPrefix(text, scheme) {
			return bare
		}
	}
	return text
}

// allowOrigin lets pages of an origin read the answer if any living token lists it, and refuses
// them otherwise. A page that is to be paired may be of any origin that a token can list.
func (s *Server) allowOrigin(w http.ResponseWriter, r *http.Request, origin string, by callers) error {
	listed := by.page && auth.CheckOrigin(originOf(origin))
	if !listed {
		var err error
		if listed, err = s.store.OriginListed(r.Context(), originOf(origin), s.store.Now().Unix()); err != nil {
			return err
		}
	}
	if !listed {
		return errCrossOrigin
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", origin) // as it was sent, for browsers compare bytes
	h.Set("Access-Control-Expose-Headers", "Date, DPoP-Nonce, ETag, Location, Retry-After, WWW-Authenticate")
	h.Add("Vary", "Origin")
	return nil
}

// checkPage refuses a request that a page of another origin made, unless its token lists that
// origin. Only routes of apps come here with one: checkSource refuses it elsewhere.
func (s *Server) checkPage(c *call, by callers) error {
	origin, cross := s.crossOrigin(c.request)
	if !cross || !by.ofApps() || c.caller.AllowsOrigin(originOf(origin)) {
		return nil
	}
	if c.caller.Role == auth.App {
		return errOrigin
	}
	return errCrossOrigin
}
