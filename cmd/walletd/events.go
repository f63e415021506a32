package main

import (
	"context"
	"errors"

	"walletd/api/client"
)

// eventsCmd follows an owner's record.
type eventsCmd struct {
	asOwner
	After int64 `placeholder:"N" help:"Begin after the entry of this number, so that none is missed. Without it: with what is new from now on."`
}

// Run prints each entry on a line as it comes, until it is interrupted.
func (cmd *eventsCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	last := cmd.After
	for e, err := range c.Events(ctx, cmd.After) {
		if _, cut := errors.AsType[*client.UnreachableError](err); cut && last > 0 {
			return withHint(err, "go on where it stopped: walletd events --after "+formatInt(last))
		}
		if err != nil {
			return err
		}
		last = e.Seq
		if out.json {
			if err := out.JSON(e); err != nil {
				return err
			}
			continue
		}
		out.printf("%d  %s  %s  %s\n", e.Seq, day(e.Time), shown(e.Kind), shown(string(e.Entry)))
	}
	return nil
}
