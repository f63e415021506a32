package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

type walletCmd struct {
	Create walletCreateCmd `cmd:"" help:"Make a wallet and show its words, once (operator)."`
	Import walletImportCmd `cmd:"" help:"Make a wallet from words or a seed (operator)."`
	List   walletListCmd   `cmd:"" help:"List wallets (operator: all, owner: its own)."`
	Show   walletShowCmd   `cmd:"" help:"Show a wallet and its settings."`
	Delete walletDeleteCmd `cmd:"" help:"Delete a wallet. Only its words bring its keys back."`
}

type walletCreateCmd struct {
	remote
	Name string `required:"" help:"A name for people."`
}

func (cmd *walletCreateCmd) Run(ctx context.Context, con *console) error {
	c, err := cmd.open(con, "operator")
	if err != nil {
		return err
	}
	answer, err := c.post(ctx, "/v1/wallets", map[string]string{"name": cmd.Name})
	if err != nil {
		return err
	}
	return show(con, answer, func(v struct{ Wallet, Words string }) {
		con.printf("wallet  %s\nwords   %s\n", shown(v.Wallet), shown(v.Words))
		con.notef("Write the words down: they are shown once, and they alone bring the wallet's keys back.\n")
	})
}

type walletImportCmd struct {
	remote
	Name    string      `required:"" help:"A name for people."`
	Words   secretFlags `embed:"" prefix:"words-" group:"The BIP-39 words (asked for without either):"`
	SeedHex secretFlags `embed:"" prefix:"seed-hex-" group:"Or the 64-byte seed, as 128 hex digits:"`
}

func (cmd *walletImportCmd) Run(ctx context.Context, con *console) error {
	c, err := cmd.open(con, "operator")
	if err != nil {
		return err
	}
	if cmd.Words.given() && cmd.SeedHex.given() {
		return usagef("words and a seed were given: choose one")
	}
	body := map[string]string{"name": cmd.Name}
	if cmd.SeedHex.given() {
		seed, err := cmd.SeedHex.read(con, maxKeyText)
		if err != nil {
			return err
		}
		defer seed.wipe()
		body["seedHex"] = seed.reveal()
	} else {
		words, err := cmd.Words.orAsk(ctx, con, "words", "Words", maxWords)
		if err != nil {
			return err
		}
		defer words.wipe()
		body["words"] = strings.Join(strings.Fields(words.reveal()), " ")
	}
	answer, err := c.post(ctx, "/v1/wallets", body)
	if err != nil {
		return err
	}
	return show(con, answer, func(v struct{ Wallet string }) {
		con.printf("wallet  %s\n", shown(v.Wallet))
	})
}

type walletListCmd struct {
	remote
	page
}

type walletSummary struct {
	Wallet, Name, CreatedAt string
	Owned                   bool
}

func (cmd *walletListCmd) Run(ctx context.Context, con *console) error {
	c, err := cmd.open(con, "operator")
	if err != nil {
		return err
	}
	return showList(ctx, con, c, "/v1/wallets", cmd.page, nil, "WALLET NAME OWNED CREATED", func(w walletSummary) []string {
		return []string{w.Wallet, w.Name, yesNo(w.Owned), day(w.CreatedAt)}
	})
}

// walletFlag names the wallet a command is about; an owner has one and need not name it.
type walletFlag struct {
	Wallet string `placeholder:"WALLET" help:"Address of the wallet. An owner's own, if not given."`
}

// path returns the path of the wallet, with more behind it.
func (w walletFlag) path(ctx context.Context, c *client, more string) (string, error) {
	wallet := w.Wallet
	if wallet == "" {
		own, err := fetch[list[walletSummary]](ctx, c, "/v1/wallets", url.Values{"limit": {"2"}})
		if err != nil {
			return "", fmt.Errorf("looking for the token's wallet: %w", err)
		}
		if len(own.Items) != 1 {
			return "", usagef("say which wallet: --wallet z1…")
		}
		wallet = own.Items[0].Wallet
	}
	return "/v1/wallets/" + segment(wallet) + more, nil
}

type walletShowCmd struct {
	remote
	Wallet string `arg:"" optional:"" help:"Address of the wallet. An owner's own, if not given."`
}

func (cmd *walletShowCmd) Run(ctx context.Context, con *console) error {
	c, err := cmd.open(con, "owner")
	if err != nil {
		return err
	}
	path, err := walletFlag{cmd.Wallet}.path(ctx, c, "")
	if err != nil {
		return err
	}
	answer, err := c.get(ctx, path, nil)
	if err != nil {
		return err
	}
	return show(con, answer, func(v struct {
		walletSummary
		Rounds    int
		Strangers bool
	}) {
		con.printf("wallet     %s\nname       %s\nowned      %s\ncreated    %s\nrounds     %d\nstrangers  %s\n",
			shown(v.Wallet), shown(v.Name), yesNo(v.Owned), shown(day(v.CreatedAt)), v.Rounds, yesNo(v.Strangers))
	})
}

type walletDeleteCmd struct {
	remote
	Wallet  string `arg:"" help:"Address of the wallet."`
	Confirm string `placeholder:"WALLET" help:"The address again, instead of typing it when asked."`
}

func (cmd *walletDeleteCmd) Run(ctx context.Context, con *console) error {
	c, err := cmd.open(con, "owner")
	if err != nil {
		return err
	}
	if cmd.Confirm == "" {
		con.notef("This deletes the wallet, its tokens, rules, grants and approvals; its record stays.\nType its address to go on: ")
		line, _ := bufio.NewReader(con.in).ReadString('\n')
		cmd.Confirm = strings.TrimSpace(line)
	}
	if cmd.Confirm != cmd.Wallet {
		return withHint(errors.New("nothing was deleted: the address was not confirmed"), "--confirm "+shellQuote(shown(cmd.Wallet)))
	}
	answer, err := c.delete(ctx, "/v1/wallets/"+segment(cmd.Wallet), map[string]string{"confirm": cmd.Confirm})
	if err != nil {
		return err
	}
	return show(con, answer, func(struct{}) { con.printf("deleted %s\n", shown(cmd.Wallet)) })
}
