package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"
)

// Bounds of one exchange with the service.
const (
	maxAnswer = 16 << 20
	// patience covers the slowest answers: an unlock after failures, a claim that is waited for.
	patience = 2 * time.Minute
)

// client speaks to a running service. It follows no redirect and sends nothing in the clear but
// to this machine.
type client struct {
	base   string
	token  secret
	http   *http.Client
	header http.Header // that every request carries besides
}

func newClient(base string, token secret) *client {
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DialContext = dialer.DialContext
	if u, err := url.Parse(base); err == nil && u.Scheme == "http" {
		// The name was checked; what it resolves to is checked here.
		transport.Proxy = nil
		dialer.Control = func(_, address string, _ syscall.RawConn) error {
			if host, _, err := net.SplitHostPort(address); err != nil || !isLoopback(host) {
				return errors.New("http is for this machine only")
			}
			return nil
		}
	}
	return &client{base: base, token: token, http: &http.Client{
		Transport:     transport,
		Timeout:       patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// problem is a refusal of the service: an application/problem+json body.
type problem struct {
	Status int      `json:"status"`
	Code   string   `json:"code"`
	Detail string   `json:"detail"`
	ID     string   `json:"id"`
	Slots  []string `json:"slots"`
}

func (p *problem) Error() string {
	s := fmt.Sprintf("%s (%s)", shown(p.Detail), shown(p.Code))
	if p.ID != "" {
		s += " id " + shown(p.ID)
	}
	for _, slot := range p.Slots {
		s += fmt.Sprintf(" slot %q", slot)
	}
	return s
}

// send makes one request and returns the answer of a request that was not refused; the caller
// closes its body. A refusal is a *problem. A body that is an *upload is sent as it is, any other
// as JSON.
func (c *client) send(ctx context.Context, method, path string, query url.Values, body any) (*http.Response, error) {
	target := c.base + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	var content io.Reader
	upload, long := body.(*upload)
	if long {
		content = upload
	} else if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("encoding the request: %w", err)
		}
		defer clear(b)
		content = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, target, content)
	if err != nil {
		return nil, err
	}
	if long {
		req.ContentLength = upload.size
	}
	for name, values := range c.header {
		req.Header[name] = values
	}
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if len(c.token.b) > 0 {
		req.Header.Set("Authorization", "Bearer "+c.token.reveal())
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	if res.StatusCode >= 300 {
		defer res.Body.Close()
		return nil, refusal(res)
	}
	return res, nil
}

// refusal reads a problem; an answer that is none did not come from walletd.
func refusal(res *http.Response) error {
	b, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	p := new(problem)
	if err == nil && json.Unmarshal(b, p) == nil && p.Code != "" {
		p.Status = res.StatusCode
		return p
	}
	return withHint(fmt.Errorf("the service answered %d and gave no reason", res.StatusCode),
		"is the address that of walletd? It answers GET /healthz")
}

func (c *client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // without the url, which the hint shows
	}
	return withHint(fmt.Errorf("the service does not answer: %w", err),
		fmt.Sprintf("is walletd running at %s? Start it with walletd serve, or set WALLETD_URL", shown(c.base)))
}

// call makes a request and returns the JSON it answers with; nil for an answer without a body.
func (c *client) call(ctx context.Context, method, path string, query url.Values, body any) (json.RawMessage, error) {
	_, answer, err := c.exchange(ctx, method, path, query, body)
	return answer, err
}

// exchange is call, with the status.
func (c *client) exchange(ctx context.Context, method, path string, query url.Values, body any) (int, json.RawMessage, error) {
	res, err := c.send(ctx, method, path, query, body)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return 0, nil, fmt.Errorf("reading the answer of the service: %w", err)
	}
	if len(b) > maxAnswer || len(b) > 0 && !json.Valid(b) {
		return 0, nil, errors.New("the answer of the service is not JSON, or too long")
	}
	return res.StatusCode, b, nil
}

func (c *client) get(ctx context.Context, path string, query url.Values) (json.RawMessage, error) {
	return c.call(ctx, http.MethodGet, path, query, nil)
}

func (c *client) post(ctx context.Context, path string, body any) (json.RawMessage, error) {
	return c.call(ctx, http.MethodPost, path, nil, body)
}

func (c *client) delete(ctx context.Context, path string, body any) (json.RawMessage, error) {
	return c.call(ctx, http.MethodDelete, path, nil, body)
}

// segment is text as one segment of a path.
func segment(s string) string { return url.PathEscape(s) }

// fetch gets a path and reads its answer.
func fetch[T any](ctx context.Context, c *client, path string, query url.Values) (v T, err error) {
	answer, err := c.get(ctx, path, query)
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal(answer, &v); err != nil {
		return v, fmt.Errorf("reading the answer of the service: %w", err)
	}
	return v, nil
}
