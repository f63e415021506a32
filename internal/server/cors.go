package server

import (
	"net/http"
	"net/url"
	"strings"

	"walletd/internal/claims"
)

// Pages of other origins may call what apps may reach, where an app's token lists their origin
// (Matrix clients run in browsers). A browser asks in advance, without the token; so it is told
// yes for an origin that any living token lists, and the request itself is held to its own
// token's list. No cookie and no address gives a page anything here: it must have the token.

// forApps reports whether a path is one that apps may reach.
func forApps(path string) bool {
	for _, of := range []string{"/v1/claims", "/v1/secret-storage", "/v1/secrets"} {
		if rest, ok := strings.CutPrefix(path, of); ok && (rest == "" || rest[0] == '/') {
			return true
		}
	}
	return false
}

// elsewhere returns the origin of the page that made the browser send this, if it is not one of
// this service's own.
func (s *Server) elsewhere(r *http.Request) (origin string, cross bool) {
	said := r.Header.Values("Origin")
	switch {
	case len(said) == 0:
		return "", false
	case len(said) > 1:
		return "", true
	}
	u, err := url.Parse(said[0])
	return said[0], err != nil || u.Host == "" || !strings.EqualFold(u.Host, s.proxies.host(r))
}

// welcome lets a page of another origin read the answer, or refuses it. done says that the
// request was a browser's question in advance, and is answered.
func (s *Server) welcome(w http.ResponseWriter, r *http.Request, origin string) (done bool, err error) {
	listed, err := s.store.OriginListed(r.Context(), origin, s.store.Now().Unix())
	if err != nil {
		return false, err
	}
	if !listed {
		return false, errCrossOrigin
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", "Date, ETag, Location, Retry-After")
	h.Add("Vary", "Origin")
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false, nil
	}
	h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match")
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
	return true, nil
}

// fromPage refuses a request that a page of another origin made, unless its token lists that
// origin. Only what apps may reach is tried: guard has refused the rest.
func (s *Server) fromPage(c *call) error {
	origin, cross := s.elsewhere(c.r)
	if !cross || !forApps(c.r.URL.EscapedPath()) || c.Caller.Lists(origin) {
		return nil
	}
	if c.Caller != nil && c.Role == claims.App {
		return errOrigin
	}
	return errCrossOrigin
}
