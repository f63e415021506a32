package client

import (
	"context"

	"walletd/api"
)

// Keystore returns the state of the keystore of the replica that answers. Operator, as all of these.
func (c *Client) Keystore(ctx context.Context) (api.Keystore, error) {
	return call[api.Keystore](ctx, c, request{method: "GET", path: "/v1/keystore"})
}

// Unlock unlocks the replica that answers.
func (c *Client) Unlock(ctx context.Context, s api.SlotSecret) (api.Keystore, error) {
	return call[api.Keystore](ctx, c, request{method: "POST", path: "/v1/keystore/unlock", body: s})
}

// Lock locks every replica.
func (c *Client) Lock(ctx context.Context) (api.Keystore, error) {
	return call[api.Keystore](ctx, c, request{method: "POST", path: "/v1/keystore/lock", body: api.Empty{}})
}

// Slots lists the ways to unlock.
func (c *Client) Slots(ctx context.Context) (api.List[api.Slot], error) {
	return call[api.List[api.Slot]](ctx, c, request{method: "GET", path: "/v1/keystore/slots"})
}

// AddSlot adds a way to unlock.
func (c *Client) AddSlot(ctx context.Context, s api.AddSlot) (api.CreatedSlot, error) {
	return call[api.CreatedSlot](ctx, c, request{method: "POST", path: "/v1/keystore/slots", body: s})
}

// RemoveSlot removes a way to unlock.
func (c *Client) RemoveSlot(ctx context.Context, id string, s api.RemoveSlot) error {
	return c.do(ctx, request{method: "POST", path: "/v1/keystore/slots/" + segment(id) + "/remove", body: s})
}

// Rotate replaces the root key. A problem with the code slots_missing names the slots whose secret is
// wanted.
func (c *Client) Rotate(ctx context.Context, r api.Rotation) (api.Keystore, error) {
	return call[api.Keystore](ctx, c, request{method: "POST", path: "/v1/keystore/rotate", body: r})
}

// AcceptClock goes on from what the clock of the replica that answers says, and locks the others.
func (c *Client) AcceptClock(ctx context.Context, s api.SlotSecret) (api.Keystore, error) {
	return call[api.Keystore](ctx, c, request{method: "POST", path: "/v1/keystore/clock", body: s})
}

// Snapshot returns the whole sealed store as it is at one moment, an SQLite file.
func (c *Client) Snapshot(ctx context.Context) (*Download, error) {
	return c.download(ctx, request{method: "POST", path: "/v1/keystore/snapshot", body: api.Empty{}})
}
