package interop_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// as calls the service as its owner does, and reads the answer of what was not refused.
func as[T any](t *testing.T, s *service, method, path string, body any) (v T) {
	t.Helper()
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			t.Fatal(err)
		}
	}
	token, err := os.ReadFile(s.file("owner.token"))
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, s.url+path, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	var answer json.RawMessage
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode >= 300 || json.Unmarshal(answer, &v) != nil {
		t.Fatalf("%s %s: %d %s %v", method, path, resp.StatusCode, answer, err)
	}
	return v
}

// post opens a link as a mobile wallet's backend does.
func (s *service) post(t *testing.T, link string) session {
	t.Helper()
	return as[session](t, s, http.MethodPost, "/v1/sessions", map[string]string{"wallet": s.wallet, "link": link})
}

// until waits until a session is in one of the states.
func (s *service) until(t *testing.T, id string, states ...string) session {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		v := as[session](t, s, http.MethodGet, "/v1/sessions/"+id, nil)
		if slices.Contains(states, v.State) {
			return v
		}
		if time.Now().After(end) || slices.Contains([]string{"done", "declined", "refused", "failed", "expired", "unknown"}, v.State) {
			t.Fatalf("the session is %+v, not %q", v, states)
		}
	}
}

// yes is the owner's yes to what a session waits for, and waits for what it brings.
func (s *service) yes(t *testing.T, v session, more ...string) session {
	t.Helper()
	waits := s.until(t, v.ID, "waiting").Approval
	said[struct{}](t, s, "owner", append([]string{"approvals", "approve", waits}, more...)...)
	for {
		after := s.until(t, v.ID, "asked", "answering", "waiting", "done", "failed")
		if after.Approval != waits || after.State == "done" || after.State == "failed" {
			return after
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// ended compares how a session ended, and what its page shows.
func ended(t *testing.T, got, want session, p page, shows string) {
	t.Helper()
	got = session{State: got.State, Code: got.Code, Text: got.Text}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the session (-want +got):\n%s", diff)
	}
	if s := p.status(t); s.Status != shows {
		t.Errorf("the page shows %+v, want %s", s, shows)
	}
}

func items(t *testing.T, s *service, d *dapp) {
	p := d.open(t, "demo", "profile", nil)
	c := s.begin(t, p.link)
	c.say(t, "y") // to the account
	c.say(t, "y")
	c.say(t, "phone") // which was not asked for
	c.say(t, "email")
	v := c.end(t)
	given := person
	given.FullName = ""
	d.saw(t, seen{Event: "auth", Action: "profile", Step: 1, Own: true, Claims: []told{given}})
	ended(t, v, session{State: "done", Text: v.Text}, p, "succeed")
}

func number(t *testing.T, s *service, d *dapp) {
	p := d.open(t, "demo", "mfa", nil)
	c := s.begin(t, p.link, "--yes")
	n := p.number(t)
	c.say(t, "what?")
	c.say(t, strconv.Itoa(n))
	v := c.end(t)
	signed := text
	signed.MFACode = []int{n}
	d.saw(t, seen{Event: "auth", Action: "mfa", Step: 1, Own: true, Claims: []told{signed}})
	ended(t, v, session{State: "done"}, p, "succeed")
}

// wrongNumber first gives one that was not among the app's, which is refused and may be mended,
// then one that was.
func wrongNumber(t *testing.T, s *service, d *dapp) {
	p := d.open(t, "demo", "mfa", nil)
	v := s.yes(t, s.post(t, p.link))
	v = s.until(t, v.ID, "waiting")
	right := p.number(t)
	offered := said[struct{ Claims []struct{ MFACode []int } }](t, s, "owner", "approvals", "show", v.Approval).Claims[0].MFACode
	if len(offered) != 3 || !slices.Contains(offered, right) {
		t.Fatalf("the person is shown %v, the page shows %d", offered, right)
	}
	wrong := offered[(slices.Index(offered, right)+1)%3]
	for n := 10; ; n++ {
		if slices.Contains(offered, n) {
			continue
		}
		out, err := s.command("owner", "approvals", "approve", v.Approval, "--mfa-code", strconv.Itoa(n)).CombinedOutput()
		if err == nil {
			t.Errorf("a number that was not offered is taken: %s", out)
		}
		break
	}
	v = s.yes(t, v, "--mfa-code", strconv.Itoa(wrong))
	const says = "Dynamic verification code mismatch, please try again later"
	d.saw(t, seen{Event: "error", Action: "mfa", Stage: "verify-mfa-code", Error: says})
	ended(t, s.until(t, v.ID, "failed"), session{State: "failed", Text: says}, p, "error")
}

// restore is Blocklet Server's: it has the wallet make an application, and later asks for what opens
// the application's backup.
func restore(t *testing.T, s *service, d *dapp) {
	p := d.open(t, "server", "launch", nil)
	c := s.begin(t, p.link, "--yes")
	n := p.number(t)
	c.say(t, strconv.Itoa(n))
	v := c.end(t)
	made := d.saw(t, seen{
		Event: "auth", Action: "launch", Step: 1, Own: true, Sealed: true, Follows: true,
		Claims: []told{{Type: "keyPair", MFACode: []int{n}, Bytes: 64}},
	})[0]
	ended(t, v, session{State: "done"}, p, "succeed")

	p = d.open(t, "server", "restore", url.Values{"appDid": {made.Application}})
	c = s.begin(t, p.link, "--yes")
	n = p.number(t)
	c.say(t, strconv.Itoa(n))
	v = c.end(t)
	const secret = "the application’s secret setting: näive & <b>"
	got := d.saw(t,
		seen{Event: "auth", Action: "restore", Step: 1, Delegates: true, Claims: []told{{Type: "signature", Meta: map[string]any{"jwt": "unsigned"}, MFACode: []int{n}, TypeURL: "fg:x:delegation", Verified: true}}},
		seen{Event: "auth", Action: "restore", Step: 2, Sealed: true, Opened: secret, Claims: []told{{Type: "encryptionKey", Bytes: 32}}},
	)
	ended(t, v, session{State: "done"}, p, "succeed")
	if v.Account != made.Application || got[1].User != made.Application {
		t.Errorf("%s was made, %s answered and %s was seen", made.Application, v.Account, got[1].User)
	}

	s.write(t, "key", got[1].Key)
	s.write(t, "value", made.Value)
	opened := said[struct{ Value string }](t, s, "", "backup", "blocklet", "open", "--app", made.Application, "--key-file", s.file("key"), "--value-file", s.file("value"))
	if opened.Value != secret {
		t.Errorf("walletd opens the backup's value as %q", opened.Value)
	}
}

func follow(t *testing.T, s *service, d *dapp) {
	second := d.open(t, "demo", "second", nil)
	first := d.open(t, "demo", "first", url.Values{"nw": {second.link}})
	v := s.connect(t, first.link, "--yes")
	d.saw(t,
		seen{Event: "auth", Action: "first", Step: 1, Own: true, Claims: []told{text}},
		seen{Event: "auth", Action: "second", Step: 1, Own: true, Claims: []told{text}, Previous: map[string][]int{"basket": {1, 2}}},
	)
	ended(t, v, session{State: "done", Text: "Welcome " + v.Account}, second, "succeed")
	before := as[session](t, s, http.MethodGet, "/v1/sessions/"+v.Previous, nil)
	ended(t, before, session{State: "done"}, first, "succeed")
	if before.Next != v.ID {
		t.Errorf("%s was followed by %q", v.Previous, before.Next)
	}
}

// webWallet opens what a page's button opens: the address of a web wallet, with the link in it.
func webWallet(t *testing.T, s *service, d *dapp) {
	p := d.open(t, "demo", "login", nil)
	v := s.connect(t, "https://wallet.example.test/some/path?action=login&locale=en&url="+url.QueryEscape(p.link), "--yes")
	d.saw(t, seen{Event: "auth", Action: "login", Own: true, Claims: []told{principal}})
	ended(t, v, session{State: "done", Text: "Welcome " + v.Account}, p, "succeed")
}

func declineAnonymous(t *testing.T, s *service, d *dapp) {
	p := d.open(t, "demo", "login", nil)
	c := s.begin(t, p.link)
	c.say(t, "n")
	v := c.end(t)
	d.saw(t, seen{Event: "declined", Action: "login", Claims: []told{}}) // by an account that is not the wallet's
	ended(t, v, session{State: "declined"}, p, "error")
}

func declineRevealed(t *testing.T, s *service, d *dapp) {
	p := d.open(t, "demo", "profile", nil)
	v := s.yes(t, s.post(t, p.link))
	said[struct{}](t, s, "owner", "approvals", "reject", s.until(t, v.ID, "waiting").Approval)
	v = s.until(t, v.ID, "declined")
	d.saw(t, seen{Event: "declined", Action: "profile", Step: 1, Own: true, Claims: []told{}})
	ended(t, v, session{State: "declined"}, p, "error")
}

func broken(t *testing.T, s *service, d *dapp) {
	p := d.open(t, "demo", "broken", nil)
	v := s.connect(t, p.link, "--yes")
	d.saw(t, seen{Event: "error", Action: "broken", Stage: "verify-auth-claim", Error: "This user is not welcome"})
	ended(t, v, session{State: "failed", Text: "This user is not welcome"}, p, "error")
}

// byEvents is a backend that has its person say yes when the stream of events says that it is time,
// and hears of the end.
func byEvents(t *testing.T, s *service, d *dapp) {
	token, err := os.ReadFile(s.file("owner.token"))
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()

	p := d.open(t, "demo", "login", nil)
	v := s.post(t, p.link)
	var kinds []string
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		kind, found := strings.CutPrefix(lines.Text(), "event: ")
		if !found || kind == "account.created" { // the first time
			continue
		}
		kinds = append(kinds, kind)
		switch kind {
		case "session.waiting":
			v = as[session](t, s, http.MethodGet, "/v1/sessions/"+v.ID, nil)
			said[struct{}](t, s, "owner", "approvals", "approve", v.Approval)
		case "session.ended":
			d.saw(t, seen{Event: "auth", Action: "login", Own: true, Claims: []told{principal}})
			v = as[session](t, s, http.MethodGet, "/v1/sessions/"+v.ID, nil)
			ended(t, v, session{State: "done", Text: "Welcome " + v.Account}, p, "succeed")
			want := []string{"session.opened", "session.asked", "claim.asked", "session.waiting", "approval.approved", "claim.collected", "session.answering", "session.ended"}
			if diff := cmp.Diff(want, kinds); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
			return
		}
	}
	t.Errorf("the stream ended after %q", kinds)
}

// restarted stops and starts the service in every step that waits for the person.
func restarted(t *testing.T, s *service, d *dapp) {
	p := d.open(t, "demo", "steps", nil)
	v := s.post(t, p.link)
	for range 4 {
		s.until(t, v.ID, "waiting")
		s.restart(t)
		v = s.yes(t, v)
	}
	auth := seen{Event: "auth", Action: "steps", Own: true}
	one, two, three := auth, auth, auth
	one.Step, one.Claims = 1, []told{person}
	two.Step, two.Claims = 2, []told{text}
	three.Step, three.Claims, three.Sealed = 3, []told{key}, true
	d.saw(t, one, two, three)
	ended(t, s.until(t, v.ID, "done"), session{State: "done"}, p, "succeed")
}

// busy opens as many sessions of one app as may be, and one more.
func busy(t *testing.T, s *service, d *dapp) {
	var open []session
	for range 3 {
		v := s.post(t, d.open(t, "demo", "login", nil).link)
		open = append(open, s.until(t, v.ID, "waiting"))
	}
	p := d.open(t, "demo", "login", nil)
	v := s.until(t, s.post(t, p.link).ID, "declined")
	ended(t, v, session{State: "declined", Code: "busy", Text: "Too many sessions of this app are open."}, p, "busy")

	other := d.open(t, "delegated", "login", nil)
	s.until(t, s.yes(t, s.post(t, other.link)).ID, "done")
	d.saw(t, seen{Event: "auth", Action: "login", Own: true, Claims: []told{principal}})
	var declined []seen
	for _, v := range open {
		ended := as[session](t, s, http.MethodDelete, "/v1/sessions/"+v.ID, nil)
		if ended.State != "declined" || ended.Code != "cancelled" {
			t.Errorf("a session that was cancelled is %+v", ended)
		}
		declined = append(declined, seen{Event: "declined", Action: "login", Claims: []told{}})
	}
	d.saw(t, declined...)
}
