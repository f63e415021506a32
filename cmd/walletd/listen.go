package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"walletd/internal/pages"
	"walletd/internal/passkey"
	"walletd/internal/server"
)

type listenFlags struct {
	Listen         string        `env:"WALLETD_LISTEN" placeholder:"HOST:PORT" help:"Address to answer on: ${listen} if not given, with --dev a free port."`
	AppsListen     string        `placeholder:"HOST:PORT" help:"Answer what apps may reach on this address, and nothing of theirs on the other."`
	MetricsListen  string        `env:"WALLETD_METRICS_LISTEN" placeholder:"HOST:PORT" help:"Answer /metrics on this address too, in the clear and to whoever asks. Elsewhere it takes an operator's token, but from this machine."`
	TLSCert        string        `name:"tls-cert" type:"path" placeholder:"FILE" help:"Certificate chain, PEM; read anew when it changes."`
	TLSKey         string        `name:"tls-key" type:"path" placeholder:"FILE" help:"Its key, PEM."`
	BehindTLSProxy []string      `sep:"none" name:"behind-tls-proxy" placeholder:"CIDR" help:"Addresses of a proxy that speaks TLS to the world: nobody else may connect, and its X-Forwarded headers count."`
	MaxConnections int           `env:"WALLETD_MAX_CONNECTIONS" placeholder:"N" help:"How many connections may be open: 1024, or fewer where the process may open fewer files. A few more are kept for operators."`
	TokenRate      int           `env:"WALLETD_TOKEN_RATE" default:"1000" placeholder:"N" help:"How many requests a second one token may make; 0 for no bound."`
	AddressRate    int           `env:"WALLETD_ADDRESS_RATE" default:"2000" placeholder:"N" help:"How many requests a second may come from one address; 0 for no bound."`
	IdleTimeout    time.Duration `env:"WALLETD_IDLE_TIMEOUT" default:"2m" placeholder:"TIME" help:"How long a connection may be idle before it is closed. A proxy in front must close its own before."`
	Drain          time.Duration `env:"WALLETD_DRAIN" default:"5s" placeholder:"TIME" help:"How long to go on answering after a signal to stop, while /readyz says that it is not ready: longer than a proxy needs to notice."`
	PushContact    string        `placeholder:"ADDRESS" help:"What push services are told of who runs this: a mailto: or https: address. Without it: the first --host."`
	BrandName      string        `placeholder:"NAME" help:"What the pages call the service: walletd if not given."`
	BrandLogo      string        `type:"path" placeholder:"FILE" help:"An SVG image of at most 32 KiB that the pages show beside the name."`
	BrandAccent    string        `placeholder:"COLOUR" help:"The one colour of the pages, as #0f6b54; it is made darker or lighter until it can be read."`
	Host           []string      `sep:"none" placeholder:"NAME" help:"A name that clients call the service by. May be given again."`
	PublicURL      string        `name:"public-url" env:"WALLETD_PUBLIC_URL" placeholder:"URL" help:"What people's browsers call the service: https and a name, which is its alone, without a path. Passkeys belong to that name; without it there are none."`
}

// listenPlan is where to listen, checked.
type listenPlan struct {
	main    *net.TCPAddr
	apps    *net.TCPAddr // nil: on main
	metrics *net.TCPAddr // nil: on main alone
	others  *net.TCPAddr // of serve --dev-listen: other machines, in the clear; else nil
	tls     *tls.Config  // nil: in the clear
	proxies []netip.Prefix
	hosts   []string
	contact string        // of who runs this, for push services
	brand   pages.Brand   // of the pages
	party   passkey.Party // that passkeys belong to

	archives string // the directory that archives of records go into; "" for none

	connections int // how many may be open
	rates       server.Rates
	idle        time.Duration
	drain       time.Duration
}

// ownName is what to do for who wants the service at a path of a name that has other pages too.
const ownName = "give walletd a name of its own, as in wallet.example.org, and let the proxy pass on all paths of it as they are"

// contactOf is what push services are told of who runs the service (RFC 8292, section 2.1): the address given, else that of the first name that
// the service is called by.
func contactOf(given string, hosts []string) (string, error) {
	if given == "" {
		for _, host := range hosts {
			if name, _, _ := strings.Cut(host, ":"); net.ParseIP(name) == nil {
				return "https://" + name, nil
			}
		}
		return "https://localhost", nil
	}
	u, err := url.Parse(given)
	if err != nil || len(given) > 200 || !(u.Scheme == "mailto" && strings.Contains(u.Opaque, "@") || u.Scheme == "https" && u.Host != "") {
		return "", withHint(usagef("--push-contact takes a mailto: or https: address"), "as in mailto:operator@wallet.example")
	}
	return given, nil
}

// listener is one open address.
type listener struct {
	net.Listener
	tls     *tls.Config // of what is answered, nil: in the clear
	answers string      // "all", "apps" or "metrics"
}

