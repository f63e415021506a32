package server

import (
	"context"
	"net/http"

	"walletd/api"
	"walletd/internal/connect"
)

func sessionOf(v connect.View) api.Session {
	return api.Session{
		ID: v.ID, Wallet: v.Wallet, State: api.SessionState(v.State), Code: v.Code, Text: v.Text, TextBy: api.Party(v.TextBy), AppStatus: v.AppStatus, Unconfirmed: v.Unconfirmed,
		App: v.App, AppName: v.AppName, Member: memberOf(v), Origin: v.Origin, Account: v.Account, Approval: v.Approval, SkewSeconds: v.Skew.Seconds(),
		Previous: v.Previous, Next: v.Next, NextWorkflow: v.NextWorkflow, NextURL: v.NextURL,
		Cookies: v.Cookies, Storages: v.Storages, Response: v.Response, Credential: v.Credential, Asset: v.Asset,
		SentAt: utc(v.Sent), CreatedAt: utc(v.Created), ExpiresAt: utc(v.Expires), EndedAt: utc(v.Ended),
	}
}

func memberOf(v connect.View) *api.Member {
	if v.MemberBy == "" {
		return nil
	}
	return &api.Member{Name: v.MemberName, Link: v.MemberLink, By: api.Party(v.MemberBy)}
}

func (s *Server) openSession(ctx context.Context, c *call, in api.NewSession) (api.Session, error) {
	if in.Wallet != "" && in.Wallet != c.caller.WalletID {
		return api.Session{}, &memberError{"wallet", "must be a wallet of this token"}
	}
	v, err := s.sessions.Open(ctx, c.caller, in.Link)
	if err != nil {
		return api.Session{}, err
	}
	c.status = http.StatusCreated
	c.header.Set("Location", "/v1/sessions/"+v.ID)
	return sessionOf(v), nil
}

func (s *Server) listSessions(ctx context.Context, c *call, in api.Page) (api.List[api.Session], error) {
	views, next, err := s.sessions.List(ctx, c.caller, pageOf(in.Limit, in.Cursor))
	return listOf(views, next, err, sessionOf)
}

func (s *Server) session(ctx context.Context, c *call, _ none) (api.Session, error) {
	v, err := s.sessions.Get(ctx, c.caller, c.names["id"])
	return sessionOf(v), err
}

func (s *Server) cancelSession(ctx context.Context, c *call, _ none) (api.Session, error) {
	v, err := s.sessions.Cancel(ctx, c.caller, c.names["id"])
	return sessionOf(v), err
}
