package main

import (
	"context"
	"strconv"

	"walletd/api"
	"walletd/api/client"
)

type grantsCmd struct {
	List   grantsListCmd   `cmd:"" help:"List the grants in force (owner)."`
	Revoke grantsRevokeCmd `cmd:"" help:"Revoke a grant (owner)."`
}

type grantsListCmd struct {
	asOwner
	walletFlag
	pageFlags
}

// Run lists grants.
func (cmd *grantsListCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	l, err := c.Wallet(cmd.Wallet).Grants(ctx, cmd.page())
	return table(out, l, err, "ID APP CLAIM SALT LEFT ENDS", func(g api.Grant) []string {
		salt, left := "", ""
		if g.Salt != nil {
			salt = g.Salt.Text
		}
		if g.UsesLeft != nil {
			left = strconv.FormatInt(*g.UsesLeft, 10)
		}
		return []string{g.ID, g.App, string(g.Claim), salt, left, day(g.EndsAt)}
	})
}

type grantsRevokeCmd struct {
	asOwner
	walletFlag
	ID string `arg:"" help:"Id of the grant, as grants list shows it."`
}

// Run revokes a grant.
func (cmd *grantsRevokeCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	return out.done(c.Wallet(cmd.Wallet).RevokeGrant(ctx, cmd.ID), "revoked %s", shown(cmd.ID))
}
