package connect

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"walletd/internal/did"
	"walletd/internal/ledger"
	"walletd/internal/store"
)

const childVariable = "WALLETD_CONNECT_TEST_CHILD"

// child is what the process that is killed is told.
type child struct {
	URL, App, Wallet, Owner string
	Identity                []byte
}

// fixture opens what another process made.
func (c child) fixture(t *testing.T) *fixture {
	f := &fixture{t: t, url: c.URL, identity: c.Identity, wallet: c.Wallet, owner: c.Owner, config: func(*Config) {}}
	f.clock.Store(vectorStart.UnixNano())
	f.client = NewClient(ClientConfig{Allow: loopback, AllowHTTP: true})
	f.client.http.Transport.(*http.Transport).DialTLSContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", c.App)
	}
	f.open(false)
	f.unlock()
	return f
}

// TestChildThatHasSessions is the process that the next test kills: it opens sessions without end, six at a time.
func TestChildThatHasSessions(t *testing.T) {
	told := os.Getenv(childVariable)
	if told == "" {
		t.Skip("only a part of TestKilledAtAnyMomentNoAnswerIsSentTwice")
	}
	var c child
	if err := json.Unmarshal([]byte(told), &c); err != nil {
		t.Fatal(err)
	}
	f := c.fixture(t)
	f.running()
	for range 6 {
		go func() {
			for {
				v, err := f.sessions.Open(t.Context(), f.as(f.owner), link(appURL+"&s="+store.NewID()))
				for err == nil && v.Ended.IsZero() {
					time.Sleep(5 * time.Millisecond)
					v, err = f.sessions.Get(t.Context(), f.as(f.owner), v.ID)
				}
				if err != nil {
					fmt.Println("error", err)
				}
			}
		}()
	}
	select {}
}

// loginApp is an app of many sessions, each of which it knows by its url: it asks for an account, and then for a key.
type loginApp struct {
	t   *testing.T
	far *far

	mu      sync.Mutex
	told    map[string][]string // session -> the types of the claims that were answered
	answers int
	kill    func() // called at so many answers
	at      int
}

func (a *loginApp) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := r.URL.Query().Get("s")
	change := map[string]any{"url": appURL + "&s=" + s}
	key := claim("encryptionKey", "salt", "notes")
	if r.Method == http.MethodGet {
		w.Write(a.far.changed(change)(nil))
		return
	}
	body, _ := io.ReadAll(r.Body)
	var answer struct{ UserInfo string }
	if err := json.Unmarshal(body, &answer); err != nil {
		a.t.Error(err)
	}
	token, err := did.ReadToken(answer.UserInfo)
	if err != nil {
		a.t.Error(err)
	}
	var claims []struct{ Type string }
	if err := json.Unmarshal(token.Body.Get("requestedClaims"), &claims); err != nil || len(claims) != 1 {
		a.t.Errorf("answered %s, %v", token.Body.Get("requestedClaims"), err)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.told[s] = append(a.told[s], claims[0].Type)
	if a.answers++; a.answers == a.at {
		a.kill()
	}
	if s != "" && claims[0].Type == "authPrincipal" { // the one that the owner approves is a login alone
		w.Write(a.far.changed(change, key)(nil))
	} else {
		w.Write(a.far.ends(nil)(nil))
	}
}

func TestKilledAtAnyMomentNoAnswerIsSentTwice(t *testing.T) {
	for name, url := range bothStores {
		t.Run(name, func(t *testing.T) {
			app := &loginApp{t: t, far: newFar(t, 1, did.Ed25519), told: make(map[string][]string)}
			f := newFixtureAt(t, url(t), app)
			f.allows(app.far)
			server := httptest.NewServer(app)
			t.Cleanup(server.Close)
			c := child{URL: f.url, App: server.Listener.Addr().String(), Wallet: f.wallet, Owner: f.owner, Identity: f.identity}
			told, err := json.Marshal(c)
			if err != nil {
				t.Fatal(err)
			}
			f.store.Close()
			for round := range 5 {
				cmd := exec.Command(os.Args[0], "-test.run=^TestChildThatHasSessions$")
				cmd.Env = append(os.Environ(), childVariable+"="+string(told))
				var said strings.Builder
				cmd.Stdout, cmd.Stderr = &said, &said
				app.mu.Lock()
				app.at, app.kill = app.answers+5+11*round, func() { _ = cmd.Process.Kill() }
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				app.mu.Unlock()
				if cmd.Wait(); !strings.Contains(cmd.ProcessState.String(), "killed") {
					t.Fatalf("the child ended by itself: %s", said.String())
				}
			}
			f = c.fixture(t)
			t.Cleanup(func() { f.store.Close() })
			f.running()
			app.mu.Lock()
			app.at = -1
			app.mu.Unlock()
			ended := make(map[State]int)
			views, _, err := f.sessions.List(t.Context(), f.as(f.owner), store.Page{Limit: 200})
			if err != nil {
				t.Fatal(err)
			}
			for i := range views {
				for views[i].Ended.IsZero() {
					time.Sleep(5 * time.Millisecond)
					views[i] = f.get(views[i].ID)
				}
			}
			allowed := f.allowedBySession()
			for _, v := range views {
				row, err := f.store.Session(t.Context(), v.ID)
				if err != nil {
					t.Fatal(err)
				}
				ended[v.State]++
				s := f.queryOf(row)
				app.mu.Lock()
				answers := strings.Join(app.told[s], " ")
				app.mu.Unlock()
				if s == "" {
					continue // of the owner's first request
				}
				switch {
				case answers != "" && answers != "authPrincipal" && answers != "authPrincipal encryptionKey":
					t.Errorf("the app was answered %s", answers)
				case v.State == Done && answers != "authPrincipal encryptionKey":
					t.Errorf("done, and the app was answered %q", answers)
				case v.State != Done && v.State != Unknown:
					t.Errorf("ended as %s: %+v", v.State, v)
				}
				if allowed[v.ID] < len(strings.Fields(answers)) {
					t.Errorf("%d answers are on record, and the app was answered %q", allowed[v.ID], answers)
				}
			}
			if ended[Done] < 20 || ended[Unknown] == 0 {
				t.Errorf("the sessions ended %v: nobody was killed at work", ended)
			}
			t.Log(ended)
		})
	}
}

// allowedBySession counts the answers that the record allows, by session.
func (f *fixture) allowedBySession() map[string]int {
	f.t.Helper()
	n := make(map[string]int)
	for after := int64(0); ; {
		entries, err := f.wallets.AuditEntries(f.t.Context(), f.as(f.owner), after, 200)
		if err != nil {
			f.t.Fatal(err)
		}
		if len(entries) == 0 {
			return n
		}
		for _, e := range entries {
			var about struct{ Session string }
			if err := json.Unmarshal(e.Entry, &about); err != nil {
				f.t.Fatal(err)
			}
			if after = e.Seq; e.Kind == "claim.allowed" {
				n[about.Session]++
			}
		}
	}
}

// queryOf returns by which name the app knows a session.
func (f *fixture) queryOf(row store.Session) string {
	f.t.Helper()
	c := f.as(f.owner)
	defer c.Close()
	opened, err := ledger.Open[content](f.t.Context(), c.Wallet, row)
	if err != nil {
		f.t.Fatal(err)
	}
	_, s, _ := strings.Cut(opened.Content().URL, "&s=")
	return s
}
