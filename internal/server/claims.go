package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"walletd/internal/claims"
)

// askSigned is a request that proves itself by signature, in the shape of a DID Connect reply.
type askSigned struct {
	AppPk    string  `json:"appPk" min:"1" max:"256"`
	AgentPk  *string `json:"agentPk" min:"1" max:"256"`
	AuthInfo string  `json:"authInfo" min:"1" max:"65536"`

	asked []json.RawMessage
}

// identify verifies the signature. The caller has no token: it came with none, and its jti, not
// an Idempotency-Key, makes the request one.
func (a *askSigned) identify(s *Server, c *call) (bool, error) {
	if len(c.r.Header["Authorization"]) > 0 {
		return false, errTwoCredentials
	}
	if len(c.r.Header["Idempotency-Key"]) > 0 {
		return false, &memberError{"the header Idempotency-Key", "goes with a token; a signed request is made once by its jti"}
	}
	r := claims.SignedRequest{AppPk: a.AppPk, AuthInfo: a.AuthInfo}
	if a.AgentPk != nil {
		r.AgentPk = *a.AgentPk
	}
	var err error
	c.Caller, a.asked, err = s.door.AuthenticateSigned(c.ctx, r)
	return err == nil, err
}

// ask asks for claims, with a token or signed.
type ask struct {
	RequestedClaims *[]json.RawMessage `json:"requestedClaims"`
	AppPk           *string            `json:"appPk" min:"1" max:"256"`
	AgentPk         *string            `json:"agentPk" min:"1" max:"256"`
	AuthInfo        *string            `json:"authInfo" min:"1" max:"65536"`
}

// identify verifies a signed request, and leaves the other to its token.
func (a *ask) identify(s *Server, c *call) (bool, error) {
	if a.AppPk == nil && a.AgentPk == nil && a.AuthInfo == nil {
		if a.RequestedClaims == nil {
			return false, &memberError{"requestedClaims", "is missing"}
		}
		return false, nil
	}
	if len(c.r.Header["Authorization"]) > 0 {
		return false, errTwoCredentials
	}
	switch {
	case a.RequestedClaims != nil:
		return false, &memberError{"requestedClaims", "of a signed request belongs inside authInfo"}
	case a.AppPk == nil:
		return false, &memberError{"appPk", "is missing"}
	case a.AuthInfo == nil:
		return false, &memberError{"authInfo", "is missing"}
	}
	signed := askSigned{AppPk: *a.AppPk, AgentPk: a.AgentPk, AuthInfo: *a.AuthInfo}
	done, err := signed.identify(s, c)
	a.RequestedClaims = &signed.asked
	return done, err
}

// answered is an answer to a token. Each claim is as it was asked, with what answers it.
type answered struct {
	RequestedClaims []json.RawMessage `json:"requestedClaims"`
	UserDID         string            `json:"userDid"`
	UserPK          string            `json:"userPk"`
	Reason          string            `json:"reason"`
}

// answeredSigned is an answer to a signed request, as a wallet gives it to a dApp.
type answeredSigned struct {
	UserPK    string `json:"userPk"`
	UserInfo  string `json:"userInfo"`
	SharedKey string `json:"sharedKey,omitempty"`
	Version   string `json:"version,omitempty"`
}

// pending is a question that waits for the person.
type pending struct {
	ID        string    `json:"id"`
	Status    string    `json:"status"`
	Code      string    `json:"code"`
	ExpiresAt time.Time `json:"expiresAt"`
}

func (s *Server) ask(c *call, in ask) (any, error) {
	out, err := s.door.Answer(c.ctx, c.Caller, *in.RequestedClaims)
	return c.outcome(out, err)
}

// waiting is the query of a collection: for how many seconds to hold it while the person
// decides.
type waiting struct {
	Wait number `json:"wait,omitempty" max:"30"`
}

func (s *Server) collect(c *call, in waiting) (any, error) {
	return s.collected(c, time.Duration(in.Wait)*time.Second)
}

func (s *Server) collectSigned(c *call, _ askSigned) (any, error) {
	return s.collected(c, 0)
}

func (s *Server) collected(c *call, wait time.Duration) (any, error) {
	id, err := c.param("id")
	if err != nil {
		return nil, err
	}
	s.waiting.Add(1)
	defer s.waiting.Add(-1)
	ctx, cancel := s.stopping(c.ctx)
	defer cancel()
	out, err := s.door.Collect(ctx, c.Caller, id, wait)
	if errors.Is(err, context.Canceled) && c.ctx.Err() == nil {
		out, err = s.door.Collect(c.ctx, c.Caller, id, 0) // the server stops: no more waiting
	}
	return c.outcome(out, err)
}

// outcome is the answer to what was asked: 200 with what was given, 202 with the question.
func (c *call) outcome(out claims.Outcome, err error) (any, error) {
	switch {
	case err != nil:
		return nil, err
	case out.Pending != nil:
		c.status = http.StatusAccepted
		c.header.Set("Location", "/v1/claims/"+out.Pending.ID)
		c.header.Set("Retry-After", "2")
		return pending{out.Pending.ID, "pending", out.Pending.Code, out.Pending.Expires.UTC()}, nil
	case out.Answer.Own != nil:
		if tag := out.Answer.ETag; tag != "" {
			c.header.Set("ETag", strconv.Quote(tag))
		}
		return out.Answer.Own, nil
	case out.Answer.Signed != nil:
		a := out.Answer.Signed
		return answeredSigned{a.UserPK, a.UserInfo, a.SharedKey, a.Version}, nil
	default:
		a := out.Answer
		return answered{a.Claims, a.UserDID, a.UserPK, a.Reason}, nil
	}
}
