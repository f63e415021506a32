package server

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/go-chi/chi/v5"

	"walletd/internal/store"
)

// maxPath bounds the path of a request, in bytes. The longest of ours names a secret: 4000 bytes,
// each of which may be escaped.
const maxPath = 12 << 10

// everyAnswer are the headers of every answer. Their values are shared: whoever changes one replaces it (Header.Set).
var everyAnswer = http.Header{
	"Cache-Control":                {"no-store"},
	"X-Content-Type-Options":       {"nosniff"},
	"Content-Security-Policy":      {"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"},
	"Referrer-Policy":              {"no-referrer"},
	"Cross-Origin-Resource-Policy": {"same-origin"},
}

// guard is what every request passes before it is routed: headers of the answer, and the path as
// it was sent for the router, so that a name in it is unescaped exactly once (readNames).
func (s *Server) guard(next http.Handler) http.Handler {
	return s.answer(func(w http.ResponseWriter, r *http.Request) error {
		h := w.Header()
		maps.Copy(h, everyAnswer)
		if s.draining.Load() || !s.keystore.Unlocked(0) {
			h.Set("Connection", "close") // what stands in its buffers, as a token, goes with it
		}
		if r.TLS != nil {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		path := r.URL.EscapedPath()
		if len(path) > maxPath {
			if err := s.checkUnrouted(w, r); err != nil {
				return err
			}
			return store.ErrNotFound
		}
		chi.RouteContext(r.Context()).RoutePath = path
		next.ServeHTTP(w, r)
		return nil
	})
}

// answer makes a handler of a function that may fail. What fails is answered from the table;
// what is not in it, and a panic, is logged once with the id that the answer carries too.
func (s *Server) answer(f func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := func() (err error) {
			defer func() {
				if p := recover(); p != nil {
					if p == http.ErrAbortHandler {
						panic(p)
					}
					err = &panicError{value: p, stack: debug.Stack()}
				}
			}()
			return f(w, r)
		}()
		if err == nil {
			return
		}
		p, expected := problemOf(err)
		s.metrics.problem(p.Code)
		if errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrFull) {
			s.noteStore(err)
		}
		if !expected {
			id := store.NewID()
			p.Detail += " Request " + id + "."
			event := s.log.Error().Str("request", id).Str("method", r.Method).Str("route", chi.RouteContext(r.Context()).RoutePattern()).Err(err)
			if panicked, ok := errors.AsType[*panicError](err); ok {
				event = event.Bytes("stack", panicked.stack)
			}
			event.Msg("a request failed")
		}
		p.write(w)
	}
}

// panicError is a panic of a handler. Its text says of what type the value was and nothing of
// the value, which may hold anything.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string {
	if err, ok := e.value.(error); ok {
		if _, ours := err.(interface{ RuntimeError() }); ours {
			return "panic: " + err.Error()
		}
	}
	return "panic"
}

// observe counts requests and their time by route and class of status.
func (s *Server) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		seen := &recorder{ResponseWriter: w}
		if c := connectionOf(r); c != nil {
			defer c.begin()()
		}
		next.ServeHTTP(seen, r)
		route := chi.RouteContext(r.Context()).RoutePattern()
		if route == "" || route == "/*" {
			route = "none"
		}
		s.metrics.request(r.Method, route, seen.status, time.Since(began))
		if e := s.log.Debug(); e.Enabled() {
			e.Str("method", r.Method).Str("route", route).Int("status", seen.status).
				Str("from", s.proxies.client(r)).Dur("took", time.Since(began)).Msg("request")
		}
	})
}

// recorder notes the status of an answer.
type recorder struct {
	http.ResponseWriter
	status int
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController through.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// stopping returns a context that ends with the request, or when the server is told to stop:
// for what only waits.
func (s *Server) stopping(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.stops, cancel)
	return ctx, func() { stop(); cancel() }
}
