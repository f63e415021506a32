package pages_test

import (
	"crypto/ecdh"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/chromedp/cdproto/backgroundservice"
	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/serviceworker"
	"github.com/chromedp/chromedp"

	"walletd/internal/wallettest"
	ours "walletd/internal/wallettest/browser"
)

// An owner has this browser told, the push service gets what waits, and what is pushed is shown. The push service is the test's
// own: it is what the browser would name, if it reached its vendor's.
func TestABrowserIsTold(t *testing.T) {
	arrived := make(chan string, 10)
	service := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived <- r.URL.Path
		w.WriteHeader(http.StatusCreated)
	}))
	defer service.Close()
	roots := x509.NewCertPool()
	roots.AddCert(service.Certificate())
	w, s := overTLS(t, wallettest.Roots(roots))
	b := ours.Start(t, ours.Options{ // a shared one has profiles that are told nothing
		Hosts: map[string]string{"wallet.example:443": s.Listener.Addr().String()}, Trust: []*x509.Certificate{s.Certificate()},
	})
	p, _ := invited(t, w, b, ours.Phone) // who touches to be told, since that outlives the session
	v := ours.Phone
	v.Language = "ja"
	p.page.Look(v)
	ctx := p.page.Context()
	if _, err := chromedp.CallBrowser(ctx, browser.SetPermission, browser.SetPermissionParams{Permission: &browser.PermissionDescriptor{Name: "notifications"}, Setting: browser.PermissionSettingGranted, Origin: p.site}); err != nil {
		t.Fatal(err)
	}
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	subscribe := fmt.Sprintf(`if (window.PushManager) PushManager.prototype.subscribe = function (o) {
		if (!o.userVisibleOnly || o.applicationServerKey.length !== 65) throw new Error("a browser would refuse");
		const un = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;
		return Promise.resolve({endpoint: %q, getKey: (name) => un(name === "auth" ? "AAAAAAAAAAAAAAAAAAAAAA==" : %q)});
	};`, service.URL+"/phone", base64.StdEncoding.EncodeToString(key.PublicKey().Bytes()))
	if _, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: subscribe}); err != nil {
		t.Fatal(err)
	}
	titles := make(chan string, 100) // of notifications, as the browser shows them
	registrations := make(chan *serviceworker.Registration, 100)
	if err := chromedp.Listen(ctx, func(event any) {
		switch e := event.(type) {
		case *serviceworker.EventWorkerRegistrationUpdated:
			for _, r := range e.Registrations {
				registrations <- r
			}
		case *backgroundservice.EventBackgroundServiceEventReceived:
			for _, m := range e.BackgroundServiceEvent.EventMetadata {
				if m.Key == "Title" {
					titles <- m.Value
				}
			}
		}
	}); err != nil {
		t.Fatal(err)
	}

	p.page.Open(p.site + "/settings")
	p.page.Click("a[href='/notices']")
	p.page.Click("#notify button:not(:disabled)")
	p.page.Wait("#told")
	p.sees(service.URL)
	asked := p.App("Notes").Ask(wallettest.EncryptionKey("diary")).Must(202)
	if path := <-arrived; path != "/phone" {
		t.Errorf("pushed to %s", path)
	}

	ours.Eval[bool](p.page, "navigator.serviceWorker.ready.then(() => true)")
	if _, err := chromedp.Call(ctx, serviceworker.Enable, cdp.Empty{}); err != nil {
		t.Fatal(err)
	}
	worker := <-registrations
	const notifications = backgroundservice.ServiceNameNotifications
	if _, err := chromedp.Call(ctx, backgroundservice.StartObserving, backgroundservice.StartObservingParams{Service: notifications}); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, backgroundservice.SetRecording, backgroundservice.SetRecordingParams{ShouldRecord: true, Service: notifications}); err != nil {
		t.Fatal(err)
	}
	push := func(data string) {
		t.Helper()
		if _, err := chromedp.Call(ctx, serviceworker.DeliverPushMessage, serviceworker.DeliverPushMessageParams{Origin: p.site, RegistrationID: worker.RegistrationID, Data: data}); err != nil {
			t.Fatal(err)
		}
	}
	shown := func(title string) {
		t.Helper()
		select {
		case got := <-titles:
			if got != title {
				t.Errorf("%q is shown, not %q", got, title)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%q is not shown", title)
		}
	}
	push(fmt.Sprintf(`{"type":"approval","id":%q,"code":%q,"app":"Notes","did":"did:abt:z1","language":"ja"}`, asked.Text("id"), asked.Text("code")))
	shown("Notes からの要求：" + asked.Text("code"))
	push(`{"id":"../../x","code":"ABCDEF","callsItself":"<b>$& {2}</b>","language":"__proto__"}`)
	shown("An app that calls itself “<b>$& {2}</b>” asks: ABCDEF")
	push(`nothing`)
	shown("An app that you do not know asks: ")
	p.page.Click("text=停止")
	p.page.WaitGone("#told")
	p.fine(t)

	// It ends with the passkey, and not with the session, which lives for hours.
	p.page.Click("#notify button:not(:disabled)")
	p.page.Wait("#told")
	var subscriptions struct{ Items []struct{ Token string } }
	w.Do("GET", "/v1/push/subscriptions", w.Owner, nil).Must(200).Into(&subscriptions)
	w.Do("DELETE", "/v1/tokens/"+subscriptions.Items[0].Token, w.Owner, nil).Must(204)
	p.App("Drive").Ask(wallettest.EncryptionKey("photos")).Must(202)
	if path := <-arrived; path != "/phone" {
		t.Errorf("pushed to %s", path)
	}
}
