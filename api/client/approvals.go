package client

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"walletd/api"
)

// ErrNoSuchCode is returned where a short code is given that no approval has.
var ErrNoSuchCode = errors.New("no approval has this code")

// Approvals lists approvals, the newest first: those that wait, unless the query says others. Owner.
func (c *Client) Approvals(ctx context.Context, query api.ApprovalsQuery) (api.List[api.Approval], error) {
	return call[api.List[api.Approval]](ctx, c, request{method: "GET", path: "/v1/approvals", query: query})
}

// Approval returns one approval, by its id or its short code. Owner.
func (c *Client) Approval(ctx context.Context, id string) (api.Approval, error) {
	if isCode(id) {
		return c.coded(ctx, id)
	}
	return call[api.Approval](ctx, c, request{method: "GET", path: approvalPath(id)})
}

// Approve approves exactly what was asked, by the approval's id or short code. Owner.
func (c *Client) Approve(ctx context.Context, id string, choice api.Choice) (api.Approval, error) {
	return c.decide(ctx, id, "/approve", choice)
}

// Reject rejects what was asked, by the approval's id or short code. Owner.
func (c *Client) Reject(ctx context.Context, id string) (api.Approval, error) {
	return c.decide(ctx, id, "/reject", api.Empty{})
}

// TakeBack takes a rejection back, by the approval's id or short code: the app may ask again. Owner.
func (c *Client) TakeBack(ctx context.Context, id string) (api.Approval, error) {
	return c.decide(ctx, id, "/take-back", api.Empty{})
}

func (c *Client) decide(ctx context.Context, id, how string, body any) (api.Approval, error) {
	if isCode(id) {
		a, err := c.coded(ctx, id)
		if err != nil {
			return api.Approval{}, err
		}
		id = a.ID
	}
	return call[api.Approval](ctx, c, request{method: "POST", path: approvalPath(id) + how, body: body})
}

func approvalPath(id string) string { return "/v1/approvals/" + segment(id) }

// isCode tells a short code from an id: 6 characters, where an id has 26.
func isCode(id string) bool { return len(id) == 6 }

// coded finds an approval by its short code: the one that waits under it, as no two do in a wallet,
// or else the newest that did.
func (c *Client) coded(ctx context.Context, code string) (api.Approval, error) {
	code = strings.ToUpper(code)
	for _, state := range []api.ApprovalState{api.ApprovalPending, "all"} {
		list := func(ctx context.Context, page api.Page) (api.List[api.Approval], error) {
			return c.Approvals(ctx, api.ApprovalsQuery{Status: state, Limit: page.Limit, Cursor: page.Cursor})
		}
		for a, err := range All(ctx, list) {
			if err != nil {
				return api.Approval{}, fmt.Errorf("looking for the approval: %w", err)
			}
			if a.Code == code {
				return a, nil
			}
		}
	}
	return api.Approval{}, fmt.Errorf("%w: %s", ErrNoSuchCode, code)
}
