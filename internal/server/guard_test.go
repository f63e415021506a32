package server_test

import (
	"bytes"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"walletd/internal/server"
	"walletd/internal/wallettest"
)

type members = wallettest.Members

func TestEveryAnswerIsSafeToHold(t *testing.T) {
	w := wallettest.New(t)
	for _, path := range []string{"/healthz", "/readyz", "/v1/wallets", "/nowhere", "/openapi.yaml", "/metrics"} {
		h := w.Do("GET", path, w.Owner, nil).Header
		resources := "same-origin"
		if path == "/healthz" { // pages of other origins may find out that walletd is there
			resources = "cross-origin"
		}
		for name, want := range map[string]string{
			"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": resources,
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
		if !strings.HasPrefix(h.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: Content-Security-Policy is %q", path, h.Get("Content-Security-Policy"))
		}
		if h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s lets pages of other origins read it", path)
		}
	}
}

func TestHost(t *testing.T) {
	w := wallettest.New(t, wallettest.Config(func(c *server.Config) { c.Hosts = []string{"Wallet.example:8443", "192.0.2.7", "[2001:db8::1]:80"} }))
	for _, c := range []struct {
		name, host, path string
		status           int
	}{
		{"answers to a loopback address", "127.0.0.1:1", "/v1/wallets", 200},
		{"answers to another loopback address", "127.8.0.1", "/v1/wallets", 200},
		{"answers to localhost", "localhost:8080", "/v1/wallets", 200},
		{"answers to IPv6 loopback", "[::1]:8080", "/v1/wallets", 200},
		{"answers to localhost with a port of no digits", "localhost:", "/v1/wallets", 200},
		{"answers to IPv6 loopback written out", "[0:0:0:0:0:0:0:1]", "/v1/wallets", 200},
		{"answers to a name it was given", "wallet.EXAMPLE", "/v1/wallets", 200},
		{"answers to that name on any port", "wallet.example:99", "/v1/wallets", 200},
		{"answers to that name with its dot", "wallet.example.", "/v1/wallets", 200},
		{"answers to an address it was given", "192.0.2.7:80", "/v1/wallets", 200},
		{"answers to an IPv6 address it was given", "[2001:DB8::1]", "/v1/wallets", 200},
		{"refuses another name", "rebound.example", "/v1/wallets", 421},
		{"refuses a name under its own", "x.wallet.example", "/v1/wallets", 421},
		{"refuses a name that begins like loopback", "127.0.0.1.example", "/v1/wallets", 421},
		{"refuses localhost as a suffix", "evil.localhost", "/v1/wallets", 421},
		{"refuses a name for the metrics", "rebound.example", "/metrics", 421},
		{"answers a probe under any name", "10.0.0.9:8080", "/readyz", 200},
		{"answers the other probe under any name", "10.0.0.9:8080", "/healthz", 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := w.In(t)
			r := w.Request("GET", c.path, nil)
			r.Host = c.host
			r.Header.Set("Authorization", "Bearer "+w.Owner)
			if got := w.Send(r); got.Status != c.status {
				t.Errorf("got %d, want %d: %s", got.Status, c.status, got.Body)
			}
		})
	}
	t.Run("believes no X-Forwarded-Host of just anybody", func(t *testing.T) {
		w := w.In(t)
		r := w.Request("GET", "/v1/wallets", nil)
		r.Host = "rebound.example"
		r.Header.Set("X-Forwarded-Host", "wallet.example")
		w.Send(r).Refused(421, "host_refused")
	})
}

func TestPagesOfOtherOriginsMayNotPost(t *testing.T) {
	w := wallettest.New(t)
	for _, header := range []http.Header{
		{"Sec-Fetch-Site": {"cross-site"}}, {"Sec-Fetch-Site": {"same-site"}}, {"Origin": {"https://evil.example"}}, {"Origin": {"null"}},
	} {
		r := w.Request("POST", "/v1/keystore/lock", members{})
		for name, values := range header {
			r.Header[name] = values
		}
		r.Header.Set("Authorization", "Bearer "+w.Operator)
		w.Send(r).Refused(403, "forbidden")
	}
	w.Do("GET", "/readyz", "", nil).Must(200)
}

