package connect

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"walletd/internal/approvals"
	"walletd/internal/did"
	"walletd/internal/store"
	"walletd/internal/wallets"
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

// step is what two requests of one step have in common.
func step(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return text
	}
	return strings.TrimSuffix(u.Path, "/submit") + " " + u.Query().Get("_t_") + u.Query().Get("callback")
}

// method is that of a wallet which does not sit in a browser.
func (e *exchange) method() string {
	if strings.Contains(e.Request.URL, "/auth/submit") {
		return http.MethodPost
	}
	return e.Request.Method
}

// dapp is the far side of a recording: it serves the reply of the first exchange that a request
// matches.
type dapp struct {
	t       *testing.T
	fixture *fixture
	all     []*exchange
	// loose serves the recorded reply though the wallet says what the recorded one did not: where
	// that one misbehaved, or where a key is invented.
	loose bool

	mu    sync.Mutex
	other int // posts that are not, byte for byte, what was recorded
	last  *exchange
}

func (d *dapp) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	e := d.find(r.Method, "https://"+r.Host+r.URL.RequestURI(), body)
	if r.Method == http.MethodPost && (e == nil || !sameJSON(e.Request.JSON, body)) {
		d.other++
	}
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
			if e.Actor != "wallet" || e.served || e.method() != method || step(e.Request.URL) != step(url) {
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
	other int // how many posts cannot be what was recorded, and why stands beside
	ends  []State
	code  string // of the last session
	text  string
	setUp func(*testing.T, *fixture, *recording)
	// decide answers a request; nil approves with the numbers that were recorded.
	decide func(f *fixture, v View) bool
	check  func(*testing.T, *fixture, View) // looks at how the last one ended
}

func reject(f *fixture, v View) bool { f.reject(v.Approval); return true }

var replays = []replayed{
	{file: "after-failure", ends: []State{Failed, Done}},
	{file: "app-error", ends: []State{Failed}, text: "you are not welcome here"},
	{file: "busy", other: 1, ends: []State{Declined}, code: "busy", setUp: func(t *testing.T, f *fixture, _ *recording) { f.busy = true }}, // signed by a key that is thrown away
	{file: "auth-only", ends: []State{Done}, text: "Welcome z1WVwKnpPDpuGK4uupU2jgFow9dpZC3Ex3r"},
	{file: "bad-answers", other: 6, ends: []State{Failed, Failed, Failed, Done, Failed, Failed, Failed, Failed, Refused, Refused}, code: "reply_unsigned"}, // the recorded wallet misbehaves
	{file: "channel-edges", ends: []State{Done, Unknown}, code: "reply_sealed_without_key"},
	{file: "channel-key-pinned", ends: []State{Waiting, Unknown}, code: "shared_key_unreadable", decide: func(f *fixture, v View) bool {
		// The first request is left open; the second is made with another key, which the app ignores.
		keys, _ := vectorKeys(f.t)
		if f.key == 0 {
			f.key = 1
			f.sessions.keys.only = keys[1]
			return false
		}
		f.approve(v.Approval, approvals.Choice{})
		return true
	}},
	{file: "connected-page", ends: []State{Done}},
	{file: "credential-and-asset", other: 1, ends: []State{Done, Done, Done, Done, Declined}, code: "claim_unsupported", setUp: holdRecorded}, // prepareTx is declined
	{file: "decline", other: 1, ends: []State{Declined}, decide: reject},                                                                      // the recorded wallet signs it with an account that was not revealed
	{file: "decline-anonymous", other: 1, ends: []State{Declined}, decide: reject},                                                            // signed by a key that is thrown away
	{file: "delegated", ends: []State{Done}},
	{file: "delegated-refused", ends: []State{Declined}, code: "delegation_claim_not_allowed"},
	{file: "ek-on-post", ends: []State{Failed, Done}},
	{file: "encryption-key-channel", ends: []State{Done}},
	{file: "encryption-key-half-channel", other: 1, ends: []State{Done}}, // the recorded wallet does not seal
	{file: "encryption-key-plain", ends: []State{Done}},
	{file: "ethereum-account", ends: []State{Done}},
	{file: "ethereum-app", ends: []State{Done}, check: func(t *testing.T, f *fixture, v View) {
		if !v.Unconfirmed {
			t.Error("what nothing proves is taken for proved")
		}
	}},
	{file: "finish-fields", ends: []State{Done, Done}, check: func(t *testing.T, f *fixture, v View) {
		kept, _, err := f.wallets.Holdings(t.Context(), f.as(f.owner), store.Page{})
		if err != nil || len(kept) != 1 || kept[0].ID != v.Credential || kept[0].DID != "z2iUDihy54aotNcBLgiNnWvdHGHjsRBHws1jF" {
			t.Errorf("of the attachment is kept %+v, %v; the session says %q", kept, err, v.Credential)
		}
	}},
	{file: "launch-and-restore", other: 1, ends: []State{Done, Done}, setUp: importRecordedKey}, // an invented key
	{file: "mfa", ends: []State{Failed, Done}},
	{file: "multi-step", ends: []State{Done, Done}},
	{file: "next-workflow", ends: []State{Done, Done}},
	{file: "no-principal", ends: []State{Done}},
	{file: "profile", ends: []State{Done}},
	{file: "replayed-answer", ends: []State{Done, Done}}, // the app takes it a second time, from a second session
	{file: "signatures", other: 1, ends: []State{Declined}, code: "blind_signature"},
	{file: "signing-oracle", other: 2, ends: []State{Declined, Waiting, Declined}, code: "blind_signature"},                           // the digest waits for the owner
	{file: "user-switch", other: 1, ends: []State{Failed}, text: "Login user and wallet user mismatch, please relogin and try again"}, // the recorded wallet answers as somebody else
	{file: "userdid-form", ends: []State{Done, Failed}},
	{file: "web-submit", other: 1, ends: []State{Done}}, // the recorded wallet answers no claim
	{file: "wrong-challenge", ends: []State{Done}},
}

