package main

import (
	"context"
	"strings"

	"rsc.io/qr"

	"walletd/api"
	"walletd/api/client"
)

type ownerCmd struct {
	Invite      ownerInviteCmd      `cmd:"" help:"Invite a person to own a wallet, with a passkey of their own."`
	Invitations ownerInvitationsCmd `cmd:"" help:"List the invitations that nobody has accepted yet."`
	Withdraw    ownerWithdrawCmd    `cmd:"" help:"Withdraw an invitation."`
	List        ownerListCmd        `cmd:"" help:"List the people who own a wallet."`
	Remove      ownerRemoveCmd      `cmd:"" help:"Remove an owner: their passkeys, sessions and tokens end (owner)."`
}

type ownerInviteCmd struct {
	asOwner
	Wallet   string `placeholder:"WALLET" help:"Address of the wallet. An owner's own, if not given."`
	Name     string `placeholder:"NAME" help:"The person's name, which they may change."`
	Owner    string `placeholder:"ID" help:"The owner who gets another passkey, as owner list shows it: your own, or with --recovery who lost theirs."`
	Recovery bool   `help:"The owner lost every passkey: when they accept, all their other ways end, and what waits in the wallet is cancelled, invitations too. An operator also gives the secret of a slot."`
	slotSecret
}

// Validate refuses a secret where none is needed.
func (cmd *ownerInviteCmd) Validate() error {
	if !cmd.Recovery && cmd.secretGiven() {
		return usagef("the secret of a slot is for --recovery")
	}
	return cmd.slotSecret.Validate()
}

func (cmd *ownerInviteCmd) secretGiven() bool { return cmd.Passphrase.given() || cmd.Identity.given() }

// Run makes an invitation and shows its link, once; on a terminal as a QR code too.
func (cmd *ownerInviteCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	n := api.NewInvitation{Wallet: cmd.Wallet, Name: cmd.Name, Owner: cmd.Owner, Recovery: cmd.Recovery}
	if n.Wallet == "" {
		var err error
		if n.Wallet, err = c.Wallet("").Address(ctx); err != nil {
			return err
		}
	}
	if cmd.secretGiven() {
		secret, err := cmd.read(ctx, out)
		defer wipeSlotSecret(secret)
		if err != nil {
			return err
		}
		n.Secret = &secret
	}
	i, err := c.Invite(ctx, n)
	defer i.Link.Wipe()
	return show(out, i, err, func(i api.CreatedInvitation) {
		link := string(i.Link.Reveal())
		if out.onTerminal() {
			out.printQR(link)
		}
		out.fields([2]string{"id", i.ID}, [2]string{"owner", i.Owner}, [2]string{"until", day(i.ExpiresAt)}, [2]string{"link", link})
		out.notef("The link is shown once. Whoever opens it first owns the wallet.\n")
	})
}

// printQR shows a text as a QR code: two rows of it in a line, dark on light whatever the terminal's colours are.
func (con *console) printQR(text string) {
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return // too long for one; the text itself is shown
	}
	const quiet = 2 // modules around it
	var b strings.Builder
	for y := -quiet; y < code.Size+quiet; y += 2 {
		for x := -quiet; x < code.Size+quiet; x++ {
			switch top, bottom := code.Black(x, y), code.Black(x, y+1); {
			case top && bottom:
				b.WriteString(" ")
			case top:
				b.WriteString("▄")
			case bottom:
				b.WriteString("▀")
			default:
				b.WriteString("█")
			}
		}
		b.WriteString("\n")
	}
	con.printf("%s", b.String())
}

type ownerInvitationsCmd struct {
	asOwner
	walletFlag
	pageFlags
}

// Run lists invitations.
func (cmd *ownerInvitationsCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	l, err := c.Invitations(ctx, api.OwnersQuery{Wallet: cmd.Wallet, Limit: cmd.Limit, Cursor: cmd.Cursor})
	return table(out, l, err, "ID NAME OWNER RECOVERY UNTIL", func(i api.Invitation) []string {
		return []string{i.ID, i.Name, i.Owner, yesNo(i.Recovery), day(i.ExpiresAt)}
	})
}

type ownerWithdrawCmd struct {
	asOwner
	ID string `arg:"" help:"Id of the invitation, as owner invitations shows it."`
}

// Run withdraws an invitation.
func (cmd *ownerWithdrawCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	return out.done(c.WithdrawInvitation(ctx, cmd.ID), "withdrew %s", shown(cmd.ID))
}

type ownerListCmd struct {
	asOwner
	walletFlag
	pageFlags
}

// Run lists owners.
func (cmd *ownerListCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	l, err := c.Owners(ctx, api.OwnersQuery{Wallet: cmd.Wallet, Limit: cmd.Limit, Cursor: cmd.Cursor})
	return table(out, l, err, "ID NAME SINCE", func(o api.Owner) []string { return []string{o.ID, o.Name, day(o.CreatedAt)} })
}

type ownerRemoveCmd struct {
	asOwner
	ID string `arg:"" help:"Id of the owner, as owner list shows it."`
}

// Run removes an owner.
func (cmd *ownerRemoveCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	return out.done(c.RemoveOwner(ctx, cmd.ID), "removed %s", shown(cmd.ID))
}

type deviceCmd struct {
	List    deviceListCmd    `cmd:"" help:"List the passkeys of a wallet's owners (owner)."`
	Name    deviceNameCmd    `cmd:"" help:"Name a passkey (owner)."`
	Remove  deviceRemoveCmd  `cmd:"" help:"Remove a passkey, and end the sessions that it signed in to (owner)."`
	SignOut deviceSignOutCmd `cmd:"" help:"End all browser sessions of the token's owner; of every owner, if the token names nobody (owner)."`
}

type deviceListCmd struct {
	asOwner
	pageFlags
}

// Run lists passkeys.
func (cmd *deviceListCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	l, err := c.Passkeys(ctx, cmd.page())
	return table(out, l, err, "ID NAME OWNER SINCE USED", func(p api.Passkey) []string {
		return []string{p.ID, p.Name, p.Owner, day(p.CreatedAt), day(p.LastUsedAt)}
	})
}

type deviceNameCmd struct {
	asOwner
	ID   string `arg:"" help:"Id of the passkey, as device list shows it."`
	Name string `arg:"" help:"Its name."`
}

// Run names a passkey.
func (cmd *deviceNameCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	_, err := c.NamePasskey(ctx, cmd.ID, cmd.Name)
	return out.done(err, "named %s", shown(cmd.ID))
}

type deviceRemoveCmd struct {
	asOwner
	ID string `arg:"" help:"Id of the passkey, as device list shows it."`
}

// Run removes a passkey.
func (cmd *deviceRemoveCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	return out.done(c.RemovePasskey(ctx, cmd.ID), "removed %s", shown(cmd.ID))
}

type deviceSignOutCmd struct {
	asOwner
}

// Run ends browser sessions.
func (cmd *deviceSignOutCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	return out.done(c.SignOutEverywhere(ctx), "signed out everywhere")
}
