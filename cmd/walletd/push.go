package main

import (
	"context"
	"encoding/json"

	"walletd/api"
	"walletd/api/client"
)

type pushCmd struct {
	Key       pushKeyCmd       `cmd:"" help:"Show the key that a browser subscribes with (owner)."`
	List      pushListCmd      `cmd:"" help:"List the browsers that are told (owner)."`
	Subscribe pushSubscribeCmd `cmd:"" help:"Have a browser told when an approval begins to wait (owner)."`
	Remove    pushRemoveCmd    `cmd:"" help:"Tell a browser no longer (owner)."`
}

type pushKeyCmd struct{ asOwner }

// Run shows the key.
func (cmd *pushKeyCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	k, err := c.PushKey(ctx)
	return show(out, k, err, func(k api.PushKey) { out.printf("%s\n", shown(k.Key)) })
}

type pushListCmd struct {
	asOwner
	pageFlags
}

// Run lists subscriptions.
func (cmd *pushListCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	l, err := c.PushSubscriptions(ctx, cmd.page())
	return table(out, l, err, "ID SERVICE TOKEN CREATED", func(s api.PushSubscription) []string {
		return []string{s.ID, s.Service, s.Token, day(s.CreatedAt)}
	})
}

type pushSubscribeCmd struct {
	asOwner
	File string `arg:"" type:"path" help:"JSON of the browser's PushSubscription: {\"endpoint\",\"keys\":{\"p256dh\",\"auth\"},\"language\"}. - reads the standard input."`
}

// Run subscribes a browser.
func (cmd *pushSubscribeCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	text, err := readJSON(out, cmd.File, "the subscription", `it is what JSON.stringify makes of a browser's PushSubscription, without "expirationTime"`)
	if err != nil {
		return err
	}
	var n api.NewPushSubscription
	if err := json.Unmarshal(text, &n); err != nil {
		return usagef("the subscription has members of other types")
	}
	s, err := c.SubscribePush(ctx, n)
	return show(out, s, err, func(s api.PushSubscription) {
		out.fields([2]string{"id", s.ID}, [2]string{"service", s.Service})
	})
}

type pushRemoveCmd struct {
	asOwner
	ID string `arg:"" help:"Id of the subscription, as push list shows it."`
}

// Run ends a subscription.
func (cmd *pushRemoveCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	return out.done(c.UnsubscribePush(ctx, cmd.ID), "removed %s", shown(cmd.ID))
}
