package main

import (
	"context"

	"walletd/api"
	"walletd/api/client"
)

type appsCmd struct {
	List   appsListCmd   `cmd:"" help:"List the apps that were approved or named (owner)."`
	Name   appsNameCmd   `cmd:"" help:"Give an app a name of your own, which is shown when it asks (owner)."`
	Remove appsRemoveCmd `cmd:"" help:"End all that an app has in the wallet: its tokens, grants, and what waits or was not collected (owner)."`
}

type appsListCmd struct {
	asOwner
	walletFlag
	pageFlags
}

// Run lists apps.
func (cmd *appsListCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	l, err := c.Wallet(cmd.Wallet).Apps(ctx, cmd.page())
	return table(out, l, err, "APP NAME STATE SINCE", func(a api.AppEntry) []string {
		return []string{a.App, a.Name, a.State, day(a.CreatedAt)}
	})
}

type appsNameCmd struct {
	asOwner
	walletFlag
	App  string `arg:"" help:"DID of the app."`
	Name string `arg:"" help:"Your name for it."`
}

// Run names an app.
func (cmd *appsNameCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	a, err := c.Wallet(cmd.Wallet).NameApp(ctx, cmd.App, api.AppName{Name: cmd.Name})
	return show(out, a, err, func(a api.AppEntry) {
		out.fields([2]string{"app", a.App}, [2]string{"named", a.Name}, [2]string{"state", a.State}, [2]string{"since", day(a.CreatedAt)})
	})
}

type appsRemoveCmd struct {
	asOwner
	walletFlag
	App string `arg:"" help:"DID of the app, as apps list shows it."`
}

// Run removes an app.
func (cmd *appsRemoveCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	return out.done(c.Wallet(cmd.Wallet).RemoveApp(ctx, cmd.App), "removed %s", shown(cmd.App))
}