// plan checks the flags. In the clear only this machine, or a proxy that speaks TLS, may be
// answered: tokens and keys would go over the network as they are.
func (f listenFlags) plan(log zerolog.Logger) (p listenPlan, err error) {
	for _, text := range f.BehindTLSProxy {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return p, withHint(usagef("--behind-tls-proxy takes addresses as a CIDR"), "one address is 192.0.2.7/32")
		}
		if prefix.Bits() == 0 {
			return p, withHint(usagef("--behind-tls-proxy %s is everybody, and everybody would be believed about who they are", shown(text)), "give the proxy's own address: one address is 192.0.2.7/32")
		}
		p.proxies = append(p.proxies, prefix.Masked())
	}
	for _, host := range f.Host {
		if strings.Contains(host, "/") {
			return p, withHint(usagef("--host takes a name, and %s is more than that", shown(host)), ownName)
		}
	}
	p.hosts = f.Host
	if p.contact, err = contactOf(f.PushContact, f.Host); err != nil {
		return p, err
	}
	if p.brand, err = f.readBrand(); err != nil {
		return p, err
	}
	if f.PublicURL != "" {
		if p.party, err = passkey.ParseParty(f.PublicURL); err != nil {
			if err = usagef("--public-url: %w", err); errors.Is(err, passkey.ErrPath) {
				err = withHint(err, ownName)
			}
			return p, err
		}
		p.hosts = append(slices.Clone(f.Host), p.party.ID())
	}
	if p.drain = f.Drain; p.drain < 0 {
		return p, usagef("--drain takes a time, as in 5s")
	}
	if p.idle = f.IdleTimeout; p.idle < 0 {
		return p, usagef("--idle-timeout takes a time, as in 2m")
	}
	if p.rates = (server.Rates{Token: f.TokenRate, Address: f.AddressRate}); f.TokenRate < 0 || f.AddressRate < 0 {
		return p, usagef("--token-rate and --address-rate take 0 or more")
	}
	switch most := mostConnections(); {
	case f.MaxConnections < 0:
		return p, usagef("--max-connections takes 1 or more")
	case f.MaxConnections > most:
		return p, withHint(usagef("--max-connections %d is more than this process may open files for", f.MaxConnections), fmt.Sprintf("at most %d; raise the limit with ulimit -n, or LimitNOFILE of the unit", most))
	case f.MaxConnections == 0:
		p.connections = min(most, 1024)
	default:
		p.connections = f.MaxConnections
	}
	if f.Listen == "" {
		f.Listen = defaultListen
	}
	if p.main, err = f.address(f.Listen, "--listen", &p.hosts); err != nil {
		return p, err
	}
	if f.AppsListen != "" {
		if p.apps, err = f.address(f.AppsListen, "--apps-listen", &p.hosts); err != nil {
			return p, err
		}
	}
	if f.MetricsListen != "" {
		if p.metrics, err = net.ResolveTCPAddr("tcp", f.MetricsListen); err != nil {
			return p, usagef("--metrics-listen takes HOST:PORT, as in 127.0.0.1:9090")
		}
	}
	switch {
	case (f.TLSCert == "") != (f.TLSKey == ""):
		return p, usagef("--tls-cert and --tls-key belong together")
	case f.TLSCert != "" && len(p.proxies) > 0:
		return p, usagef("--behind-tls-proxy is for a service without TLS of its own")
	case f.TLSCert != "":
		p.tls, err = server.Certificates(f.TLSCert, f.TLSKey, log)
	}
	return p, err
}

func (f listenFlags) address(text, flag string, hosts *[]string) (*net.TCPAddr, error) {
	address, err := net.ResolveTCPAddr("tcp", text)
	if err != nil {
		return nil, usagef("%s takes HOST:PORT, as in %s", flag, defaultListen)
	}
	switch {
	case address.IP.IsLoopback():
	case f.TLSCert == "" && len(f.BehindTLSProxy) == 0:
		return nil, withHint(usagef("%s %s is not this machine alone, and without TLS tokens and keys would go over the network in the clear", flag, shown(text)),
			"give --tls-cert and --tls-key",
			"or, behind a proxy that speaks TLS, --behind-tls-proxy with the proxy's address",
			"or listen on "+defaultListen)
	case address.IP != nil && !address.IP.IsUnspecified():
		*hosts = append(*hosts, address.IP.String())
	}
	return address, nil
}

// readBrand reads what the pages look like.
func (f listenFlags) readBrand() (pages.Brand, error) {
	b := pages.Brand{Name: f.BrandName, Accent: f.BrandAccent}
	if f.BrandLogo != "" {
		file, err := os.Open(f.BrandLogo)
		if err != nil {
			return b, err
		}
		defer file.Close()
		if b.Logo, err = io.ReadAll(io.LimitReader(file, 1<<20)); err != nil {
			return b, fmt.Errorf("reading --brand-logo: %w", err)
		}
	}
	if err := b.Check(); err != nil {
		return b, usagef("--brand-name, --brand-logo, --brand-accent: %v", err)
	}
	return b, nil
}

// listen opens the addresses.
func (p listenPlan) listen(ctx context.Context) ([]listener, error) {
	var open []listener
	for _, one := range []struct {
		address *net.TCPAddr
		tls     *tls.Config
		answers string
	}{{p.main, p.tls, "all"}, {p.apps, p.tls, "apps"}, {p.metrics, nil, "metrics"}, {p.others, nil, "all"}} {
		address := one.address
		if address == nil {
			continue
		}
		var config net.ListenConfig
		l, err := config.Listen(ctx, "tcp", address.String())
		if err != nil {
			for _, l := range open {
				l.Close()
			}
			if e, ok := errors.AsType[*net.OpError](err); ok {
				err = e.Err
			}
			return nil, withHint(fmt.Errorf("listening on %s: %w", address, err), "is another walletd, or something else, there already? --listen takes another address")
		}
		open = append(open, listener{l, one.tls, one.answers})
	}
	return open, nil
}
