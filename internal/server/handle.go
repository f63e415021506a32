package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-chi/chi/v5"

	"walletd/api"
	"walletd/internal/auth"
	"walletd/internal/secretstorage"
	"walletd/internal/store"
	"walletd/internal/strictjson"
)

// call is one request while it is answered. Its caller is closed once it is.
type call struct {
	caller  *auth.Caller      // nil where nobody has to say who they are
	claims  []json.RawMessage // that a signed request asks for
	names   map[string]string // of the path, unescaped
	request *http.Request
	upload  *store.Spool        // the backup in a huge body; nil if there is none
	header  http.Header         // of the answer
	writer  http.ResponseWriter // what takes long gives itself more time with it (slowly)
	status  int                 // of the answer; 0 is 200, or 204 without one
}

// none is what a request without a body or query, or an answer without a body, holds.
type none struct{}

// raw is an answer that is not JSON: it is written as it comes.
type raw struct {
	contentType string
	write       func(io.Writer) error
}

// operation is a handler with the types that it takes and answers with. Its functions take
// pointers to values of these types.
type operation struct {
	query, body, answer reflect.Type
	do                  func(ctx context.Context, c *call, query, body any) (any, error)
	answers             bool // by Pipeline.Answer alone, so that its caller may be one that is remembered
}

// handle makes an operation of a function that takes one thing: the body of a request that has
// one, else its query.
func handle[In, Out any](do func(context.Context, *call, In) (Out, error)) operation {
	return operation{query: reflect.TypeFor[In](), body: reflect.TypeFor[In](), answer: reflect.TypeFor[Out](), do: func(ctx context.Context, c *call, query, body any) (any, error) {
		if body == nil {
			body = query
		}
		return do(ctx, c, *body.(*In))
	}}
}

// handleAnswered is handle for what calls Pipeline.Answer, and does nothing else with its caller.
func handleAnswered[In, Out any](do func(context.Context, *call, In) (Out, error)) operation {
	op := handle(do)
	op.answers = true
	return op
}

// handleQueried makes an operation of a function that takes a query and a body.
func handleQueried[Query, In, Out any](do func(context.Context, *call, Query, In) (Out, error)) operation {
	return operation{query: reflect.TypeFor[Query](), body: reflect.TypeFor[In](), answer: reflect.TypeFor[Out](), do: func(ctx context.Context, c *call, query, body any) (any, error) {
		return do(ctx, c, *query.(*Query), *body.(*In))
	}}
}

// inputs returns what the query and the body of a request are read into. One that the route does
// not have is nil.
func (rt route) inputs() (query, body any) {
	op := rt.operation
	if rt.body != bodiless {
		body = reflect.New(op.body).Interface()
	}
	if rt.body == bodiless || op.query != op.body {
		query = reflect.New(op.query).Interface()
	}
	return query, body
}

// serve makes the handler of a route: it reads the body, identifies the caller, decodes, runs the
// operation and encodes what that returns. All errors, of each step, leave through the one table.
func (s *Server) serve(rt route) http.HandlerFunc {
	bodySecret := holdsSecret(rt.operation.body)
	return s.answer(func(w http.ResponseWriter, r *http.Request) error {
		if err := s.checkSource(w, r, rt.callers); err != nil {
			return err
		}
		if !rt.callers.mayUseReserve() && onReserve(r) {
			return errFull
		}
		if rt.callers.ofApps() {
			if s.store.ClockBehind() > maxBehind {
				return errClock // what has ended would seem to live
			}
			if err := s.store.CheckClock(r.Context()); err != nil {
				return err
			}
		}
		c := &call{request: r, header: w.Header(), writer: w}
		defer func() { c.caller.Close() }()
		if rt.body.callerFirst() {
			done, err := s.admit(w, c, rt)
			if err != nil {
				c.header.Set("Connection", "close") // or the answer would wait for the body
				return err
			}
			defer done()
		}
		query, body := rt.inputs()
		text, err := s.readBody(w, c, rt)
		defer c.upload.Close()
		if rt.secrecy == wipes {
			defer func() {
				if clear(text); bodySecret { // other values are in the text itself
					wipe(body)
				}
			}()
		}
		if err != nil {
			return err
		}
		if err := decodeQuery(r, query); err != nil {
			return err
		}
		if body != nil {
			if err := decode(text, body); err != nil {
				return err
			}
		}
		if c.caller == nil {
			if err := s.identify(c, rt, text, body); err != nil {
				return err
			}
		}
		if err := s.checkTouch(c, text); err != nil {
			return err
		}
		out, err := rt.operation.do(r.Context(), c, query, body)
		if rt.secrecy == wipes {
			defer func() { wipe(out) }()
		}
		if err != nil {
			return err
		}
		return encode(w, c.status, out)
	})
}

