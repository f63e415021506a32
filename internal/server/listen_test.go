package server_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"walletd/internal/server"
	"walletd/internal/wallettest"
)

// authority is a certificate authority of the test's own.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, pool: x509.NewCertPool()}
	a.key, a.cert = a.issue(&x509.Certificate{Subject: pkix.Name{CommonName: "test root"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, nil, nil)
	a.pool.AddCert(a.cert)
	return a
}

func (a *authority) issue(c *x509.Certificate, parent *x509.Certificate, by *ecdsa.PrivateKey) (*ecdsa.PrivateKey, *x509.Certificate) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	if parent == nil {
		parent, by = c, key
	}
	c.SerialNumber, c.NotBefore, c.NotAfter = big.NewInt(time.Now().UnixNano()), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, by)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return key, cert
}

// files writes a certificate for localhost under a common name.
func (a *authority) files(name, certFile, keyFile string) {
	a.t.Helper()
	key, cert := a.issue(&x509.Certificate{Subject: pkix.Name{CommonName: name}, DNSNames: []string{"localhost"}}, a.cert, a.key)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	write := func(file, kind string, der []byte) {
		if file == "" {
			return
		}
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			a.t.Fatal(err)
		}
		later := time.Now().Add(time.Duration(time.Now().UnixNano()%1e6+1) * time.Millisecond) // files change within a clock's tick
		if err := os.Chtimes(file, later, later); err != nil {
			a.t.Fatal(err)
		}
	}
	write(certFile, "CERTIFICATE", cert.Raw)
	write(keyFile, "PRIVATE KEY", der)
}

// serve answers on a listener of its own until the test ends; stop ends it before and waits.
func serve(t *testing.T, w *wallettest.Wallet, config *tls.Config) (address string, stop func() error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Server.Serve(ctx, l, w.Server.Handler(), config) }()
	var result error
	stopped := false
	stop = func() error {
		if cancel(); !stopped {
			result, stopped = <-done, true
		}
		return result
	}
	t.Cleanup(func() { stop() })
	return l.Addr().String(), stop
}

func TestCertificatesAreReloaded(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	a := newAuthority(t)
	certFile, keyFile := filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	if _, err := server.Certificates(certFile, keyFile, zerolog.Nop()); err == nil {
		t.Error("no files are a certificate")
	}
	a.files("first", certFile, keyFile)
	config, err := server.Certificates(certFile, keyFile, zerolog.New(w.Log))
	if err != nil {
		t.Fatal(err)
	}
	address, _ := serve(t, w, config)
	serving := func() (name, protocol string) {
		t.Helper()
		client := &http.Client{Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: a.pool, ServerName: "localhost"}, ForceAttemptHTTP2: true, DisableKeepAlives: true,
		}}
		answer, err := client.Get("https://" + address + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if answer.Header.Get("Strict-Transport-Security") == "" {
			t.Error("no Strict-Transport-Security over TLS")
		}
		return answer.TLS.PeerCertificates[0].Subject.CommonName, answer.Proto
	}
	if name, protocol := serving(); name != "first" || protocol != "HTTP/2.0" {
		t.Errorf("serving %s over %s", name, protocol)
	}
	a.files("second", certFile, keyFile)
	if name, _ := serving(); name != "second" {
		t.Errorf("serving %s after the files changed", name)
	}
	a.files("third", certFile, "") // without its key
	if name, _ := serving(); name != "second" {
		t.Errorf("serving %s while the files do not fit", name)
	}
	if err := os.WriteFile(keyFile, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if name, _ := serving(); name != "second" {
		t.Errorf("serving %s while the key is nonsense", name)
	}
	a.files("fourth", certFile, keyFile)
	if name, _ := serving(); name != "fourth" {
		t.Errorf("serving %s at the end", name)
	}
	if n := strings.Count(w.Log.String(), "the TLS certificate was not renewed"); n < 2 {
		t.Errorf("the log says %d times that a certificate is not taken up: %s", n, w.Log.String())
	}
	expires := string(w.Do("GET", "/metrics", "", nil).Must(200).Body)
	if !strings.Contains(expires, "walletd_certificate_expiry_timestamp_seconds 1") {
		t.Error("the metrics do not say when the certificate expires")
	}
	if _, err := tls.Dial("tcp", address, &tls.Config{RootCAs: a.pool, ServerName: "localhost", MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}); err == nil {
		t.Error("it speaks TLS 1.1")
	}
}

