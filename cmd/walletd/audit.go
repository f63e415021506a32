package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
)

type auditCmd struct {
	Show   auditShowCmd   `cmd:"" help:"Show entries of the record."`
	Verify auditVerifyCmd `cmd:"" help:"Check that the record holds together: by the service, or an exported FILE offline."`
	Export auditExportCmd `cmd:"" help:"Write the whole record, to be checked offline."`
}

// chainFlags say whose record is meant.
type chainFlags struct {
	Wallet  string `xor:"chain" placeholder:"WALLET" help:"The record of this wallet (owner). An owner's own, if not given."`
	Service bool   `xor:"chain" help:"The service's own record: what operators do (operator)."`
}

// open returns a client for whoever may read the record, and the record's path.
func (f chainFlags) open(ctx context.Context, con *console, r remote) (*client, string, error) {
	if f.Service {
		c, err := r.open(con, "operator")
		return c, "/v1/audit", err
	}
	c, err := r.open(con, "owner")
	if err != nil {
		return nil, "", err
	}
	path, err := walletFlag{f.Wallet}.path(ctx, c, "/audit")
	return c, path, err
}

type auditShowCmd struct {
	remote
	chainFlags
	After int64 `placeholder:"N" help:"Only entries after this number."`
	Limit int   `default:"50" placeholder:"N" help:"At most this many, up to 200."`
}

type entry struct {
	Seq        int64
	Time, Kind string
	Entry      json.RawMessage
}

func (cmd *auditShowCmd) Run(ctx context.Context, con *console) error {
	c, path, err := cmd.chainFlags.open(ctx, con, cmd.remote)
	if err != nil {
		return err
	}
	answer, err := c.get(ctx, path, url.Values{"after": {strconv.FormatInt(cmd.After, 10)}, "limit": {strconv.Itoa(cmd.Limit)}})
	if err != nil {
		return err
	}
	return show(con, answer, func(l list[entry]) {
		rows := make([][]string, len(l.Items))
		for i, e := range l.Items {
			rows[i] = []string{strconv.FormatInt(e.Seq, 10), day(e.Time), e.Kind, string(e.Entry)}
		}
		con.table("NUMBER TIME KIND ENTRY", rows)
		if l.Next != "" {
			con.notef("There are more: --after %s\n", shown(l.Next))
		}
	})
}

type auditExportCmd struct {
	remote
	chainFlags
	Out string `placeholder:"FILE" type:"path" help:"Write to this new file instead of the standard output."`
}

func (cmd *auditExportCmd) Run(ctx context.Context, con *console) (err error) {
	c, path, err := cmd.chainFlags.open(ctx, con, cmd.remote)
	if err != nil {
		return err
	}
	res, err := c.send(ctx, http.MethodGet, path+"/export", nil, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	out := con.raw
	if cmd.Out != "" {
		file, err := os.OpenFile(cmd.Out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		defer func() {
			if err = errors.Join(err, file.Close()); err != nil {
				os.Remove(cmd.Out) // a record that stops in the middle looks like one that was cut
			}
		}()
		out = file
	}
	if _, err := io.Copy(out, res.Body); err != nil {
		return fmt.Errorf("reading the record from the service: %w", err)
	}
	return nil
}
