package main

import (
	"cmp"
	"context"
	"encoding/json"
	"strings"
	"time"

	"walletd/api"
	"walletd/api/client"
)

type approvalsCmd struct {
	List    approvalsListCmd    `cmd:"" help:"List what waits, or was decided (owner)."`
	Show    approvalsShowCmd    `cmd:"" help:"Show who asks for what (owner)."`
	Approve approvalsApproveCmd `cmd:"" help:"Approve exactly what was asked (owner)."`
	Reject  approvalsRejectCmd  `cmd:"" help:"Reject what was asked (owner)."`

	TakeBack approvalsTakeBackCmd `cmd:"" help:"Take a rejection back, so that the app may ask again (owner)."`
}

// approvalArg names an approval.
type approvalArg struct {
	ID string `arg:"" help:"Id of the approval, or its code."`
}

// requesterName names an app: by the owner's own name first; what it calls itself proves nothing.
func requesterName(a api.Requester) string {
	if a.Name == "" && a.CallsItself != "" {
		return "calls itself " + a.CallsItself
	}
	return cmp.Or(a.Name, a.DID)
}

func claimTypes(a api.Approval) string {
	types := make([]string, len(a.Claims))
	for i, c := range a.Claims {
		types[i] = string(c.Type)
	}
	return strings.Join(types, ", ")
}

func (con *console) printApproval(a api.Approval) {
	con.printf("%s  %s\n", shown(a.Code), shown(string(a.Status)))
	through := ""
	if a.Agent != nil {
		through = a.Agent.DID
	}
	con.fields([2]string{"id", a.ID}, [2]string{"wallet", a.Wallet}, [2]string{"app", a.App.DID}, [2]string{"named", a.App.Name},
		[2]string{"calls itself", a.App.CallsItself}, [2]string{"through", through}, [2]string{"at", a.Origin},
		[2]string{"session", a.Session}, [2]string{"answers as", a.Account})
	if len(a.Accounts) > 1 {
		for _, other := range a.Accounts[1:] {
			con.fields([2]string{"or as", other})
		}
		con.printf("%-12s approve with --account and the address of one of these\n", "choose")
	}
	for _, u := range a.Unusual {
		con.fields([2]string{"unusual", u})
	}
	for _, c := range a.Claims {
		con.printf("asks for     %s: %s\n", shown(string(c.Type)), shown(c.Description))
		con.printClaim(a, c)
	}
	con.fields([2]string{"asked", day(a.CreatedAt)}, [2]string{"until", day(a.ExpiresAt)}, [2]string{"decided", day(a.DecidedAt)},
		[2]string{"by token", a.DecidedBy})
}

// printClaim shows what one claim asks for.
func (con *console) printClaim(a api.Approval, c api.ApprovalClaim) {
	field := func(name, value string) { con.fields([2]string{"  " + name, value}) }
	if c.Account != a.Account {
		field("account", c.Account)
	}
	if c.Salt != nil {
		field("salt", c.Salt.Text)
		field("as bytes", c.Salt.Hex)
	}
	if d := c.Delegation; d != nil {
		field("delegation", d.Words)
		field("from", d.From)
		field("to", d.To)
		field("until", day(d.ExpiresAt))
	}
	for _, item := range c.Items {
		if item.Held {
			field(item.Item, item.Value)
		} else {
			field(item.Item, "(the profile does not have it)")
		}
	}
	if t := c.Text; t != nil {
		field("kind", t.TypeURL)
		field("hashed by", t.Method)
		if t.Digest != "" {
			field("digest", t.Digest)
		} else {
			for line := range strings.SplitSeq(t.Text, "\n") {
				con.printf("  | %s\n", shown(line))
			}
		}
		field("app's view", t.Display)
	}
	if c.Agreement != nil {
		field("document", c.Agreement.URI)
		field("digest", c.Agreement.Digest+" ("+c.Agreement.Method+")")
	}
	if c.KeyPair != nil {
		field("for", c.KeyPair.Moniker)
		field("kind", c.KeyPair.Type)
		field("new key", c.KeyPair.Address)
		field("replaces", c.KeyPair.MigrateFrom)
	}
	for _, f := range c.Filters {
		if text, err := json.Marshal(f); err == nil && string(text) != "{}" {
			field("must be", string(text))
		}
	}
	if p := c.Presents; p != nil {
		field("presents", credentialName(*p))
		field("issued by", p.Issuer+" "+p.IssuerName)
	}
	for _, o := range c.Offers {
		field("or", o.ID+" "+credentialName(o.Credential)+", by "+o.Issuer+" "+o.IssuerName)
		for _, u := range o.Unusual {
			field("unusual", u)
		}
	}
	if len(c.Offers) > 0 {
		con.printf("  %-10s approve with --credential and the id of one of these\n", "choose")
	}
	if len(c.MFACode) > 0 {
		con.printf("  %-10s %v: approve with --mfa-code and the one that the app shows\n", "numbers", c.MFACode)
	}
	for _, u := range c.Unusual {
		field("unusual", u)
	}
	field("each time", c.AskedEachTime)
}

