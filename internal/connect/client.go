package connect

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	_ "golang.org/x/crypto/x509roots/fallback" // roots of TLS where the system has none

	"walletd/internal/did"
)

// Limits of an exchange (reference d.4).
const (
	maxReply = 1 << 20 // bytes
	// maxLast is maxReply for a reply to an answer, which may be a last reply and bring what the app has made:
	// its token, and the little around it. What is kept of it is part of a row of the store, which has 4 MiB.
	maxLast = did.MaxToken + 4<<10
	maxWait = 30 * time.Second // from the first byte sent to the last received
	// appWait is maxWait for an answer, because some apps act on the answer before they reply.
	appWait   = 2 * time.Minute
	maxHops   = 3 // redirects of a GET
	maxHeader = 64 << 10
	maxURL    = 16 << 10
)

// userAgent has the form that dApps require: a name and three numbers at the very start (reference d.2).
const userAgent = "ArcWallet/5.5.0"

// ClientConfig says which addresses a Client may reach. The zero value permits the public internet.
type ClientConfig struct {
	// Allow permits networks that are blocked otherwise: loopback and private ranges, for
	// development. It never permits the addresses of metadata services.
	Allow []netip.Prefix
	// AllowHTTP permits urls without TLS.
	AllowHTTP bool
	// Roots are trusted for TLS; nil means those of the system, or of
	// golang.org/x/crypto/x509roots/fallback where it has none.
	Roots *x509.CertPool
	// Resolver finds addresses; nil means the system's.
	Resolver *net.Resolver
	// Language is sent as Accept-Language, and error texts follow it; "" means en-US. dApps know
	// that and zh-CN.
	Language string
	// AppWait is how long an app may take to reply to an answer; zero is 2 minutes. All other
	// requests have 30 seconds.
	AppWait time.Duration
}

// Client makes the requests of sessions, to untrusted urls. It is safe for concurrent use.
type Client struct {
	http      *http.Client
	allowHTTP bool
	language  string
	wait      time.Duration // maxWait, except in tests
	appWait   time.Duration
}

// NewClient returns a client. The environment does not affect it: it uses no proxy.
func NewClient(c ClientConfig) *Client {
	g := &guard{allow: c.Allow, resolver: c.Resolver}
	if g.resolver == nil {
		g.resolver = net.DefaultResolver
	}
	client := &Client{allowHTTP: c.AllowHTTP, language: c.Language, wait: maxWait, appWait: cmp.Or(c.AppWait, appWait)}
	if client.language == "" {
		client.language = "en-US"
	}
	client.http = &http.Client{
		Transport: &http.Transport{
			DialContext:            g.dial,
			TLSClientConfig:        &tls.Config{RootCAs: c.Roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    10 * time.Second,
			DisableCompression:     true, // a limit in bytes is one of what is read
			MaxResponseHeaderBytes: maxHeader,
			MaxIdleConns:           64,
			MaxIdleConnsPerHost:    64, // one dApp may have as many sessions open
			// Shorter than servers keep idle connections: a POST on a connection that is being
			// closed would end as unknown.
			IdleConnTimeout: 3 * time.Second,
		},
		CheckRedirect: checkRedirect,
	}
	return client
}

// checkRedirect lets a GET follow redirects within its origin. A POST follows none: the redirect is its reply.
func checkRedirect(next *http.Request, via []*http.Request) error {
	first := via[0]
	if first.Method != http.MethodGet {
		return http.ErrUseLastResponse
	}
	if len(via) > maxHops || origin(next.URL.String()) != origin(first.URL.String()) || next.URL.User != nil {
		return blocked(RuleRedirect)
	}
	return nil
}

// CheckURL returns a *BlockedError for a url whose name the client would not look up.
func (c *Client) CheckURL(text string) error {
	_, err := c.parse(text)
	return err
}

func (c *Client) parse(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || len(text) > maxURL:
		return nil, blocked(RuleURL)
	case u.Scheme != "https" && (u.Scheme != "http" || !c.allowHTTP):
		return nil, blocked(RuleScheme)
	case u.User != nil:
		return nil, blocked(RuleUserinfo)
	case u.Hostname() == "" || u.Opaque != "":
		return nil, blocked(RuleURL)
	}
	return u, nil
}

