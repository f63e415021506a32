package server_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"walletd/internal/server"
	"walletd/internal/wallettest"
)

// sender is a connection that is written and read by hand.
type sender struct {
	net.Conn
	t *testing.T
	r *bufio.Reader
}

func dial(t *testing.T, address string) *sender {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &sender{c, t, bufio.NewReader(c)}
}

// send writes a request with a token and no body.
func (s *sender) send(method, path, token string) {
	fmt.Fprintf(s, "%s %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n", method, path, token)
}

// answer reads an answer; 0 if the connection was closed.
func (s *sender) answer() int {
	s.t.Helper()
	answer, err := http.ReadResponse(s.r, nil)
	if err != nil {
		return 0
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		s.t.Error(err)
	}
	return answer.StatusCode
}

// waits sends a request that waits for the owner, and returns when n of them do. Who looks comes on no connection, which
// could take the place of one on which nothing was read yet.
func (s *sender) waits(w *wallettest.Wallet, id, token string, n int) {
	s.t.Helper()
	s.send("GET", "/v1/claims/"+id+"?wait=30", token)
	until(s.t, func() bool {
		look := httptest.NewRequest("GET", "/metrics", nil)
		look.Host, look.RemoteAddr = "localhost", "127.0.0.1:1"
		answer := httptest.NewRecorder()
		w.Server.Handler().ServeHTTP(answer, look)
		return strings.Contains(answer.Body.String(), fmt.Sprintf("walletd_waiting %d\n", n))
	})
}

// until waits for something to become so.
func until(t *testing.T, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !so(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not come to that")
		}
	}
}

func TestConnectionsHaveABound(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t, wallettest.Config(func(c *server.Config) { c.Connections = 5 }))
	notes := w.App("Notes")
	asked := notes.Ask(notesKey...).Must(202)
	http.DefaultClient.CloseIdleConnections()
	address := serving(t, func(ctx context.Context, l net.Listener) error {
		return w.Server.Serve(ctx, l, w.Server.Handler(), nil)
	})

	waiting := dial(t, address)
	waiting.waits(w, asked.Text("id"), notes.Token, 1)
	http.DefaultClient.CloseIdleConnections()
	used := dial(t, address)
	used.send("GET", "/healthz", "")
	if got := used.answer(); got != 200 {
		t.Fatalf("got %d", got)
	}
	silent := make([]*sender, 40)
	for i := range silent {
		silent[i] = dial(t, address)
	}
	silent[len(silent)-1].send("GET", "/v1/wallets", w.Owner)
	if got := silent[len(silent)-1].answer(); got != 200 {
		t.Errorf("behind forty that say nothing, an owner gets %d", got)
	}
	used.send("GET", "/healthz", "")
	if got := used.answer(); got != 200 {
		t.Errorf("one that has been used is dropped before those that say nothing: %d", got)
	}
	if got := silent[0].answer(); got != 0 {
		t.Errorf("the first that said nothing is still there: %d", got)
	}
	w.MustReject(asked.Text("code"))
	if got := waiting.answer(); got != 403 {
		t.Errorf("one that waited for the owner gets %d", got)
	}
	if !strings.Contains(string(w.Do("GET", "/metrics", "", nil).Must(200).Body), `walletd_limited_total{limit="connections_idle"}`) || !strings.Contains(w.Log.String(), `"limit":"connections_idle"`) {
		t.Error("neither the metrics nor the log say that connections are dropped")
	}
}

func TestRoomIsKeptForOperators(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t, wallettest.Config(func(c *server.Config) { c.Connections = 3 }))
	notes := w.App("Notes")
	asked := notes.Ask(notesKey...).Must(202)
	address := serving(t, func(ctx context.Context, l net.Listener) error {
		return w.Server.Serve(ctx, l, w.Server.Handler(), nil)
	})
	var waiting []*sender
	for i := range 3 {
		waiting = append(waiting, dial(t, address))
		waiting[i].waits(w, asked.Text("id"), notes.Token, i+1)
	}
	for _, c := range []struct {
		name, path, token string
		status            int
	}{
		{"answers a probe", "/healthz", "", 200},
		{"answers an operator", "/v1/keystore", w.Operator, 200},
		{"answers an operator where an owner may call too", "/v1/wallets", w.Operator, 200},
		{"has no room for an owner", "/v1/wallets", w.Owner, 503},
		{"has no room for an owner's approvals", "/v1/approvals", w.Owner, 503},
		{"has no room for an app", "/v1/secrets", notes.Token, 503},
	} {
		one := dial(t, address)
		one.send("GET", c.path, c.token)
		if got := one.answer(); got != c.status {
			t.Errorf("%s: got %d, want %d", c.name, got, c.status)
		}
		one.Close()
	}
	waiting[0].Close()
	until(t, func() bool {
		one := dial(t, address)
		defer one.Close()
		one.send("GET", "/v1/wallets", w.Owner)
		return one.answer() == 200
	})
}

func TestIdleConnectionsEnd(t *testing.T) {
	t.Parallel()
	var config server.Config
	wallettest.New(t, wallettest.Config(func(c *server.Config) { config = *c }))
	config.Idle = 50 * time.Millisecond // of a server that nobody else uses, whose connection could end as it is used again
	s, err := server.New(config)
	if err != nil {
		t.Fatal(err)
	}
	address := serving(t, func(ctx context.Context, l net.Listener) error { return s.Serve(ctx, l, s.Handler(), nil) })
	one := dial(t, address)
	one.send("GET", "/healthz", "")
	if got := one.answer(); got != 200 {
		t.Fatalf("got %d", got)
	}
	if n, err := io.Copy(io.Discard, one.r); err != nil || n != 0 {
		t.Errorf("it did not end as it should: %d bytes, %v", n, err)
	}
}
