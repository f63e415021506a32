package auth

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Bounds of the origins that a token lists. Together the origins fit a column.
const (
	maxOrigins    = 8
	maxOriginText = 90
)

// joinOrigins checks the origins whose pages may call with an app's token, and returns them as a token's row
// stores them. An origin is written as browsers send it: https://app.example, with a port if it is not the
// scheme's default. http is accepted for loopback only, because anybody on the network could replace the page.
// "*" and "null" are refused, because any page can have them.
func joinOrigins(origins []string) (string, error) {
	if len(origins) > maxOrigins {
		return "", Invalid("a token lists at most %d origins", maxOrigins)
	}
	for i, o := range origins {
		if !isOrigin(o) {
			return "", Invalid("origins[%d] must be an origin as browsers send it, like https://app.example; http for loopback only", i)
		}
		if slices.Contains(origins[:i], o) {
			return "", Invalid("origins[%d] is there twice", i)
		}
	}
	return strings.Join(origins, " "), nil
}

func isOrigin(text string) bool {
	u, err := url.Parse(text)
	if err != nil || len(text) > maxOriginText || u.Scheme == "" || u.Host == "" || u.Hostname() == "" || text != u.Scheme+"://"+u.Host {
		return false
	}
	for _, b := range []byte(text) {
		if b <= ' ' || b > '~' || 'A' <= b && b <= 'Z' || strings.IndexByte(`%*,"\`, b) >= 0 {
			return false
		}
	}
	switch port := u.Port(); {
	case strings.HasSuffix(u.Host, ":") || u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80":
		return false // no browser sends it like this
	case u.Scheme == "http":
		ip, err := netip.ParseAddr(u.Hostname())
		return u.Hostname() == "localhost" || err == nil && ip.IsLoopback()
	}
	return true
}

// AllowsOrigin reports whether pages of an origin may call with the caller's token. Only apps' tokens list
// origins.
func (c *Caller) AllowsOrigin(origin string) bool {
	return c != nil && c.Role == App && slices.Contains(c.origins, origin)
}
