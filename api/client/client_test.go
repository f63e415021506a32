package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"walletd/api"
)

const token = "wd_owner_x_thesecretpartofit"

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

func TestNew(t *testing.T) {
	for name, c := range map[string]struct {
		url  string
		want error
	}{
		"takes https":                             {"https://wallet.example", nil},
		"takes https with a path":                 {"https://example.test/wallet/", nil},
		"takes http of this machine":              {"http://127.0.0.1:8080", nil},
		"takes http of IPv6 loopback":             {"http://[::1]:8080", nil},
		"refuses http of another machine":         {"http://wallet.example", ErrCleartext},
		"refuses http of a name that looks so":    {"http://127.0.0.1.wallet.example", ErrCleartext},
		"refuses http of every address":           {"http://0.0.0.0:8080", ErrCleartext},
		"refuses a password in the address":       {"https://user:hunter2@wallet.example", ErrURL},
		"refuses another scheme":                  {"ftp://127.0.0.1", ErrURL},
		"refuses an address without a scheme":     {"wallet.example", ErrURL},
		"refuses a query":                         {"https://wallet.example?token=x", ErrURL},
		"refuses an address with control letters": {"https://wallet.example/\n", ErrURL},
		"refuses nothing":                         {"", ErrURL},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(Config{URL: c.url})
			if !errors.Is(err, c.want) || err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

// at makes a client of a service that answers as f does.
func at(t *testing.T, f http.HandlerFunc) *Client {
	t.Helper()
	service := httptest.NewServer(f)
	t.Cleanup(service.Close)
	c, err := New(Config{URL: service.URL, Token: api.NewSecretText([]byte(token))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// TestClientStays holds that a token is sent to the service and nobody else.
func TestClientStays(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it followed a redirect") }))
	defer elsewhere.Close()
	c := at(t, http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect).ServeHTTP)
	if _, err := c.Wallets(t.Context(), api.Page{}); err == nil || !strings.Contains(err.Error(), "307") {
		t.Errorf("a redirect: error %v", err)
	}

	// A name that means this machine by its look, and does not resolve to it.
	c, err := New(Config{URL: "http://localhost:1"})
	if err != nil {
		t.Fatal(err)
	}
	dial := c.http.Transport.(*http.Transport).DialContext
	for _, address := range []string{"192.0.2.1:80", "[2001:db8::1]:80"} {
		if _, err := dial(context.Background(), "tcp", address); err == nil || !strings.Contains(err.Error(), "this machine only") {
			t.Errorf("dialling %s: error %v", address, err)
		}
	}
}

func TestTheTokenIsInTheHeaderAlone(t *testing.T) {
	c := at(t, func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Authorization"); got != "Bearer "+token {
			t.Errorf("the header is %q", got)
		}
		if strings.Contains(r.URL.String(), "secretpart") {
			t.Errorf("the URL is %s", r.URL)
		}
		w.WriteHeader(http.StatusTeapot)
		io.WriteString(w, r.Header.Get("Authorization")) // as a proxy's page of errors might
	})
	_, err := c.Wallet("z1").Grants(t.Context(), api.Page{Limit: 3, Cursor: "x y&z"})
	if got := fmt.Sprintf("%v %+v %#v %+v %#v %v", c, c, c, *c, Config{Token: c.token}, err); strings.Contains(got, "secretpart") || strings.Contains(got, fmt.Sprint([]byte(token))) {
		t.Errorf("it is shown in %s", got)
	}
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		check  func(error) bool
	}{
		"keeps a code that it does not know": {http.StatusConflict, `{"type":"about:blank","title":"Conflict","status":409,"code":"from_the_future","detail":"Wait.","id":"x","slots":["a"]}`, func(err error) bool {
			p, ok := errors.AsType[*api.Problem](err)
			return ok && p.Code == "from_the_future" && p.Status == http.StatusConflict && p.ID == "x" && len(p.Slots) == 1
		}},
		"tells what is no problem apart": {http.StatusBadGateway, "<html>", func(err error) bool {
			e, ok := errors.AsType[*AnswerError](err)
			return ok && e.Status == http.StatusBadGateway
		}},
		"tells an answer that does not fit apart": {http.StatusOK, `{"items":{}}`, func(err error) bool {
			_, ok := errors.AsType[*AnswerError](err)
			return ok
		}},
		"says that the owner was asked": {http.StatusAccepted, `{"id":"abc","status":"pending","code":"K7MPQ2","expiresAt":"2026-01-01T00:05:00Z"}`, func(err error) bool {
			p, ok := errors.AsType[*PendingError](err)
			return ok && p.ID == "abc" && p.Code == "K7MPQ2"
		}},
	} {
		t.Run(name, func(t *testing.T) {
			client := at(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				io.WriteString(w, c.body)
			})
			if _, err := client.Wallets(t.Context(), api.Page{}); !c.check(err) {
				t.Errorf("got %T %v", err, err)
			}
		})
	}
	t.Run("is told apart from nobody there", func(t *testing.T) {
		c, err := New(Config{URL: "http://127.0.0.1:1"})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Keystore(t.Context())
		if e, ok := errors.AsType[*UnreachableError](err); !ok || e.URL != "http://127.0.0.1:1" || strings.Contains(e.Error(), "/v1") {
			t.Errorf("got %T %v", err, err)
		}
	})
	t.Run("is told apart from the caller's own end", func(t *testing.T) {
		c := at(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if _, err := c.Keystore(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %T %v", err, err)
		}
	})
}

// TestABodyIsWiped holds that what was sent is not kept, and that it was sent whole.
func TestABodyIsWiped(t *testing.T) {
	b := []byte(`{"passphrase":"correct horse"}`)
	w := newWiped(b)
	if got, err := io.ReadAll(w); err != nil || string(got) != `{"passphrase":"correct horse"}` {
		t.Fatalf("it reads as %q, %v", got, err)
	}
	if err := w.Close(); err != nil || strings.Contains(string(b), "horse") {
		t.Errorf("after it was closed: %q, %v", b, err)
	}
	if n, err := w.Read(make([]byte, 8)); n != 0 || err == nil {
		t.Errorf("it reads on: %d, %v", n, err)
	}
}

func TestEventsAreWhole(t *testing.T) {
	c := at(t, func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Last-Event-ID"); got != "6" {
			t.Errorf("it goes on after %q", got)
		}
		io.WriteString(w, ": walletd\n\nevent: a.b\nid: 7\ndata: {\"seq\":7,\"kind\":\"a.b\",\"entry\":{\"x\":\"data: y\"}}\n\n:\n\nevent: c\nid: 8\ndata: {\"seq\":8}\n\ndata: {")
	})
	var seen []string
	var last error
	for e, err := range c.Events(t.Context(), 6) {
		if last = err; err == nil {
			seen = append(seen, fmt.Sprintf("%d %s %s", e.Seq, e.Kind, e.Entry))
		}
	}
	if got := strings.Join(seen, " "); got != `7 a.b {"x":"data: y"} 8  ` {
		t.Errorf("got %q", got)
	}
	if _, ok := errors.AsType[*AnswerError](last); !ok {
		t.Errorf("a cut event: %v", last)
	}
}