func TestBodies(t *testing.T) {
	w := wallettest.New(t)
	notes := w.App("Notes")
	big := []byte(`{"requestedClaims":[{"type":"encryptionKey","salt":"s","meta":"` + strings.Repeat("x", 64<<10) + `"}]}`)
	fits := []byte(`{"requestedClaims":[{"type":"encryptionKey","salt":"s","meta":"` + strings.Repeat("x", 60<<10) + `"}]}`)
	for _, c := range []struct {
		name, contentType string
		body              []byte
		status            int
		code              string
	}{
		{"takes a body of 60 KiB", "application/json", fits, 202, ""},
		{"takes a charset", "application/json; charset=UTF-8", fits, 202, ""},
		{"refuses a body over 64 KiB", "application/json", big, 413, "body_too_large"},
		{"refuses text", "text/plain", fits, 415, "content_type"},
		{"refuses a form", "application/x-www-form-urlencoded", []byte("a=b"), 415, "content_type"},
		{"refuses no type", "", fits, 415, "content_type"},
		{"takes a charset by its other name", "application/json;charset=utf8", fits, 202, ""},
		{"takes a charset in quotes", `application/json; charset="utf-8"`, fits, 202, ""},
		{"refuses another charset", "application/json; charset=latin1", fits, 415, "content_type"},
		{"refuses JSON that is a list", "application/json", []byte(`[]`), 400, "json_malformed"},
		{"refuses a member twice", "application/json", []byte(`{"requestedClaims":[],"requestedClaims":[]}`), 400, "json_duplicate_member"},
		{"refuses a case variant", "application/json", []byte(`{"requestedClaims":[],"RequestedClaims":[]}`), 400, "json_case_variant"},
		{"refuses an unknown member", "application/json", []byte(`{"requestedClaims":[],"debug":true}`), 400, "json_unknown_member"},
		{"refuses a member twice within a claim", "application/json", []byte(`{"requestedClaims":[{"type":"encryptionKey","salt":"a","salt":"b"}]}`), 400, "json_duplicate_member"},
		{"refuses a case variant within a claim", "application/json", []byte(`{"requestedClaims":[{"type":"encryptionKey","salt":"a","Salt":"b"}]}`), 400, "json_case_variant"},
		{"refuses a claim that is no object", "application/json", []byte(`{"requestedClaims":["encryptionKey"]}`), 400, "request_malformed"},
		{"refuses no claims", "application/json", []byte(`{"requestedClaims":[]}`), 400, "request_malformed"},
		{"refuses a claim nobody knows", "application/json", []byte(`{"requestedClaims":[{"type":"everything"}]}`), 403, "claim_unsupported"},
		{"refuses a claim without a salt", "application/json", []byte(`{"requestedClaims":[{"type":"encryptionKey"}]}`), 400, "request_malformed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := w.In(t)
			r := w.Request("POST", "/v1/claims", c.body)
			r.Header.Set("Authorization", "Bearer "+notes.Token)
			if r.Header.Del("Content-Type"); c.contentType != "" {
				r.Header.Set("Content-Type", c.contentType)
			}
			got := w.Send(r)
			if c.code == "" {
				got.Must(c.status)
				return
			}
			got.Refused(c.status, c.code)
		})
	}
	t.Run("refuses a body that is compressed", func(t *testing.T) {
		w := w.In(t)
		r := w.Request("POST", "/v1/claims", fits)
		r.Header.Set("Authorization", "Bearer "+notes.Token)
		r.Header.Set("Content-Encoding", "gzip")
		w.Send(r).Refused(415, "content_type")
	})
	t.Run("refuses a body over 64 KiB that does not say its length", func(t *testing.T) {
		w := w.In(t)
		r := w.Request("POST", "/v1/claims", big)
		r.Body, r.ContentLength = http.NoBody, -1
		r.Body = struct {
			*bytes.Reader
			closer
		}{bytes.NewReader(big), closer{}}
		r.Header.Set("Authorization", "Bearer "+notes.Token)
		w.Send(r).Refused(413, "body_too_large")
	})
}

type closer struct{}

func (closer) Close() error { return nil }

