package connect

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"
)

// BlockedError says which rule of the outgoing client blocked an exchange. It holds nothing that the other side sent.
type BlockedError struct{ Rule Rule }

// Rule is a rule of the outgoing client.
type Rule string

// The rules. The first ten are about the address that a name resolves to; ClientConfig.Allow lifts them all but
// RuleMetadata.
const (
	RuleUnspecified Rule = "unspecified" // 0.0.0.0/8, ::
	RuleLoopback    Rule = "loopback"
	RulePrivate     Rule = "private" // RFC 1918, shared (RFC 6598), unique local
	RuleLinkLocal   Rule = "link_local"
	RuleMulticast   Rule = "multicast"
	RuleReserved    Rule = "reserved" // documentation, benchmarks, unrouted ranges
	RuleMapped      Rule = "ipv4_in_ipv6"
	RuleNAT64       Rule = "nat64"
	RuleTunnel      Rule = "tunnel"   // 6to4 and Teredo, whose addresses hold an IPv4 address
	RuleMetadata    Rule = "metadata" // metadata services, which hold credentials of cloud machines; never permitted

	RuleScheme   Rule = "scheme"   // neither https nor, where allowed, http
	RuleUserinfo Rule = "userinfo" // a name or password in the url
	RuleURL      Rule = "url"      // not a url that can be requested
	RuleRedirect Rule = "redirect" // to another origin, of a POST, or too often
	RuleSize     Rule = "size"     // a reply that is too large (maxReply, maxLast)
	RuleTime     Rule = "time"     // a reply that took too long
)

// Error names the rule.
func (e *BlockedError) Error() string {
	return "the wallet's client is not allowed to make this request (rule: " + string(e.Rule) + ")"
}

func blocked(r Rule) error { return &BlockedError{r} }

// special holds the ranges of the IANA special-purpose registries, the narrower before the wider. addressRule refuses
// IPv6 outside 2000::/3 itself, because nothing there is global unicast.
var special = [...]struct {
	prefix string
	rule   Rule
}{
	{"0.0.0.0/8", RuleUnspecified},
	{"10.0.0.0/8", RulePrivate},
	{"100.64.0.0/10", RulePrivate},
	{"127.0.0.0/8", RuleLoopback},
	{"169.254.0.0/16", RuleLinkLocal},
	{"172.16.0.0/12", RulePrivate},
	{"192.0.0.0/24", RuleReserved},
	{"192.0.2.0/24", RuleReserved},
	{"192.88.99.0/24", RuleTunnel},
	{"192.168.0.0/16", RulePrivate},
	{"198.18.0.0/15", RuleReserved},
	{"198.51.100.0/24", RuleReserved},
	{"203.0.113.0/24", RuleReserved},
	{"224.0.0.0/4", RuleMulticast},
	{"240.0.0.0/4", RuleReserved},

	{"::/128", RuleUnspecified},
	{"::1/128", RuleLoopback},
	{"::/96", RuleMapped}, // IPv4-compatible
	{"::ffff:0:0/96", RuleMapped},
	{"::ffff:0:0:0/96", RuleMapped}, // IPv4-translated
	{"64:ff9b::/96", RuleNAT64},
	{"64:ff9b:1::/48", RuleNAT64},
	{"2001::/32", RuleTunnel},
	{"2001::/23", RuleReserved},
	{"2001:db8::/32", RuleReserved},
	{"2002::/16", RuleTunnel},
	{"3fff::/20", RuleReserved},
	{"fc00::/7", RulePrivate},
	{"fe80::/10", RuleLinkLocal},
	{"ff00::/8", RuleMulticast},
}

// metadata holds the addresses of the metadata services of large clouds. All of 169.254.0.0/16 is in it, because new
// services appear there.
var metadata = [...]string{
	"169.254.0.0/16",
	"100.100.100.200/32", // Alibaba
	"168.63.129.16/32",   // Azure
	"192.0.0.192/32",     // Oracle
	"fd00:ec2::/32",      // Amazon
	"fd20:ce::/32",       // Google
	"fd00:42::42/128",    // Scaleway
}

// addressRule returns the rule that blocks an address, "" if none does. The check for metadata services also applies to
// an IPv4 address inside an IPv6 address.
func addressRule(a netip.Addr, allow []netip.Prefix) Rule {
	a = a.WithZone("")
	inner := embedded(a)
	for _, text := range metadata {
		p := netip.MustParsePrefix(text)
		if p.Contains(a) || inner.IsValid() && p.Contains(inner) {
			return RuleMetadata
		}
	}
	if contains(allow, a) {
		return ""
	}
	for _, s := range special {
		if netip.MustParsePrefix(s.prefix).Contains(a) {
			return s.rule
		}
	}
	if a.Is6() && a.As16()[0]>>5 != 1 {
		return RuleReserved
	}
	return ""
}

func contains(prefixes []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(a) })
}

// embedded returns the IPv4 address that an IPv6 address holds, the zero Addr if it holds none.
func embedded(a netip.Addr) netip.Addr {
	if !a.Is6() {
		return netip.Addr{}
	}
	b := a.As16()
	last := netip.AddrFrom4([4]byte(b[12:]))
	switch {
	case a.Is4In6(), in("::/96", a), in("::ffff:0:0:0/96", a), in("64:ff9b::/96", a), in("64:ff9b:1::/48", a):
		return last
	case in("2002::/16", a):
		return netip.AddrFrom4([4]byte(b[2:6]))
	case in("2001::/32", a): // Teredo keeps the client's address inverted
		return netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]})
	}
	return netip.Addr{}
}

func in(prefix string, a netip.Addr) bool { return netip.MustParsePrefix(prefix).Contains(a) }

// guard dials only permitted addresses. It resolves a name once and dials the address that it checked, so that DNS
// rebinding has no effect.
type guard struct {
	allow    []netip.Prefix
	resolver *net.Resolver
}

// dial connects to the first permitted address of a name that answers. If no address is permitted, the error wraps the
// *BlockedError of each address.
func (g *guard) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("reading the address: %w", err)
	}
	found, err := g.resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("looking up the name: %w", err)
	}
	dialer := net.Dialer{Timeout: 10 * time.Second}
	var errs []error
	for _, a := range found {
		// A resolver returns 10.0.0.1 as ::ffff:10.0.0.1. A literal that is written so in the url is refused.
		if a.Is4In6() && !isMappedLiteral(host) {
			a = a.Unmap()
		}
		if rule := addressRule(a, g.allow); rule != "" {
			errs = append(errs, blocked(rule))
			continue
		}
		conn, err := dialer.DialContext(ctx, network, net.JoinHostPort(a.String(), port))
		if err == nil {
			return conn, nil
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("connecting: %w", errors.Join(errs...))
}

func isMappedLiteral(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && a.Is4In6()
}
