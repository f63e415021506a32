package client

import (
	"context"

	"walletd/api"
)

// PushKey is the public key that browsers subscribe with. Owner.
func (c *Client) PushKey(ctx context.Context) (api.PushKey, error) {
	return call[api.PushKey](ctx, c, request{method: "GET", path: "/v1/push/key"})
}

// PushSubscriptions lists the browsers that are told when an approval begins to wait. Owner.
func (c *Client) PushSubscriptions(ctx context.Context, page api.Page) (api.List[api.PushSubscription], error) {
	return call[api.List[api.PushSubscription]](ctx, c, request{method: "GET", path: "/v1/push/subscriptions", query: page})
}

// SubscribePush has a browser told when an approval begins to wait, for as long as the token lives. Owner.
func (c *Client) SubscribePush(ctx context.Context, s api.NewPushSubscription) (api.PushSubscription, error) {
	return call[api.PushSubscription](ctx, c, request{method: "PUT", path: "/v1/push/subscriptions", body: s})
}

// UnsubscribePush ends a subscription. Owner.
func (c *Client) UnsubscribePush(ctx context.Context, id string) error {
	return c.do(ctx, request{method: "DELETE", path: "/v1/push/subscriptions/" + segment(id)})
}
