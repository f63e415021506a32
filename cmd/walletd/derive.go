package main

import (
	"context"

	"walletd/api"
	"walletd/api/client"
)

// saltFlags is a salt, as text or as bytes. A salt is not a secret.
type saltFlags struct {
	Salt    *string `xor:"salt" placeholder:"TEXT" help:"The salt as text (0x… is hex, z… base58, as apps write it)."`
	SaltHex *string `xor:"salt" placeholder:"HEX" help:"The salt as bytes, in hex."`
}

type deriveCmd struct {
	asOwner
	walletFlag
	saltFlags
}

// Validate refuses a command without a salt.
func (cmd *deriveCmd) Validate() error {
	if cmd.Salt == nil && cmd.SaltHex == nil {
		return usagef("say which salt: --salt TEXT or --salt-hex HEX")
	}
	return nil
}

// Run derives the owner's own key.
func (cmd *deriveCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	k, err := c.Wallet(cmd.Wallet).Derive(ctx, api.Derive{Salt: cmd.Salt, SaltHex: cmd.SaltHex})
	defer k.Key.Wipe()
	return show(out, k, err, func(k api.DerivedKey) { out.printf("%s\n", shown(string(k.Key.Reveal()))) })
}
