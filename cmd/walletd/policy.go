package main

import (
	"context"
	"slices"
	"strconv"

	"walletd/api"
	"walletd/api/client"
)

type policyCmd struct {
	Show    policyShowCmd    `cmd:"" help:"Show the rules of a wallet (owner)."`
	Set     policySetCmd     `cmd:"" help:"Replace the rules of a wallet (owner)."`
	Test    policyTestCmd    `cmd:"" help:"Say what would be decided, and why (owner)."`
	Confirm policyConfirmCmd `cmd:"" help:"Turn on the rules that came back off with a backup (owner)."`
}

func (con *console) printPolicy(p api.Policy) {
	rows := make([][]string, len(p.Rules))
	off := 0
	for i, r := range p.Rules {
		salt := ""
		switch {
		case r.Salt != nil:
			salt = strconv.Quote(*r.Salt)
		case r.SaltHex != nil:
			salt = "hex " + *r.SaltHex
		}
		decision := string(r.Decision)
		if r.Off {
			decision += " (off)"
			off++
		}
		if r.Tokens != "" {
			decision += " (" + r.Tokens + " token)"
		}
		rows[i] = []string{strconv.Itoa(i + 1), decision, r.App, string(r.Claim), salt}
	}
	con.Table("RULE DECISION APP CLAIM SALT", rows)
	con.notef("The first rule that matches wins; without one the owner is asked.\n")
	if off > 0 {
		con.notef("%d rules came back off with a backup and count for nothing: walletd policy confirm turns them on.\n", off)
	}
}

func (con *console) printStoredPolicy(p api.StoredPolicy) {
	con.printPolicy(p.Policy)
	for _, warning := range p.Warnings {
		con.notef("Note: %s\n", warning)
	}
}

type policyShowCmd struct {
	asOwner
	walletFlag
}

// Run shows the rules.
func (cmd *policyShowCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	p, err := c.Wallet(cmd.Wallet).Policy(ctx)
	return show(out, p, err, out.printPolicy)
}

type policySetCmd struct {
	asOwner
	walletFlag
	File string `arg:"" type:"path" help:"JSON as policy show --json prints it: {\"rules\":[{\"app\",\"claim\",\"decision\"}]}. - reads the standard input."`
}

// Run replaces the rules.
func (cmd *policySetCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	rules, err := readJSON(out, cmd.File, "the policy", `a policy is {"rules":[{"app":"*","claim":"encryptionKey","decision":"ask"}]}`)
	if err != nil {
		return err
	}
	p, err := c.Wallet(cmd.Wallet).SetPolicy(ctx, rules)
	return show(out, p, err, out.printStoredPolicy)
}

type policyTestCmd struct {
	asOwner
	walletFlag
	saltFlags
	App   string `required:"" placeholder:"DID" help:"The app that would ask."`
	Claim string `default:"encryptionKey" placeholder:"TYPE" help:"What it would ask for."`
	Bound bool   `help:"It would ask with a token that is bound to a key, as a page does that was paired."`
}

// Run says what would be decided.
func (cmd *policyTestCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	t := api.PolicyTest{App: cmd.App, Claim: api.ClaimName(cmd.Claim), Salt: cmd.Salt, SaltHex: cmd.SaltHex, Bound: cmd.Bound}
	v, err := c.Wallet(cmd.Wallet).TestPolicy(ctx, t)
	return show(out, v, err, func(v api.PolicyVerdict) { out.printf("%s: %s\n", shown(string(v.Decision)), shown(v.Reason)) })
}

type policyConfirmCmd struct {
	asOwner
	walletFlag
	Rules []int `arg:"" optional:"" name:"rule" help:"Numbers of the rules to turn on, as policy show counts them. All that are off, if none is named."`
}

// Run turns rules on.
func (cmd *policyConfirmCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	wallet := c.Wallet(cmd.Wallet)
	p, err := wallet.Policy(ctx)
	if err != nil {
		return err
	}
	for _, n := range cmd.Rules {
		if n < 1 || n > len(p.Rules) {
			return usagef("there is no rule %d: the policy has %d", n, len(p.Rules))
		}
	}
	for i := range p.Rules {
		if len(cmd.Rules) == 0 || slices.Contains(cmd.Rules, i+1) {
			p.Rules[i].Off = false
		}
	}
	stored, err := wallet.SetPolicy(ctx, p)
	return show(out, stored, err, out.printStoredPolicy)
}
