package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"strings"

	"walletd/api"
	"walletd/api/client"
	"walletd/internal/secret"
)

type walletCmd struct {
	Create walletCreateCmd `cmd:"" help:"Create a wallet and show its words, once (operator)."`
	Import walletImportCmd `cmd:"" help:"Create a wallet from words or a seed (operator)."`
	List   walletListCmd   `cmd:"" help:"List wallets (operator: all, owner: its own)."`
	Show   walletShowCmd   `cmd:"" help:"Show a wallet and its settings."`
	Set    walletSetCmd    `cmd:"" help:"Change a wallet's settings (owner)."`
	Delete walletDeleteCmd `cmd:"" help:"Delete a wallet. Only its words bring its keys back."`
}

type walletCreateCmd struct {
	asOperator
	Name string `required:"" help:"A name for people."`
}

// Run creates a wallet of new words.
func (cmd *walletCreateCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	w, err := c.CreateWallet(ctx, api.NewWallet{Name: cmd.Name})
	defer w.Words.Wipe()
	return show(out, w, err, func(w api.CreatedWallet) {
		out.printf("wallet  %s\nwords   %s\n", shown(w.Wallet), shown(string(w.Words.Reveal())))
		out.notef("Write the words down: they are shown once, and they alone bring the wallet's keys back.\n")
	})
}

// seedFlags are the words of a wallet, or its seed.
type seedFlags struct {
	Words   secretFlags `embed:"" prefix:"words-" group:"The wallet's BIP-39 words (asked for without any of these):"`
	SeedHex secretFlags `embed:"" prefix:"seed-hex-" group:"Or its 64-byte seed, as 128 hex digits:"`
}

// Validate refuses both.
func (f seedFlags) Validate() error {
	if f.Words.given() && f.SeedHex.given() {
		return usagef("words and a seed were given: choose one")
	}
	return nil
}

// read reads what is given, or asks for the words. One of the two is returned.
func (f seedFlags) read(ctx context.Context, con *console) (words, seed secret.Bytes, err error) {
	if f.SeedHex.given() {
		seed, err = f.SeedHex.read(con, maxKeyText, oneLine)
		return words, seed, err
	}
	typed, err := f.Words.orAsk(ctx, con, "words", "Words", maxWords, phrase)
	defer typed.Wipe()
	return secret.New(bytes.Join(bytes.Fields(typed.Reveal()), []byte(" "))), seed, err
}

type walletImportCmd struct {
	asOperator
	seedFlags
	Name string `required:"" help:"A name for people."`
}

// Run creates a wallet of what is given.
func (cmd *walletImportCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	words, seed, err := cmd.read(ctx, out)
	if err != nil {
		return err
	}
	defer words.Wipe()
	defer seed.Wipe()
	w, err := c.CreateWallet(ctx, api.NewWallet{Name: cmd.Name, Words: api.SecretText{Bytes: words}, SeedHex: api.SecretText{Bytes: seed}})
	return show(out, w, err, func(w api.CreatedWallet) { out.printf("wallet  %s\n", shown(w.Wallet)) })
}

type walletListCmd struct {
	asOperator
	pageFlags
}

// Run lists wallets.
func (cmd *walletListCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	l, err := c.Wallets(ctx, cmd.page())
	return table(out, l, err, "WALLET NAME OWNED CREATED", func(w api.Wallet) []string {
		return []string{w.Wallet, w.Name, yesNo(w.Owned), day(w.CreatedAt)}
	})
}

type walletShowCmd struct {
	asOwner
	Wallet string `arg:"" optional:"" help:"Address of the wallet. An owner's own, if not given."`
}

// Run shows a wallet.
func (cmd *walletShowCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	w, err := c.Wallet(cmd.Wallet).Get(ctx)
	return show(out, w, err, out.printWallet)
}

func (con *console) printWallet(w api.Wallet) {
	unregistered := "refused"
	if w.Strangers {
		unregistered = "asked about"
	}
	con.printf("wallet             %s\nname               %s\nowned              %s\ncreated            %s\nrounds             %d\nunregistered apps  %s\n",
		shown(w.Wallet), shown(w.Name), yesNo(w.Owned), day(w.CreatedAt), w.Rounds, unregistered)
	if w.Approve == api.ApproveByPasskey {
		con.printf("approvals          take a passkey\n")
	}
}

type walletSetCmd struct {
	asOwner
	Wallet           string `arg:"" optional:"" help:"Address of the wallet. An owner's own, if not given."`
	Name             string `help:"A name for people."`
	Rounds           int    `placeholder:"N" help:"Rounds of SHA3-256 in an encryptionKey, 1 or 3. Every known app expects 1; another number changes every key."`
	Approve          string `enum:"token,passkey," default:"" placeholder:"token|passkey" help:"What an approval takes: an owner's token by itself, or the touch of a passkey."`
	UnregisteredApps string `enum:"ask,refuse," default:"" placeholder:"ask|refuse" help:"What becomes of a signed request of an app that has no token in the wallet and was never approved: the owner is asked, or it is refused."`
}

// Validate refuses a command that changes nothing.
func (cmd *walletSetCmd) Validate() error {
	if cmd.Name == "" && cmd.Rounds == 0 && cmd.UnregisteredApps == "" && cmd.Approve == "" {
		return usagef("say what to change: --name, --rounds, --approve or --unregistered-apps")
	}
	return nil
}

// Run changes what is given.
func (cmd *walletSetCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	s := api.WalletSettings{Approve: api.ApproveBy(cmd.Approve)}
	if cmd.Name != "" {
		s.Name = &cmd.Name
	}
	if cmd.Rounds != 0 {
		s.Rounds = &cmd.Rounds
	}
	if cmd.UnregisteredApps != "" {
		s.Strangers = new(cmd.UnregisteredApps == "ask")
	}
	w, err := c.Wallet(cmd.Wallet).Change(ctx, s)
	return show(out, w, err, out.printWallet)
}

type walletDeleteCmd struct {
	asOwner
	Wallet  string `arg:"" help:"Address of the wallet."`
	Confirm string `placeholder:"WALLET" help:"The address again, instead of typing it when asked."`
}

// Run deletes a wallet whose address was said twice.
func (cmd *walletDeleteCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	if cmd.Confirm == "" {
		out.notef("This deletes the wallet, its tokens, rules, grants and approvals; its record stays.\nType its address to go on: ")
		line, _ := bufio.NewReader(out.in).ReadString('\n')
		cmd.Confirm = strings.TrimSpace(line)
	}
	if cmd.Confirm != cmd.Wallet {
		return withHint(errors.New("nothing was deleted: the address was not confirmed"), "--confirm "+shellQuote(shown(cmd.Wallet)))
	}
	return out.done(c.Wallet(cmd.Wallet).Delete(ctx, cmd.Confirm), "deleted %s", shown(cmd.Wallet))
}
