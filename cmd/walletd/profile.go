package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
)

type profileCmd struct {
	Show profileShowCmd `cmd:"" help:"Show the profile of a wallet (owner)."`
	Set  profileSetCmd  `cmd:"" help:"Replace the profile of a wallet (owner)."`
}

func (con *console) printProfile(p map[string]string) {
	for _, item := range slices.Sorted(maps.Keys(p)) {
		value := p[item]
		if item == "avatar" {
			value = fmt.Sprintf("a picture of %d bytes", len(value))
		}
		con.printf("%-12s %s\n", shown(item), shown(value))
	}
	con.notef("An item is given only when you, or a rule of yours, say so.\n")
}

type profileShowCmd struct {
	remote
	walletFlag
}

func (cmd *profileShowCmd) Run(ctx context.Context, con *console) error {
	c, err := cmd.open(con, "owner")
	if err != nil {
		return err
	}
	path, err := cmd.path(ctx, c, "/profile")
	if err != nil {
		return err
	}
	answer, err := c.get(ctx, path, nil)
	if err != nil {
		return err
	}
	return show(con, answer, con.printProfile)
}

type profileSetCmd struct {
	remote
	walletFlag
	File string `arg:"" help:"JSON as profile show --json prints it: {\"fullName\",\"email\",\"phone\",\"signature\",\"avatar\",\"birthday\",\"url\"}. - reads the standard input."`
}

func (cmd *profileSetCmd) Run(ctx context.Context, con *console) error {
	c, err := cmd.open(con, "owner")
	if err != nil {
		return err
	}
	answer, err := setProfile(ctx, con, c, cmd.walletFlag, cmd.File)
	if err != nil {
		return err
	}
	return show(con, answer, con.printProfile)
}

// setProfile replaces a wallet's profile with what is in a file.
func setProfile(ctx context.Context, con *console, c *client, wallet walletFlag, file string) (json.RawMessage, error) {
	items, err := readJSON(con, file, "the profile", `a profile is {"fullName":"Alice Bean","email":"alice@example.test"}`)
	if err != nil {
		return nil, err
	}
	path, err := wallet.path(ctx, c, "/profile")
	if err != nil {
		return nil, err
	}
	return c.call(ctx, http.MethodPut, path, nil, items)
}

// readJSON reads a file of JSON, or the standard input for "-"; what names it and hint shows one
// in errors.
func readJSON(con *console, name, what, hint string) (json.RawMessage, error) {
	in := con.in
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		in = file
	}
	const most = 64 << 10
	b, err := io.ReadAll(io.LimitReader(in, most+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", what, err)
	case len(b) > most:
		return nil, fmt.Errorf("%s is longer than %d bytes", what, most)
	case !json.Valid(b):
		return nil, withHint(errors.New(what+" is not JSON"), hint)
	}
	return b, nil
}
