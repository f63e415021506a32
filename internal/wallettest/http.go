package wallettest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"walletd/api"
	"walletd/api/client"
)

// Members is a JSON object.
type Members = map[string]any

// Response is an answer that was read whole.
type Response struct {
	Status int
	Header http.Header
	Body   []byte

	t    testing.TB
	what string
}

// Do sends a request with a bearer token, if there is one, and a body as JSON, unless it is nil.
// A body of []byte is sent as it is.
func (w *Wallet) Do(method, path, token string, body any) *Response {
	w.t.Helper()
	r := w.Request(method, path, body)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return w.Send(r)
}

// As is a client of the service with a token.
func (w *Wallet) As(token string) *client.Client {
	w.t.Helper()
	c, err := client.New(client.Config{URL: w.URL, Token: api.NewSecretText([]byte(token))})
	if err != nil {
		w.t.Fatalf("making a client: %v", err)
	}
	w.t.Cleanup(c.Close)
	return c
}

// Request makes a request to the service, to be changed and sent.
func (w *Wallet) Request(method, path string, body any) *http.Request {
	w.t.Helper()
	var content io.Reader
	if body != nil {
		b, ok := body.([]byte)
		if !ok {
			var err error
			if b, err = json.Marshal(body); err != nil {
				w.t.Fatalf("writing the body: %v", err)
			}
		}
		content = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.URL+path, content)
	if err != nil {
		w.t.Fatalf("making a request: %v", err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}

// Send sends a request and reads the answer. The test fails if that, or the request that was taken,
// is not as the contract has it.
func (w *Wallet) Send(r *http.Request) *Response {
	w.t.Helper()
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		w.t.Fatalf("%s %s: %v", r.Method, r.URL.Path, err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		w.t.Fatalf("%s %s: reading the answer: %v", r.Method, r.URL.Path, err)
	}
	got := &Response{Status: answer.StatusCode, Header: answer.Header, Body: body, t: w.t, what: r.Method + " " + r.URL.Path}
	if _, timed := w.t.(*testing.B); !timed {
		if err := checkExchange(r, got); err != nil {
			w.t.Errorf("%s: %v\n%d %.400s", got.what, err, got.Status, got.Body)
		}
	}
	return got
}

// Must fails the test unless the status is the one wanted, and returns the response.
func (r *Response) Must(status int) *Response {
	r.t.Helper()
	if r.Status != status {
		r.t.Fatalf("%s: got %d, want %d: %s", r.what, r.Status, status, r.Body)
	}
	return r
}

// Refused fails the test unless the answer is a problem with this status and code.
func (r *Response) Refused(status int, code string) *Response {
	r.t.Helper()
	if got := r.Header.Get("Content-Type"); got != "application/problem+json" {
		r.t.Fatalf("%s: got %d with %q, want a problem %d %s: %s", r.what, r.Status, got, status, code, r.Body)
	}
	if r.Status != status || r.Text("code") != code {
		r.t.Fatalf("%s: got %d, want %d %s: %s", r.what, r.Status, status, code, r.Body)
	}
	if r.Text("detail") == "" {
		r.t.Fatalf("%s: the problem does not say what to do: %s", r.what, r.Body)
	}
	return r
}

// Into reads the body.
func (r *Response) Into(v any) {
	r.t.Helper()
	if err := json.Unmarshal(r.Body, v); err != nil {
		r.t.Fatalf("%s: %v: %.200s", r.what, err, r.Body)
	}
}

// Members returns the body as an object.
func (r *Response) Members() Members {
	r.t.Helper()
	var m Members
	r.Into(&m)
	return m
}

// Text returns a text member of the body, "" if there is none.
func (r *Response) Text(name string) string {
	r.t.Helper()
	s, _ := r.Members()[name].(string)
	return s
}

// Key returns the key of the first answered claim.
func (r *Response) Key() string {
	r.t.Helper()
	var answer struct{ RequestedClaims []struct{ Key string } }
	r.Must(http.StatusOK).Into(&answer)
	if len(answer.RequestedClaims) == 0 || answer.RequestedClaims[0].Key == "" {
		r.t.Fatalf("%s: no key in %s", r.what, r.Body)
	}
	return answer.RequestedClaims[0].Key
}
