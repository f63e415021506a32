package main

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"time"
)

type approvalsCmd struct {
	List    approvalsListCmd    `cmd:"" help:"List what waits, or was decided (owner)."`
	Show    approvalsShowCmd    `cmd:"" help:"Show who asks for what (owner)."`
	Approve approvalsApproveCmd `cmd:"" help:"Say yes to exactly what was asked (owner)."`
	Reject  approvalsRejectCmd  `cmd:"" help:"Say no (owner)."`
}

type approval struct {
	ID, Wallet, Status, Code string
	App                      struct{ DID, Name, CallsItself string }
	Agent                    *struct{ DID string }
	Session, Origin          string
	Account                  string
	Claims                   []approvalClaim
	Unusual                  []string
	CreatedAt, ExpiresAt     string
	DecidedAt, DecidedBy     string
}

type approvalClaim struct {
	Type, Description, Account string
	Salt                       *struct{ Text, Hex string }
	Delegation                 *struct{ From, To, ExpiresAt, Words string }
	MFACode                    []int
	Items                      []struct {
		Item, Value string
		Held        bool
	}
	Text      *struct{ TypeURL, Method, Text, Display string }
	Agreement *struct{ URI, Digest, Method string }
	KeyPair   *struct {
		Moniker, Type string
		Declare       bool
	}
	Filters  []json.RawMessage
	Presents *holding
	Unusual  []string
}

// who names the app that asks: by the owner's own name first; what it calls itself proves nothing.
func (a approval) who() string {
	if a.App.Name != "" {
		return a.App.Name
	}
	if a.App.CallsItself != "" {
		return "calls itself " + a.App.CallsItself
	}
	return a.App.DID
}

func (a approval) types() string {
	types := make([]string, len(a.Claims))
	for i, c := range a.Claims {
		types[i] = c.Type
	}
	return strings.Join(types, ", ")
}

func (con *console) printApproval(a approval) {
	con.printf("%s  %s\n", shown(a.Code), shown(a.Status))
	field := func(name, value string) {
		if value != "" {
			con.printf("%-12s %s\n", name, shown(value))
		}
	}
	field("id", a.ID)
	field("wallet", a.Wallet)
	field("app", a.App.DID)
	field("named", a.App.Name)
	field("calls itself", a.App.CallsItself)
	if a.Agent != nil {
		field("through", a.Agent.DID)
	}
	field("at", a.Origin)
	field("session", a.Session)
	field("answers as", a.Account)
	for _, u := range a.Unusual {
		field("unusual", u)
	}
	for _, c := range a.Claims {
		con.printf("asks for     %s: %s\n", shown(c.Type), shown(c.Description))
		if c.Account != a.Account {
			field("  account", c.Account)
		}
		if c.Salt != nil {
			field("  salt", c.Salt.Text)
			field("  as bytes", c.Salt.Hex)
		}
		if c.Delegation != nil {
			field("  delegation", c.Delegation.Words)
			field("  from", c.Delegation.From)
			field("  to", c.Delegation.To)
			field("  until", day(c.Delegation.ExpiresAt))
		}
		con.printAsked(c, field)
		if len(c.MFACode) > 0 {
			con.printf("  %-10s %v: approve with --mfa-code and the one that the app shows\n", "numbers", c.MFACode)
		}
		for _, u := range c.Unusual {
			field("  unusual", u)
		}
	}
	field("asked", day(a.CreatedAt))
	field("until", day(a.ExpiresAt))
	field("decided", day(a.DecidedAt))
	field("by token", a.DecidedBy)
}

type approvalsListCmd struct {
	remote
	page
	Status string `default:"pending" enum:"pending,approved,rejected,expired,all" help:"pending, approved, rejected, expired or all."`
	Wallet string `placeholder:"WALLET" help:"Only those of this wallet."`
}

func (cmd *approvalsListCmd) Run(ctx context.Context, con *console) error {
	c, err := cmd.open(con, "owner")
	if err != nil {
		return err
	}
	query := url.Values{"status": {cmd.Status}}
	if cmd.Wallet != "" {
		query.Set("wallet", cmd.Wallet)
	}
	return showList(ctx, con, c, "/v1/approvals", cmd.page, query, "CODE STATUS APP ASKS UNTIL ID", func(a approval) []string {
		return []string{a.Code, a.Status, a.who(), a.types(), day(a.ExpiresAt), a.ID}
	})
}

type approvalsShowCmd struct {
	remote
	ID string `arg:"" help:"Id of the approval."`
}

func (cmd *approvalsShowCmd) Run(ctx context.Context, con *console) error {
	c, err := cmd.open(con, "owner")
	if err != nil {
		return err
	}
	answer, err := c.get(ctx, "/v1/approvals/"+segment(cmd.ID), nil)
	if err != nil {
		return err
	}
	return show(con, answer, con.printApproval)
}

type approvalsApproveCmd struct {
	remote
	ID      string        `arg:"" help:"Id of the approval."`
	MFACode *int          `name:"mfa-code" placeholder:"N" help:"The number that the app shows."`
	Account string        `placeholder:"ACCOUNT" help:"Answer as another of this app's own accounts."`
	Items   *string       `placeholder:"email,phone" help:"Give only these items of the profile; '' gives none. Without it all that the profile has are given."`
	For     time.Duration `xor:"remember" placeholder:"1h" help:"Remember the yes for so long."`
	Times   int           `xor:"remember" placeholder:"N" help:"Remember the yes for so many times."`
	Always  bool          `xor:"remember" help:"Remember the yes until it is withdrawn (walletd grants revoke)."`
}

func (cmd *approvalsApproveCmd) Run(ctx context.Context, con *console) error {
	body := map[string]any{}
	if cmd.MFACode != nil {
		body["mfaCode"] = *cmd.MFACode
	}
	if cmd.Account != "" {
		body["account"] = cmd.Account
	}
	if cmd.Items != nil {
		body["items"] = append([]string{}, strings.FieldsFunc(*cmd.Items, func(r rune) bool { return r == ',' || r == ' ' })...)
	}
	switch {
	case cmd.For < 0 || cmd.For != cmd.For.Truncate(time.Second):
		return usagef("--for takes whole seconds, as in 90s, 15m or 24h")
	case cmd.For > 0:
		body["remember"] = map[string]int64{"seconds": int64(cmd.For / time.Second)}
	case cmd.Times != 0:
		body["remember"] = map[string]int{"times": cmd.Times}
	case cmd.Always:
		body["remember"] = map[string]string{"until": "withdrawn"}
	}
	return decide(ctx, con, cmd.remote, cmd.ID, "/approve", body)
}

type approvalsRejectCmd struct {
	remote
	ID string `arg:"" help:"Id of the approval."`
}

func (cmd *approvalsRejectCmd) Run(ctx context.Context, con *console) error {
	return decide(ctx, con, cmd.remote, cmd.ID, "/reject", map[string]any{})
}

// decide answers an approval and shows it as it is then.
func decide(ctx context.Context, con *console, r remote, id, how string, body any) error {
	c, err := r.open(con, "owner")
	if err != nil {
		return err
	}
	answer, err := c.post(ctx, "/v1/approvals/"+segment(id)+how, body)
	if err != nil {
		return err
	}
	return show(con, answer, con.printApproval)
}