// isTooLarge reports whether err says that a reply arrived and is too large.
func isTooLarge(err error) bool {
	b, ok := errors.AsType[*BlockedError](err)
	return ok && b.Rule == RuleSize
}

// response is a whole HTTP response, whatever its status.
type response struct {
	status int
	body   []byte
	header http.Header
}

// lostError says that a request may have arrived although no reply did.
type lostError struct{ cause error }

func (e *lostError) Error() string { return "the reply was lost: " + e.cause.Error() }
func (e *lostError) Unwrap() error { return e.cause }

// get makes a GET. If the app was reached and did not answer in time, the error is a *BlockedError with RuleTime.
func (c *Client) get(ctx context.Context, url string) (response, error) {
	return c.do(ctx, http.MethodGet, url, nil, c.wait, maxReply)
}

// post makes a POST of an answer in JSON, and never retries it. Its error is a *lostError if the request may have
// arrived.
func (c *Client) post(ctx context.Context, url string, body []byte) (response, error) {
	return c.do(ctx, http.MethodPost, url, body, c.appWait, maxLast)
}

// postDecline is post for a decline, on which the app does not act before it replies.
func (c *Client) postDecline(ctx context.Context, url string, body []byte) (response, error) {
	return c.do(ctx, http.MethodPost, url, body, c.wait, maxReply)
}

func (c *Client) do(ctx context.Context, method, url string, body []byte, wait time.Duration, limit int64) (response, error) {
	u, err := c.parse(url)
	if err != nil {
		return response{}, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, wait, blocked(RuleTime))
	defer cancel()
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent.Store(true) }})
	req := &http.Request{Method: method, URL: u, Host: u.Host, Header: http.Header{
		"User-Agent":      {userAgent},
		"Accept-Language": {c.language},
		"Accept":          {"application/json"},
	}}
	if body != nil {
		// Without GetBody the transport cannot send the body twice.
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		req.Header.Set("Content-Type", "application/json")
	}
	r, err := c.exchange(req.WithContext(ctx), limit)
	if err == nil {
		return r, nil
	}
	// net/http gives the cause as well, also while it still connects; then nobody was reached who took too long.
	if timeout, ok := errors.AsType[*BlockedError](context.Cause(ctx)); ok {
		if err = ctx.Err(); sent.Load() {
			err = timeout
		}
	}
	if method == http.MethodPost && sent.Load() && !isTooLarge(err) {
		return response{}, &lostError{err}
	}
	return response{}, err
}

// exchange sends a request and reads the whole reply, of at most limit bytes.
func (c *Client) exchange(req *http.Request, limit int64) (response, error) {
	resp, err := c.http.Do(req)
	if err != nil {
		if resp != nil {
			resp.Body.Close()
		}
		// The error of net/http holds the url, which is a secret of the session.
		if of, ok := errors.AsType[*url.Error](err); ok {
			err = of.Err
		}
		return response{}, fmt.Errorf("requesting: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return response{}, fmt.Errorf("reading the reply: %w", err)
	}
	if int64(len(body)) > limit {
		return response{}, blocked(RuleSize)
	}
	return response{resp.StatusCode, body, resp.Header}, nil
}

// Delivery is what is kept of a reply to Deliver.
type Delivery struct {
	Status     int
	RetryAfter time.Duration // 0: not said
}

// maxDelivered bounds the reply to Deliver, in bytes: nothing of it is read.
const maxDelivered = 64 << 10

// Deliver posts a body once, by https alone and within a time, to a url that somebody sent, and follows no redirect. An error says
// that no reply came; it may have arrived all the same.
func (c *Client) Deliver(ctx context.Context, url string, header http.Header, body []byte, within time.Duration) (Delivery, error) {
	u, err := c.parse(url)
	if err != nil {
		return Delivery{}, err
	}
	if u.Scheme != "https" {
		return Delivery{}, blocked(RuleScheme)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, within, blocked(RuleTime))
	defer cancel()
	req := &http.Request{Method: http.MethodPost, URL: u, Host: u.Host, Header: header, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body))}
	r, err := c.exchange(req.WithContext(ctx), maxDelivered)
	if err != nil {
		return Delivery{}, err
	}
	d := Delivery{Status: r.status}
	if seconds, err := strconv.Atoi(r.header.Get("Retry-After")); err == nil && seconds > 0 {
		d.RetryAfter = time.Duration(min(seconds, 24*60*60)) * time.Second
	}
	return d, nil
}
