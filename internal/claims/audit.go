package claims

import (
	"context"
	"fmt"
	"io"

	"walletd/internal/ledger"
)

// Lock signs the ends of the records and locks the keystore on every replica, for an operator.
func (d *Door) Lock(ctx context.Context, c *Caller) error {
	if err := c.operates(); err != nil {
		return err
	}
	if err := d.ledger.SignHeads(ctx); err != nil {
		d.log.Error().Err(err).Msg("signing the ends of the records before a lock")
	}
	if err := d.keystore.Lock(ctx, c.Token); err != nil {
		return fmt.Errorf("locking: %w", err)
	}
	d.ledger.Wake()
	return nil
}

// book returns the wallet whose record a caller may read: an owner its own, an operator the service's
// (nil).
func (c *Caller) book() (*ledger.Wallet, error) {
	switch c.Role {
	case Owner:
		return c.Wallet, nil
	case Operator:
		return nil, nil
	}
	return nil, fmt.Errorf("%w: apps do not read the record", ErrForbidden)
}

// Record lists entries after a number, oldest first: of an owner's wallet, or of the service for
// an operator.
func (d *Door) Record(ctx context.Context, c *Caller, after int64, limit int) ([]ledger.Entry, error) {
	w, err := c.book()
	if err != nil {
		return nil, err
	}
	return d.ledger.Entries(ctx, w, after, limit)
}

// VerifyRecord checks the record that the caller may read (ledger.Verify).
func (d *Door) VerifyRecord(ctx context.Context, c *Caller) (ledger.Verification, error) {
	w, err := c.book()
	if err != nil {
		return ledger.Verification{}, err
	}
	return d.ledger.Verify(ctx, w)
}

// ExportRecord writes the record that the caller may read (ledger.Export).
func (d *Door) ExportRecord(ctx context.Context, c *Caller, w io.Writer) error {
	wallet, err := c.book()
	if err != nil {
		return err
	}
	return d.ledger.Export(ctx, wallet, w)
}
