package connect

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// loopback opens 127.0.0.1 and nothing else.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}

func devClient() *Client { return NewClient(ClientConfig{Allow: loopback, AllowHTTP: true}) }

// serve answers requests on loopback.
func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// wantRule fails unless the error names the rule.
func wantRule(t *testing.T, err error, want Rule) {
	t.Helper()
	b, ok := errors.AsType[*BlockedError](err)
	if !ok || b.Rule != want {
		t.Errorf("got %v, want rule %s", err, want)
	}
}

func TestGet(t *testing.T) {
	var got *http.Request
	url := serve(t, func(w http.ResponseWriter, r *http.Request) { got = r; io.WriteString(w, `{"a":1}`) })
	r, err := devClient().get(t.Context(), url+"/a%20b%2Fc?x=1&y=%7e&x=2")
	if err != nil || r.status != 200 || string(r.body) != `{"a":1}` {
		t.Fatalf("get = %v, %v", r, err)
	}
	if got.RequestURI != "/a%20b%2Fc?x=1&y=%7e&x=2" {
		t.Errorf("the url was rewritten: %s", got.RequestURI)
	}
	if got.UserAgent() != "ArcWallet/5.5.0" || got.Header.Get("Accept-Language") != "en-US" || got.Header.Get("Accept-Encoding") != "" {
		t.Errorf("headers %v", got.Header)
	}
}

func TestPost(t *testing.T) {
	var body []byte
	var contentType string
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ = io.ReadAll(r.Body)
		contentType = r.Header.Get("Content-Type")
		w.WriteHeader(413)
	})
	r, err := devClient().post(t.Context(), url, []byte(`{"userPk":"z"}`))
	if err != nil || r.status != 413 {
		t.Fatalf("post = %v, %v", r, err)
	}
	if string(body) != `{"userPk":"z"}` || contentType != "application/json" {
		t.Errorf("sent %s as %s", body, contentType)
	}
}

func TestClientRules(t *testing.T) {
	open := serve(t, func(w http.ResponseWriter, r *http.Request) {})
	port := open[strings.LastIndex(open, ":"):]
	tests := []struct {
		name, url string
		config    ClientConfig
		want      Rule
	}{
		{"refuses loopback", "http://127.0.0.1" + port, ClientConfig{AllowHTTP: true}, RuleLoopback},
		{"refuses a name of loopback", "http://localhost" + port, ClientConfig{AllowHTTP: true}, RuleLoopback},
		{"refuses mapped loopback", "http://[::ffff:127.0.0.1]" + port, ClientConfig{AllowHTTP: true, Allow: loopback}, RuleMapped},
		{"refuses this host", "http://0.0.0.0" + port, ClientConfig{AllowHTTP: true, Allow: loopback}, RuleUnspecified},
		{"refuses metadata whatever is allowed", "http://169.254.169.254/latest", ClientConfig{AllowHTTP: true,
			Allow: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}}, RuleMetadata},
		{"refuses http", "http://127.0.0.1" + port, ClientConfig{Allow: loopback}, RuleScheme},
		{"refuses other schemes", "ftp://127.0.0.1" + port, ClientConfig{AllowHTTP: true, Allow: loopback}, RuleScheme},
		{"refuses a name in the url", "http://user@127.0.0.1" + port, ClientConfig{AllowHTTP: true, Allow: loopback}, RuleUserinfo},
		{"refuses a password in the url", "http://a:b@127.0.0.1" + port, ClientConfig{AllowHTTP: true, Allow: loopback}, RuleUserinfo},
		{"refuses a url without a host", "http:///auth", ClientConfig{AllowHTTP: true}, RuleURL},
		{"refuses a url that is too long", "http://127.0.0.1/" + strings.Repeat("a", maxURL), ClientConfig{AllowHTTP: true}, RuleURL},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := NewClient(tt.config)
			_, err := c.get(t.Context(), tt.url)
			wantRule(t, err, tt.want)
			_, err = c.post(t.Context(), tt.url, []byte("{}"))
			wantRule(t, err, tt.want)
			if _, lost := errors.AsType[*lostError](err); lost {
				t.Error("a POST that never left is called lost")
			}
		})
	}
}

