package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"walletd/api"
)

// Ask asks for claims with an app's token: each is an object such as an api.EncryptionKeyClaim, or a
// json.RawMessage. All are decided together. A *PendingError says that the owner was asked: show
// them its Code, and collect the answer by its ID.
func (c *Client) Ask(ctx context.Context, claims ...any) (api.Answered, error) {
	var ask api.Ask
	for i, claim := range claims {
		b, err := json.Marshal(claim)
		if err != nil {
			return api.Answered{}, fmt.Errorf("writing claim %d: %w", i+1, err)
		}
		ask.RequestedClaims = append(ask.RequestedClaims, b)
	}
	return call[api.Answered](ctx, c, request{method: "POST", path: "/v1/claims", body: ask})
}

// Collect gets the answer to what was asked, with the token that asked. It is given once the owner
// has approved, for 2 minutes; before, the error is a *PendingError. Wait is how long the service
// holds the request meanwhile, in whole seconds, at most 30.
func (c *Client) Collect(ctx context.Context, id string, wait time.Duration) (api.Answered, error) {
	query := api.CollectQuery{Wait: int(wait / time.Second)}
	return call[api.Answered](ctx, c, request{method: "GET", path: "/v1/claims/" + segment(id), query: query})
}

// Await collects until the owner has decided. If the context has a deadline and nobody has decided
// by then, the error is the last *PendingError: the answer can still be collected.
func (c *Client) Await(ctx context.Context, id string) (api.Answered, error) {
	var last error
	for {
		hold := 30 * time.Second
		if end, ok := ctx.Deadline(); ok {
			// One second less than there is, so that the answer arrives before the end.
			hold = max(0, min(hold, time.Until(end)-time.Second))
		}
		answer, err := c.Collect(ctx, id, hold)
		if err != nil && last != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return answer, last
		}
		if _, pending := errors.AsType[*PendingError](err); !pending {
			return answer, err
		}
		last = err
		// A service that answers at once must not be asked without a pause.
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return answer, last
			}
			return answer, context.Cause(ctx)
		case <-time.After(time.Second):
		}
	}
}

// Withdraw withdraws what was asked, with the token that asked: the owner is not asked any more.
func (c *Client) Withdraw(ctx context.Context, id string) error {
	return c.do(ctx, request{method: "DELETE", path: "/v1/claims/" + segment(id)})
}

// AskSigned asks without a token, by a request that an app has signed for this wallet alone. The
// client may have no token. A *PendingError is as for Ask.
func (c *Client) AskSigned(ctx context.Context, ask api.AskSigned) (api.SignedAnswer, error) {
	return call[api.SignedAnswer](ctx, c, request{method: "POST", path: "/v1/claims", body: ask})
}

// CollectSigned gets the answer to what AskSigned asked. The request is signed anew, with another
// jti, for the same claims, and names the id in its signed member approval.
func (c *Client) CollectSigned(ctx context.Context, id string, ask api.AskSigned) (api.SignedAnswer, error) {
	return call[api.SignedAnswer](ctx, c, request{method: "POST", path: "/v1/claims/" + segment(id), body: ask})
}
