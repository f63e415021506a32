// Package client speaks to a running walletd: one method for each operation of its HTTP contract,
// over the wire types of package api.
//
//	c, err := client.New(client.Config{URL: "https://wallet.example", Token: token})
//	answer, err := c.Ask(ctx, api.EncryptionKeyClaim{Type: api.ClaimEncryptionKey, Salt: "notes"})
//	if pending, ok := errors.AsType[*client.PendingError](err); ok {
//		show(pending.Code)
//		answer, err = c.Await(ctx, pending.ID)
//	}
//
// # Who may call
//
// The service decides that by the token: an operator's, an owner's or an app's. A method names the
// role that it takes. What belongs to one wallet is reached through Client.Wallet, what belongs to
// one app's secret storage through Client.Secrets.
//
// # Errors
//
//   - *api.Problem: the service refused. Its Code is kept as it came, also one that this package
//     does not know. A refusal changed nothing.
//   - *PendingError: the owner was asked, and has not answered.
//   - *UnreachableError: there was no answer; whether the request took effect is not known.
//   - *AnswerError: something answered that is not walletd.
//   - api.ErrNotText: a secret that is passed in is not UTF-8, which JSON would change; nothing was sent.
//   - the context's error, if the context ended the call.
//
// No error holds the token, a secret or the body of a request.
//
// # Secrets
//
// The token and every secret are api.SecretText, which does not print itself; whoever passes one in
// or gets one back wipes it. The client sends the token in the Authorization header and nowhere
// else, follows no redirect, and speaks http only to this machine: the name must mean a loopback
// address, and so must the address that is dialled. Bodies that were sent or read are wiped.
//
// # Time
//
// A call that is not answered within two minutes fails with an UnreachableError; a context can end
// it earlier. What is streamed (Wallet.Backup, Wallet.InspectBackup, Client.Restore,
// Client.Snapshot, Audit.Export, Client.Events), and what reads a whole log (Audit.Verify, Audit.Archive), takes as long as it takes, and ends with its
// context.
package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"walletd/api"
)

// Bounds of one call that is not streamed.
const (
	maxAnswer = 16 << 20
	// patience covers the slowest answers: an unlock after failures, a claim that is waited for.
	patience = 2 * time.Minute
)

var (
	// ErrURL is returned by New for a URL that names no service: it must have the scheme http or
	// https, and no user, query or fragment.
	ErrURL = errors.New("the service's address must be like https://wallet.example or http://127.0.0.1:8080")
	// ErrCleartext is returned by New for http to another machine.
	ErrCleartext = errors.New("that is not this machine, and http would show secrets to the network")
)

// Config says which service to speak to, and as whom.
type Config struct {
	// URL is the service's address, https://HOST[:PORT] or http:// of this machine.
	URL string
	// Token is the bearer token; the zero one for what needs none. The client keeps it and does not wipe it.
	Token api.SecretText
	// TLS is the configuration of https; nil trusts the authorities that this machine trusts.
	TLS *tls.Config
}

// Client speaks to one service with one token. It may be used concurrently.
type Client struct {
	base  string
	token api.SecretText
	touch string // the header of a touch, or ""
	http  *http.Client
}

