package wallets

import (
	"context"
	"fmt"
	"io"

	"walletd/internal/auth"
	"walletd/internal/ledger"
)

// Lock signs the heads of the audit logs and locks the keystore on every replica, for an operator.
func (w *Wallets) Lock(ctx context.Context, c *auth.Caller) error {
	if err := c.RequireOperator(); err != nil {
		return err
	}
	if err := w.ledger.SignHeads(ctx); err != nil {
		w.log.Error().Err(err).Msg("signing the heads of the audit logs before a lock")
	}
	if err := w.keystore.Lock(ctx, c.Token); err != nil {
		return fmt.Errorf("locking: %w", err)
	}
	w.ledger.Wake()
	return nil
}

// auditedWallet returns the wallet whose audit log a caller may read: an owner's own, or nil for the service's,
// which an operator may read.
func auditedWallet(c *auth.Caller) (*ledger.Wallet, error) {
	switch c.Role {
	case auth.Owner:
		return c.Wallet, nil
	case auth.Operator:
		return nil, nil
	}
	return nil, fmt.Errorf("%w: apps may not read the audit log", auth.ErrForbidden)
}

// AuditEntries returns up to limit audit entries after a sequence number, oldest first: of an owner's wallet, or
// of the service for an operator.
func (w *Wallets) AuditEntries(ctx context.Context, c *auth.Caller, after int64, limit int) ([]ledger.Entry, error) {
	wallet, err := auditedWallet(c)
	if err != nil {
		return nil, err
	}
	return w.ledger.Entries(ctx, wallet, after, limit)
}

// VerifyAuditLog verifies the audit log that the caller may read (ledger.Verify).
func (w *Wallets) VerifyAuditLog(ctx context.Context, c *auth.Caller) (ledger.Verification, error) {
	wallet, err := auditedWallet(c)
	if err != nil {
		return ledger.Verification{}, err
	}
	return w.ledger.Verify(ctx, wallet)
}

// ExportAuditLog writes the audit log that the caller may read to out (ledger.Export).
func (w *Wallets) ExportAuditLog(ctx context.Context, c *auth.Caller, out io.Writer) error {
	wallet, err := auditedWallet(c)
	if err != nil {
		return err
	}
	return w.ledger.Export(ctx, wallet, out)
}

// Archived returns the newest archive of the audit log that the caller may read; nil if none of it is archived.
func (w *Wallets) Archived(ctx context.Context, c *auth.Caller) (*ledger.Archive, error) {
	wallet, err := auditedWallet(c)
	if err != nil {
		return nil, err
	}
	return w.ledger.Archived(ctx, wallet)
}
