package backup

import (
	"context"
	"fmt"
	"os"
	"walletd/internal/auth"
	"walletd/internal/ledger"
)

// Snapshot returns a consistent copy of the whole store, for an operator, whether the keystore is locked or not. What is
// sealed in the store is sealed in the copy. The request is recorded before Snapshot returns. The caller closes the file,
// which has no name. Errors are store.ErrSnapshot, store.ErrInUse and the store's.
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
