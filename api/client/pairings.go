package client

import (
	"context"

	"walletd/api"
)

// Pairing returns the page that waits under a code, which may be written in any case, with dashes or blanks. Show its origin
// first and in full. Owner.
func (c *Client) Pairing(ctx context.Context, code string) (api.Pairing, error) {
	return call[api.Pairing](ctx, c, request{method: "GET", path: pairingPath(code)})
}

// ApprovePairing pairs the page that waits under a code with the owner's wallet, if it is what the choice says. Owner.
func (c *Client) ApprovePairing(ctx context.Context, code string, choice api.PairingChoice) (api.Token, error) {
	return call[api.Token](ctx, c, request{method: "POST", path: pairingPath(code) + "/approve", body: choice})
}

// RejectPairing rejects the page that waits under a code. Owner.
func (c *Client) RejectPairing(ctx context.Context, code string) error {
	return c.do(ctx, request{method: "POST", path: pairingPath(code) + "/reject", body: api.Empty{}})
}

func pairingPath(code string) string { return "/v1/pairings/" + segment(code) }

// RevokeOwnToken ends the token that the client calls with. App.
func (c *Client) RevokeOwnToken(ctx context.Context) error {
	return c.do(ctx, request{method: "DELETE", path: "/v1/tokens/self"})
}
