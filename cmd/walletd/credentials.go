package main

import (
	"context"
	"strings"
)

type credentialsCmd struct {
	List   credentialsListCmd   `cmd:"" help:"List what the wallet holds (owner)."`
	Show   credentialsShowCmd   `cmd:"" help:"Show one credential or asset (owner)."`
	Add    credentialsAddCmd    `cmd:"" help:"Keep a verifiable credential (owner)."`
	Asset  credentialsAssetCmd  `cmd:"" help:"Keep an asset of an account of the wallet (owner)."`
	Remove credentialsRemoveCmd `cmd:"" help:"Forget a credential or asset (owner)."`
}

type holding struct {
	ID, Kind, DID, Owner                  string
	Types                                 []string
	Issuer, IssuerName, Parent, Tag, From string
	IssuedAt, ExpiresAt, StoredAt         string
}

func (con *console) printCredential(c holding) {
	for _, line := range [][2]string{
		{"id", c.ID}, {"kind", c.Kind}, {"did", c.DID}, {"types", strings.Join(c.Types, ", ")}, {"belongs to", c.Owner}, {"issuer", c.Issuer},
		{"calls itself", c.IssuerName}, {"parent", c.Parent}, {"tag", c.Tag}, {"from", c.From},
		{"issued", day(c.IssuedAt)}, {"until", day(c.ExpiresAt)}, {"kept since", day(c.StoredAt)},
	} {
		if line[1] != "" {
			con.printf("%-12s %s\n", line[0], shown(line[1]))
		}
	}
}

// printAsked shows what a claim asks for beyond what all claims have.
func (con *console) printAsked(c approvalClaim, field func(name, value string)) {
	for _, item := range c.Items {
		if item.Held {
			field("  "+item.Item, item.Value)
		} else {
			field("  "+item.Item, "(the profile does not have it)")
		}
	}
	if c.Text != nil {
		field("  kind", c.Text.TypeURL)
		field("  hashed by", c.Text.Method)
		for line := range strings.SplitSeq(c.Text.Text, "\n") {
			con.printf("  | %s\n", shown(line))
		}
		field("  app's view", c.Text.Display)
	}
	if c.Agreement != nil {
		field("  document", c.Agreement.URI)
		field("  digest", c.Agreement.Digest+" ("+c.Agreement.Method+")")
	}
	if c.KeyPair != nil {
		field("  for", c.KeyPair.Moniker)
		field("  kind", c.KeyPair.Type)
	}
	for _, f := range c.Filters {
		if text := string(f); text != "{}" {
			field("  must be", text)
		}
	}
	if c.Presents != nil {
		field("  presents", c.Presents.DID+" "+strings.Join(c.Presents.Types, ", "))
		field("  issued by", c.Presents.Issuer+" "+c.Presents.IssuerName)
	}
}

type credentialsListCmd struct {
	remote
	walletFlag
	page
}

func (cmd *credentialsListCmd) Run(ctx context.Context, con *console) error {
	c, err := cmd.open(con, "owner")
	if err != nil {
		return err
	}
	path, err := cmd.path(ctx, c, "/credentials")
	if err != nil {
		return err
	}
	return showList(ctx, con, c, path, cmd.page, nil, "KIND TYPES ISSUER DID ID", func(h holding) []string {
		return []string{h.Kind, strings.Join(h.Types, ","), h.Issuer, h.DID, h.ID}
	})
}

type credentialsShowCmd struct {
	remote
	walletFlag
	ID string `arg:"" help:"Id, as credentials list shows it."`
}

func (cmd *credentialsShowCmd) Run(ctx context.Context, con *console) error {
	c, err := cmd.open(con, "owner")
	if err != nil {
		return err
	}
	path, err := cmd.path(ctx, c, "/credentials/"+segment(cmd.ID))
	if err != nil {
		return err
	}
	answer, err := c.get(ctx, path, nil)
	if err != nil {
		return err
	}
	return show(con, answer, con.printCredential)
}

type credentialsAddCmd struct {
	remote
	walletFlag
	File string `arg:"" help:"The credential in JSON, with its proof. - reads the standard input."`
	Tag  string `placeholder:"TAG" help:"A word of your own to find it by."`
}

func (cmd *credentialsAddCmd) Run(ctx context.Context, con *console) error {
	data, err := readJSON(con, cmd.File, "the credential", "a credential is an object with issuer, credentialSubject and proof")
	if err != nil {
		return err
	}
	body := map[string]any{"credential": data}
	if cmd.Tag != "" {
		body["tag"] = cmd.Tag
	}
	return keepCredential(ctx, con, cmd.remote, cmd.walletFlag, body)
}

type credentialsAssetCmd struct {
	remote
	walletFlag
	Asset  string `arg:"" help:"Address of the asset."`
	Owner  string `required:"" placeholder:"ACCOUNT" help:"The account of the wallet that it belongs to."`
	Issuer string `placeholder:"DID" help:"Who issued it: some apps ask for certain issuers."`
	Parent string `placeholder:"DID" help:"Its parent."`
	Tag    string `placeholder:"TAG" help:"Its tag: some apps ask for one."`
}

func (cmd *credentialsAssetCmd) Run(ctx context.Context, con *console) error {
	body := map[string]any{"asset": cmd.Asset, "owner": cmd.Owner}
	for name, value := range map[string]string{"issuer": cmd.Issuer, "parent": cmd.Parent, "tag": cmd.Tag} {
		if value != "" {
			body[name] = value
		}
	}
	return keepCredential(ctx, con, cmd.remote, cmd.walletFlag, body)
}

func keepCredential(ctx context.Context, con *console, r remote, w walletFlag, body any) error {
	c, err := r.open(con, "owner")
	if err != nil {
		return err
	}
	path, err := w.path(ctx, c, "/credentials")
	if err != nil {
		return err
	}
	answer, err := c.post(ctx, path, body)
	if err != nil {
		return err
	}
	return show(con, answer, con.printCredential)
}

type credentialsRemoveCmd struct {
	remote
	walletFlag
	ID string `arg:"" help:"Id, as credentials list shows it."`
}

func (cmd *credentialsRemoveCmd) Run(ctx context.Context, con *console) error {
	c, err := cmd.open(con, "owner")
	if err != nil {
		return err
	}
	path, err := cmd.path(ctx, c, "/credentials/"+segment(cmd.ID))
	if err != nil {
		return err
	}
	answer, err := c.delete(ctx, path, nil)
	if err != nil {
		return err
	}
	return show(con, answer, func(struct{}) { con.printf("forgotten %s\n", shown(cmd.ID)) })
}