// New makes a client. It does not connect. Errors: ErrURL, ErrCleartext.
func New(c Config) (*Client, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, ErrURL // without the text, which may hold a password
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DialContext = dialer.DialContext
	transport.TLSClientConfig = c.TLS
	if u.Scheme == "http" {
		if !isLoopback(u.Hostname()) {
			return nil, fmt.Errorf("%s: %w", u.Host, ErrCleartext)
		}
		transport.Proxy = nil
		dialer.Control = func(_, address string, _ syscall.RawConn) error {
			// The name was checked above; what it resolves to is checked here.
			if host, _, err := net.SplitHostPort(address); err != nil || !isLoopback(host) {
				return errors.New("http is for this machine only")
			}
			return nil
		}
	}
	return &Client{base: strings.TrimSuffix(c.URL, "/"), token: c.Token, http: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// isLoopback reports whether a host is this machine by its name alone.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// Close closes the connections that are kept for further calls.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// UnreachableError is a call that got no answer, or half of one.
type UnreachableError struct {
	URL string // of the service
	Err error
}

// Error says what happened.
func (e *UnreachableError) Error() string { return "the service does not answer: " + e.Err.Error() }

// Unwrap returns what happened.
func (e *UnreachableError) Unwrap() error { return e.Err }

// AnswerError is an answer that does not come from walletd, or not from one that this package knows.
type AnswerError struct {
	Status int // of HTTP
	Why    string
}

// Error says what is wrong with the answer.
func (e *AnswerError) Error() string {
	return fmt.Sprintf("the service answered %d %s", e.Status, e.Why)
}

// PendingError says that the owner was asked. It is no failure: there is no answer yet.
type PendingError struct{ api.Pending }

// Error says that nobody has answered.
func (e *PendingError) Error() string { return "the owner has not answered yet" }

// request is one exchange.
type request struct {
	method, path string
	query        any // a query type of package api, or nil
	header       http.Header
	body         any       // sent as JSON, or nil
	upload       io.Reader // instead of body: JSON that is sent as it is read
	size         int64     // of upload, in bytes; -1 if it is not known
}

// send makes a request and returns the answer of one that was not refused; the caller closes its
// body.
func (c *Client) send(ctx context.Context, r request) (*http.Response, error) {
	target := c.base + r.path
	query, err := values(r.query)
	if err != nil {
		return nil, err
	}
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, r.upload)
	if err != nil {
		return nil, errors.New("the request cannot be made") // the error names the target
	}
	for name, value := range r.header {
		req.Header[name] = value
	}
	switch {
	case r.upload != nil:
		req.ContentLength = r.size
	case r.body != nil:
		b, err := json.Marshal(r.body)
		if errors.Is(err, api.ErrNotText) {
			return nil, fmt.Errorf("a secret cannot be sent: %w", api.ErrNotText)
		} else if err != nil {
			return nil, fmt.Errorf("writing the request: %w", err)
		}
		req.ContentLength = int64(len(b))
		req.Body = newWiped(b)
		req.GetBody = func() (io.ReadCloser, error) { // for a connection that was closed meanwhile
			b, err := json.Marshal(r.body)
			return newWiped(b), err
		}
	}
	if req.Body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if !c.token.IsZero() {
		req.Header.Set("Authorization", "Bearer "+string(c.token.Reveal()))
	}
	if c.touch != "" {
		req.Header.Set("Walletd-Touch", c.touch)
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

// refusal reads a problem.
func refusal(res *http.Response) error {
	b, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	p := new(api.Problem)
	if err != nil || json.Unmarshal(b, p) != nil || p.Code == "" {
		return &AnswerError{res.StatusCode, "and gave no reason"}
	}
	p.Status = res.StatusCode
	return p
}

// errPatience ends a call that is not answered.
var errPatience = fmt.Errorf("nothing came within %s", patience)

// unreachable says why there is no answer, without the URL, which the type has.
func (c *Client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		if cause := context.Cause(ctx); !errors.Is(cause, errPatience) {
			return cause
		}
		err = errPatience
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	return &UnreachableError{c.base, err}
}

// call makes a request and reads its whole answer, which is JSON or nothing.
func call[T any](ctx context.Context, c *Client, r request) (out T, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errPatience)
	defer cancel()
	err = c.stream(ctx, r, &out)
	return out, err
}

// stream makes a call for as long as it takes, and reads the answer into out, which is a pointer.
func (c *Client) stream(ctx context.Context, r request, out any) error {
	res, err := c.send(ctx, r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	b, err := c.read(ctx, res)
	if err != nil {
		return err
	}
	defer clear(b)
	if res.StatusCode == http.StatusAccepted {
		pending := new(PendingError)
		if err := json.Unmarshal(b, &pending.Pending); err != nil {
			return &AnswerError{res.StatusCode, "with what is not JSON"}
		}
		return pending
	}
	if len(b) == 0 {
		return nil
	}
	if err := json.Unmarshal(b, out); err != nil {
		return &AnswerError{res.StatusCode, "with what does not fit its description"}
	}
	return nil
}

// do is call for an answer without a body.
func (c *Client) do(ctx context.Context, r request) error {
	_, err := call[struct{}](ctx, c, r)
	return err
}

// read reads an answer into one buffer, so that no copy of it stays behind when that is wiped.
func (c *Client) read(ctx context.Context, res *http.Response) ([]byte, error) {
	if res.ContentLength > maxAnswer {
		return nil, &AnswerError{res.StatusCode, "with more than is to be expected"}
	}
	var b bytes.Buffer
	if res.ContentLength > 0 {
		b.Grow(int(res.ContentLength) + bytes.MinRead)
	}
	if _, err := b.ReadFrom(io.LimitReader(res.Body, maxAnswer+1)); err != nil {
		clear(b.Bytes())
		return nil, c.unreachable(ctx, fmt.Errorf("reading the answer: %w", err))
	}
	if b.Len() > maxAnswer {
		return nil, &AnswerError{res.StatusCode, "with more than is to be expected"}
	}
	return b.Bytes(), nil
}

// values makes a query of the JSON members of a query type.
func values(query any) (url.Values, error) {
	if query == nil {
		return nil, nil
	}
	b, err := json.Marshal(query)
	if err != nil {
		return nil, fmt.Errorf("writing the query: %w", err)
	}
	members := map[string]any{}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&members); err != nil {
		return nil, fmt.Errorf("writing the query: %w", err)
	}
	v := url.Values{}
	for name, member := range members {
		v.Set(name, fmt.Sprint(member))
	}
	return v, nil
}

// segment is text as one segment of a path.
func segment(s string) string { return url.PathEscape(s) }
