package main

import (
	"context"
	"errors"
	"time"

	"walletd/api"
	"walletd/api/client"
)

// pairCmd pairs a page that shows a code with the owner's wallet. It approves only what the owner has seen: the page's
// origin is shown first, or is named by --origin.
type pairCmd struct {
	asOwner
	Code   string        `arg:"" help:"The code that the page shows."`
	Origin string        `xor:"how" placeholder:"ORIGIN" help:"Approve without asking, if the page is of this origin, as in https://client.example."`
	Reject bool          `xor:"how" help:"Reject the page."`
	App    string        `placeholder:"DID" help:"The app that the page becomes. Without it, the one that pages of its origin were before, or one that follows from the origin."`
	Name   string        `help:"Your own name for it, as in Element on the laptop."`
	For    time.Duration `placeholder:"720h" help:"How long the page stays paired: 720h, which is 30 days, if not given."`
}

// Validate refuses times that are not whole seconds.
func (cmd *pairCmd) Validate() error {
	if cmd.For < 0 || cmd.For != cmd.For.Truncate(time.Second) {
		return usagef("--for takes whole seconds, as in 15m, 24h or 720h")
	}
	return nil
}

// Run shows the page, asks, and pairs it.
func (cmd *pairCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	if cmd.Reject {
		return out.done(c.RejectPairing(ctx, cmd.Code), "rejected %s", shown(cmd.Code))
	}
	p, err := c.Pairing(ctx, cmd.Code)
	if err != nil {
		return err
	}
	if cmd.Origin == "" {
		out.notePairing(p)
		line, err := out.prompt("Is that the address of the page before you, and does it show this code? [y/N] ")
		if err != nil {
			return withHint(errors.New("nobody answered"), "at a terminal it is asked; in a script give --origin")
		}
		if !saysYes(line) {
			return out.done(c.RejectPairing(ctx, cmd.Code), "rejected %s", shown(p.Origin))
		}
	} else if cmd.Origin != p.Origin {
		return withHint(errors.New("the page is of another origin: "+shown(p.Origin)), "nothing was approved; walletd pair "+shown(p.Code)+" --reject")
	}
	t, err := c.ApprovePairing(ctx, cmd.Code, api.PairingChoice{
		Origin: p.Origin, Thumbprint: p.Thumbprint, App: cmd.App, Name: cmd.Name, ExpiresIn: int64(cmd.For / time.Second),
	})
	return show(out, t, err, func(t api.Token) {
		out.printf("paired %s\n", shown(p.Origin))
		out.fields([2]string{"id", t.ID}, [2]string{"app", t.App}, [2]string{"key", shortKey(t.Thumbprint)}, [2]string{"until", day(t.ExpiresAt)})
	})
}

// notePairing shows the page, where a script does not read.
func (con *console) notePairing(p api.Pairing) {
	con.notef("%s\n", shown(p.Origin))
	line := func(name, value string) {
		if value != "" {
			con.notef("%-12s %s\n", name, shown(value))
		}
	}
	line("code", p.Code[:len(p.Code)/2]+" "+p.Code[len(p.Code)/2:])
	line("calls itself", p.CallsItself)
	line("key", shortKey(p.Thumbprint))
	from := p.Address + ", as you do"
	if !p.SameAddress {
		from = p.Address
	}
	line("asks from", from)
	line("becomes", p.App)
	for _, a := range p.Apps {
		if p.App == "" {
			line("or --app", a.App+" "+a.Name)
		}
	}
	line("until", day(p.ExpiresAt))
	if !p.SameAddress {
		con.notef("The page asks from another address than you do. If somebody gave you this code, say no: their page would be paired, not yours.\n")
	}
}

// shortKey is as much of a thumbprint as people compare.
func shortKey(thumbprint string) string { return thumbprint[:min(len(thumbprint), 10)] }
