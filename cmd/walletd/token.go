package main

import (
	"context"
	"net/url"
	"time"
)

type tokenCmd struct {
	Create tokenCreateCmd `cmd:"" help:"Make a token and show it, once."`
	List   tokenListCmd   `cmd:"" help:"List tokens, without their secrets."`
	Revoke tokenRevokeCmd `cmd:"" help:"Revoke a token: it holds from the next request."`
}

type token struct {
	ID, Token, Role, Wallet, App, Name          string
	CreatedAt, ExpiresAt, LastUsedAt, RevokedAt string
}

type tokenCreateCmd struct {
	remote
	Role    string        `required:"" enum:"operator,owner,app" help:"operator, owner or app."`
	Wallet  string        `placeholder:"WALLET" help:"The wallet, for the roles owner and app."`
	App     string        `placeholder:"DID" help:"The app. Without it, for the role app, an application DID is made and shown."`
	Name    string        `help:"A name for people: the app's, the phone's, the job's."`
	Expires time.Duration `placeholder:"720h" help:"How long it lives. For ever, if not given."`
	Origin  []string      `sep:"none" placeholder:"ORIGIN" help:"Let pages of this origin use the token in a browser, as in https://client.example, for the role app. May be given again."`
}

func (cmd *tokenCreateCmd) Run(ctx context.Context, con *console) error {
	if (cmd.Role == "operator") != (cmd.Wallet == "") {
		return usagef("--wallet is for the roles owner and app, which need it")
	}
	if cmd.Expires < 0 || cmd.Expires != cmd.Expires.Truncate(time.Second) {
		return usagef("--expires takes whole seconds, as in 90s, 15m or 720h")
	}
	// Until a wallet has an owner the operator makes its tokens; serve --dev's has one.
	as := "owner"
	if cmd.Role == "operator" {
		as = "operator"
	}
	c, err := cmd.open(con, as)
	if err != nil {
		return err
	}
	body := map[string]any{"role": cmd.Role}
	for name, value := range map[string]string{"wallet": cmd.Wallet, "app": cmd.App, "name": cmd.Name} {
		if value != "" {
			body[name] = value
		}
	}
	if len(cmd.Origin) > 0 {
		body["origins"] = cmd.Origin
	}
	if cmd.Expires > 0 {
		body["expiresIn"] = int64(cmd.Expires / time.Second)
	}
	answer, err := c.post(ctx, "/v1/tokens", body)
	if err != nil {
		return err
	}
	return show(con, answer, func(t token) {
		con.printf("id     %s\nrole   %s\n", shown(t.ID), shown(t.Role))
		if t.App != "" {
			con.printf("app    %s\n", shown(t.App))
		}
		con.printf("token  %s\n", shown(t.Token))
		con.notef("The token is shown once.\n")
	})
}

type tokenListCmd struct {
	remote
	page
	Wallet string `placeholder:"WALLET" help:"Only those of this wallet."`
}

func (cmd *tokenListCmd) Run(ctx context.Context, con *console) error {
	c, err := cmd.open(con, "owner")
	if err != nil {
		return err
	}
	query := url.Values{}
	if cmd.Wallet != "" {
		query.Set("wallet", cmd.Wallet)
	}
	return showList(ctx, con, c, "/v1/tokens", cmd.page, query, "ID ROLE NAME APP CREATED EXPIRES USED REVOKED", func(t token) []string {
		return []string{t.ID, t.Role, t.Name, t.App, day(t.CreatedAt), day(t.ExpiresAt), day(t.LastUsedAt), day(t.RevokedAt)}
	})
}

type tokenRevokeCmd struct {
	remote
	ID string `arg:"" help:"Id of the token, as token list shows it."`
}

func (cmd *tokenRevokeCmd) Run(ctx context.Context, con *console) error {
	c, err := cmd.open(con, "owner")
	if err != nil {
		return err
	}
	answer, err := c.delete(ctx, "/v1/tokens/"+segment(cmd.ID), nil)
	if err != nil {
		return err
	}
	return show(con, answer, func(struct{}) { con.printf("revoked %s\n", shown(cmd.ID)) })
}
