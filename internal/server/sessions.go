package server

import (
	"encoding/json"
	"net/http"
	"time"

	"walletd/internal/connect"
)

// session is a DID Connect session as its owner sees it. What the app sent is hostile: text and
// appName are made plain; cookies, storages, response and the two urls are data for whoever knows
// the app, and are never followed here.
type session struct {
	ID           string          `json:"id"`
	Wallet       string          `json:"wallet"`
	State        connect.State   `json:"state"`
	Code         string          `json:"code,omitempty"`
	Text         string          `json:"text,omitempty"`
	Unconfirmed  bool            `json:"unconfirmed,omitempty"`
	App          string          `json:"app,omitempty"`
	AppName      string          `json:"appName,omitempty"`
	Origin       string          `json:"origin"`
	Account      string          `json:"account,omitempty"`
	Approval     string          `json:"approval,omitempty"`
	SkewSeconds  float64         `json:"skewSeconds,omitempty"`
	Previous     string          `json:"previous,omitempty"`
	Next         string          `json:"next,omitempty"`
	NextWorkflow string          `json:"nextWorkflow,omitempty"`
	NextURL      string          `json:"nextUrl,omitempty"`
	Cookies      json.RawMessage `json:"cookies,omitempty"`
	Storages     json.RawMessage `json:"storages,omitempty"`
	Response     json.RawMessage `json:"response,omitempty"`
	Credential   string          `json:"credential,omitempty"`
	CreatedAt    time.Time       `json:"createdAt"`
	ExpiresAt    time.Time       `json:"expiresAt"`
	EndedAt      *time.Time      `json:"endedAt,omitempty"`
}

func viewSession(v connect.View) session {
	return session{
		ID: v.ID, Wallet: v.Wallet, State: v.State, Code: v.Code, Text: v.Text, Unconfirmed: v.Unconfirmed,
		App: v.App, AppName: v.AppName, Origin: v.Origin, Account: v.Account, Approval: v.Approval, SkewSeconds: v.Skew.Seconds(),
		Previous: v.Previous, Next: v.Next, NextWorkflow: v.NextWorkflow, NextURL: v.NextURL,
		Cookies: v.Cookies, Storages: v.Storages, Response: v.Response, Credential: v.Credential,
		CreatedAt: v.Created.UTC(), ExpiresAt: v.Expires.UTC(), EndedAt: moment(v.Ended),
	}
}

// openSession is a link to open with one of the caller's wallets.
type openSession struct {
	Wallet *string `json:"wallet" min:"1" max:"64"`
	Link   string  `json:"link" min:"1" max:"32768"`
}

func (s *Server) openSession(c *call, in openSession) (session, error) {
	if in.Wallet != nil && *in.Wallet != c.Wallet {
		return session{}, &memberError{"wallet", "must be a wallet of this token"}
	}
	v, err := s.sessions.Open(c.ctx, c.Caller, in.Link)
	if err != nil {
		return session{}, err
	}
	c.status = http.StatusCreated
	c.header.Set("Location", "/v1/sessions/"+v.ID)
	return viewSession(v), nil
}

func (s *Server) listSessions(c *call, in page) (list[session], error) {
	views, next, err := s.sessions.List(c.ctx, c.Caller, in.of())
	return listOf(views, next, err, viewSession)
}

func (s *Server) session(c *call, _ none) (session, error) {
	id, err := c.param("id")
	if err != nil {
		return session{}, err
	}
	v, err := s.sessions.Get(c.ctx, c.Caller, id)
	return viewSession(v), err
}

func (s *Server) cancelSession(c *call, _ none) (session, error) {
	id, err := c.param("id")
	if err != nil {
		return session{}, err
	}
	v, err := s.sessions.Cancel(c.ctx, c.Caller, id)
	return viewSession(v), err
}
