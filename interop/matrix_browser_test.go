package interop_test

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	cdp "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"

	"walletd/internal/wallettest/browser"
	describe "walletd/internal/wallettest/matrix"
	"walletd/internal/wallettest/port"
)

// TestMatrixInABrowser is walletd-matrix on a page of the internet, which asks a walletd on the person's own machine:
// the browser asks the person whether it may (Local Network Access), and a page has to be told apart what it is not told.
func TestMatrixInABrowser(t *testing.T) {
	const host = "client.example"
	page := httptest.NewTLSServer(http.StripPrefix("/src/", http.FileServer(http.Dir(filepath.Join("..", "sdk", "matrix", "src")))))
	t.Cleanup(page.Close)
	address := page.Listener.Addr().String()
	b := browser.Start(t, browser.Options{
		Hosts: map[string]string{host + ":443": address}, Trust: []*x509.Certificate{page.Certificate()}, Public: []string{address},
	})
	p := b.Page(browser.Phone)
	permit := func(setting cdp.PermissionSetting) {
		t.Helper()
		for _, name := range []string{"local-network-access", "loopback-network", "local-network"} {
			_, err := chromedp.CallBrowser(p.Context(), cdp.SetPermission, cdp.SetPermissionParams{
				Permission: &cdp.PermissionDescriptor{Name: name}, Setting: setting, Origin: "https://" + host,
			})
			if err != nil {
				t.Logf("the browser knows no %s: %v", name, err)
			}
		}
	}

	s := newService(t, build(t), "--data", filepath.Join(t.TempDir(), "data"))
	s.rules(t, "*", "*")
	client := s.newApp(t, "Client", "")
	none := s.newApp(t, "Another", "")
	listed := func() app {
		return said[app](t, s, "owner", "token", "create", "--role", "app", "--wallet", s.wallet, "--app", client.App, "--origin", "https://"+host)
	}
	made := said[struct{ Key []byte }](t, s, "owner", "secret", "recovery-key", "--app", client.App)
	keys, err := json.Marshal(map[string]json.RawMessage{"x": describe.Description(made.Key, "")})
	if err != nil {
		t.Fatal(err)
	}
	// ask gives the length of the key that a page gets, or the code of the error.
	ask := func(url, token string) string {
		t.Helper()
		p.Open("https://" + host + "/src/index.js")
		return browser.Eval[string](p, fmt.Sprintf(`import('/src/index.js').then(async ({createCryptoCallbacks}) => {
			try {
				const found = await createCryptoCallbacks({url: %q, token: %q}).getSecretStorageKey({keys: %s}, 'm.cross_signing.master');
				return found[0] + ' ' + found[1].length;
			} catch (err) {
				return err.code ?? String(err);
			}
		})`, url, token, keys))
	}
	nobody := "http://" + port.Free(t)

	t.Run("keeps a page of an origin that no token lists from reading", func(t *testing.T) {
		permit("granted")
		if got := ask(s.url, none.Token); got != "origin_refused" {
			t.Errorf("got %q", got)
		}
	})
	token := listed().Token
	for _, c := range []struct {
		name, url, token string
		setting          cdp.PermissionSetting
		want             string
	}{
		{"lets a page reach walletd where the person allowed it", s.url, token, "granted", "x 32"},
		{"says that a token is of another origin, where another lists this one", s.url, none.Token, "granted", "origin_refused"},
		{"says that nobody is there", nobody, token, "granted", "unreachable"},
		{"says that the browser does not let the page", s.url, token, "denied", "blocked"},
	} {
		t.Run(c.name, func(t *testing.T) {
			permit(c.setting)
			if got := ask(c.url, c.token); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
