package connect

import (
	"net/netip"
	"testing"
)

func TestAddressRule(t *testing.T) {
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	everything := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
	tests := []struct {
		name, address string
		allow         []netip.Prefix
		want          Rule
	}{
		{"opens a public address", "93.184.216.34", nil, ""},
		{"opens a public IPv6 address", "2606:2800:220:1::1", nil, ""},
		{"refuses this host", "0.0.0.0", nil, RuleUnspecified},
		{"refuses this network", "0.1.2.3", nil, RuleUnspecified},
		{"refuses no IPv6 address", "::", nil, RuleUnspecified},
		{"refuses loopback", "127.0.0.1", nil, RuleLoopback},
		{"refuses all of loopback", "127.255.0.9", nil, RuleLoopback},
		{"refuses IPv6 loopback", "::1", nil, RuleLoopback},
		{"refuses 10/8", "10.1.2.3", nil, RulePrivate},
		{"refuses 172.16/12", "172.31.255.255", nil, RulePrivate},
		{"refuses 192.168/16", "192.168.1.1", nil, RulePrivate},
		{"refuses shared addresses", "100.127.0.1", nil, RulePrivate},
		{"refuses unique local addresses", "fd12::1", nil, RulePrivate},
		{"refuses IPv6 link-local", "fe80::1", nil, RuleLinkLocal},
		{"refuses IPv6 link-local with a zone", "fe80::1%eth0", nil, RuleLinkLocal},
		{"refuses multicast", "239.1.1.1", nil, RuleMulticast},
		{"refuses IPv6 multicast", "ff02::1", nil, RuleMulticast},
		{"refuses broadcast", "255.255.255.255", nil, RuleReserved},
		{"refuses documentation", "192.0.2.1", nil, RuleReserved},
		{"refuses benchmarks", "198.19.0.1", nil, RuleReserved},
		{"refuses IPv6 documentation", "2001:db8::1", nil, RuleReserved},
		{"refuses newer IPv6 documentation", "3fff::1", nil, RuleReserved},
		{"refuses what is not global unicast", "5f00::1", nil, RuleReserved},
		{"refuses site-local, long gone", "fec0::1", nil, RuleReserved},
		{"refuses an IPv4-mapped address", "::ffff:93.184.216.34", nil, RuleMapped},
		{"refuses an IPv4-mapped private address", "::ffff:10.0.0.1", nil, RuleMapped},
		{"refuses an IPv4-compatible address", "::10.0.0.1", nil, RuleMapped},
		{"refuses NAT64", "64:ff9b::a00:1", nil, RuleNAT64},
		{"refuses local NAT64", "64:ff9b:1::a00:1", nil, RuleNAT64},
		{"refuses 6to4", "2002:a00:1::1", nil, RuleTunnel},
		{"refuses Teredo", "2001:0:4136:e378:8000:63bf:3fff:fdd2", nil, RuleTunnel},
		{"refuses 6to4 relays", "192.88.99.1", nil, RuleTunnel},
		{"refuses metadata", "169.254.169.254", nil, RuleMetadata},
		{"opens an allowed network", "127.0.0.1", loopback, ""},
		{"opens an allowed IPv6 address", "::1", loopback, ""},
		{"opens no more than the allowed network", "10.0.0.1", loopback, RulePrivate},
		{"refuses a mapped form of the allowed network", "::ffff:127.0.0.1", loopback, RuleMapped},
		{"refuses metadata though all is allowed", "169.254.169.254", everything, RuleMetadata},
		{"refuses metadata of containers though all is allowed", "169.254.170.2", everything, RuleMetadata},
		{"refuses Azure's though all is allowed", "168.63.129.16", everything, RuleMetadata},
		{"refuses Alibaba's though all is allowed", "100.100.100.200", everything, RuleMetadata},
		{"refuses Amazon's IPv6 though all is allowed", "fd00:ec2::254", everything, RuleMetadata},
		{"refuses mapped metadata though all is allowed", "::ffff:169.254.169.254", everything, RuleMetadata},
		{"refuses metadata behind NAT64 though all is allowed", "64:ff9b::a9fe:a9fe", everything, RuleMetadata},
		{"refuses metadata behind local NAT64 though all is allowed", "64:ff9b:1::a9fe:a9fe", everything, RuleMetadata},
		{"refuses metadata behind 6to4 though all is allowed", "2002:a9fe:a9fe::1", everything, RuleMetadata},
		{"refuses metadata behind Teredo though all is allowed", "2001:0:1:2:3:4:5601:5601", everything, RuleMetadata},
		{"refuses compatible metadata though all is allowed", "::169.254.169.254", everything, RuleMetadata},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := addressRule(netip.MustParseAddr(tt.address), tt.allow); got != tt.want {
				t.Errorf("rule %q, want %q", got, tt.want)
			}
		})
	}
}