func TestPaths(t *testing.T) {
	w := wallettest.New(t)
	app := w.Stranger("Far", 0).DID
	for _, c := range []struct {
		name, method, path string
		body               any
		status             int
	}{
		{"takes a DID as it is", "PUT", w.Path("/apps/" + app.String()), members{"name": "Far"}, 200},
		{"takes a bare address", "PUT", w.Path("/apps/" + app.Address()), members{"name": "Far"}, 200},
		{"takes a DID percent-encoded", "PUT", w.Path("/apps/" + strings.ReplaceAll(app.String(), ":", "%3A")), members{"name": "Far"}, 200},
		{"unescapes once", "PUT", w.Path("/apps/" + strings.ReplaceAll(app.String(), ":", "%253A")), members{"name": "Far"}, 400},
		{"keeps an escaped slash within a name", "GET", "/v1/approvals/a%2Fapprove", nil, 404},
		{"finds nothing under a NUL", "GET", "/v1/approvals/a%00", nil, 404},
		{"finds nothing under what is no UTF-8", "GET", "/v1/approvals/%ff", nil, 404},
		{"finds nothing under a name that is too long", "GET", "/v1/approvals/" + strings.Repeat("a", 200), nil, 404},
		{"finds nothing at a path that is too long", "GET", "/" + strings.Repeat("a/", 400), nil, 404},
		{"finds nothing behind a final slash", "GET", "/v1/wallets/", nil, 404},
		{"finds nothing behind two slashes", "GET", "//v1/wallets", nil, 404},
		{"finds nothing behind dots", "GET", "/v1/x/../wallets", nil, 404},
		{"knows no other wallet", "GET", "/v1/wallets/z1nsdV7esuV3MfsGmcyckqErnvjyzU8RQGV/policy", nil, 404},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := w.In(t)
			w.Do(c.method, c.path, w.Owner, c.body).Must(c.status)
		})
	}
	t.Run("names the methods a route has", func(t *testing.T) {
		w := w.In(t)
		got := w.Do("PUT", "/v1/wallets/"+w.Address, w.Owner, members{}).Refused(405, "method_not_allowed")
		if allow := strings.Join(got.Header.Values("Allow"), ", "); allow != "GET, PATCH, DELETE" {
			t.Errorf("Allow is %q", allow)
		}
	})
	t.Run("shows a person a page where only forms are sent to, and a program the methods", func(t *testing.T) {
		w := w.In(t)
		r := w.Request("GET", "/passkeys", nil)
		r.Header.Set("Accept", "text/html")
		if got := w.Send(r).Must(404).Header.Get("Content-Type"); !strings.HasPrefix(got, "text/html") {
			t.Errorf("a person is answered with %q", got)
		}
		w.Do("GET", "/passkeys", "", nil).Refused(405, "method_not_allowed")
	})
	t.Run("refuses a query where there is none", func(t *testing.T) {
		w := w.In(t)
		w.Do("POST", "/v1/keystore/lock?force=1", w.Operator, members{}).Refused(400, "member_invalid")
		w.Do("GET", "/v1/wallets?cursr=x", w.Operator, nil).Refused(400, "json_unknown_member")
		w.Do("GET", "/v1/wallets?limit=1&limit=2", w.Operator, nil).Refused(400, "member_invalid")
		w.Do("GET", "/v1/wallets?limit=0", w.Operator, nil).Refused(400, "member_invalid")
		w.Do("GET", "/v1/wallets?limit=201", w.Operator, nil).Refused(400, "member_invalid")
		w.Do("GET", "/v1/wallets?cursor=%00%00", w.Operator, nil).Refused(400, "member_invalid")
		w.Do("GET", "/v1/claims/x?wait=31", w.App("Notes").Token, nil).Refused(400, "member_invalid")
	})
}

func TestTokensAreReadAsTheStandardWritesThem(t *testing.T) {
	w := wallettest.New(t)
	for _, c := range []struct {
		name   string
		fields []string
		status int
	}{
		{"takes one blank", []string{"Bearer " + w.Owner}, 200},
		{"takes two blanks", []string{"Bearer  " + w.Owner}, 200},
		{"takes blanks around it", []string{"  Bearer   " + w.Owner + "  "}, 200},
		{"takes the scheme in any case", []string{"bEARER " + w.Owner}, 200},
		{"refuses no blank", []string{"Bearer" + w.Owner}, 401},
		{"refuses another scheme", []string{"Basic " + w.Owner}, 401},
		{"refuses two tokens", []string{"Bearer " + w.Owner, "Bearer " + w.Owner}, 401},
		{"refuses two tokens in one", []string{"Bearer " + w.Owner + ", Bearer " + w.Owner}, 401},
		{"refuses nothing", []string{"Bearer "}, 401},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := w.In(t)
			r := w.Request("GET", "/v1/wallets", nil)
			r.Header["Authorization"] = c.fields
			w.Send(r).Must(c.status)
		})
	}
}

