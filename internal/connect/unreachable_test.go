package connect

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"walletd/internal/approvals"
	"walletd/internal/did"
)

// at gives a fixture a client of its own.
func (f *fixture) at(c *Client) {
	f.t.Helper()
	f.client = c
	f.restart()
}

// Which addresses and names are of a network that is closed to the wallet is not the owner's to find
// out: whatever is not reached is told alike. The log has why.
func TestEveryUnreachableAppIsReportedAlike(t *testing.T) {
	untrusted := httptest.NewTLSServer(http.NotFoundHandler())
	defer untrusted.Close()
	// The port of a connection's other end: nobody listens there, and as long as it is open nobody else can.
	held, err := net.Dial("tcp", untrusted.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	_, port, _ := net.SplitHostPort(held.LocalAddr().String())
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()

	f := newFixture(t, http.NotFoundHandler())
	var log strings.Builder
	f.config = func(c *Config) { c.Log = zerolog.New(&log) }
	private := &names{answers: [][]netip.Addr{{netip.MustParseAddr("10.1.2.3")}}}
	nothing := &names{answers: [][]netip.Addr{nil}}
	open := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	told := map[string]string{}
	for name, c := range map[string]struct {
		url    string
		config ClientConfig
		logged string
	}{
		"an address of this machine":  {"https://127.0.0.1:" + port + "/auth", ClientConfig{}, string(RuleLoopback)},
		"an address of a network":     {"https://10.1.2.3/auth", ClientConfig{}, string(RulePrivate)},
		"an address of metadata":      {"https://169.254.169.254/auth", ClientConfig{}, string(RuleMetadata)},
		"a name of a network":         {"https://intranet.test.:" + port + "/auth", ClientConfig{Resolver: private.resolver(t)}, string(RulePrivate)},
		"a name of nothing":           {"https://nothing.test.:" + port + "/auth", ClientConfig{Resolver: nothing.resolver(t)}, "looking up the name"},
		"where nothing listens":       {"https://127.0.0.1:" + port + "/auth", ClientConfig{Allow: open}, "refused"},
		"who shows a strange key":     {untrusted.URL + "/auth", ClientConfig{Allow: open}, "certificate"},
		"who speaks no TLS, or HTTP":  {"https://127.0.0.1:" + garbage(t) + "/auth", ClientConfig{Allow: open}, "tls"},
		"who hangs up":                {"http://127.0.0.1:" + garbage(t) + "/auth", ClientConfig{Allow: open, AllowHTTP: true}, "malformed"},
		"an address that is mapped":   {"https://[::ffff:10.1.2.3]/auth", ClientConfig{}, string(RuleMapped)},
		"an address that was allowed": {"https://127.0.0.1:" + port + "/auth", ClientConfig{Allow: open}, "refused"},
		"who says nothing":            {"https://" + silent.Addr().String() + "/auth", ClientConfig{Allow: open}, "deadline"},
	} {
		client := NewClient(c.config)
		if c.logged == "deadline" {
			client.wait = 30 * time.Millisecond
		}
		f.at(client)
		log.Reset()
		v := f.advance(f.begin(c.url).ID)
		told[name] = fmt.Sprintln(v.State, v.Code, v.Text, v.TextBy, v.AppStatus)
		if !strings.Contains(strings.ToLower(log.String()), c.logged) {
			t.Errorf("%s: the log does not say %q: %s", name, c.logged, log.String())
		}
		if strings.Contains(log.String(), "/auth") {
			t.Errorf("%s: the log holds the url", name)
		}
	}
	want := fmt.Sprintln(Refused, "app_unreachable", "the app could not be reached", ByWallet, 0)
	for name, got := range told {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s is told otherwise (-want +got):\n%s", name, diff)
		}
	}
}

// garbage is a port where something speaks that is no HTTP and no TLS.
func garbage(t *testing.T) (port string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Read(make([]byte, 1))
			conn.Write([]byte("hello hello hello hello\r\n"))
			conn.Close()
		}
	}()
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port
}

