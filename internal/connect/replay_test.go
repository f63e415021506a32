package connect

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"walletd/internal/claims"
)

// recording is a session that a scripted wallet and a real dApp had.
type recording struct {
	WalletSeed string
	Exchanges  []*exchange
}

type exchange struct {
	Name, Actor string
	Time        int64
	Request     struct {
		Method, URL string
		JSON        json.RawMessage
	}
	Response struct {
		Status      int
		ContentType string
		JSON        json.RawMessage
		Text        string
	}
	UserInfo *struct {
		Token string
		Body  struct {
			Action          string
			RequestedClaims []map[string]json.RawMessage
		}
	}
	Opened *struct{ SharedKey string }

	served bool
}

// ours are the parameters that a wallet adds to its GET; which of them is its choice.
var ours = []string{"_ek_", "_v_", "userDid", "userPk"}

// bare is a url without what a wallet added to it.
func bare(text string) string {
	base, query, _ := strings.Cut(text, "?")
	var kept []string
	for part := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(part, "=")
		mine := false
		for _, o := range ours {
			mine = mine || name == o
		}
		if !mine && part != "" {
			kept = append(kept, part)
		}
	}
	if len(kept) > 0 {
		base += "?" + strings.Join(kept, "&")
	}
	return base
}

// dapp is the far side of a recording: it serves the reply of the first exchange that a request
// matches.
type dapp struct {
	t     *testing.T
	house *house
	all   []*exchange
	// loose serves the recorded reply though the wallet says what the recorded one did not: where
	// that one misbehaved, or where a key is invented.
	loose bool

	mu    sync.Mutex
	posts [][]byte
	last  *exchange
}

func (d *dapp) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	if r.Method == http.MethodPost {
		d.posts = append(d.posts, body)
	}
	e := d.find(r.Method, "https://"+r.Host+r.URL.RequestURI(), body)
	if e == nil {
		http.Error(w, "nothing was recorded for that", http.StatusInternalServerError)
		return
	}
	e.served, d.last = true, e
	w.Header().Set("Content-Type", e.Response.ContentType)
	w.WriteHeader(e.Response.Status)
	if e.Response.JSON != nil {
		w.Write(e.Response.JSON)
	} else {
		io.WriteString(w, e.Response.Text)
	}
}

func (d *dapp) find(method, url string, body []byte) *exchange {
	for _, exactly := range []bool{true, false} {
		for _, e := range d.all {
			if e.Actor != "wallet" || e.served || e.Request.Method != method || bare(e.Request.URL) != bare(url) {
				continue
			}
			if method == http.MethodGet || sameJSON(e.Request.JSON, body) || !exactly && d.loose {
				return e
			}
		}
	}
	return nil
}

func sameJSON(a, b []byte) bool {
	var x, y bytes.Buffer
	return json.Compact(&x, a) == nil && json.Compact(&y, b) == nil && bytes.Equal(x.Bytes(), y.Bytes())
}

// replayed is how a recorded session goes on when a careful wallet has it.
type replayed struct {
	file  string
	loose bool // what is posted is not what was recorded
	ends  []State
	code  string // of the last session
	text  string
	setUp func(*testing.T, *house, *recording)
	// decide answers a question; nil approves with the numbers that were recorded.
	decide func(h *house, v View) bool
}

func reject(h *house, v View) bool { h.reject(v.Approval); return true }

var replays = []replayed{
	{file: "after-failure", ends: []State{Failed, Done}},
	{file: "app-error", ends: []State{Failed}, text: "you are not welcome here"},
	{file: "auth-only", ends: []State{Done}, text: "Welcome z1WVwKnpPDpuGK4uupU2jgFow9dpZC3Ex3r"},
	{file: "bad-answers", loose: true, ends: []State{Failed, Failed, Failed, Done, Failed, Failed, Failed, Failed, Refused, Refused}, code: "reply_unsigned"},
	{file: "channel-edges", ends: []State{Done, Refused}, code: "reply_sealed_without_key"},
	{file: "connected-page", ends: []State{Done}},
	{file: "decline", loose: true, ends: []State{Declined}, decide: reject},
	{file: "decline-anonymous", loose: true, ends: []State{Declined}, decide: reject},
	{file: "delegated", ends: []State{Done}},
	{file: "delegated-refused", ends: []State{Declined}, code: "delegation_claim_not_allowed"},
	{file: "ek-on-post", ends: []State{Failed, Done}},
	{file: "encryption-key-channel", ends: []State{Done}},
	{file: "encryption-key-half-channel", loose: true, ends: []State{Done}},
	{file: "encryption-key-plain", ends: []State{Done}},
	{file: "ethereum-account", ends: []State{Done}},
	{file: "ethereum-app", ends: []State{Done}},
	{file: "mfa", ends: []State{Failed, Done}},
	{file: "multi-step", ends: []State{Done, Done}},
	{file: "no-principal", ends: []State{Done}},
	{file: "profile", ends: []State{Done}},
	{file: "signatures", ends: []State{Declined}, code: "blind_signature"},
	{file: "signing-oracle", ends: []State{Declined, Declined, Declined}, code: "blind_signature"},
	{file: "user-switch", loose: true, ends: []State{Failed}, text: "Login user and wallet user mismatch, please relogin and try again"},
	{file: "web-submit", ends: []State{Done}},
	{file: "wrong-challenge", ends: []State{Done}},
}

