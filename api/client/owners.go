package client

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"walletd/api"
)

// Invite makes an invitation, whose link is in the answer and nowhere else. An owner's token makes those of its
// wallet; an operator's, those of a wallet that has no owner yet, and with a slot's secret for a recovery.
func (c *Client) Invite(ctx context.Context, n api.NewInvitation) (api.CreatedInvitation, error) {
	return call[api.CreatedInvitation](ctx, c, request{method: "POST", path: "/v1/invitations", body: n})
}

// Invitations lists the invitations that nobody has accepted yet. Owner, or operator of a wallet that has none.
func (c *Client) Invitations(ctx context.Context, query api.OwnersQuery) (api.List[api.Invitation], error) {
	return call[api.List[api.Invitation]](ctx, c, request{method: "GET", path: "/v1/invitations", query: query})
}

// WithdrawInvitation ends an invitation that nobody has accepted. Owner or operator.
func (c *Client) WithdrawInvitation(ctx context.Context, id string) error {
	return c.do(ctx, request{method: "DELETE", path: "/v1/invitations/" + segment(id)})
}

// OpenInvitation asks what accepting an invitation takes. It needs no token.
func (c *Client) OpenInvitation(ctx context.Context, i api.OpenInvitation) (api.PasskeyCreation, error) {
	return call[api.PasskeyCreation](ctx, c, request{method: "POST", path: "/v1/invitations/open", body: i})
}

// AcceptInvitation accepts an invitation with the passkey that was made for it. It needs no token.
func (c *Client) AcceptInvitation(ctx context.Context, a api.AcceptInvitation) (api.SignedIn, error) {
	return call[api.SignedIn](ctx, c, request{method: "POST", path: "/v1/invitations/accept", body: a})
}

// Owners lists the people who own a wallet. Owner, or operator of a wallet that has none.
func (c *Client) Owners(ctx context.Context, query api.OwnersQuery) (api.List[api.Owner], error) {
	return call[api.List[api.Owner]](ctx, c, request{method: "GET", path: "/v1/owners", query: query})
}

// RemoveOwner removes an owner, whose passkeys and tokens end with it. Owner.
func (c *Client) RemoveOwner(ctx context.Context, id string) error {
	return c.do(ctx, request{method: "DELETE", path: "/v1/owners/" + segment(id)})
}

// Passkeys lists the passkeys of the wallet's owners. Owner.
func (c *Client) Passkeys(ctx context.Context, page api.Page) (api.List[api.Passkey], error) {
	return call[api.List[api.Passkey]](ctx, c, request{method: "GET", path: "/v1/passkeys", query: page})
}

// BeginPasskey asks what adding a passkey takes. Owner.
func (c *Client) BeginPasskey(ctx context.Context) (api.PasskeyCreation, error) {
	return call[api.PasskeyCreation](ctx, c, request{method: "POST", path: "/v1/passkeys/begin", body: api.Empty{}})
}

// AddPasskey adds a passkey of the owner. It takes a touch for a session (Touching).
func (c *Client) AddPasskey(ctx context.Context, n api.NewPasskey) (api.Passkey, error) {
	return call[api.Passkey](ctx, c, request{method: "POST", path: "/v1/passkeys", body: n})
}

// NamePasskey names a passkey of the owner.
func (c *Client) NamePasskey(ctx context.Context, id, name string) (api.Passkey, error) {
	return call[api.Passkey](ctx, c, request{method: "PATCH", path: "/v1/passkeys/" + segment(id), body: api.PasskeyName{Name: name}})
}

// RemovePasskey removes a passkey of the owner, and ends the sessions that it signed in to.
func (c *Client) RemovePasskey(ctx context.Context, id string) error {
	return c.do(ctx, request{method: "DELETE", path: "/v1/passkeys/" + segment(id)})
}

// BeginSignIn asks what signing in takes. It needs no token.
func (c *Client) BeginSignIn(ctx context.Context) (api.PasskeyRequest, error) {
	return call[api.PasskeyRequest](ctx, c, request{method: "POST", path: "/v1/sign-in/begin", body: api.Empty{}})
}

// SignIn signs in with a passkey. It needs no token.
func (c *Client) SignIn(ctx context.Context, s api.SignIn) (api.SignedIn, error) {
	return call[api.SignedIn](ctx, c, request{method: "POST", path: "/v1/sign-in", body: s})
}

// SignOut ends the client's own session.
func (c *Client) SignOut(ctx context.Context) error {
	return c.do(ctx, request{method: "POST", path: "/v1/sign-out", body: api.Empty{}})
}

// SignOutEverywhere ends all browser sessions of the owner; of every owner of the wallet, if the client's token names nobody.
func (c *Client) SignOutEverywhere(ctx context.Context) error {
	return c.do(ctx, request{method: "POST", path: "/v1/sign-out/everywhere", body: api.Empty{}})
}

// BeginTouch asks what agreeing to one request takes. Owner.
func (c *Client) BeginTouch(ctx context.Context, n api.NewTouch) (api.PasskeyRequest, error) {
	return call[api.PasskeyRequest](ctx, c, request{method: "POST", path: "/v1/touch", body: n})
}

// ApprovalChallenge asks what a passkey signs to approve with a choice, by the approval's id. Owner.
func (c *Client) ApprovalChallenge(ctx context.Context, id string, choice api.Choice) (api.PasskeyRequest, error) {
	return call[api.PasskeyRequest](ctx, c, request{method: "POST", path: approvalPath(id) + "/challenge", body: choice})
}

// Touching returns a client that sends a touch with its next request, which is the one that the touch signs. It speaks
// over the connections of c.
func (c *Client) Touching(touch api.Touched) (*Client, error) {
	text, err := json.Marshal(touch)
	if err != nil {
		return nil, fmt.Errorf("writing the touch: %w", err)
	}
	with := *c
	with.touch = base64.RawURLEncoding.EncodeToString(text)
	return &with, nil
}
