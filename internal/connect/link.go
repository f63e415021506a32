package connect

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"walletd/internal/did"
	"walletd/internal/show"
)

// maxLink bounds a link in bytes: previousWorkflowData alone may have 8 KiB, encoded twice.
const maxLink = 32 << 10

// ErrLink is returned for a text that is not the link of a DID Connect session.
var ErrLink = errors.New("not a DID Connect link")

// parseLink returns the url in a deep link, and the parameters that stand beside it, in every variant of DID Connect reference d.1. The link may have any host
// and scheme, because nothing is ever sent there; its url may be encoded once or twice; other parameters are ignored. The
// link may also be the address of a web wallet with the deep link as its url (reference o). The result is absolute, http
// or https, and as the app wrote it, without its fragment. Errors are
// ErrLink.
func parseLink(link string) (inner string, beside url.Values, err error) {
	action, query, err := readLink(link)
	if err == nil && action == actionLogin {
		action, query, err = readLink(query.Get("url"))
	}
	if err != nil {
		return "", nil, err
	}
	if action != actionAuth {
		return "", nil, fmt.Errorf("%w: its action is not requestAuth", ErrLink)
	}
	inner = query.Get("url")
	if !isAbsolute(inner) {
		// An absolute url is not decoded again: that would damage a %25 in its query.
		if inner, err = url.PathUnescape(inner); err != nil || !isAbsolute(inner) {
			return "", nil, fmt.Errorf("%w: its url is not an absolute http or https url", ErrLink)
		}
	}
	inner, _, _ = strings.Cut(inner, "#")
	return inner, query, nil
}

// LeadsTo returns the origin of the app that a link leads to: scheme, host and port. Nothing is sent there. Errors are
// ErrLink.
func LeadsTo(link string) (string, error) {
	inner, _, err := parseLink(link)
	return origin(inner), err
}

const (
	actionAuth  = "requestAuth" // the action of a deep link
	actionLogin = "login"       // the action of a web wallet's address, whose url is a deep link
)

// readLink parses a link, which must have one action and one url.
func readLink(link string) (action string, query url.Values, err error) {
	link = strings.TrimSpace(link)
	if len(link) > maxLink {
		return "", nil, fmt.Errorf("%w: longer than %d bytes", ErrLink, maxLink)
	}
	outer, err := url.Parse(link)
	if err != nil || outer.Scheme == "" || outer.Host == "" {
		return "", nil, fmt.Errorf("%w: it begins like https://abtwallet.io/i/?action=requestAuth&url=…", ErrLink)
	}
	if query, err = url.ParseQuery(outer.RawQuery); err != nil {
		return "", nil, fmt.Errorf("%w: its query cannot be read", ErrLink)
	}
	if len(query["action"]) != 1 {
		return "", nil, fmt.Errorf("%w: its action is not requestAuth", ErrLink)
	}
	if len(query["url"]) != 1 {
		return "", nil, fmt.Errorf("%w: it needs one url", ErrLink)
	}
	return query.Get("action"), query, nil
}

// member is the site that the owner is on in a federated login, in which the app is that of the group's main site
// (reference d.3). Name and link are made plain.
type member struct {
	Name string `json:"name,omitempty"`
	Link string `json:"link,omitempty"`
	By   Party  `json:"by"` // who says so: the app, in its signed reply, or the link
}

// maxMember bounds memberAppInfo, in bytes.
const maxMember = 16 << 10

// readMember parses memberAppInfo; nil if it names no site.
func readMember(raw []byte, by Party) *member {
	if len(raw) > maxMember {
		return nil
	}
	o, err := did.ParseObject(raw)
	if err != nil {
		return nil
	}
	name, _ := o.Text("name")
	link, _ := o.Text("link")
	m := &member{Name: show.Plain(name, maxName), Link: origin(link), By: by}
	if m.Name == "" && m.Link == "" {
		return nil
	}
	return m
}

// words returns a sentence for the owner; "" if there is no member site.
func (m *member) words() string {
	if m == nil {
		return ""
	}
	who := "The app says"
	if m.By == ByLink {
		who = "The link says, without proof,"
	}
	site := m.Name
	switch {
	case site == "":
		site = m.Link
	case m.Link != "":
		site += " (" + m.Link + ")"
	}
	return who + " that you are on the site " + site + ", and log in through the app."
}

// linkMember parses the parameter memberAppInfo of a deep link: JSON in base64.
func linkMember(beside url.Values) *member {
	text := beside.Get("memberAppInfo")
	if len(text) > 2*maxMember {
		return nil
	}
	text = strings.NewReplacer("-", "+", "_", "/", " ", "+").Replace(strings.TrimRight(text, "="))
	raw, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return nil
	}
	return readMember(raw, ByLink)
}

// isAbsolute reports whether a text is an http or https url with a host in ASCII, as browsers write it, so that other
// letters that look like Latin ones cannot imitate a host.
func isAbsolute(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Opaque != "" || u.Hostname() == "" {
		return false
	}
	return !strings.ContainsFunc(u.Host, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

// isDeepLink reports whether the next workflow is a session, and not a page for a browser (reference d.10), by the rule of
// did-connect-js.
func isDeepLink(text string) bool {
	return strings.HasPrefix(text, "https://abtwallet.io/i/") || strings.HasPrefix(text, "https://didwallet.io/i/")
}

// offering returns the url of a session's first request (reference d.2): the app's url with the wallet's _ek_. It replaces
// a value that the app wrote for _ek_, which is the key of the page's box, and keeps everything else.
func offering(inner, ek string) string {
	base, query, _ := strings.Cut(inner, "?")
	var parts []string
	for part := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(part, "=")
		if name, err := url.QueryUnescape(name); part == "" || err == nil && (name == "_ek_" || name == "_v_") {
			continue
		}
		parts = append(parts, part)
	}
	parts = append(parts, "_ek_="+ek, "_v_=1.0.0") // base58 needs no escaping
	return base + "?" + strings.Join(parts, "&")
}

// origin returns scheme, host and port of an absolute url in canonical form; "" for any other text.
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
