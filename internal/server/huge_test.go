package server_test

import (
	"io"
	"net/http"
	"net/http/httptrace"
	"testing"

	"walletd/internal/wallettest"
)

// A backup is held in memory while it is read: who is admitted to send one could else send many.
func TestHugeBodiesComeTwoAtATime(t *testing.T) {
	w := wallettest.New(t)
	inspect := func(wallet string) string { return "/v1/wallets/" + wallet + "/backup/inspect" }
	owner := func(name string) (wallet, token string) {
		wallet = w.Do("POST", "/v1/wallets", w.Operator, members{"name": name}).Must(201).Text("wallet")
		return wallet, w.Do("POST", "/v1/tokens", w.Operator, members{"role": "owner", "wallet": wallet, "name": name}).Must(201).Text("token")
	}
	bob, bobs := owner("bob")
	carol, carols := owner("carol")

	answered := make(chan int)
	var feeds []*io.PipeWriter
	send := func(path, token string) {
		t.Helper()
		body, feed := io.Pipe()
		t.Cleanup(func() { feed.Close() })
		feeds = append(feeds, feed)
		admitted := make(chan struct{})
		trace := &httptrace.ClientTrace{Got100Continue: func() { close(admitted) }}
		r, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), "POST", w.URL+path, body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Expect", "100-continue")
		go func() {
			answer, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				return // the test is over
			}
			answer.Body.Close()
			answered <- answer.StatusCode
		}()
		<-admitted
	}
	send(inspect(w.Address), w.Owner)
	busy := w.Do("POST", inspect(w.Address), w.Owner, wallettest.Members{}).Refused(429, "busy")
	if busy.Header.Get("Retry-After") == "" {
		t.Error("it is not told when to come again")
	}
	send(inspect(bob), bobs)
	w.Do("POST", inspect(carol), carols, wallettest.Members{}).Refused(429, "busy")
	w.Do("POST", inspect(carol), w.Operator, wallettest.Members{}).Refused(403, "forbidden")

	// What owners send keeps nobody from restoring.
	send("/v1/restore", w.Operator)
	w.Do("POST", "/v1/restore", w.Operator, wallettest.Members{}).Refused(429, "busy")

	if _, err := feeds[0].Write([]byte("{}")); err != nil {
		t.Fatal(err)
	}
	feeds[0].Close()
	if status := <-answered; status != 400 {
		t.Errorf("the first got %d", status)
	}
	for range 3 { // each gives its room back
		w.Do("POST", inspect(w.Address), w.Owner, wallettest.Members{}).Refused(400, "member_invalid")
	}
}

func TestStreamsHaveABound(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	open := func() *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), "GET", w.URL+"/v1/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+w.Owner)
		answer, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { answer.Body.Close() })
		return answer
	}
	first := open()
	for range 19 {
		if got := open().StatusCode; got != 200 {
			t.Fatalf("got %d", got)
		}
	}
	w.Do("GET", "/v1/events", w.Owner, nil).Refused(429, "rate_limited")
	first.Body.Close()
	until(t, func() bool { return open().StatusCode == 200 })
}