func readRecording(t testing.TB, file string) *recording {
	t.Helper()
	r := &recording{}
	readVectors(t, "session-"+file+".json", r)
	if len(r.Exchanges) == 0 {
		t.Fatal("nothing was recorded")
	}
	if r.WalletSeed != "0x"+vectorSeed {
		t.Fatalf("recorded with another seed: %s", r.WalletSeed)
	}
	return r
}

// TestReplays goes through all recorded sessions, straight through and killed after each step.
// What the wallet posts is what was recorded, byte for byte.
func TestReplays(t *testing.T) {
	names, err := filepath.Glob(filepath.Join("testdata", "session-*.json"))
	if err != nil || len(names) != 33 {
		t.Fatalf("%d recordings, %v", len(names), err)
	}
	covered := map[string]bool{}
	for _, tt := range replays {
		covered[tt.file] = true
		for name, step := range map[string]func(*house, string) View{"straight": (*house).advance, "killed": (*house).step} {
			t.Run(tt.file+"/"+name, func(t *testing.T) { replay(t, tt, step) })
		}
	}
	for _, name := range names {
		file := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(name), "session-"), ".json")
		if !covered[file] {
			t.Errorf("%s is not replayed", file)
		}
	}
	if _, err := os.Stat("testdata"); err != nil {
		t.Fatal(err)
	}
}

func replay(t *testing.T, tt replayed, step func(*house, string) View) {
	r := readRecording(t, tt.file)
	d := &dapp{t: t, all: r.Exchanges, loose: tt.loose}
	h := newHouse(t, d)
	d.house = h
	profileOf(t, h, r)
	if tt.setUp != nil {
		tt.setUp(t, h, r)
	}
	var ends []State
	var end View
	following := ""
	for _, e := range r.Exchanges {
		if len(ends) == len(tt.ends) {
			break
		}
		if e.Actor != "wallet" || e.served || e.Request.Method != http.MethodGet || strings.Contains(e.Request.URL, "/auth/submit") {
			continue
		}
		id := following
		if id == "" {
			h.clock.Store(time.Unix(e.Time, 0).UnixNano())
			id = h.begin(bare(e.Request.URL)).ID
		}
		end = drive(t, h, d, tt, id, step)
		ends = append(ends, end.State)
		following = end.Next
	}
	if !equal(ends, tt.ends) || end.Code != tt.code || tt.text != "" && end.Text != tt.text {
		t.Errorf("ended %v (%s: %s), want %v (%s: %s)", ends, end.Code, end.Text, tt.ends, tt.code, tt.text)
	}
	if end.State == Unknown {
		t.Log(h.kinds())
	}
}

func equal(a, b []State) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// drive takes a session to its end, or to where no more was recorded.
func drive(t *testing.T, h *house, d *dapp, tt replayed, id string, step func(*house, string) View) View {
	t.Helper()
	for range 40 {
		d.next()
		v := step(h, id)
		if !v.Ended.IsZero() {
			return v
		}
		if v.State != Waiting || h.approval(v.Approval).Status != "pending" {
			continue
		}
		e := d.next()
		if e == nil {
			return v
		}
		decide := tt.decide
		if decide == nil {
			decide = func(h *house, v View) bool { h.approve(v.Approval, e.choice()); return true }
		}
		if !decide(h, v) {
			return v
		}
	}
	t.Fatalf("the session does not end: %+v\n%s", h.get(id), h.kinds())
	return View{}
}

// next finds the exchange that an answer would be, and sets the clock to its time.
func (d *dapp) next() *exchange {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.all {
		after := d.last == nil || bare(e.Request.URL) == bare(d.last.Request.URL) || strings.Contains(e.Request.URL, "/auth/submit")
		if e.Actor == "wallet" && !e.served && e.UserInfo != nil && after {
			if now := time.Unix(e.Time, 0); now.After(d.house.now()) {
				d.house.clock.Store(now.UnixNano())
			}
			return e
		}
	}
	return nil
}

// choice is what the recorded person chose.
func (e *exchange) choice() claims.Choice {
	var c claims.Choice
	for _, claim := range e.UserInfo.Body.RequestedClaims {
		var numbers []int
		if json.Unmarshal(claim["mfaCode"], &numbers) == nil && len(numbers) == 1 {
			c.MFACode = numbers[0]
		}
	}
	return c
}

// profileOf gives the wallet the profile that was told in a recording.
func profileOf(t *testing.T, h *house, r *recording) {
	t.Helper()
	p := claims.Profile{}
	for _, e := range r.Exchanges {
		if e.UserInfo == nil {
			continue
		}
		for _, claim := range e.UserInfo.Body.RequestedClaims {
			if string(claim["type"]) != `"profile"` {
				continue
			}
			for _, item := range []string{"fullName", "email", "phone", "avatar", "birthday", "url", "signature"} {
				var value string
				if json.Unmarshal(claim[item], &value) == nil && value != "" {
					p[item] = value
				}
			}
		}
	}
	if len(p) == 0 {
		return
	}
	if _, err := h.door.SetProfile(t.Context(), h.as(h.owner), p); err != nil {
		t.Fatal(err)
	}
}