// readBody returns the body of a request that has one; of a huge one, what is beside the backup.
func (s *Server) readBody(w http.ResponseWriter, c *call, rt route) (text []byte, err error) {
	if rt.body != huge {
		return read(w, c.request, rt.body)
	}
	text, c.upload, err = s.receive(w, c.request)
	return text, err
}

// read returns the body of a request that has one.
func read(w http.ResponseWriter, r *http.Request, limit body) ([]byte, error) {
	if limit == bodiless {
		return nil, nil
	}
	if !saysJSON(r.Header) {
		return nil, errContentType
	}
	if r.ContentLength > int64(limit) {
		return nil, errBodyTooLarge
	}
	whole := bytes.NewBuffer(make([]byte, 0, max(r.ContentLength, 0)+bytes.MinRead)) // not grown, so that no copy stays behind
	_, err := whole.ReadFrom(http.MaxBytesReader(w, r.Body, int64(limit)))
	return whole.Bytes(), bodyError(w, err)
}

// bodyError says what an error of reading a body is to who sent it. Those of the table of errors stay what they are.
func bodyError(w http.ResponseWriter, err error) error {
	if err == nil {
		return nil
	}
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return errBodyTooLarge
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return fmt.Errorf("%w: reading the body", errDeadline)
	}
	w.Header().Set("Connection", "close") // where the next request would begin is not known
	for _, ours := range []error{errBodyTooLarge, strictjson.ErrNotJSON, strictjson.ErrNotObject, strictjson.ErrTooDeep, store.ErrFull} {
		if errors.Is(err, ours) {
			return err
		}
	}
	return errBody
}

// saysJSON reports whether the headers of a request say that its body is JSON in UTF-8, not coded
// otherwise (RFC 9110, sections 8.3 and 8.4). JSON has no parameters: those that cannot be read say
// nothing, as the Fetch standard reads a type, but a charset may not be another.
func saysJSON(h http.Header) bool {
	if len(h["Content-Type"]) != 1 {
		return false
	}
	media, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if media != "application/json" || err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return false
	}
	switch strings.ToLower(params["charset"]) {
	case "", "utf-8", "utf8", "us-ascii": // which is UTF-8 too
	default:
		return false
	}
	for _, coding := range elements(h, "Content-Encoding") {
		if !strings.EqualFold(coding, "identity") {
			return false
		}
	}
	return true
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

// readNames unescapes the names in the path once: the router matched the path as it was sent
// (guard). What is longer than any name here, or not text, is not found.
func (c *call) readNames() error {
	params := chi.RouteContext(c.request.Context()).URLParams
	for i, key := range params.Keys {
		text, err := url.PathUnescape(params.Values[i])
		longest, controls := 128, false
		switch key { // which an app has chosen
		case "name":
			longest, controls = secretstorage.MaxName, true
		case "keyId":
			longest, controls = 255, true
		}
		if err != nil || text == "" || len(text) > longest || !utf8.ValidString(text) || !controls && !printable(text) {
			return auth.ErrNotFound
		}
		if c.names == nil {
			c.names = map[string]string{}
		}
		c.names[key] = text
	}
	return nil
}

func printable(text string) bool {
	for _, r := range text {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return false
		}
	}
	return true
}

// pageOf is the page that a query asks for.
func pageOf(limit int, cursor string) store.Page {
	if limit == 0 {
		limit = 50
	}
	return store.Page{Cursor: cursor, Limit: limit}
}

// listOf makes the answer of a list from what claims returns.
func listOf[V, T any](views []V, next string, err error, shape func(V) T) (api.List[T], error) {
	return api.List[T]{Items: each(views, shape), Next: next}, err
}

// each returns the shapes of all views, never nil.
func each[V, T any](views []V, shape func(V) T) []T {
	all := make([]T, len(views))
	for i, v := range views {
		all[i] = shape(v)
	}
	return all
}

// utc returns a time as answers hold it: in UTC, or zero.
func utc(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC()
}
