package main

import (
	"context"

	"walletd/api"
	"walletd/api/client"
)

type accountCmd struct {
	List   accountListCmd   `cmd:"" help:"List the accounts of a wallet (owner)."`
	Create accountCreateCmd `cmd:"" help:"Derive the account of an app (owner)."`
	Import accountImportCmd `cmd:"" help:"Store a key that was made elsewhere (owner)."`
}

func (con *console) printAccount(a api.Account) {
	con.printf("account  %s\napp      %s\ntype     %s\n", shown(a.Account), shown(a.App), shown(a.Type))
}

type accountListCmd struct {
	asOwner
	walletFlag
	pageFlags
}

// Run lists accounts.
func (cmd *accountListCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	l, err := c.Wallet(cmd.Wallet).Accounts(ctx, cmd.page())
	return table(out, l, err, "ACCOUNT APP TYPE IMPORTED CREATED", func(a api.Account) []string {
		return []string{a.Account, a.App, a.Type, yesNo(a.Imported), day(a.CreatedAt)}
	})
}

// targetType is the kind of an account.
type targetType struct {
	Key  string `default:"ed25519" enum:"ed25519,secp256k1,ethereum" help:"Kind of key: ed25519, secp256k1, ethereum."`
	Hash string `placeholder:"HASH" help:"Hash of the address: sha3 if not given (keccak for ethereum)."`
	Role string `placeholder:"ROLE" help:"Role of the address: account if not given."`
}

func (t targetType) wire() *api.TargetType {
	return &api.TargetType{Key: t.Key, Hash: t.Hash, Role: t.Role}
}

type accountCreateCmd struct {
	asOwner
	walletFlag
	targetType
	App string `required:"" placeholder:"DID" help:"The app whose account it is."`
}

// Run derives an account.
func (cmd *accountCreateCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	a, err := c.Wallet(cmd.Wallet).AddAccount(ctx, api.NewAccount{App: cmd.App, TargetType: cmd.wire()})
	return show(out, a, err, out.printAccount)
}

type accountImportCmd struct {
	asOwner
	walletFlag
	targetType
	Secret secretFlags `embed:"" prefix:"secret-" group:"The secret key, base58 or 0x hex (asked for without either):"`
}

// Run stores a key.
func (cmd *accountImportCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	key, err := cmd.Secret.orAsk(ctx, out, "secret", "Secret key", maxKeyText, oneLine)
	if err != nil {
		return err
	}
	defer key.Wipe()
	a, err := c.Wallet(cmd.Wallet).AddAccount(ctx, api.NewAccount{Secret: api.SecretText{Bytes: key}, TargetType: cmd.wire()})
	return show(out, a, err, out.printAccount)
}
