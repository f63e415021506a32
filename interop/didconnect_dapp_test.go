package interop_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// installDApp installs what is in didconnect, from its lock file.
func installDApp(t *testing.T) peers {
	t.Helper()
	needNode(t)
	p := peers{t.TempDir(), "node"}
	if err := p.copy("didconnect/package.json", "didconnect/package-lock.json", "didconnect/.npmrc", "didconnect/*.mjs", "didconnect/*.html", "didconnect/lib/*.mjs"); err != nil {
		t.Fatal(err)
	}
	p.ci(t, "didconnect")
	return p
}

// dapp is the server of didconnect/dapp.mjs.
type dapp struct {
	url    string
	apps   map[string]struct{ DID, Prefix string }
	events chan seen
}

// seen is what a callback of the dApp reports: README.md of didconnect has a table of it.
type seen struct {
	Event, Action string
	Stage, Error  string
	Step          int
	User          string
	Own           bool
	Sealed        bool
	Wallet        string
	Previous      map[string][]int
	Claims        []told

	Application, Value string // of a launch
	Follows            bool
	Delegates          bool // of a restore
	Opened, Key        string
}

// told is a claim as its answer came.
type told struct {
	Type     string
	Meta     map[string]any
	MFACode  []int
	Items    []string
	FullName string
	Email    string
	TypeURL  string
	Verified bool
	Bytes    int
	Right    bool
}

// newDApp runs the dApp for the length of the test. With the words of the wallet that it will
// meet it computes what the answers must be.
func newDApp(t *testing.T, p peers, words string) *dapp {
	t.Helper()
	return newDAppAt(t, p, map[string]string{"words": words})
}

// newDAppAt is newDApp with another input: README.md of didconnect says which.
func newDAppAt(t *testing.T, p peers, in map[string]string) *dapp {
	t.Helper()
	node := exec.Command(p.node, filepath.Join(p.dir, "didconnect", "dapp.mjs"))
	var problems strings.Builder
	node.Stderr = &problems
	stdin, err := node.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := node.StdoutPipe()
	if err == nil {
		err = node.Start()
	}
	if err == nil {
		err = json.NewEncoder(stdin).Encode(in)
	}
	if err != nil {
		t.Fatalf("the dApp: %v", err)
	}
	d := &dapp{events: make(chan seen, 1024)}
	lines := bufio.NewScanner(stdout)
	if !lines.Scan() {
		node.Wait()
		t.Fatalf("the dApp does not listen: %s", problems.String())
	}
	var first struct {
		Listening string
		Apps      map[string]struct{ DID, Prefix string }
	}
	if err := json.Unmarshal(lines.Bytes(), &first); err != nil {
		t.Fatalf("the dApp: %v in %q", err, lines.Bytes())
	}
	d.url, d.apps = first.Listening, first.Apps
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines.Scan() {
			var e seen
			if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
				e = seen{Event: "unreadable", Error: fmt.Sprintf("%v in %q", err, lines.Bytes())}
			}
			d.events <- e
		}
	}()
	t.Cleanup(func() {
		stdin.Close()
		<-read
		if err := node.Wait(); err != nil {
			t.Errorf("the dApp ended: %v", err)
		}
		for range len(d.events) {
			t.Errorf("the dApp also saw %+v", <-d.events)
		}
		if t.Failed() {
			t.Logf("the dApp said:\n%s", problems.String())
		}
	})
	return d
}

// saw waits for as many events as are wanted, and compares them. It returns them whole.
func (d *dapp) saw(t *testing.T, want ...seen) []seen {
	t.Helper()
	var whole, got []seen
	for range want {
		select {
		case e := <-d.events:
			whole = append(whole, e)
			if e.Event == "auth" && e.Wallet != "5.5.0" {
				t.Errorf("the wallet calls itself version %q", e.Wallet)
			}
			e.User, e.Wallet, e.Application, e.Value, e.Key = "", "", "", "", ""
			for _, c := range e.Claims {
				if jwt, there := c.Meta["jwt"].(string); there && strings.Count(jwt, ".") == 1 {
					c.Meta["jwt"] = "unsigned"
				}
			}
			got = append(got, e)
		case <-time.After(patience):
			t.Fatalf("the dApp saw only %+v", whole)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what the dApp saw (-want +got):\n%s", diff)
	}
	return whole
}

// page is one session as the app's page has it, in the browser of a desktop.
type page struct{ base, token, link string }

// open has a page of an app begin a session.
func (d *dapp) open(t *testing.T, app, action string, query url.Values) page {
	t.Helper()
	p := page{base: d.url + d.apps[app].Prefix + "/" + action}
	var session struct{ Token, URL string }
	if status := p.get(t, "/token?"+query.Encode(), &session); status != http.StatusOK || session.URL == "" {
		t.Fatalf("beginning %s: %d %+v", action, status, session)
	}
	p.token, p.link = session.Token, session.URL
	time.Sleep(2 * time.Millisecond) // the token is a hash of the milliseconds: sessions of the same one would be one
	return p
}

func (p page) get(t *testing.T, path string, into any) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.base+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0.0.0")
	resp, err := http.DefaultClient.Do(req)
	if err == nil {
		defer resp.Body.Close()
		err = json.NewDecoder(resp.Body).Decode(into)
	}
	if err != nil {
		t.Fatalf("the page: %v", err)
	}
	return resp.StatusCode
}

// status is what the page polls.
type status struct {
	Status, Error string
	MFACode       int
	NextWorkflow  string
}

func (p page) status(t *testing.T) (s status) {
	t.Helper()
	if code := p.get(t, "/status?_t_="+p.token, &s); code != http.StatusOK {
		t.Fatalf("the page polls: %d %+v", code, s)
	}
	return s
}

// until polls until the page shows what is waited for.
func (p page) until(t *testing.T, shown func(status) bool) status {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		s := p.status(t)
		if shown(s) {
			return s
		}
		if time.Now().After(end) {
			t.Fatalf("the page still shows %+v", s)
		}
	}
}

// number waits for the number that the page shows.
func (p page) number(t *testing.T) int {
	t.Helper()
	return p.until(t, func(s status) bool { return s.MFACode != 0 }).MFACode
}
