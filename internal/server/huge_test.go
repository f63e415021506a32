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
	path := w.Path("/backup/inspect")
	answered := make(chan int)
	var feeds []*io.PipeWriter
	for range 2 {
		body, feed := io.Pipe()
		t.Cleanup(func() { feed.Close() })
		feeds = append(feeds, feed)
		admitted := make(chan struct{})
		trace := &httptrace.ClientTrace{Got100Continue: func() { close(admitted) }}
		r, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), "POST", w.URL+path, body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+w.Owner)
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
	busy := w.Do("POST", path, w.Owner, wallettest.Members{}).Refused(429, "busy")
	if busy.Header.Get("Retry-After") == "" {
		t.Error("it is not told when to come again")
	}
	w.Do("POST", "/v1/restore", w.Operator, wallettest.Members{}).Refused(429, "busy")
	w.Do("POST", path, w.Operator, wallettest.Members{}).Refused(403, "forbidden")

	if _, err := feeds[0].Write([]byte("{}")); err != nil {
		t.Fatal(err)
	}
	feeds[0].Close()
	if status := <-answered; status != 400 {
		t.Errorf("the first got %d", status)
	}
	for range 3 { // each gives its room back
		w.Do("POST", path, w.Owner, wallettest.Members{}).Refused(400, "member_invalid")
	}
}
