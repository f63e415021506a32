package main

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
)

type policyCmd struct {
	Show policyShowCmd `cmd:"" help:"Show the rules of a wallet (owner)."`
	Set  policySetCmd  `cmd:"" help:"Replace the rules of a wallet (owner)."`
	Test policyTestCmd `cmd:"" help:"Say what would be decided, and why (owner)."`

	Confirm policyConfirmCmd `cmd:"" help:"Turn on the rules that came back off with a backup (owner)."`
}

type policy struct {
	Rules []struct {
		App, Claim, Decision string
		Salt, SaltHex        *string
		Off                  bool
	}
}

func (con *console) printPolicy(p policy) {
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
		if r.Off {
			r.Decision += " (off)"
			off++
		}
		rows[i] = []string{strconv.Itoa(i + 1), r.Decision, r.App, r.Claim, salt}
	}
	con.table("RULE DECISION APP CLAIM SALT", rows)
	con.notef("The first rule that matches wins; without one the person is asked.\n")
	if off > 0 {
		con.notef("%d rules came back off with a backup and count for nothing: walletd policy confirm turns them on.\n", off)
	}
}

type policyShowCmd struct {
	remote
	walletFlag
}

func (cmd *policyShowCmd) Run(ctx context.Context, con *console) error {
	c, err := cmd.open(con, "owner")
	if err != nil {
		return err
	}
	path, err := cmd.path(ctx, c, "/policy")
	if err != nil {
		return err
	}
	answer, err := c.get(ctx, path, nil)
	if err != nil {
		return err
	}
	return show(con, answer, con.printPolicy)
}

type policySetCmd struct {
	remote
	walletFlag
	File string `arg:"" help:"JSON as policy show --json prints it: {\"rules\":[{\"app\",\"claim\",\"decision\"}]}. - reads the standard input."`
}

func (cmd *policySetCmd) Run(ctx context.Context, con *console) error {
	rules, err := cmd.read(con)
	if err != nil {
		return err
	}
	c, err := cmd.open(con, "owner")
	if err != nil {
		return err
	}
	path, err := cmd.path(ctx, c, "/policy")
	if err != nil {
		return err
	}
	answer, err := c.call(ctx, http.MethodPut, path, nil, rules)
	if err != nil {
		return err
	}
	return show(con, answer, con.printPolicy)
}

func (cmd *policySetCmd) read(con *console) (json.RawMessage, error) {
	return readJSON(con, cmd.File, "the policy", `a policy is {"rules":[{"app":"*","claim":"encryptionKey","decision":"ask"}]}`)
}

type policyTestCmd struct {
	remote
	walletFlag
	saltFlags
	App   string `required:"" placeholder:"DID" help:"The app that would ask."`
	Claim string `default:"encryptionKey" placeholder:"TYPE" help:"What it would ask for."`
}

func (cmd *policyTestCmd) Run(ctx context.Context, con *console) error {
	c, err := cmd.open(con, "owner")
	if err != nil {
		return err
	}
	path, err := cmd.path(ctx, c, "/policy/test")
	if err != nil {
		return err
	}
	body := map[string]any{"app": cmd.App, "claim": cmd.Claim}
	cmd.saltFlags.into(body)
	answer, err := c.post(ctx, path, body)
	if err != nil {
		return err
	}
	return show(con, answer, func(v struct{ Decision, Reason string }) {
		con.printf("%s: %s\n", shown(v.Decision), shown(v.Reason))
	})
}

type policyConfirmCmd struct {
	remote
	walletFlag
	Rules []int `arg:"" optional:"" name:"rule" help:"Numbers of the rules to turn on, as policy show counts them. All that are off, if none is named."`
}

func (cmd *policyConfirmCmd) Run(ctx context.Context, con *console) error {
	c, err := cmd.open(con, "owner")
	if err != nil {
		return err
	}
	path, err := cmd.path(ctx, c, "/policy")
	if err != nil {
		return err
	}
	p, err := fetch[struct {
		Rules []map[string]any `json:"rules"`
	}](ctx, c, path, nil)
	if err != nil {
		return err
	}
	for i, r := range p.Rules {
		if len(cmd.Rules) == 0 || slices.Contains(cmd.Rules, i+1) {
			delete(r, "off")
		}
	}
	for _, n := range cmd.Rules {
		if n < 1 || n > len(p.Rules) {
			return usagef("there is no rule %d: the policy has %d", n, len(p.Rules))
		}
	}
	answer, err := c.call(ctx, http.MethodPut, path, nil, p)
	if err != nil {
		return err
	}
	return show(con, answer, con.printPolicy)
}
