package server

import (
	"net/http"
	"time"

	"walletd/internal/claims"
)

// newToken asks for a token. Without expiresIn it does not expire.
type newToken struct {
	Role      string  `json:"role"`
	Wallet    *string `json:"wallet" max:"64"`
	App       *appDID `json:"app"`
	Name      *label  `json:"name"`
	ExpiresIn *int64  `json:"expiresIn" min:"1" max:"3162240000"`
	// Origins are those whose pages may use the token in a browser.
	Origins []string `json:"origins,omitempty" max:"8"`
}

// tokenMade is a token that was made; it is shown this once.
type tokenMade struct {
	ID        string      `json:"id"`
	Token     string      `json:"token"`
	Role      claims.Role `json:"role"`
	Wallet    string      `json:"wallet,omitempty"`
	App       string      `json:"app,omitempty"`
	Name      string      `json:"name,omitempty"`
	Origins   []string    `json:"origins,omitempty"`
	ExpiresAt *time.Time  `json:"expiresAt,omitempty"`
}

func (s *Server) createToken(c *call, in newToken) (tokenMade, error) {
	n := claims.NewToken{Role: claims.Role(in.Role), Origins: in.Origins}
	if in.Wallet != nil {
		n.Wallet = *in.Wallet
	}
	if in.App != nil {
		n.App = in.App.String()
	}
	if in.Name != nil {
		n.Name = string(*in.Name)
	}
	if in.ExpiresIn != nil {
		n.ExpiresIn = time.Duration(*in.ExpiresIn) * time.Second
	}
	c.status = http.StatusCreated
	t, err := s.door.CreateToken(c.ctx, c.Caller, n)
	return tokenMade{t.ID, t.Text, t.Role, t.Wallet, t.App, t.Name, t.Origins, moment(t.Expires)}, err
}

// tokenView is a token without its secret.
type tokenView struct {
	ID         string      `json:"id"`
	Role       claims.Role `json:"role"`
	Wallet     string      `json:"wallet,omitempty"`
	App        string      `json:"app,omitempty"`
	Name       string      `json:"name"`
	Origins    []string    `json:"origins,omitempty"`
	CreatedAt  time.Time   `json:"createdAt"`
	ExpiresAt  *time.Time  `json:"expiresAt,omitempty"`
	LastUsedAt *time.Time  `json:"lastUsedAt,omitempty"`
	RevokedAt  *time.Time  `json:"revokedAt,omitempty"`
}

func viewToken(v claims.TokenView) tokenView {
	return tokenView{
		ID: v.ID, Role: v.Role, Wallet: v.Wallet, App: v.App, Name: v.Name, Origins: v.Origins, CreatedAt: v.Created.UTC(),
		ExpiresAt: moment(v.Expires), LastUsedAt: moment(v.LastUsed), RevokedAt: moment(v.Revoked),
	}
}

// tokensOf is the query of a list of tokens.
type tokensOf struct {
	Wallet string `json:"wallet,omitempty" max:"64"`
	Limit  number `json:"limit,omitempty" min:"1" max:"200"`
	Cursor string `json:"cursor,omitempty" max:"512"`
}

func (s *Server) tokens(c *call, in tokensOf) (list[tokenView], error) {
	if in.Wallet == "" && c.Role == claims.Owner {
		in.Wallet = c.Wallet
	}
	views, next, err := s.door.Tokens(c.ctx, c.Caller, in.Wallet, page{in.Limit, in.Cursor}.of())
	return listOf(views, next, err, viewToken)
}

func (s *Server) revokeToken(c *call, _ none) (none, error) {
	id, err := c.param("id")
	if err != nil {
		return none{}, err
	}
	return none{}, s.door.RevokeToken(c.ctx, c.Caller, id)
}
