package main

import (
	"context"
)

type accountCmd struct {
	List   accountListCmd   `cmd:"" help:"List the accounts of a wallet (owner)."`
	Create accountCreateCmd `cmd:"" help:"Derive the account of an app (owner)."`
	Import accountImportCmd `cmd:"" help:"Keep a key that was made elsewhere (owner)."`
}

type account struct {
	Account, App, Type, CreatedAt string
	Imported                      bool
}

func (con *console) printAccount(a account) {
	con.printf("account  %s\napp      %s\ntype     %s\n", shown(a.Account), shown(a.App), shown(a.Type))
}

type accountListCmd struct {
	remote
	walletFlag
	page
}

func (cmd *accountListCmd) Run(ctx context.Context, con *console) error {
	c, err := cmd.open(con, "owner")
	if err != nil {
		return err
	}
	path, err := cmd.path(ctx, c, "/accounts")
	if err != nil {
		return err
	}
	return showList(ctx, con, c, path, cmd.page, nil, "ACCOUNT APP TYPE IMPORTED CREATED", func(a account) []string {
		return []string{a.Account, a.App, a.Type, yesNo(a.Imported), day(a.CreatedAt)}
	})
}

// targetType is the kind of an account.
type targetType struct {
	Key  string `default:"ed25519" enum:"ed25519,secp256k1,ethereum" help:"Kind of key: ed25519, secp256k1, ethereum."`
	Hash string `placeholder:"HASH" help:"Hash of the address: sha3 if not given (keccak for ethereum)."`
	Role string `placeholder:"ROLE" help:"Role of the address: account if not given."`
}

func (t targetType) json() map[string]string {
	m := map[string]string{"key": t.Key}
	if t.Hash != "" {
		m["hash"] = t.Hash
	}
	if t.Role != "" {
		m["role"] = t.Role
	}
	return m
}

type accountCreateCmd struct {
	remote
	walletFlag
	targetType
	App string `required:"" placeholder:"DID" help:"The app whose account it is."`
}

func (cmd *accountCreateCmd) Run(ctx context.Context, con *console) error {
	c, err := cmd.open(con, "owner")
	if err != nil {
		return err
	}
	path, err := cmd.path(ctx, c, "/accounts")
	if err != nil {
		return err
	}
	answer, err := c.post(ctx, path, map[string]any{"app": cmd.App, "targetType": cmd.targetType.json()})
	if err != nil {
		return err
	}
	return show(con, answer, con.printAccount)
}

type accountImportCmd struct {
	remote
	walletFlag
	targetType
	Secret secretFlags `embed:"" prefix:"secret-" group:"The secret key, base58 or 0x hex (asked for without either):"`
}

func (cmd *accountImportCmd) Run(ctx context.Context, con *console) error {
	c, err := cmd.open(con, "owner")
	if err != nil {
		return err
	}
	path, err := cmd.path(ctx, c, "/accounts")
	if err != nil {
		return err
	}
	key, err := cmd.Secret.orAsk(ctx, con, "secret", "Secret key", maxKeyText)
	if err != nil {
		return err
	}
	defer key.wipe()
	answer, err := c.post(ctx, path, map[string]any{"secret": key.reveal(), "targetType": cmd.targetType.json()})
	if err != nil {
		return err
	}
	return show(con, answer, con.printAccount)
}
