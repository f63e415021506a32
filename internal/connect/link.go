package connect

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// maxLink bounds a link in bytes: previousWorkflowData alone may have 8 KiB, encoded twice.
const maxLink = 32 << 10

// ErrLink is returned for a text that is no link of a DID Connect session.
var ErrLink = errors.New("not a DID Connect link")

// ParseLink returns the url that a deep link wants opened, in every variant of DID Connect
// reference d.1: any host and scheme of the link itself, since nothing is ever sent there, the url
// in it encoded once or twice, whatever else stands beside it left out. The url is absolute, http
// or https, and as the app wrote it; its fragment is dropped. Errors are ErrLink.
func ParseLink(link string) (string, error) {
	link = strings.TrimSpace(link)
	if len(link) > maxLink {
		return "", fmt.Errorf("%w: longer than %d bytes", ErrLink, maxLink)
	}
	outer, err := url.Parse(link)
	if err != nil || outer.Scheme == "" || outer.Host == "" {
		return "", fmt.Errorf("%w: it begins like https://abtwallet.io/i/?action=requestAuth&url=…", ErrLink)
	}
	query, err := url.ParseQuery(outer.RawQuery)
	if err != nil {
		return "", fmt.Errorf("%w: its query cannot be read", ErrLink)
	}
	if action := query["action"]; len(action) != 1 || action[0] != "requestAuth" {
		return "", fmt.Errorf("%w: its action is not requestAuth", ErrLink)
	}
	if len(query["url"]) != 1 {
		return "", fmt.Errorf("%w: it needs one url", ErrLink)
	}
	inner := query["url"][0]
	if !isAbsolute(inner) {
		// Decoding what is absolute already would spoil a %25 of its own query.
		if inner, err = url.PathUnescape(inner); err != nil || !isAbsolute(inner) {
			return "", fmt.Errorf("%w: its url is not an absolute http or https url", ErrLink)
		}
	}
	inner, _, _ = strings.Cut(inner, "#")
	return inner, nil
}

// isAbsolute reports whether a text is an http or https url with a host in ASCII, as browsers write
// it: a person reads what is in Latin letters, and no other letters pass for them.
func isAbsolute(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Opaque != "" || u.Hostname() == "" {
		return false
	}
	return !strings.ContainsFunc(u.Host, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

// isDeepLink tells a next workflow that is a session of its own from a page to be opened in a
// browser (reference d.10), as did-connect-js does.
func isDeepLink(text string) bool {
	return strings.HasPrefix(text, "https://abtwallet.io/i/") || strings.HasPrefix(text, "https://didwallet.io/i/")
}

// offering returns the url of a session's first request (reference d.2): everything the app wrote
// stays, but a value of its own for _ek_, which is the page's box key, is replaced by ours, never
// joined by it.
func offering(inner, ek string) string {
	base, query, _ := strings.Cut(inner, "?")
	var kept []string
	for part := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(part, "=")
		if name, err := url.QueryUnescape(name); part == "" || err == nil && (name == "_ek_" || name == "_v_") {
			continue
		}
		kept = append(kept, part)
	}
	kept = append(kept, "_ek_="+ek, "_v_=1.0.0") // base58 needs no escaping
	return base + "?" + strings.Join(kept, "&")
}

// origin returns scheme, host and port of an absolute url in one spelling; "" for another text.
func origin(text string) string {
	u, err := url.Parse(text)
	if err != nil || !isAbsolute(text) {
		return ""
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port == "" || u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		return u.Scheme + "://" + host
	}
	return u.Scheme + "://" + host + ":" + port
}
