package server

import (
	"bytes"
	"context"
	"crypto/hmac"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"golang.org/x/crypto/sha3"

	"walletd/internal/claims"
	"walletd/internal/store"
)

// maxBody bounds the body of a request, in bytes.
const maxBody = 64 << 10

// call is one request while it is answered. Its Caller is closed by handle.
type call struct {
	*claims.Caller
	ctx    context.Context
	r      *http.Request
	header http.Header // of the answer
	status int         // of the answer; 0 is 200, or 204 without one
}

// none is what a request without a body, or an answer without one, holds.
type none struct{}

// empty is the body {}.
type empty struct{}

// raw is an answer that is not JSON: it is written as it comes.
type raw struct {
	contentType string
	write       func(io.Writer) error
}

// wiper is a request that holds secrets, which are wiped once it is answered.
type wiper interface{ wipe() }

// credential is a request that identifies its caller itself, and says whether it did. All others
// take a token.
type credential interface {
	identify(s *Server, c *call) (done bool, err error)
}

// public is a request that anyone may make.
type public struct{}

func (*public) identify(*Server, *call) (bool, error) { return true, nil }

// handle makes the handler of one operation: it decodes the body (or, of a GET, the query),
// identifies the caller, calls do, and encodes what that returns. All errors, of each step, leave
// through the one table.
func handle[In, Out any](s *Server, do func(*call, In) (Out, error)) http.HandlerFunc {
	return s.answer(func(w http.ResponseWriter, r *http.Request) error {
		in := new(In)
		if wipes, ok := any(in).(wiper); ok {
			defer wipes.wipe()
		}
		c := &call{ctx: r.Context(), r: r, header: w.Header()}
		defer func() { c.Close() }()
		if h, ok := any(in).(huge); ok {
			if err := s.admit(w, c, h); err != nil {
				w.Header().Set("Connection", "close") // or the answer would wait for the body
				return err
			}
			defer s.huge.Add(-1)
		}
		body, err := read(w, r, in)
		if _, secret := any(in).(wiper); secret {
			defer clear(body)
		}
		if err != nil {
			return err
		}
		if _, is := any(in).(huge); is && bytes.Count(body, []byte{','}) > maxParts {
			return fmt.Errorf("%w: it has more parts than a backup has", claims.ErrBackup)
		}
		if err := decodeInto(r, body, in); err != nil {
			return err
		}
		if c.Caller == nil {
			if err := s.identify(c, body, in); err != nil {
				return err
			}
		}
		if err := s.fromPage(c); err != nil {
			return err
		}
		if err := c.entitled(); err != nil {
			return err
		}
		out, err := do(c, *in)
		if err != nil {
			return err
		}
		return encode(w, c.status, out)
	})
}

// large is a request whose body may be larger than maxBody.
type large interface{ limit() int64 }

// maxParts bounds the members and elements in a huge body, which is a few long texts: each part
// takes its reader thirty times its own size.
const maxParts = 1000

// maxHuge bounds the huge bodies in memory at one time.
const maxHuge = 2

// huge is a large request whose caller is identified and admitted before its body is read: a
// stranger sends no more than maxBody. Its body has largeTime to come.
type huge interface {
	large
	admit(*call) error
}

// admit lets the body of a huge request come, and counts it; errHuge where others take the room.
func (s *Server) admit(w http.ResponseWriter, c *call, h huge) error {
	if err := s.identify(c, nil, h); err != nil {
		return err
	}
	if err := s.fromPage(c); err != nil {
		return err
	}
	if err := c.entitled(); err != nil {
		return err
	}
	if c.Once != nil {
		return &memberError{"the header Idempotency-Key", "is not taken here: a body of this size is not remembered"}
	}
	if err := h.admit(c); err != nil {
		return err
	}
	if s.huge.Add(1) > maxHuge {
		s.huge.Add(-1)
		return errHuge
	}
	slowly(w)
	http.NewResponseController(w).SetReadDeadline(time.Now().Add(largeTime))
	return nil
}

// querier is a request that is no GET and has a query all the same.
type querier interface{ query() any }

func hasBody(r *http.Request, in any) bool {
	switch in.(type) {
	case *none, bodiless:
		return false
	}
	return r.Method != http.MethodGet
}

// read returns the body of a request that has one.
func read(w http.ResponseWriter, r *http.Request, in any) ([]byte, error) {
	if !hasBody(r, in) {
		return nil, nil
	}
	limit := int64(maxBody)
	if l, ok := in.(large); ok {
		limit = l.limit()
	}
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if charset, given := params["charset"]; err != nil || media != "application/json" || given && !strings.EqualFold(charset, "utf-8") || len(r.Header["Content-Type"]) != 1 {
		return nil, errContentType
	}
	if r.ContentLength > limit {
		return nil, errBodyTooLarge
	}
	whole := bytes.NewBuffer(make([]byte, 0, max(r.ContentLength, 0)+bytes.MinRead)) // not grown, so that no copy stays behind
	_, err = whole.ReadFrom(http.MaxBytesReader(w, r.Body, limit))
	body := whole.Bytes()
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return body, errBodyTooLarge
	}
	if err != nil {
		return body, fmt.Errorf("%w: reading the body", errDeadline) // too slow, or cut off
	}
	return body, nil
}

