package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"walletd/internal/blocklet"
	"walletd/internal/did"
)

// blockletCmd works without a service, on one value at a time.
type blockletCmd struct {
	Open blockletOpenCmd `cmd:"" help:"Show a value of a Blocklet Server backup: migratedFrom[].appSk of blocklet.json, or a secure value of blocklet-extras.json."`
	Seal blockletSealCmd `cmd:"" help:"Encrypt a value as Blocklet Server does."`
}

// blockletFlags say whose backup it is.
type blockletFlags struct {
	App string      `required:"" placeholder:"DID" help:"The application: appDid of blocklet.json."`
	Key secretFlags `embed:"" prefix:"key-" group:"Its encryptionKey for its own address, z… or hex (asked for without either):"`
}

func (f blockletFlags) key(ctx context.Context, con *console) (blocklet.Key, error) {
	app, err := did.Parse(f.App)
	if err != nil {
		return blocklet.Key{}, usagef("--app must be a DID")
	}
	text, err := f.Key.orAsk(ctx, con, "key", "Encryption key", maxKeyText, oneLine)
	if err != nil {
		return blocklet.Key{}, err
	}
	defer text.Wipe()
	raw, err := hex.DecodeString(string(text.Reveal()))
	if err != nil {
		raw, err = did.DecodeBase58(string(text.Reveal()), blocklet.KeySize)
	}
	defer clear(raw)
	if err != nil {
		return blocklet.Key{}, withHint(errors.New("the key is none"), "it is the key member of an encryptionKey claim's answer: z…")
	}
	return blocklet.NewKey(raw, app.Address())
}

type blockletOpenCmd struct {
	blockletFlags
	Value secretFlags `embed:"" prefix:"value-" group:"The value as it stands in the backup (asked for without either):"`
}

func (cmd *blockletOpenCmd) Run(ctx context.Context, con *console) error {
	key, err := cmd.key(ctx, con)
	if err != nil {
		return err
	}
	defer key.Wipe()
	value, err := cmd.Value.orAsk(ctx, con, "value", "Value", 2*blocklet.MaxValue, verbatim)
	if err != nil {
		return err
	}
	plain, err := key.Open(string(value.Reveal()))
	if errors.Is(err, blocklet.ErrOpen) {
		return withHint(err, "the key is of the wallet that the application has now, and --app its address")
	}
	if err != nil {
		return err
	}
	defer clear(plain)
	if con.json {
		return con.JSON(map[string]string{"value": string(plain)})
	}
	_, err = fmt.Fprintf(con.bytesOut(), "%s\n", plain)
	return err
}

type blockletSealCmd struct {
	blockletFlags
	Value secretFlags `embed:"" prefix:"value-" group:"The value to encrypt (asked for without either):"`
}

func (cmd *blockletSealCmd) Run(ctx context.Context, con *console) error {
	key, err := cmd.key(ctx, con)
	if err != nil {
		return err
	}
	defer key.Wipe()
	value, err := cmd.Value.orAsk(ctx, con, "value", "Value", blocklet.MaxValue, verbatim)
	if err != nil {
		return err
	}
	defer value.Wipe()
	text, err := key.Seal(value.Reveal())
	if err != nil {
		return err
	}
	if con.json {
		return con.JSON(map[string]string{"value": text})
	}
	con.printf("%s\n", text)
	return nil
}
