package server

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"walletd/api"
	"walletd/internal/consent"
)

func (s *Server) ask(ctx context.Context, c *call, in api.Ask) (any, error) {
	asked := in.RequestedClaims
	if asked == nil {
		asked = c.claims // of a signed request
	}
	out, err := s.pipeline.Answer(ctx, c.caller, asked)
	return c.outcome(out, err)
}

func (s *Server) collect(ctx context.Context, c *call, in api.CollectQuery) (any, error) {
	return s.collected(ctx, c, time.Duration(in.Wait)*time.Second)
}

func (s *Server) collectSigned(ctx context.Context, c *call, _ api.AskSigned) (any, error) {
	return s.collected(ctx, c, 0)
}

func (s *Server) withdraw(ctx context.Context, c *call, _ none) (none, error) {
	return none{}, s.pipeline.Withdraw(ctx, c.caller, c.names["id"])
}

func (s *Server) collected(ctx context.Context, c *call, wait time.Duration) (any, error) {
	if wait > 0 {
		give, ok := s.waits.take(c.caller)
		if !ok {
			wait = 0 // it hears how things stand, and asks again
		} else {
			defer give()
		}
	}
	s.waiting.Add(1)
	defer s.waiting.Add(-1)
	waits, cancel := s.stopping(ctx)
	defer cancel()
	out, err := s.pipeline.Collect(waits, c.caller, c.names["id"], wait)
	if errors.Is(err, context.Canceled) && ctx.Err() == nil {
		out, err = s.pipeline.Collect(ctx, c.caller, c.names["id"], 0) // the server stops: no more waiting
	}
	return c.outcome(out, err)
}

// outcome is the answer to what was asked: 200 with what was given, 202 with the approval.
func (c *call) outcome(out consent.Outcome, err error) (any, error) {
	switch {
	case err != nil:
		return nil, err
	case out.Pending != nil:
		c.status = http.StatusAccepted
		c.header.Set("Location", "/v1/claims/"+out.Pending.ID)
		c.header.Set("Retry-After", "2")
		return api.Pending{ID: out.Pending.ID, Status: string(api.ApprovalPending), Code: out.Pending.Code, ExpiresAt: utc(out.Pending.Expires), ApproveURL: out.Pending.URL}, nil
	case out.Answer.Own != nil:
		if tag := out.Answer.ETag; tag != "" {
			c.header.Set("ETag", strconv.Quote(tag))
		}
		return out.Answer.Own, nil
	case out.Answer.Signed != nil:
		return api.SignedAnswer(*out.Answer.Signed), nil
	}
	a := out.Answer
	return api.Answered{RequestedClaims: a.Claims, UserDID: a.UserDID, UserPK: a.UserPK, Reason: a.Reason}, nil
}
