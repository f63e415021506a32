package server_test

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"walletd/internal/server"
	"walletd/internal/wallettest"
)

func TestRequestsHaveARate(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t, wallettest.Config(func(c *server.Config) {
		c.Rates = server.Rates{Token: 1, Address: 4} // ten at once, and forty
		c.Proxies = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}
	}))
	address := serving(t, func(ctx context.Context, l net.Listener) error {
		return w.Server.Serve(ctx, behind{l, "10.1.2.3:5000"}, w.Server.Handler(), nil)
	})
	get := func(from, path, token string) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = "localhost"
		r.Header.Set("X-Forwarded-For", from)
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		answer, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		return answer
	}
	// exhaust asks until too many were asked, and returns how many were answered before.
	exhaust := func(from, path, token string, status int) int {
		t.Helper()
		for n := range 10_000 {
			switch got := get(from, path, token).StatusCode; got {
			case status:
			case 429:
				return n
			default:
				t.Fatalf("%s from %s is answered %d", path, from, got)
			}
		}
		t.Fatalf("%s from %s has no bound", path, from)
		return 0
	}
	if n := exhaust("192.0.2.1", "/v1/wallets", w.Owner, 200); n < 10 {
		t.Errorf("a token that may ask ten times gets %d answers", n)
	}
	if n := exhaust("192.0.2.2", "/v1/wallets", "wd_owner_none_none", 401); n < 10 {
		t.Errorf("what is no token and may ask ten times gets %d answers", n)
	}
	if n := exhaust("192.0.2.3", "/nowhere", "", 404); n < 40 {
		t.Errorf("an address that may ask forty times gets %d answers", n)
	}
	until(t, func() bool { // at once, but where a window ends in between
		exhaust("2001:db8::1", "/nowhere", "", 404)
		return get("2001:db8::2", "/nowhere", "").StatusCode == 429
	})
	exhaust("192.0.2.3", "/nowhere", "", 404)
	refused := get("192.0.2.3", "/nowhere", "")
	if refused.StatusCode == 429 && (refused.Header.Get("Retry-After") == "" || refused.Header.Get("Content-Type") != "application/problem+json") {
		t.Errorf("it is told Retry-After %q in %s", refused.Header.Get("Retry-After"), refused.Header.Get("Content-Type"))
	}
	for range 60 {
		if got := get("192.0.2.3", "/healthz", "").StatusCode; got != 200 {
			t.Fatalf("a probe gets %d", got)
		}
	}
	if got := get("192.0.2.4", "/v1/keystore", w.Operator).StatusCode; got != 200 {
		t.Errorf("an operator elsewhere gets %d", got)
	}
	if !strings.Contains(w.Log.String(), `"limit":"rate_address"`) || !strings.Contains(w.Log.String(), `"limit":"rate_token"`) {
		t.Error("the log does not say that the limits are reached")
	}
}
