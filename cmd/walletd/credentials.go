package main

import (
	"context"
	"strings"

	"walletd/api"
	"walletd/api/client"
)

type credentialsCmd struct {
	List   credentialsListCmd   `cmd:"" help:"List what the wallet holds (owner)."`
	Show   credentialsShowCmd   `cmd:"" help:"Show one credential or asset (owner)."`
	Add    credentialsAddCmd    `cmd:"" help:"Store a verifiable credential (owner)."`
	Asset  credentialsAssetCmd  `cmd:"" help:"Store an asset of an account of the wallet (owner)."`
	Remove credentialsRemoveCmd `cmd:"" help:"Remove a credential or asset (owner)."`
}

func (con *console) printCredential(c api.Credential) {
	con.fields([2]string{"id", c.ID}, [2]string{"kind", c.Kind}, [2]string{"did", c.DID}, [2]string{"types", strings.Join(c.Types, ", ")},
		[2]string{"belongs to", c.Owner}, [2]string{"issuer", c.Issuer}, [2]string{"calls itself", c.IssuerName}, [2]string{"parent", c.Parent},
		[2]string{"title", c.Title}, [2]string{"role", c.Role}, [2]string{"tag", c.Tag}, [2]string{"from", c.From}, [2]string{"issued", day(c.IssuedAt)}, [2]string{"until", day(c.ExpiresAt)},
		[2]string{"kept since", day(c.StoredAt)})
}

type credentialsListCmd struct {
	asOwner
	walletFlag
	pageFlags
}

// Run lists credentials and assets.
func (cmd *credentialsListCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	l, err := c.Wallet(cmd.Wallet).Credentials(ctx, cmd.page())
	return table(out, l, err, "KIND TYPES TITLE TAG ISSUER DID ID", func(h api.Credential) []string {
		return []string{h.Kind, strings.Join(h.Types, ","), h.Title, h.Tag, h.Issuer, h.DID, h.ID}
	})
}

type credentialsShowCmd struct {
	asOwner
	walletFlag
	ID string `arg:"" help:"Id, as credentials list shows it."`
}

// Run shows one; with --json also its content.
func (cmd *credentialsShowCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	h, err := c.Wallet(cmd.Wallet).Credential(ctx, cmd.ID)
	return show(out, h, err, func(h api.CredentialWhole) { out.printCredential(h.Credential) })
}

type credentialsAddCmd struct {
	asOwner
	walletFlag
	File string `arg:"" type:"path" help:"The credential in JSON, with its proof. - reads the standard input."`
	Tag  string `placeholder:"TAG" help:"A word of your own to find it by."`
}

// Run stores a credential.
func (cmd *credentialsAddCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	data, err := readJSON(out, cmd.File, "the credential", "a credential is an object with issuer, credentialSubject and proof")
	if err != nil {
		return err
	}
	h, err := c.Wallet(cmd.Wallet).AddCredential(ctx, api.NewCredential{Credential: data, Tag: cmd.Tag})
	return show(out, h, err, out.printCredential)
}

type credentialsAssetCmd struct {
	asOwner
	walletFlag
	Asset  string `arg:"" help:"Address of the asset."`
	Owner  string `required:"" placeholder:"ACCOUNT" help:"The account of the wallet that it belongs to."`
	Issuer string `placeholder:"DID" help:"Who issued it: some apps ask for certain issuers."`
	Parent string `placeholder:"DID" help:"Its parent."`
	Tag    string `placeholder:"TAG" help:"Its tag: some apps ask for one."`
}

// Run stores an asset.
func (cmd *credentialsAssetCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	n := api.NewCredential{Asset: cmd.Asset, Owner: cmd.Owner, Issuer: cmd.Issuer, Parent: cmd.Parent, Tag: cmd.Tag}
	h, err := c.Wallet(cmd.Wallet).AddCredential(ctx, n)
	return show(out, h, err, out.printCredential)
}

type credentialsRemoveCmd struct {
	asOwner
	walletFlag
	ID string `arg:"" help:"Id, as credentials list shows it."`
}

// Run removes one.
func (cmd *credentialsRemoveCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	return out.done(c.Wallet(cmd.Wallet).RemoveCredential(ctx, cmd.ID), "forgotten %s", shown(cmd.ID))
}