func TestRedirects(t *testing.T) {
	other := serve(t, func(w http.ResponseWriter, r *http.Request) { t.Error("followed off its origin") })
	var hops atomic.Int32
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/same":
			http.Redirect(w, r, "/end", http.StatusFound)
		case "/other":
			http.Redirect(w, r, other, http.StatusFound)
		case "/metadata":
			http.Redirect(w, r, "http://169.254.169.254/", http.StatusFound)
		case "/loop":
			hops.Add(1)
			http.Redirect(w, r, "/loop", http.StatusTemporaryRedirect)
		default:
			io.WriteString(w, "end "+r.Method)
		}
	})
	c := devClient()
	if r, err := c.get(t.Context(), url+"/same"); err != nil || string(r.body) != "end GET" {
		t.Errorf("a redirect to the same origin: %s, %v", r.body, err)
	}
	for _, path := range []string{"/other", "/metadata", "/loop"} {
		_, err := c.get(t.Context(), url+path)
		wantRule(t, err, RuleRedirect)
	}
	if n := hops.Swap(0); n > maxHops+1 {
		t.Errorf("followed %d redirects", n)
	}
	for _, path := range []string{"/same", "/other", "/loop"} {
		if r, err := c.post(t.Context(), url+path, []byte("{}")); err != nil || r.status/100 != 3 {
			t.Errorf("a POST must not follow: %v, %v", r.status, err)
		}
	}
	if hops.Load() != 1 {
		t.Errorf("a POST was sent %d times", hops.Load())
	}
}

func TestSize(t *testing.T) {
	var size atomic.Int64
	url := serve(t, func(w http.ResponseWriter, r *http.Request) { w.Write(bytes.Repeat([]byte{' '}, int(size.Load()))) })
	c := devClient()
	size.Store(maxReply)
	if r, err := c.get(t.Context(), url); err != nil || len(r.body) != maxReply {
		t.Errorf("1 MiB is read: %v, %v", len(r.body), err)
	}
	size.Store(maxReply + 1)
	_, err := c.get(t.Context(), url)
	wantRule(t, err, RuleSize)
	size.Store(maxLast)
	if r, err := c.post(t.Context(), url, []byte("{}")); err != nil || len(r.body) != maxLast {
		t.Errorf("of a reply to an answer 2 MiB are read: %v, %v", len(r.body), err)
	}
	size.Store(maxLast + 1)
	_, err = c.post(t.Context(), url, []byte("{}"))
	wantRule(t, err, RuleSize)
	if _, lost := errors.AsType[*lostError](err); lost {
		t.Error("a reply that came, and is too large, is not lost")
	}
}

func TestRepliesThatNeverEnd(t *testing.T) {
	end := make(chan struct{})
	var arrived atomic.Int32
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.ReadAll(r.Body)
		arrived.Add(1)
		if r.URL.Path == "/drip" {
			w.WriteHeader(200)
			w.(http.Flusher).Flush()
		}
		select {
		case <-end:
		case <-r.Context().Done():
		}
	})
	defer close(end)
	// reached is the error of a request that has arrived, which takes as long as it takes, and is waited for in vain.
	reached := func(request func(*Client) error) error {
		for wait := 30 * time.Millisecond; ; wait *= 2 {
			c := devClient()
			c.wait, c.appWait = wait, wait
			before := arrived.Load()
			if err := request(c); arrived.Load() > before {
				return err
			}
		}
	}
	for _, path := range []string{"/silent", "/drip"} {
		wantRule(t, reached(func(c *Client) error { _, err := c.get(t.Context(), url+path); return err }), RuleTime)
		err := reached(func(c *Client) error { _, err := c.post(t.Context(), url+path, []byte("{}")); return err })
		wantRule(t, err, RuleTime)
		if _, lost := errors.AsType[*lostError](err); !lost {
			t.Errorf("a POST without a reply is lost, not %v", err)
		}
	}
}

