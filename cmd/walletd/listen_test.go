package main

import (
	"net/netip"
	"testing"

	"github.com/rs/zerolog"
)

func TestListenPlan(t *testing.T) {
	for name, c := range map[string]struct {
		flags  listenFlags
		listen string // "" when it is refused
	}{
		"listens on loopback by itself":          {listenFlags{}, "127.0.0.1:8080"},
		"listens on IPv6 loopback":               {listenFlags{Listen: "[::1]:9"}, "[::1]:9"},
		"refuses every address in the clear":     {listenFlags{Listen: ":8080"}, ""},
		"refuses another address in the clear":   {listenFlags{Listen: "192.0.2.1:8080"}, ""},
		"refuses another address for apps alone": {listenFlags{AppsListen: "192.0.2.1:8080"}, ""},
		"listens there behind a proxy":           {listenFlags{Listen: "192.0.2.1:8080", BehindTLSProxy: []string{"192.0.2.9/32"}}, "192.0.2.1:8080"},
		"refuses a proxy that is no CIDR":        {listenFlags{BehindTLSProxy: []string{"192.0.2.9"}}, ""},
		"refuses a key without its certificate":  {listenFlags{TLSKey: "key.pem"}, ""},
		"refuses a public URL with a path":       {listenFlags{PublicURL: "https://example.org/wallet"}, ""},
		"refuses a host with a path":             {listenFlags{Host: []string{"example.org/wallet"}}, ""},
		"refuses a URL for a host":               {listenFlags{Host: []string{"https://wallet.example"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.flags.plan(zerolog.Nop())
			if c.listen == "" {
				if err == nil {
					t.Errorf("it listens on %s", got.main)
				}
				return
			}
			if err != nil || got.main.String() != c.listen {
				t.Errorf("got %v, %v, want %s", got.main, err, c.listen)
			}
			if host := netip.MustParseAddrPort(c.listen).Addr(); !host.IsLoopback() && (len(got.hosts) != 1 || got.hosts[0] != host.String()) {
				t.Errorf("it answers to the names %q, want its address", got.hosts)
			}
		})
	}
}