// decodeInto reads the body, or the query of a GET, into a request.
func decodeInto(r *http.Request, body []byte, in any) error {
	if r.Method != http.MethodGet {
		if q, ok := in.(querier); ok {
			if err := decodeQuery(r, q.query()); err != nil {
				return err
			}
		} else if r.URL.RawQuery != "" {
			return &memberError{"the query", "must be empty"}
		}
		if !hasBody(r, in) {
			return nil
		}
		return decode(body, in)
	}
	return decodeQuery(r, in)
}

func decodeQuery(r *http.Request, in any) error {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return &memberError{"the query", "must be percent-encoded"}
	}
	object := map[string]string{}
	for name, values := range query {
		if len(values) != 1 {
			return &memberError{"the query", "must hold each name once"}
		}
		object[name] = values[0]
	}
	whole, err := json.Marshal(object)
	if err != nil {
		return fmt.Errorf("reading the query: %w", err)
	}
	return decode(whole, in)
}

// identify finds the caller: by the request itself if it can, else by its token.
func (s *Server) identify(c *call, body []byte, in any) error {
	if who, ok := in.(credential); ok {
		if done, err := who.identify(s, c); done || err != nil {
			return err
		}
	}
	key := c.r.Header["Idempotency-Key"]
	if len(key) > 1 || len(key) == 1 && !visible(key[0]) {
		return &memberError{"the header Idempotency-Key", "must be 1 to 128 visible ASCII characters"}
	}
	fields := c.r.Header["Authorization"]
	if len(fields) != 1 {
		return claims.ErrUnauthorized
	}
	scheme, token, ok := strings.Cut(fields[0], " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return claims.ErrUnauthorized
	}
	caller, err := s.door.Authenticate(c.ctx, token)
	if err != nil {
		return err
	}
	c.Caller = caller
	if len(key) == 1 && c.r.Method == http.MethodPost {
		caller.Once = onceOf(c.r, key[0], token, body)
	}
	return nil
}

// onceOf names a request with an Idempotency-Key. The digest of the body is keyed with the token,
// which the store does not have: who reads the store cannot guess a short body from it.
func onceOf(r *http.Request, key, token string, body []byte) *claims.Once {
	once := &claims.Once{Route: r.Method + " " + r.URL.EscapedPath(), Key: key}
	mac := hmac.New(sha3.New256, []byte(token))
	mac.Write(body)
	mac.Sum(once.Digest[:0])
	return once
}

func visible(text string) bool {
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return false
		}
	}
	return len(text) > 0 && len(text) <= 128
}

// encode writes an answer.
func encode(w http.ResponseWriter, status int, out any) error {
	h := w.Header()
	switch out := out.(type) {
	case none:
		w.WriteHeader(http.StatusNoContent)
		return nil
	case raw:
		h.Set("Content-Type", out.contentType)
		return out.write(w)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(out); err != nil {
		return fmt.Errorf("writing the answer: %w", err)
	}
	defer clear(b.Bytes()) // it may hold a key, which has left
	if status == 0 {
		status = http.StatusOK
	}
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	w.Write(b.Bytes())
	return nil
}

// entitled refuses a token of another wallet than the one in the path, as if that did not exist.
// What a role may do is for claims to say; an operator's token is of no wallet.
func (c *call) entitled() error {
	if c.Caller == nil || c.Role == claims.Operator || chi.URLParam(c.r, "wallet") == "" {
		return nil
	}
	if wallet, err := c.param("wallet"); err != nil || wallet != c.Wallet {
		return claims.ErrNotFound
	}
	return nil
}

// only holds an operation to one role, where the package below does not.
func only[In, Out any](role claims.Role, do func(*call, In) (Out, error)) func(*call, In) (Out, error) {
	return func(c *call, in In) (Out, error) {
		if c.Role != role {
			var nothing Out
			return nothing, fmt.Errorf("%w: it takes a token of the role %s", claims.ErrForbidden, role)
		}
		return do(c, in)
	}
}

// param returns a name from the path, unescaped once: the router matched the path as it was sent
// (guard). What is longer than any name here, or not UTF-8, is not found.
func (c *call) param(name string) (string, error) {
	text, err := url.PathUnescape(chi.URLParam(c.r, name))
	if err != nil || text == "" || len(text) > 128 || !printable(text) {
		return "", claims.ErrNotFound
	}
	return text, nil
}

func printable(text string) bool {
	for _, r := range text {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return false
		}
	}
	return true
}

// page is the part of a list that a query asks for.
type page struct {
	Limit  number `json:"limit,omitempty" min:"1" max:"200"`
	Cursor string `json:"cursor,omitempty" max:"512"`
}

func (p page) of() store.Page {
	if p.Limit == 0 {
		p.Limit = 50
	}
	return store.Page{Cursor: p.Cursor, Limit: int(p.Limit)}
}

// list is a page of a list as it is answered.
type list[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"`
}

// listOf makes the answer of a list from what claims returns.
func listOf[V, T any](views []V, next string, err error, shape func(V) T) (list[T], error) {
	l := list[T]{Items: make([]T, 0, len(views)), Next: next}
	for _, v := range views {
		l.Items = append(l.Items, shape(v))
	}
	return l, err
}
