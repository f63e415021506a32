package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"walletd/internal/wallettest"
)

// deepLink is the link that an app at this address shows.
func deepLink(inner string) string {
	return "https://abtwallet.io/i/?action=requestAuth&url=" + url.QueryEscape(inner)
}

func TestALinkThatIsNone(t *testing.T) {
	w := wallettest.New(t)
	for name, c := range map[string]struct {
		link   string
		status int
		code   string
	}{
		"refuses a text":                  {"hello", 400, "link_invalid"},
		"refuses another action":          {"https://abtwallet.io/i/?action=other&url=https%3A%2F%2Fdapp.example%2F", 400, "link_invalid"},
		"refuses a url that is no http":   {deepLink("file:///etc/passwd"), 400, "link_invalid"},
		"refuses a name and password":     {deepLink("https://me:secret@dapp.example/"), 422, "address_blocked"},
		"refuses a link that is too long": {deepLink("https://dapp.example/" + strings.Repeat("a", 33<<10)), 400, "member_invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			w.In(t).Do("POST", "/v1/sessions", w.Owner, wallettest.Members{"link": c.link}).Refused(c.status, c.code)
		})
	}
	w.Do("POST", "/v1/sessions", w.Operator, wallettest.Members{"link": deepLink("https://dapp.example/")}).Refused(403, "forbidden")
}

// A session is opened, goes on by itself, and is told of on the stream of events.
func TestASessionOverHTTP(t *testing.T) {
	w := wallettest.New(t)
	app := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		http.Error(rw, "<html>no DID Connect here</html>", http.StatusOK)
	}))
	defer app.Close()
	kinds := stream(t, w, "0")
	opened := w.Do("POST", "/v1/sessions", w.Owner, wallettest.Members{"link": deepLink(app.URL + "/auth?_t_=1")}).Must(http.StatusCreated)
	id := opened.Text("id")
	for kind := range kinds {
		if kind == "session.ended" {
			break
		}
	}
	got := w.Do("GET", "/v1/sessions/"+id, w.Owner, nil).Must(http.StatusOK)
	if got.Text("state") != "refused" || got.Text("code") != "reply_unsigned" {
		t.Errorf("a page that is no app: %s %s, want refused reply_unsigned", got.Text("state"), got.Text("code"))
	}
	w.Do("DELETE", "/v1/sessions/"+id, w.Owner, nil).Must(http.StatusOK)
	w.Do("GET", "/v1/sessions/nobody", w.Owner, nil).Refused(404, "not_found")
	var all struct{ Items []wallettest.Members }
	w.Do("GET", "/v1/sessions", w.Owner, nil).Must(http.StatusOK).Into(&all)
	if len(all.Items) != 1 {
		t.Errorf("listed %d sessions, want 1", len(all.Items))
	}
}

// stream yields the kinds of the events after a number, until the test ends.
func stream(t *testing.T, w *wallettest.Wallet, after string) <-chan string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.URL+"/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+w.Owner)
	if after != "" {
		req.Header.Set("Last-Event-ID", after)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); res.Body.Close() })
	if got := res.Header.Get("Content-Type"); res.StatusCode != http.StatusOK || got != "text/event-stream" {
		t.Fatalf("answered %d %s", res.StatusCode, got)
	}
	kinds := make(chan string, 100)
	go func() {
		defer close(kinds)
		for s := bufio.NewScanner(res.Body); s.Scan(); {
			data, ok := strings.CutPrefix(s.Text(), "data: ")
			if !ok {
				continue
			}
			var entry struct{ Kind string }
			if json.Unmarshal([]byte(data), &entry) == nil {
				kinds <- entry.Kind
			}
		}
	}()
	return kinds
}

