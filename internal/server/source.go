package server

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// hosts are the names the service answers to beside those of loopback: a page whose name was
// made to resolve to this machine (DNS rebinding) names another.
type hosts map[string]bool

func newHosts(names []string) hosts {
	h := hosts{"localhost": true}
	for _, name := range names {
		h[withoutPort(name)] = true
	}
	return h
}

func (h hosts) answers(host string) bool {
	name := withoutPort(host)
	if h[name] {
		return true
	}
	address, err := netip.ParseAddr(name)
	return err == nil && address.IsLoopback()
}

// isAddress reports whether a host is an IP address and no name.
func isAddress(host string) bool {
	_, err := netip.ParseAddr(withoutPort(host))
	return err == nil
}

// withoutPort cuts the port and the brackets of IPv6 off a host, and a final dot.
func withoutPort(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// proxies are the sources whose forwarded headers count, and the only ones beside this machine
// that may connect (allowed).
type proxies []netip.Prefix

func (p proxies) trusts(r *http.Request) bool {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && p.contains(from.Addr())
}

func (p proxies) contains(a netip.Addr) bool {
	for _, prefix := range p {
		if prefix.Contains(a.Unmap()) {
			return true
		}
	}
	return false
}

// host returns the Host that the client asked for: of a list, what the trusted proxy itself added,
// which is the last.
func (p proxies) host(r *http.Request) string {
	if said := elements(r.Header, "X-Forwarded-Host"); len(said) > 0 && p.trusts(r) {
		return said[len(said)-1]
	}
	return r.Host
}

// elements returns those of a header that is a list, on one line or more (RFC 9110, section 5.6.1).
// None holds a comma.
func elements(h http.Header, name string) []string {
	var all []string
	for _, line := range h.Values(name) {
		for one := range strings.SplitSeq(line, ",") {
			if one = strings.TrimSpace(one); one != "" {
				all = append(all, one)
			}
		}
	}
	return all
}

// client returns the address of who asked, for the log: the last one in X-Forwarded-For that is
// no proxy of ours.
func (p proxies) client(r *http.Request) string {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	client := from.Addr()
	if !p.contains(client) {
		return client.String()
	}
	for _, text := range slices.Backward(elements(r.Header, "X-Forwarded-For")) {
		hop, err := netip.ParseAddr(withoutPort(text)) // some add the port
		if err != nil {
			break
		}
		if client = hop; !p.contains(hop) {
			break
		}
	}
	return client.String()
}

// fromThisMachine reports whether a request was made on this machine, and for nobody else: it has
// neither a token nor a header of a proxy.
func fromThisMachine(r *http.Request) bool {
	for _, name := range []string{"Authorization", "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Via"} {
		if len(r.Header[name]) > 0 {
			return false
		}
	}
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && from.Addr().Unmap().IsLoopback()
}