func TestLostPosts(t *testing.T) {
	var posts atomic.Int32
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			return // leaves a connection to be used again
		}
		io.ReadAll(r.Body)
		posts.Add(1)
		conn, _, _ := http.NewResponseController(w).Hijack()
		conn.Close()
	})
	c := devClient()
	if _, err := c.get(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	_, err := c.post(t.Context(), url, []byte("{}"))
	if _, lost := errors.AsType[*lostError](err); !lost || posts.Load() != 1 {
		t.Errorf("got %v after %d posts, want it lost after one", err, posts.Load())
	}
	if strings.Contains(err.Error(), url) {
		t.Error("the error holds the url")
	}
}

func TestNoProxy(t *testing.T) {
	proxy := serve(t, func(w http.ResponseWriter, r *http.Request) { t.Error("went through the proxy") })
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {})
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"} {
		t.Setenv(name, proxy)
	}
	if _, err := devClient().get(t.Context(), url); err != nil {
		t.Error(err)
	}
}

func TestTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	if _, err := NewClient(ClientConfig{Allow: loopback}).get(t.Context(), s.URL); err == nil {
		t.Error("a root that nobody trusts was trusted")
	}
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	if _, err := NewClient(ClientConfig{Allow: loopback, Roots: roots}).get(t.Context(), s.URL); err != nil {
		t.Error(err)
	}
}

// names is a name server on loopback that answers each question for an A record with the next of
// its answers, the last for good.
type names struct {
	mu      sync.Mutex
	answers [][]netip.Addr
	asked   int
}

func (n *names) resolver(t *testing.T) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			k, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			conn.WriteTo(n.answer(bytes.Clone(buf[:k])), from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// answer writes a DNS message (RFC 1035 section 4) for a question.
func (n *names) answer(question []byte) []byte {
	end := 12
	for question[end] != 0 {
		end += int(question[end]) + 1
	}
	end += 5 // the root label, type and class
	var found []netip.Addr
	if question[end-3] == 1 { // type A
		n.mu.Lock()
		found = n.answers[min(n.asked, len(n.answers)-1)]
		n.asked++
		n.mu.Unlock()
	}
	m := append([]byte{question[0], question[1], 0x81, 0x80, 0, 1, 0, byte(len(found)), 0, 0, 0, 0}, question[12:end]...)
	for _, a := range found {
		m = append(m, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
		m = append(m, a.AsSlice()...)
	}
	return m
}

func TestNamesThatChangeTheirAnswer(t *testing.T) {
	// A port that is free on both addresses: on the second it may be in use, also by a connection.
	var listeners [2]net.Listener
	for listeners[1] == nil {
		l, err := net.Listen("tcp", "127.0.0.2:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		listeners[0] = l
		_, port, _ := net.SplitHostPort(l.Addr().String())
		if listeners[1], err = net.Listen("tcp", "127.0.0.1:"+port); err != nil && !errors.Is(err, syscall.EADDRINUSE) {
			t.Fatal(err)
		}
	}
	counts := func(l net.Listener) *atomic.Int32 {
		asked := new(atomic.Int32)
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			w.Header().Set("Connection", "close")
		}))
		s.Listener.Close()
		s.Listener = l
		s.Start()
		t.Cleanup(s.Close)
		return asked
	}
	allowed, forbidden := counts(listeners[0]), counts(listeners[1])
	_, port, _ := net.SplitHostPort(listeners[0].Addr().String())
	good, bad := netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.1")
	n := &names{answers: [][]netip.Addr{{good}, {bad}, {bad, good}}}
	c := NewClient(ClientConfig{AllowHTTP: true, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}, Resolver: n.resolver(t)})
	url := "http://dapp.example.test.:" + port

	if _, err := c.get(t.Context(), url); err != nil {
		t.Fatalf("the first answer may be reached: %v", err)
	}
	n.mu.Lock()
	asked := n.asked
	n.mu.Unlock()
	if asked != 1 {
		t.Errorf("the name was looked up %d times for one connection", asked)
	}
	_, err := c.get(t.Context(), url)
	wantRule(t, err, RuleLoopback)
	if _, err := c.get(t.Context(), url); err != nil {
		t.Errorf("an answer with both is dialled where it may be: %v", err)
	}
	if allowed.Load() != 2 || forbidden.Load() != 0 {
		t.Errorf("reached %d times where it may, %d where it may not", allowed.Load(), forbidden.Load())
	}
}