func TestStopDrains(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	notes := w.App("Notes")
	asked := notes.Ask(notesKey...).Must(202)
	address, stop := serve(t, w, nil)

	// A request that waits for the owner is answered at the stop, not cut off.
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /v1/claims/%s?wait=30 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n", asked.Text("id"), notes.Token)
	until(t, func() bool {
		return strings.Contains(string(w.Do("GET", "/metrics", "", nil).Body), "walletd_waiting 1")
	})
	began := time.Now()
	if err := stop(); err != nil {
		t.Error(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, _ := io.ReadAll(answer.Body); answer.StatusCode != 202 {
		t.Errorf("got %d %s", answer.StatusCode, body)
	}
	if time.Since(began) > 20*time.Second {
		t.Error("the stop waited for the owner")
	}
	if _, err := net.Dial("tcp", address); err == nil {
		t.Error("it still listens")
	}
}

func TestHeadersHaveABound(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	r := w.Request("GET", "/healthz", nil)
	r.Header.Set("X-Long", strings.Repeat("x", 64<<10))
	w.Send(r).Must(http.StatusRequestHeaderFieldsTooLarge)
}

// behind is a listener whose connections come from where the test says.
type behind struct {
	net.Listener
	from string
}

type behindConn struct {
	net.Conn
	from net.Addr
}

func (b behind) Accept() (net.Conn, error) {
	c, err := b.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return behindConn{c, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(b.from))}, nil
}

func (c behindConn) RemoteAddr() net.Addr { return c.from }

func TestBehindAProxy(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t, wallettest.Config(func(c *server.Config) {
		c.Proxies = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}
		c.Hosts = []string{"wallet.example"}
	}))
	get := func(from string, forwarded ...string) (*http.Response, error) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- w.Server.Serve(ctx, behind{l, from}, w.Server.Handler(), nil) }()
		defer func() { cancel(); <-done }()
		r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+l.Addr().String()+"/v1/wallets", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = "inside.example"
		r.Header["X-Forwarded-Host"] = forwarded
		r.Header.Set("X-Forwarded-For", "203.0.113.5, 198.51.100.7:61234, 10.1.2.3")
		r.Header.Set("Authorization", "Bearer "+w.Owner)
		r.Close = true
		answer, err := http.DefaultTransport.RoundTrip(r)
		if err == nil {
			answer.Body.Close()
		}
		return answer, err
	}
	if answer, err := get("10.1.2.3:5000", "wallet.example"); err != nil || answer.StatusCode != 200 {
		t.Errorf("the proxy gets %v, %v", answer, err)
	}
	if !strings.Contains(w.Log.String(), `"from":"198.51.100.7"`) {
		t.Error("the log does not name the client behind the proxy")
	}
	for _, list := range [][]string{{"rebound.example, wallet.example"}, {"rebound.example", "wallet.example"}, {"rebound.example,wallet.example:443,"}} {
		if answer, err := get("10.1.2.3:5000", list...); err != nil || answer.StatusCode != 200 {
			t.Errorf("the proxy gets %v, %v for the list %q", answer, err, list)
		}
	}
	if answer, err := get("10.1.2.3:5000", "wallet.example, rebound.example"); err != nil || answer.StatusCode != 421 {
		t.Errorf("the proxy gets %v, %v for a list whose last name is another", answer, err)
	}
	if answer, err := get("10.1.2.3:5000", "rebound.example"); err != nil || answer.StatusCode != 421 {
		t.Errorf("the proxy gets %v, %v for another name", answer, err)
	}
	if answer, err := get("127.0.0.1:5000", "wallet.example"); err != nil || answer.StatusCode != 421 {
		t.Errorf("this machine, which is no proxy, gets %v, %v", answer, err)
	}
	if answer, err := get("192.0.2.9:5000", "wallet.example"); err == nil {
		t.Errorf("a client that came past the proxy gets %d", answer.StatusCode)
	}
	if answer, err := get("[::ffff:10.1.2.3]:5000", "wallet.example"); err != nil || answer.StatusCode != 200 {
		t.Errorf("the proxy by its IPv6 form gets %v, %v", answer, err)
	}
}

func TestMetricsNameNobody(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	w.Rules(everything)
	notes := w.App("Notes")
	notes.Ask(notesKey...).Must(200)
	w.Do("GET", "/v1/wallets/"+w.Address+"/apps", w.Owner, nil).Must(200)
	w.Do("GET", "/"+w.Address, w.Owner, nil).Must(404)
	r := w.Request("HUNT", "/v1/claims", nil)
	w.Send(r).Must(405)
	text := string(w.Do("GET", "/metrics", "", nil).Must(200).Body)
	for _, line := range []string{
		`walletd_requests_total{method="POST",route="/v1/claims",class="2xx"} 1`,
		`walletd_requests_total{method="GET",route="/v1/wallets/{wallet}/apps",class="2xx"} 1`,
		`walletd_requests_total{method="GET",route="none",class="4xx"} 1`,
		`walletd_claims_total{outcome="claim.allowed"} 1`,
		`walletd_unlocked 1`,
		`walletd_clock_behind_seconds 0`,
		`walletd_waiting 0`,
		`go_goroutines`, `process_resident_memory_bytes`, `walletd_request_seconds_bucket{method="POST",route="/v1/claims",le="`,
	} {
		if !strings.Contains(text, line) {
			t.Errorf("the metrics lack %s", line)
		}
	}
	for _, name := range []string{w.Address, notes.DID.Address(), "6e6f746573", "Notes", "HUNT"} {
		if strings.Contains(text, name) {
			t.Errorf("the metrics name %s", name)
		}
	}
	w.LockKeystore()
	if !strings.Contains(string(w.Do("GET", "/metrics", "", nil).Must(200).Body), "walletd_unlocked 0") {
		t.Error("the metrics say that a locked keystore is unlocked")
	}
}

func TestADrainingServiceAnswersAndSaysThatItIsNotReady(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	w.Rules(everything)
	notes := w.App("Notes")
	address := serving(t, func(ctx context.Context, l net.Listener) error {
		return w.Server.Serve(ctx, l, w.Server.Handler(), nil)
	})
	before := dial(t, address)
	before.send("GET", "/healthz", "")
	if got := before.answer(); got != 200 {
		t.Fatalf("got %d", got)
	}
	w.Server.Drain()
	var state struct{ Status string }
	ready := w.Do("GET", "/readyz", "", nil)
	if ready.Must(503).Into(&state); state.Status != "stopping" {
		t.Errorf("/readyz says %q", state.Status)
	}
	notes.Ask(notesKey...).Must(200)
	fresh := dial(t, address)
	for name, one := range map[string]*sender{"a connection of before": before, "a new connection": fresh} {
		one.send("GET", "/v1/wallets", w.Owner)
		answer, err := http.ReadResponse(one.r, nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		answer.Body.Close()
		if answer.StatusCode != 200 || !answer.Close {
			t.Errorf("%s gets %d, and ends: %t", name, answer.StatusCode, answer.Close)
		}
	}
}
