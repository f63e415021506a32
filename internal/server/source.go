package server

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// hosts are the names the service answers to beside those of loopback: a page whose name was
// made to resolve to this machine (DNS rebinding) names another.
type hosts map[string]bool

func newHosts(names []string) hosts {
	h := hosts{"localhost": true}
	for _, name := range names {
		h[bare(name)] = true
	}
	return h
}

func (h hosts) answers(host string) bool {
	name := bare(host)
	if h[name] {
		return true
	}
	address, err := netip.ParseAddr(name)
	return err == nil && address.IsLoopback()
}

// bare cuts the port and the brackets of IPv6 off a host, and a final dot.
func bare(host string) string {
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

// host returns the Host that the client asked for.
func (p proxies) host(r *http.Request) string {
	if said := r.Header.Values("X-Forwarded-Host"); len(said) == 1 && p.trusts(r) {
		return said[0]
	}
	return r.Host
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
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		if client = hop; !p.contains(hop) {
			break
		}
	}
	return client.String()
}