// importRecordedKey gives the wallet the application key that the recorded one invented, so that
// the second session is about the same application.
func importRecordedKey(t *testing.T, f *fixture, r *recording) {
	for _, e := range r.Exchanges {
		if e.UserInfo == nil {
			continue
		}
		for _, claim := range e.UserInfo.Body.RequestedClaims {
			var secret string
			if json.Unmarshal(claim["secret"], &secret) != nil || secret == "" {
				continue
			}
			key, err := did.DecodeBase58(secret, 64)
			if err != nil {
				t.Fatal(err)
			}
			typ := did.Type{Role: did.RoleApplication, Key: did.Ed25519, Hash: did.SHA3}
			if _, err := f.wallets.ImportAccount(t.Context(), f.as(f.owner), key, typ); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatal("no key was recorded")
}

// holdRecorded gives the wallet the credential and the asset that the recorded one showed.
func holdRecorded(t *testing.T, f *fixture, r *recording) {
	const issuer = "did:abt:zNKpPiDfyQ5h7LWfhsYHaxdizUx7ung399sm"
	f.account(issuer)
	for _, e := range r.Exchanges {
		if e.UserInfo == nil {
			continue
		}
		for _, claim := range e.UserInfo.Body.RequestedClaims {
			var text, asset, owner string
			json.Unmarshal(claim["presentation"], &text)
			json.Unmarshal(claim["asset"], &asset)
			json.Unmarshal(claim["ownerDid"], &owner)
			if text != "" {
				var p struct{ VerifiableCredential []string }
				if err := json.Unmarshal([]byte(text), &p); err != nil {
					t.Fatal(err)
				}
				if _, err := f.wallets.PutCredential(t.Context(), f.as(f.owner), json.RawMessage(p.VerifiableCredential[0]), ""); err != nil {
					t.Fatal(err)
				}
			}
			if asset != "" {
				n := wallets.NewAsset{Asset: parse(t, asset), Owner: parse(t, owner), Issuer: parse(t, issuer), Tag: "Ticket"}
				if _, err := f.wallets.PutAsset(t.Context(), f.as(f.owner), n); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

func parse(t *testing.T, text string) did.DID {
	t.Helper()
	d, err := did.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
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
		for name, step := range map[string]func(*fixture, string) View{"straight": (*fixture).advance, "killed": (*fixture).step} {
			t.Run(tt.file+"/"+name, func(t *testing.T) {
				t.Parallel()
				replay(t, tt, step)
			})
		}
	}
	for _, name := range names {
		file := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(name), "session-"), ".json")
		if !covered[file] {
			t.Errorf("%s is not replayed", file)
		}
	}
}

func replay(t *testing.T, tt replayed, step func(*fixture, string) View) {
	r := readRecording(t, tt.file)
	d := &dapp{t: t, all: r.Exchanges, loose: tt.other > 0}
	f := newFixture(t, d)
	d.fixture = f
	profileOf(t, f, r)
	if tt.setUp != nil {
		tt.setUp(t, f, r)
	}
	var ends []State
	var end View
	following := ""
	for _, e := range r.Exchanges {
		if len(ends) == len(tt.ends) {
			break
		}
		if e.Actor != "wallet" || e.served || e.method() != http.MethodGet {
			continue
		}
		id := following
		if id == "" {
			f.clock.Store(time.Unix(e.Time, 0).UnixNano())
			id = f.begin(bare(e.Request.URL)).ID
			if f.busy {
				f.sessions.Limit = -1
			}
		}
		end = drive(t, f, d, tt, id, step)
		ends = append(ends, end.State)
		following = end.Next
	}
	if !equal(ends, tt.ends) || end.Code != tt.code || tt.text != "" && end.Text != tt.text {
		t.Errorf("ended %v (%s: %s), want %v (%s: %s)", ends, end.Code, end.Text, tt.ends, tt.code, tt.text)
	}
	if tt.check != nil {
		tt.check(t, f, end)
	}
	if d.other != tt.other {
		t.Errorf("%d posts are not what was recorded, want %d", d.other, tt.other)
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
func drive(t *testing.T, f *fixture, d *dapp, tt replayed, id string, step func(*fixture, string) View) View {
	t.Helper()
	for range 40 {
		d.next()
		v := step(f, id)
		if !v.Ended.IsZero() {
			return v
		}
		if v.State != Waiting || f.approval(v.Approval).Status != "pending" {
			continue
		}
		e := d.next()
		if e == nil {
			return v
		}
		decide := tt.decide
		if decide == nil {
			decide = func(f *fixture, v View) bool { f.approve(v.Approval, e.choice()); return true }
		}
		if !decide(f, v) {
			return v
		}
	}
	t.Fatalf("the session does not end: %+v\n%s", f.get(id), f.kinds())
	return View{}
}

// next finds the exchange that an answer would be, and sets the clock to its time.
func (d *dapp) next() *exchange {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.all {
		here := d.last == nil || step(e.Request.URL) == step(d.last.Request.URL)
		if e.Actor == "wallet" && !e.served && e.method() == http.MethodPost && here {
			if now := time.Unix(e.Time, 0); now.After(d.fixture.now()) {
				d.fixture.clock.Store(now.UnixNano())
			}
			return e
		}
	}
	return nil
}

// choice is what the recorded person chose.
func (e *exchange) choice() approvals.Choice {
	var c approvals.Choice
	if e.UserInfo == nil {
		return c
	}
	for _, claim := range e.UserInfo.Body.RequestedClaims {
		var numbers []int
		if json.Unmarshal(claim["mfaCode"], &numbers) == nil && len(numbers) == 1 {
			c.MFACode = numbers[0]
		}
	}
	return c
}

// profileOf gives the wallet the profile that was told in a recording.
func profileOf(t *testing.T, f *fixture, r *recording) {
	t.Helper()
	p := wallets.Profile{}
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
	if _, err := f.wallets.SetProfile(t.Context(), f.as(f.owner), p); err != nil {
		t.Fatal(err)
	}
}