// RFC 9110, sections 5.6.6, 8.3 and 8.4, and what the Fetch standard makes of a type.
func TestTypesAreReadAsTheStandardsWriteThem(t *testing.T) {
	w := wallettest.New(t)
	for _, c := range []struct {
		name   string
		header http.Header
		status int
	}{
		{"takes JSON", http.Header{"Content-Type": {"application/json"}}, 200},
		{"takes it in any case", http.Header{"Content-Type": {"Application/JSON"}}, 200},
		{"takes blanks around it", http.Header{"Content-Type": {"  application/json \t"}}, 200},
		{"takes blanks around a parameter", http.Header{"Content-Type": {"application/json ; charset=utf-8"}}, 200},
		{"takes a parameter in any case, quoted", http.Header{"Content-Type": {`application/json;CHARSET="UTF-8"`}}, 200},
		{"takes nothing behind a semicolon", http.Header{"Content-Type": {"application/json;"}}, 200},
		{"takes nothing between semicolons", http.Header{"Content-Type": {"application/json;; charset=utf-8"}}, 200},
		{"takes other parameters", http.Header{"Content-Type": {`application/json; profile="a;b"; v=1`}}, 200},
		{"takes what is no parameter", http.Header{"Content-Type": {"application/json; v"}}, 200},
		{"takes US-ASCII", http.Header{"Content-Type": {"application/json; charset=US-ASCII"}}, 200},
		{"takes the coding that is none", http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"Identity"}}, 200},
		{"takes a coding without a name", http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {""}}, 200},
		{"refuses another charset", http.Header{"Content-Type": {"application/json; charset=utf-16"}}, 415},
		{"refuses a type that only begins so", http.Header{"Content-Type": {"application/json-patch+json"}}, 415},
		{"refuses a type that only ends so", http.Header{"Content-Type": {"application/ld+json"}}, 415},
		{"refuses two types", http.Header{"Content-Type": {"application/json", "text/plain"}}, 415},
		{"refuses two types in one", http.Header{"Content-Type": {"application/json, text/plain"}}, 415},
		{"refuses a coding", http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"gzip"}}, 415},
		{"refuses a coding in a list", http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"identity, br"}}, 415},
		{"refuses a coding in a second field", http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"identity", "zstd"}}, 415},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := w.In(t)
			r := w.Request("POST", w.Path("/policy/test"), members{"app": w.Address, "claim": "profile"})
			r.Header = c.header
			r.Header.Set("Authorization", "Bearer "+w.Owner)
			w.Send(r).Must(c.status)
		})
	}
}

// An old browser says only the origin of the page, as RFC 6454 writes it; a proxy may name the host
// with the port of the scheme, or another one than the client did.
func TestPagesOfThisServiceMayPost(t *testing.T) {
	w := wallettest.New(t, wallettest.Config(func(c *server.Config) {
		c.Hosts, c.Proxies = []string{"wallet.example"}, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	}))
	for _, c := range []struct{ name, origin, host, forwarded string }{
		{"its own", "https://wallet.example", "wallet.example", ""},
		{"its own in capitals", "HTTPS://Wallet.Example", "wallet.example", ""},
		{"its own, called with the port", "https://wallet.example", "wallet.example:443", ""},
		{"its own, which says the port", "http://wallet.example:80", "wallet.example", ""},
		{"its own on a port", "https://wallet.example:8443", "wallet.example:8443", ""},
		{"its own behind a proxy", "https://wallet.example", "127.0.0.1:8080", "wallet.example"},
		{"its own behind a proxy that says the port", "https://wallet.example", "127.0.0.1:8080", "wallet.example:443"},
		{"not that of another port", "https://wallet.example:8443", "wallet.example", ""},
		{"not that of the port of another scheme", "https://wallet.example:80", "wallet.example", ""},
		{"not that of a name under it", "https://x.wallet.example", "wallet.example", ""},
		{"not that of the name behind a proxy", "http://127.0.0.1:8080", "127.0.0.1:8080", "wallet.example"},
		{"not one without a scheme", "wallet.example", "wallet.example", ""},
		{"not null", "null", "wallet.example", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := w.In(t)
			r := w.Request("POST", w.Path("/policy/test"), members{"app": w.Address, "claim": "profile"})
			r.Host = c.host
			r.Header.Set("Origin", c.origin)
			r.Header.Set("Authorization", "Bearer "+w.Owner)
			if c.forwarded != "" {
				r.Header.Set("X-Forwarded-Host", c.forwarded)
			}
			if got := w.Send(r); strings.HasPrefix(c.name, "not") {
				got.Refused(403, "forbidden")
			} else {
				got.Must(200)
			}
		})
	}
}

func TestHeadOfWhatAnybodyMayGet(t *testing.T) {
	w := wallettest.New(t)
	for path, status := range map[string]int{"/healthz": 200, "/readyz": 200, "/openapi.yaml": 200, "/metrics": 200, "/v1/wallets": 405, "/v1/events": 405, "/nowhere": 404} {
		got := w.Do("HEAD", path, w.Operator, nil)
		if got.Status != status || status == 200 && len(got.Body) != 0 {
			t.Errorf("HEAD %s: %d with %d bytes, want %d", path, got.Status, len(got.Body), status)
		}
	}
	w.LockKeystore()
	if got := w.Do("HEAD", "/readyz", "", nil); got.Status != 503 {
		t.Errorf("HEAD /readyz while locked: %d", got.Status)
	}
}
