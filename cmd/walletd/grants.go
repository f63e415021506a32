package main

import (
	"context"
	"strconv"
)

type grantsCmd struct {
	List   grantsListCmd   `cmd:"" help:"List the grants in force (owner)."`
	Revoke grantsRevokeCmd `cmd:"" help:"Withdraw a grant (owner)."`
}

type grant struct {
	ID, App, Claim, Account, Delegation, CreatedAt, EndsAt string
	Salt                                                   *struct{ Text, Hex string }
	UsesLeft                                               *int
}

type grantsListCmd struct {
	remote
	walletFlag
	page
}

func (cmd *grantsListCmd) Run(ctx context.Context, con *console) error {
	c, err := cmd.open(con, "owner")
	if err != nil {
		return err
	}
	path, err := cmd.path(ctx, c, "/grants")
	if err != nil {
		return err
	}
	return showList(ctx, con, c, path, cmd.page, nil, "ID APP CLAIM SALT LEFT ENDS", func(g grant) []string {
		row := []string{g.ID, g.App, g.Claim, "", "", day(g.EndsAt)}
		if g.Salt != nil {
			row[3] = g.Salt.Text
		}
		if g.UsesLeft != nil {
			row[4] = strconv.Itoa(*g.UsesLeft)
		}
		return row
	})
}

type grantsRevokeCmd struct {
	remote
	walletFlag
	ID string `arg:"" help:"Id of the grant, as grants list shows it."`
}

func (cmd *grantsRevokeCmd) Run(ctx context.Context, con *console) error {
	c, err := cmd.open(con, "owner")
	if err != nil {
		return err
	}
	path, err := cmd.path(ctx, c, "/grants/"+segment(cmd.ID))
	if err != nil {
		return err
	}
	answer, err := c.delete(ctx, path, nil)
	if err != nil {
		return err
	}
	return show(con, answer, func(struct{}) { con.printf("revoked %s\n", shown(cmd.ID)) })
}