// An app that is there and does not answer, or answers with an HTTP error, has codes of its own, and
// it is the wallet that says so.
func TestAppsThatDoNotAnswer(t *testing.T) {
	app := newFar(t, 1, did.Ed25519)
	slow := func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	for name, tt := range map[string]struct {
		far    http.HandlerFunc
		state  State
		code   string
		status int
		text   string
	}{
		"is slow": {slow, Refused, "app_timeout", 0, "the app did not answer in time"},
		"has gone": {func(w http.ResponseWriter, r *http.Request) { http.Error(w, "<html>", http.StatusBadGateway) },
			Refused, "app_http_error", 502, "the app answered with the HTTP status 502 Bad Gateway"},
		"says what no other says": {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(599) },
			Refused, "app_http_error", 599, "the app answered with the HTTP status 599"},
		"says no itself": {func(w http.ResponseWriter, r *http.Request) {
			w.Write(app.ends(map[string]any{"status": "error", "errorMessage": "no"})(nil))
		}, Failed, "", 0, "no"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, tt.far)
			if tt.code == "app_timeout" {
				f.client.wait = 2 * time.Second // in which the app is reached, at the least
			}
			v := f.advance(f.begin(appURL).ID)
			by := ByWallet
			if tt.state == Failed {
				by = ByApp
			}
			if v.State != tt.state || v.Code != tt.code || v.AppStatus != tt.status || v.Text != tt.text || v.TextBy != by {
				t.Errorf("ended %+v", v)
			}
		})
	}
}

// An app may take its time to reply to an answer, longer than to anything else. The session says
// that it is at work, and what it says at last counts.
func TestAnAppThatWorksBeforeItReplies(t *testing.T) {
	app := newFar(t, 1, did.Ed25519)
	work := make(chan struct{})
	end := app.ends(map[string]any{"successMessage": "restored"})
	for name, tt := range map[string]struct {
		appWait time.Duration
		state   State
		code    string
	}{
		"in time":  {time.Hour, Done, ""},
		"too long": {2 * time.Second, Unknown, "app_timeout"}, // in which the answer arrives, at the least
	} {
		t.Run(name, func(t *testing.T) {
			s := &script{t: t, replies: []says{app.asks(), func(b []byte) []byte { <-work; return end(b) }}}
			f := newFixture(t, s)
			f.client.appWait = tt.appWait
			f.running()
			v := f.begin(appURL)
			f.await(v.ID, Waiting)
			f.pass(time.Minute)
			f.approve(f.get(v.ID).Approval, approvals.Choice{})
			if tt.state == Done {
				f.await(v.ID, Answering)
				if v = f.get(v.ID); !v.Sent.Equal(f.now()) || v.Text != "" {
					t.Errorf("while the app is at work: %+v", v)
				}
				work <- struct{}{}
			}
			f.await(v.ID, tt.state)
			if v = f.get(v.ID); v.Code != tt.code || !v.Sent.IsZero() || (v.TextBy == ByWallet) != (tt.code != "") {
				t.Errorf("ended %+v", v)
			}
			if tt.state == Unknown {
				work <- struct{}{}
			}
		})
	}
}

// Who declines gives an app nothing to do, and does not wait as long.
func TestADeclineWaitsAsForAnythingElse(t *testing.T) {
	app := newFar(t, 1, did.Ed25519)
	work := make(chan struct{})
	defer close(work)
	for wait := 100 * time.Millisecond; ; wait *= 2 { // until the decline arrives in that time
		s := &script{t: t, replies: []says{app.asks(claim("swap")), func([]byte) []byte { <-work; return nil }}}
		f := newFixture(t, s)
		f.client.wait, f.client.appWait = wait, time.Hour
		v := f.advance(f.begin(appURL).ID)
		if _, posts := s.counts(); posts == 0 {
			continue
		}
		if v.State != Declined || v.Code != "claim_unsupported" {
			t.Errorf("ended %+v", v)
		}
		return
	}
}
