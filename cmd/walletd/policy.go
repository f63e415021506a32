package main

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
)

type policyCmd struct {
	Show policyShowCmd `cmd:"" help:"Show the rules of a wallet (owner)."`
	Set  policySetCmd  `cmd:"" help:"Replace the rules of a wallet (owner)."`
	Test policyTestCmd `cmd:"" help:"Say what would be decided, and why (owner)."`
}

type policy struct {
	Rules []struct {
		App, Claim, Decision string
		Salt, SaltHex        *string
	}
}

func (con *console) printPolicy(p policy) {
	rows := make([][]string, len(p.Rules))
	for i, r := range p.Rules {
		salt := ""
		switch {
		case r.Salt != nil:
			salt = strconv.Quote(*r.Salt)
		case r.SaltHex != nil:
			salt = "hex " + *r.SaltHex
		}
		rows[i] = []string{strconv.Itoa(i + 1), r.Decision, r.App, r.Claim, salt}
	}
	con.table("RULE DECISION APP CLAIM SALT", rows)
	con.notef("The first rule that matches wins; without one the person is asked.\n")
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
