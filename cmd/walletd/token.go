package main

import (
	"context"
	"time"

	"walletd/api"
	"walletd/api/client"
)

type tokenCmd struct {
	Create tokenCreateCmd `cmd:"" help:"Create a token and show it, once."`
	List   tokenListCmd   `cmd:"" help:"List tokens, without their secrets."`
	Revoke tokenRevokeCmd `cmd:"" help:"Revoke a token: it holds from the next request."`
}

type tokenCreateCmd struct {
	remote
	Role    string        `required:"" enum:"operator,owner,app" placeholder:"ROLE" help:"operator, owner or app."`
	Wallet  string        `placeholder:"WALLET" help:"The wallet, for the roles owner and app."`
	App     string        `placeholder:"DID" help:"The app. Without it, for the role app, an application DID is made and shown."`
	Name    string        `help:"A name for people: the app's, the phone's, the job's."`
	Expires time.Duration `placeholder:"720h" help:"How long it lives. For ever, if not given."`
	Origin  []string      `sep:"none" placeholder:"ORIGIN" help:"Let pages of this origin use the token in a browser, as in https://client.example, for the role app. May be given again."`
}

// Validate refuses flags that do not fit the role.
func (cmd *tokenCreateCmd) Validate() error {
	if (cmd.Role == "operator") != (cmd.Wallet == "") {
		return usagef("--wallet is for the roles owner and app, which need it")
	}
	if cmd.Expires < 0 || cmd.Expires != cmd.Expires.Truncate(time.Second) {
		return usagef("--expires takes whole seconds, as in 90s, 15m or 720h")
	}
	return nil
}

// ProvideClient makes an operator's client for an operator's token, else an owner's: until a wallet
// has an owner the operator creates its tokens, and that of serve --dev has one.
func (cmd *tokenCreateCmd) ProvideClient(con *console) (*client.Client, error) {
	if cmd.Role == "operator" {
		return cmd.open(con, api.RoleOperator)
	}
	return cmd.open(con, api.RoleOwner)
}

// Run creates a token.
func (cmd *tokenCreateCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	t, err := c.CreateToken(ctx, api.NewToken{
		Role: api.Role(cmd.Role), Wallet: cmd.Wallet, App: cmd.App, Name: cmd.Name,
		ExpiresIn: int64(cmd.Expires / time.Second), Origins: cmd.Origin,
	})
	defer t.Token.Wipe()
	return show(out, t, err, func(t api.CreatedToken) {
		out.printf("id     %s\nrole   %s\n", shown(t.ID), shown(string(t.Role)))
		if t.App != "" {
			out.printf("app    %s\n", shown(t.App))
		}
		out.printf("token  %s\n", shown(string(t.Token.Reveal())))
		out.notef("The token is shown once.\n")
	})
}

type tokenListCmd struct {
	asOwner
	pageFlags
	Wallet string `placeholder:"WALLET" help:"Only those of this wallet."`
}

// Run lists tokens.
func (cmd *tokenListCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	l, err := c.Tokens(ctx, api.TokensQuery{Wallet: cmd.Wallet, Limit: cmd.Limit, Cursor: cmd.Cursor})
	return table(out, l, err, "ID ROLE NAME APP BOUND CREATED EXPIRES USED REVOKED", func(t api.Token) []string {
		return []string{t.ID, string(t.Role), t.Name, t.App, shortKey(t.Thumbprint), day(t.CreatedAt), day(t.ExpiresAt), day(t.LastUsedAt), day(t.RevokedAt)}
	})
}

type tokenRevokeCmd struct {
	asOwner
	ID string `arg:"" help:"Id of the token, as token list shows it."`
}

// Run revokes a token.
func (cmd *tokenRevokeCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	return out.done(c.RevokeToken(ctx, cmd.ID), "revoked %s", shown(cmd.ID))
}
