package server

import (
	"context"
	"net/http"
	"time"

	"walletd/api"
	"walletd/internal/auth"
)

func (s *Server) createToken(ctx context.Context, c *call, in api.NewToken) (api.CreatedToken, error) {
	app, err := didOf("app", in.App)
	if err != nil {
		return api.CreatedToken{}, err
	}
	n := auth.NewToken{Role: auth.Role(in.Role), Wallet: in.Wallet, Name: in.Name, ExpiresIn: time.Duration(in.ExpiresIn) * time.Second}
	for _, origin := range in.Origins {
		n.Origins = append(n.Origins, originOf(origin))
	}
	if !app.IsZero() {
		n.App = app.String()
	}
	c.status = http.StatusCreated
	t, err := s.auth.CreateToken(ctx, c.caller, n)
	return api.CreatedToken{
		ID: t.ID, Token: api.NewSecretText([]byte(t.Text)), Role: api.Role(t.Role), Wallet: t.Wallet, App: t.App, Name: t.Name, Origins: t.Origins, ExpiresAt: utc(t.Expires),
	}, err
}

func tokenOf(v auth.TokenView) api.Token {
	return api.Token{
		Owner: v.Owner, Passkey: v.Passkey,
		ID: v.ID, Role: api.Role(v.Role), Wallet: v.Wallet, App: v.App, Name: v.Name, Origins: v.Origins, Thumbprint: v.Thumbprint,
		CreatedAt: utc(v.Created), ExpiresAt: utc(v.Expires), LastUsedAt: utc(v.LastUsed), RevokedAt: utc(v.Revoked),
	}
}

func (s *Server) tokens(ctx context.Context, c *call, in api.TokensQuery) (api.List[api.Token], error) {
	if in.Wallet == "" && c.caller.Role == auth.Owner {
		in.Wallet = c.caller.WalletID
	}
	views, next, err := s.auth.Tokens(ctx, c.caller, in.Wallet, pageOf(in.Limit, in.Cursor))
	return listOf(views, next, err, tokenOf)
}

func (s *Server) revokeToken(ctx context.Context, c *call, _ none) (none, error) {
	return none{}, s.pipeline.RevokeToken(ctx, c.caller, c.names["id"])
}