func TestEvents(t *testing.T) {
	w := wallettest.New(t)
	notes := w.App("Notes")
	t.Run("tell of what came after the last one heard", func(t *testing.T) {
		kinds := stream(t, w, "0")
		if first := <-kinds; first != "wallet.created" {
			t.Errorf("begins with %q, want the wallet's first entry", first)
		}
	})
	t.Run("begin with what is new", func(t *testing.T) {
		kinds := stream(t, w, "")
		asked := notes.Ask(wallettest.EncryptionKey("notes")).Must(http.StatusAccepted)
		if kind := <-kinds; kind != "claim.asked" {
			t.Errorf("heard %q, want claim.asked", kind)
		}
		w.MustReject(asked.Text("code"))
		if kind := <-kinds; kind != "approval.rejected" {
			t.Errorf("heard %q, want approval.rejected", kind)
		}
	})
	t.Run("end when the keystore is locked", func(t *testing.T) {
		kinds := stream(t, w, "")
		w.In(t).LockKeystore()
		for range kinds {
		}
		w.In(t).UnlockKeystore()
	})
	t.Run("are for owners", func(t *testing.T) {
		w.In(t).Do("GET", "/v1/events", w.Operator, nil).Refused(403, "forbidden")
		w.In(t).Do("GET", "/v1/events", "", nil).Refused(401, "unauthorized")
	})
}

func TestARepeatedRequestOpensNoSecondSession(t *testing.T) {
	w := wallettest.New(t)
	app := httptest.NewServer(http.NotFoundHandler())
	defer app.Close()
	open := func(key, link string) *wallettest.Response {
		r := w.Request("POST", "/v1/sessions", wallettest.Members{"link": link})
		r.Header.Set("Authorization", "Bearer "+w.Owner)
		r.Header.Set("Idempotency-Key", key)
		return w.Send(r)
	}
	link := deepLink(app.URL + "/auth?_t_=1")
	first := open("once", link).Must(http.StatusCreated)
	if again := open("once", link).Must(http.StatusCreated); again.Text("id") != first.Text("id") {
		t.Errorf("a second session %s beside %s", again.Text("id"), first.Text("id"))
	}
	open("once", deepLink(app.URL+"/auth?_t_=2")).Refused(422, "idempotency_mismatch")
	if other := open("twice", link).Must(http.StatusCreated); other.Text("id") == first.Text("id") {
		t.Error("another key gave the same session")
	}
	var listed struct{ Items []json.RawMessage }
	if err := json.Unmarshal(w.Do("GET", "/v1/sessions", w.Owner, nil).Must(http.StatusOK).Body, &listed); err != nil || len(listed.Items) != 2 {
		t.Errorf("%d sessions were opened, %v", len(listed.Items), err)
	}
}

func TestAStreamIsNeverSilentWhereThereIsNews(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	end := len(w.Do("GET", w.Path("/audit?limit=200"), w.Owner, nil).Must(200).Members()["items"].([]any))
	for _, id := range []string{"999999", "18446744073709551616", "-1", "x", "1.5"} {
		t.Run(id, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), "GET", w.URL+"/v1/events", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+w.Owner)
			r.Header.Set("Last-Event-ID", id)
			answer, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			if answer.StatusCode != 200 || answer.Header.Get("X-Accel-Buffering") != "no" {
				t.Fatalf("got %d, X-Accel-Buffering %q", answer.StatusCode, answer.Header.Get("X-Accel-Buffering"))
			}
			lines := bufio.NewScanner(answer.Body)
			event := func() string {
				var all []string
				for lines.Scan() && lines.Text() != "" {
					all = append(all, lines.Text())
				}
				return strings.Join(all, "\n")
			}
			if got, want := event(), fmt.Sprintf("event: stream.reset\nid: %d\ndata: {\"seq\":%d,\"kind\":\"stream.reset\"}", end, end); got != want {
				t.Errorf("it begins with %q, want %q", got, want)
			}
			w := w.In(t)
			w.Do("PUT", w.Path("/apps/zNKpPiDfyQ5h7LWfhsYHaxdizUx7ung399sm"), w.Owner, members{"name": "x" + id}).Must(200)
			end++
			if got := event(); !strings.Contains(got, fmt.Sprintf("\nid: %d\n", end)) {
				t.Errorf("then comes %q, want entry %d", got, end)
			}
		})
	}
}
