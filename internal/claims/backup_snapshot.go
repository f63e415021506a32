package claims

import (
	"context"
	"fmt"
	"os"
	"walletd/internal/ledger"
)

// Snapshot gives a copy of the whole store as it is at one moment, sealed as it is, for an operator;
// locked or not. It is on record before it is given. The caller closes the file, which has no name. Errors
// are store.ErrSnapshot, store.ErrInUse and the store's.
func (d *Door) Snapshot(ctx context.Context, c *Caller) (*os.File, error) {
	if err := c.operates(); err != nil {
		return nil, err
	}
	file, err := d.store.Snapshot(ctx)
	if err != nil {
		return nil, fmt.Errorf("making a snapshot: %w", err)
	}
	if _, err := d.ledger.CommitService(ctx, c.epoch, ledger.Change{Event: c.event(ledger.StoreCopied), Once: c.once()}, nil); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}
