package main

import (
	"context"
	"encoding/json"
	"fmt"

	"walletd/api"
	"walletd/api/client"
)

type profileCmd struct {
	Show profileShowCmd `cmd:"" help:"Show the profile of a wallet (owner)."`
	Set  profileSetCmd  `cmd:"" help:"Replace the profile of a wallet (owner)."`
}

func (con *console) printProfile(p api.Profile) {
	picture := ""
	if p.Avatar != "" {
		picture = fmt.Sprintf("a picture of %d bytes", len(p.Avatar))
	}
	con.fields([2]string{"fullName", p.FullName}, [2]string{"email", p.Email}, [2]string{"phone", p.Phone},
		[2]string{"signature", p.Signature}, [2]string{"avatar", picture}, [2]string{"birthday", p.Birthday}, [2]string{"url", p.URL})
	con.notef("An item is given only when you, or a rule of yours, say so.\n")
}

type profileShowCmd struct {
	asOwner
	walletFlag
}

// Run shows the profile.
func (cmd *profileShowCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	p, err := c.Wallet(cmd.Wallet).Profile(ctx)
	return show(out, p, err, out.printProfile)
}

type profileSetCmd struct {
	asOwner
	walletFlag
	File string `arg:"" type:"path" help:"JSON as profile show --json prints it: {\"fullName\",\"email\",\"phone\",\"signature\",\"avatar\",\"birthday\",\"url\"}. - reads the standard input."`
}

// Run replaces the profile.
func (cmd *profileSetCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	items, err := readProfile(out, cmd.File)
	if err != nil {
		return err
	}
	p, err := c.Wallet(cmd.Wallet).SetProfile(ctx, items)
	return show(out, p, err, out.printProfile)
}

func readProfile(con *console, file string) (json.RawMessage, error) {
	return readJSON(con, file, "the profile", `a profile is {"fullName":"Alice Bean","email":"alice@example.test"}`)
}
