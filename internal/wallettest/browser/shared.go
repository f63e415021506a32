package browser

import (
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// Shared is a browser that the tests of a package share, for a browser takes longer to start than most tests take. Each test
// has a profile of its own in it, with no cookie, no storage and no service worker of another, and reaches what it names alone.
// What belongs to the process (Camera, Public, Extension) takes a browser of its own: Start. The package's TestMain calls Main.
type Shared struct {
	trust   []*x509.Certificate
	once    sync.Once
	process *process
	err     error
}

// Browser is the browser with a new profile, which ends with the test. The browser can resolve hosts besides localhost and
// addresses, as with Options.Hosts. The first call starts it. Without Chromium the test is skipped, and fails if CI=true.
func (s *Shared) Browser(t testing.TB, hosts map[string]string) *Browser {
	t.Helper()
	s.once.Do(func() { s.process, s.err = launch(Options{Trust: s.trust}) })
	if s.err != nil {
		fail(t, s.err)
	}
	b := &Browser{t: t, ctx: s.process.ctx, version: s.process.version}
	if len(hosts) > 0 {
		proxy := httptest.NewServer(tunnel(hosts))
		t.Cleanup(proxy.Close)
		b.proxy = proxy.URL
	}
	made, err := chromedp.CallBrowser(b.ctx, target.CreateBrowserContext, target.CreateBrowserContextParams{ProxyServer: b.proxy})
	if err != nil {
		t.Fatalf("making a profile: %v", err)
	}
	b.profile = made.BrowserContextID
	t.Cleanup(func() {
		if _, err := chromedp.CallBrowser(b.ctx, target.DisposeBrowserContext, target.DisposeBrowserContextParams{BrowserContextID: b.profile}); err != nil {
			t.Logf("removing a profile: %v", err)
		}
		if t.Failed() {
			t.Logf("the browser said:\n%s", s.process.said.tail())
		}
	})
	return b
}

// Main runs the tests of a package, for its TestMain, and ends the browser if one of them started it. The browser trusts
// the certificate that all servers of httptest have. It returns the code to exit with.
func (s *Shared) Main(m *testing.M) int {
	server := httptest.NewTLSServer(nil)
	s.trust = []*x509.Certificate{server.Certificate()}
	server.Close()
	code := m.Run()
	if s.process != nil {
		if err := s.process.end(); err != nil {
			fmt.Fprintln(os.Stderr, "closing the browser:", err)
		}
	}
	return code
}

// tunnel is a proxy that knows a few names ("wallet.example:443") and where they are.
func tunnel(hosts map[string]string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		address, known := hosts[r.Host]
		if r.Method != http.MethodConnect || !known {
			http.Error(w, "no such host", http.StatusBadGateway)
			return
		}
		there, err := net.Dial("tcp", address)
		if err != nil {
			http.Error(w, "nobody there", http.StatusBadGateway)
			return
		}
		defer there.Close()
		here, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer here.Close()
		if _, err := io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
			return
		}
		ends := make(chan struct{}, 2)
		for _, way := range [][2]net.Conn{{here, there}, {there, here}} {
			go func() {
				io.Copy(way[0], way[1])
				ends <- struct{}{}
			}()
		}
		<-ends // no side of TLS speaks on when the other has ended
	})
}
