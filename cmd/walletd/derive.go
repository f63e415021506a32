package main

import (
	"context"
)

// saltFlags is a salt, as text or as bytes. A salt is not a secret.
type saltFlags struct {
	Salt    *string `xor:"salt" placeholder:"TEXT" help:"The salt as text (0x… is hex, z… base58, as apps write it)."`
	SaltHex *string `xor:"salt" placeholder:"HEX" help:"The salt as bytes, in hex."`
}

func (s saltFlags) given() bool { return s.Salt != nil || s.SaltHex != nil }

// into adds the salt to a request.
func (s saltFlags) into(body map[string]any) {
	if s.Salt != nil {
		body["salt"] = *s.Salt
	}
	if s.SaltHex != nil {
		body["saltHex"] = *s.SaltHex
	}
}

type deriveCmd struct {
	remote
	walletFlag
	saltFlags
}

func (cmd *deriveCmd) Run(ctx context.Context, con *console) error {
	if !cmd.saltFlags.given() {
		return usagef("say which salt: --salt TEXT or --salt-hex HEX")
	}
	c, err := cmd.open(con, "owner")
	if err != nil {
		return err
	}
	path, err := cmd.path(ctx, c, "/derive")
	if err != nil {
		return err
	}
	body := map[string]any{}
	cmd.saltFlags.into(body)
	answer, err := c.post(ctx, path, body)
	if err != nil {
		return err
	}
	return show(con, answer, func(v struct{ Key string }) { con.printf("%s\n", shown(v.Key)) })
}
