package main

import (
	"context"

	"walletd/api"
	"walletd/api/client"
)

type delegationsCmd struct {
	List   delegationsListCmd   `cmd:"" help:"List the delegations that were approved (owner)."`
	Revoke delegationsRevokeCmd `cmd:"" help:"Revoke a delegation, and the grants that rest on it (owner)."`
}

type delegationsListCmd struct {
	asOwner
	walletFlag
	pageFlags
}

// Run lists delegations.
func (cmd *delegationsListCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	l, err := c.Wallet(cmd.Wallet).Delegations(ctx, cmd.page())
	return table(out, l, err, "HASH FROM TO APPROVED ENDS REVOKED", func(d api.Delegation) []string {
		return []string{d.Hash, d.From, d.To, day(d.ApprovedAt), day(d.ExpiresAt), day(d.RevokedAt)}
	})
}

type delegationsRevokeCmd struct {
	asOwner
	walletFlag
	Hash string `arg:"" help:"Hash of the delegation, as delegations list shows it."`
}

// Run revokes a delegation.
func (cmd *delegationsRevokeCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	return out.done(c.Wallet(cmd.Wallet).RevokeDelegation(ctx, cmd.Hash), "revoked %s", shown(cmd.Hash))
}
