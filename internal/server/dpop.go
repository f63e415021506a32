package server

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"walletd/internal/auth"
	"walletd/internal/dpop"
)

// A token that is bound to a key comes as "Authorization: DPoP TOKEN", with a proof of the key in the header DPoP (RFC 9449,
// section 7). A refusal says in WWW-Authenticate what was wrong, and brings a nonce where one is wanted.

// boundToken returns the token of a request that uses the scheme DPoP, and whether it does.
func boundToken(r *http.Request) (string, bool) { return credential(r, "DPoP") }

// challenge is the WWW-Authenticate of a refusal.
func challenge(code string) string { return `DPoP algs="` + dpop.Alg + `", error="` + code + `"` }

// prove verifies the proof of a request with a token, or of one without ("").
func (s *Server) prove(c *call, token string) (auth.Proven, error) {
	said := c.request.Header["Dpop"]
	if len(said) != 1 {
		return auth.Proven{}, fmt.Errorf("%w: there must be one header DPoP", dpop.ErrProof)
	}
	p, err := s.auth.Prove(said[0], c.request.Method, s.targets(c.request), token)
	if nonce, ok := errors.AsType[*auth.NonceError](err); ok {
		c.header.Set("DPoP-Nonce", nonce.Nonce)
	}
	if p.Nonce != "" {
		c.header.Set("DPoP-Nonce", p.Nonce)
	}
	return p, err
}

// identifyBound finds the caller by a token that is bound to a key.
func (s *Server) identifyBound(c *call, token string) error {
	p, err := s.prove(c, token)
	if err != nil {
		return err
	}
	c.caller, err = s.auth.AuthenticateBound(c.request.Context(), token, p)
	if errors.Is(err, auth.ErrUnauthorized) {
		c.header.Set("WWW-Authenticate", challenge("invalid_token"))
	}
	return err
}

// targets are the URLs of a request as its client may have written it. Where it came in clear from this machine, a proxy
// that nobody told of may have taken TLS off it.
func (s *Server) targets(r *http.Request) []string {
	rest := "://" + s.proxies.host(r) + r.URL.EscapedPath()
	switch {
	case r.TLS != nil:
		return []string{"https" + rest}
	case s.proxies.trusts(r):
		if said := elements(r.Header, "X-Forwarded-Proto"); len(said) > 0 && strings.EqualFold(said[len(said)-1], "http") {
			return []string{"http" + rest}
		}
		return []string{"https" + rest}
	}
	return []string{"http" + rest, "https" + rest}
}
