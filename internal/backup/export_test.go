package backup

import (
	"context"
	"walletd/internal/auth"
	"walletd/internal/store"
)

// What only tests of this package see.

const BackupSalt = backupSalt
const DigestSize = digestSize

type FileSecret = fileSecret

var BackupKey = backupKey

func (b *Backups) Gather(ctx context.Context, c *auth.Caller, r store.Receipt, last int64) (*backup, error) {
	return b.gather(ctx, c, r, last)
}

func (b *Backups) UnchangedSince(ctx context.Context, c *auth.Caller, seq int64) (bool, error) {
	return b.unchangedSince(ctx, c, seq)
}

// Hold makes the Backups busy until the function it returns is called.
func (b *Backups) Hold() (release func()) {
	b.busy.Lock()
	return b.busy.Unlock
}
