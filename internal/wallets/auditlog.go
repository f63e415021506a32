package wallets

import (
	"context"
	"fmt"
	"io"

	"walletd/internal/auth"
	"walletd/internal/ledger"
)

// Lock signs the ends of the records and locks the keystore on every replica, for an operator.
func (w *Wallets) Lock(ctx context.Context, c *auth.Caller) error {
	if err := c.RequireOperator(); err != nil {
		return err
	}
	if err := w.ledger.SignHeads(ctx); err != nil {
		w.log.Error().Err(err).Msg("signing the ends of the records before a lock")
	}
	if err := w.keystore.Lock(ctx, c.Token); err != nil {
		return fmt.Errorf("locking: %w", err)
	}
	w.ledger.Wake()
	return nil
}

// auditedWallet returns the wallet whose record a caller may read: an owner its own, an operator the service's
// (nil).
func auditedWallet(c *auth.Caller) (*ledger.Wallet, error) {
	switch c.Role {
	case auth.Owner:
		return c.Wallet, nil
	case auth.Operator:
		return nil, nil
	}
	return nil, fmt.Errorf("%w: apps do not read the record", auth.ErrForbidden)
}

// AuditEntries lists entries after a number, oldest first: of an owner's wallet, or of the service for
// an operator.
func (w *Wallets) AuditEntries(ctx context.Context, c *auth.Caller, after int64, limit int) ([]ledger.Entry, error) {
	wallet, err := auditedWallet(c)
	if err != nil {
		return nil, err
	}
	return w.ledger.Entries(ctx, wallet, after, limit)
}

// VerifyAuditLog checks the record that the caller may read (ledger.Verify).
func (w *Wallets) VerifyAuditLog(ctx context.Context, c *auth.Caller) (ledger.Verification, error) {
	wallet, err := auditedWallet(c)
	if err != nil {
		return ledger.Verification{}, err
	}
	return w.ledger.Verify(ctx, wallet)
}

// ExportAuditLog writes the record that the caller may read (ledger.Export).
func (w *Wallets) ExportAuditLog(ctx context.Context, c *auth.Caller, out io.Writer) error {
	wallet, err := auditedWallet(c)
	if err != nil {
		return err
	}
	return w.ledger.Export(ctx, wallet, out)
}
