package main

import (
	"net/netip"
	"strings"

	"walletd/internal/connect"
)

// outFlags say where sessions may go beside public addresses by https.
type outFlags struct {
	AllowNetwork []string `sep:"none" placeholder:"CIDR" help:"Let links lead to these addresses too: for development. Metadata services stay closed. May be given again."`
	AllowHTTP    bool     `name:"allow-http" help:"Let links lead to http: for development."`
}

func (f outFlags) config() (connect.ClientConfig, error) {
	c := connect.ClientConfig{AllowHTTP: f.AllowHTTP}
	for _, text := range f.AllowNetwork {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return c, withHint(usagef("--allow-network takes addresses as a CIDR"), "one address is 192.0.2.7/32")
		}
		c.Allow = append(c.Allow, prefix.Masked())
	}
	return c, nil
}

// loopbackToo opens this machine, by http too: what serve --dev and a session without a service
// need.
func loopbackToo(c connect.ClientConfig) connect.ClientConfig {
	c.Allow = append(c.Allow, netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"))
	c.AllowHTTP = true
	return c
}

// isSQLite reports whether a store is one file, which one process holds.
func isSQLite(url string) bool { return strings.HasPrefix(url, "sqlite:") }
