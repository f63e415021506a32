package client

import (
	"context"

	"walletd/api"
)

// CreateToken makes a token, which is in the answer and nowhere else. An owner's token makes those of
// its wallet; an operator's makes operators' tokens, and those of a wallet that has no owner yet.
func (c *Client) CreateToken(ctx context.Context, t api.NewToken) (api.CreatedToken, error) {
	return call[api.CreatedToken](ctx, c, request{method: "POST", path: "/v1/tokens", body: t})
}

// Tokens lists tokens without their secrets. Owner or operator.
func (c *Client) Tokens(ctx context.Context, query api.TokensQuery) (api.List[api.Token], error) {
	return call[api.List[api.Token]](ctx, c, request{method: "GET", path: "/v1/tokens", query: query})
}

// RevokeToken revokes a token from the next request on. Owner or operator.
func (c *Client) RevokeToken(ctx context.Context, id string) error {
	return c.do(ctx, request{method: "DELETE", path: "/v1/tokens/" + segment(id)})
}
