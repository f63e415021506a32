package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestIsLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "127.0.0.1": true, "127.8.9.10": true, "::1": true, "::ffff:127.0.0.1": true,
		"": false, "0.0.0.0": false, "::": false, "192.0.2.1": false, "127.0.0.1.example": false, "localhost.example": false, "2130706433": false,
	} {
		if got := isLoopback(host); got != want {
			t.Errorf("%q: got %t, want %t", host, got, want)
		}
	}
}

// TestClientStays holds that a token is sent to the service and nobody else.
func TestClientStays(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it followed a redirect") }))
	defer elsewhere.Close()
	service := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer service.Close()
	c := newClient(service.URL, secret{[]byte("wd_owner_x_y")})
	if _, err := c.get(t.Context(), "/v1/wallets", nil); err == nil || !strings.Contains(err.Error(), "307") {
		t.Errorf("a redirect: error %v", err)
	}

	// A name that means this machine by its look, and does not resolve to it.
	c = newClient("http://localhost:1", secret{[]byte("wd_owner_x_y")})
	dial := c.http.Transport.(*http.Transport).DialContext
	for _, address := range []string{"192.0.2.1:80", "[2001:db8::1]:80"} {
		if _, err := dial(context.Background(), "tcp", address); err == nil || !strings.Contains(err.Error(), "this machine only") {
			t.Errorf("dialling %s: error %v", address, err)
		}
	}
}

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
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.flags.plan()
			if c.listen == "" {
				if err == nil {
					t.Errorf("it listens on %s", got.main)
				}
				return
			}
			if err != nil || got.main.String() != c.listen {
				t.Errorf("got %v, %v, want %s", got.main, err, c.listen)
			}
			if host, _, _ := net.SplitHostPort(c.listen); !isLoopback(host) && (len(got.hosts) != 1 || got.hosts[0] != host) {
				t.Errorf("it answers to the names %q, want its address", got.hosts)
			}
		})
	}
}