// credentialName names a credential or asset in a line: its title, role, address and types.
func credentialName(c api.Credential) string {
	name := c.DID + " " + strings.Join(c.Types, ", ")
	if c.Role != "" {
		name = "(role " + c.Role + ") " + name
	}
	return strings.TrimSpace(c.Title + " " + name)
}

type approvalsListCmd struct {
	asOwner
	pageFlags
	Status string `default:"pending" enum:"pending,approved,rejected,expired,cancelled,all" help:"pending, approved, rejected, expired, cancelled or all."`
	Wallet string `placeholder:"WALLET" help:"Only those of this wallet."`
}

// Run lists approvals.
func (cmd *approvalsListCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	query := api.ApprovalsQuery{Status: api.ApprovalState(cmd.Status), Wallet: cmd.Wallet, Limit: cmd.Limit, Cursor: cmd.Cursor}
	l, err := c.Approvals(ctx, query)
	return table(out, l, err, "CODE STATUS APP ASKS UNTIL ID", func(a api.Approval) []string {
		return []string{a.Code, string(a.Status), requesterName(a.App), claimTypes(a), day(a.ExpiresAt), a.ID}
	})
}

type approvalsShowCmd struct {
	asOwner
	approvalArg
}

// Run shows an approval.
func (cmd *approvalsShowCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	a, err := c.Approval(ctx, cmd.ID)
	return show(out, a, err, out.printApproval)
}

type approvalsApproveCmd struct {
	asOwner
	approvalArg
	MFACode     int           `name:"mfa-code" placeholder:"N" help:"The number that the app shows."`
	Account     string        `placeholder:"ACCOUNT" help:"Answer as another of this app's own accounts."`
	Items       *string       `placeholder:"email,phone" help:"Give only these items of the profile; '' gives none. Without it all that the profile has are given."`
	Credentials []string      `name:"credential" sep:"none" placeholder:"ID" help:"Present this credential or asset, where several fit. Give it once for each claim that presents one."`
	For         time.Duration `xor:"remember" placeholder:"1h" help:"Remember the approval for so long, as a grant."`
	Times       int64         `xor:"remember" placeholder:"N" help:"Remember the approval for so many times."`
	Always      bool          `xor:"remember" help:"Remember the approval until it is revoked (walletd grants revoke)."`
}

// Validate refuses times that are not whole seconds.
func (cmd *approvalsApproveCmd) Validate() error {
	if cmd.For < 0 || cmd.For != cmd.For.Truncate(time.Second) {
		return usagef("--for takes whole seconds, as in 90s, 15m or 24h")
	}
	return nil
}

// Run approves.
func (cmd *approvalsApproveCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	choice := api.Choice{MFACode: cmd.MFACode, Account: cmd.Account, Credentials: cmd.Credentials}
	if cmd.Items != nil {
		choice.Items = new(splitItems(*cmd.Items))
	}
	switch {
	case cmd.For > 0:
		choice.Remember = &api.Remember{Seconds: int64(cmd.For / time.Second)}
	case cmd.Times != 0:
		choice.Remember = &api.Remember{Times: cmd.Times}
	case cmd.Always:
		choice.Remember = &api.Remember{Until: "withdrawn"}
	}
	a, err := c.Approve(ctx, cmd.ID, choice)
	return show(out, a, err, out.printApproval)
}

// splitItems reads names of items of the profile; it is never nil.
func splitItems(text string) []string {
	return append([]string{}, strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })...)
}

type approvalsRejectCmd struct {
	asOwner
	approvalArg
}

// Run rejects.
func (cmd *approvalsRejectCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	a, err := c.Reject(ctx, cmd.ID)
	return show(out, a, err, out.printApproval)
}

type approvalsTakeBackCmd struct {
	asOwner
	approvalArg
}

// Run takes the rejection back.
func (cmd *approvalsTakeBackCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	a, err := c.TakeBack(ctx, cmd.ID)
	return show(out, a, err, out.printApproval)
}
