package server

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/go-chi/httprate"

	"walletd/api"
	"walletd/internal/auth"
)

// How often a pairing may be begun from one address, in pairingWindow.
const (
	pairingsOfAddress = 20
	pairingWindow     = 5 * time.Minute
	pairingPoll       = "2" // seconds
)

func newPairingLimit() *httprate.RateLimiter {
	return httprate.NewRateLimiter(pairingsOfAddress, pairingWindow, httprate.WithResponseHeaders(httprate.ResponseHeaders{}))
}

// page returns the origin of the page that sent a request.
func (c *call) page() (string, error) {
	if said := c.request.Header["Origin"]; len(said) == 1 {
		if origin := originOf(said[0]); auth.CheckOrigin(origin) {
			return origin, nil
		}
	}
	return "", errNoPage
}

func (s *Server) beginPairing(ctx context.Context, c *call, in api.NewPairing) (api.PendingPairing, error) {
	origin, err := c.page()
	if err != nil {
		return api.PendingPairing{}, err
	}
	p, err := s.prove(c, "")
	if err != nil {
		return api.PendingPairing{}, err
	}
	from := s.proxies.client(c.request)
	if s.pairings.OnLimit(nowhere{}, c.request, httprate.CanonicalizeIP(from)) {
		s.limits.bite("pairings_of_address")
		return api.PendingPairing{}, errRate
	}
	v, err := s.auth.BeginPairing(ctx, p, auth.NewPairing{Origin: origin, Name: in.Name, Address: from})
	if err != nil {
		return api.PendingPairing{}, err
	}
	s.metrics.Count("pairing.begun")
	c.status = http.StatusCreated
	return pendingPairing(v), nil
}

func pendingPairing(v auth.PairingView) api.PendingPairing {
	return api.PendingPairing{ID: v.ID, Status: "pending", Code: v.Code, Thumbprint: v.Thumbprint, ExpiresAt: utc(v.Expires)}
}

// paired answers a page that waits to be paired, or renews its token.
func (s *Server) paired(ctx context.Context, c *call, _ api.Empty) (any, error) {
	origin, err := c.page()
	if err != nil {
		return nil, err
	}
	p, err := s.prove(c, "")
	if err != nil {
		return nil, err
	}
	t, v, err := s.auth.Paired(ctx, p, c.names["id"], origin)
	switch {
	case errors.Is(err, auth.ErrPairingPending):
		c.status = http.StatusAccepted
		c.header.Set("Retry-After", pairingPoll)
		return pendingPairing(v), nil
	case errors.Is(err, auth.ErrUnauthorized):
		return nil, auth.ErrPairingExpired
	case err != nil:
		return nil, err
	}
	s.metrics.Count("pairing.token")
	return api.BoundToken{
		ID: t.ID, Token: api.NewSecretText([]byte(t.Text)), TokenType: "DPoP", ExpiresAt: utc(t.Ends), PairedUntil: utc(t.Expires), Wallet: t.Wallet, App: t.App,
	}, nil
}

// tryCode counts that an owner has named a code, and refuses it where there were too many.
func (s *Server) tryCode(c *call) error {
	err := s.auth.TryCode(c.caller)
	if err != nil {
		s.limits.bite("pairing_codes")
	}
	return err
}

func (s *Server) pairing(ctx context.Context, c *call, _ none) (api.Pairing, error) {
	if err := s.tryCode(c); err != nil {
		return api.Pairing{}, err
	}
	v, err := s.auth.Pairing(ctx, c.caller, c.names["code"])
	if err != nil {
		return api.Pairing{}, err
	}
	return api.Pairing{
		Code: v.Code, Origin: v.Origin, CallsItself: v.Name, Thumbprint: v.Thumbprint, Address: v.Address, SameAddress: v.IsNear(s.proxies.client(c.request)),
		CreatedAt: utc(v.Created), ExpiresAt: utc(v.Expires), App: v.App, Apps: each(v.Apps, appOf),
	}, nil
}

func (s *Server) approvePairing(ctx context.Context, c *call, in api.PairingChoice) (api.Token, error) {
	if err := s.tryCode(c); err != nil {
		return api.Token{}, err
	}
	app, err := didOf("app", in.App)
	if err != nil {
		return api.Token{}, err
	}
	choice := auth.PairingApproval{Origin: in.Origin, Thumbprint: in.Thumbprint, Name: in.Name, For: time.Duration(in.ExpiresIn) * time.Second}
	if !app.IsZero() {
		choice.App = app.String()
	}
	v, err := s.auth.ApprovePairing(ctx, c.caller, c.names["code"], choice)
	return tokenOf(v), err
}

func (s *Server) rejectPairing(ctx context.Context, c *call, _ api.Empty) (none, error) {
	if err := s.tryCode(c); err != nil {
		return none{}, err
	}
	return none{}, s.auth.RejectPairing(ctx, c.caller, c.names["code"])
}

// revokeOwnToken ends the token that an app calls with.
func (s *Server) revokeOwnToken(ctx context.Context, c *call, _ none) (none, error) {
	return none{}, s.pipeline.RevokeToken(ctx, c.caller, c.caller.Token)
}

// nowhere takes the headers that a rate limiter writes, which are not for clients.
type nowhere struct{}

func (nowhere) Header() http.Header         { return http.Header{} }
func (nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (nowhere) WriteHeader(int)             {}
