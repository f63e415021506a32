package server

import (
	"context"
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"

	"walletd/api"
)

// Describe returns the answer to an error as the table has it, and whether it is one of the table: what
// is not is the service's own fault, and belongs in the log.
func Describe(err error) (api.Problem, bool) {
	p, expected := problemOf(err)
	return p.Problem, expected
}

// routePages adds the pages for people. They are not of the contract, but pass the same guard: the
// Host, the rates, and no request that a page of another site made the browser send.
func (s *Server) routePages(r *chi.Mux) {
	chi.Walk(s.pages, func(method, route string, page http.Handler, _ ...func(http.Handler) http.Handler) error {
		r.Method(method, route, s.page(page))
		return nil
	})
}

// page answers with a page. It sees the Host and the address that the client named, whatever a proxy
// made of them.
func (s *Server) page(page http.Handler) http.HandlerFunc {
	return s.answer(func(w http.ResponseWriter, r *http.Request) error {
		if err := s.checkSource(w, r, anyone); err != nil {
			return err
		}
		if onReserve(r) {
			return errFull
		}
		ctx := r.Context()
		if r.Header.Get("Accept") == "text/event-stream" {
			s.waiting.Add(1)
			defer s.waiting.Add(-1)
			var cancel context.CancelFunc
			ctx, cancel = s.stopping(ctx)
			defer cancel()
		}
		seen := r.WithContext(ctx)
		seen.Host, seen.RemoteAddr = s.proxies.host(r), s.proxies.client(r)
		seen.Body = http.MaxBytesReader(w, r.Body, int64(small))
		page.ServeHTTP(w, seen)
		return nil
	})
}

// isForPage reports whether a request that no route answers came from a person's browser.
func (s *Server) isForPage(r *http.Request) bool {
	return s.pages != nil && r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html") && !strings.HasPrefix(r.URL.Path, "/v1/")
}
