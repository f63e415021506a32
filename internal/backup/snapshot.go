package backup

import (
	"context"
	"fmt"
	"os"
	"walletd/internal/auth"
	"walletd/internal/ledger"
)

// Snapshot gives a copy of the whole store as it is at one moment, sealed as it is, for an operator;
// locked or not. It is on record before it is given. The caller closes the file, which has no name. Errors
// are store.ErrSnapshot, store.ErrInUse and the store's.
func (bk *Backups) Snapshot(ctx context.Context, c *auth.Caller) (*os.File, error) {
	if err := c.RequireOperator(); err != nil {
		return nil, err
	}
	file, err := bk.store.Snapshot(ctx)
	if err != nil {
		return nil, fmt.Errorf("making a snapshot: %w", err)
	}
	if _, err := bk.ledger.CommitService(ctx, c.Epoch, ledger.Change{Event: c.Event(ledger.StoreCopied), IdempotencyKey: c.IdempotencyKey()}, nil); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}
