package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"walletd/internal/keystore"
	"walletd/internal/store"
)

// headEvery is after how many entries a chain's head is signed at the latest.
const headEvery = 1000

// Run signs the head of each chain that has grown, every minute and after every 1,000 entries, and deletes
// expired rows, until ctx ends. It also writes signed heads to the log: a chain that was truncated in the
// database does not match the head that was logged.
func (l *Ledger) Run(ctx context.Context) {
	minute := time.NewTicker(time.Minute)
	defer minute.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case chain := <-l.due:
			if err := l.signHead(ctx, chain); err != nil && ctx.Err() == nil {
				l.log.Error().Err(err).Msg("signing the head of an audit log")
			}
		case <-minute.C:
			if err := l.SignHeads(ctx); err != nil && ctx.Err() == nil {
				l.log.Error().Err(err).Msg("signing the heads of the audit logs")
			}
			if err := l.store.Sweep(ctx, l.store.Now().Unix()); err != nil && ctx.Err() == nil {
				l.log.Error().Err(err).Msg("deleting expired rows")
			}
		}
	}
}

// SignHeads signs the head of each chain that has grown. While the keystore is locked there is no key to sign
// with, and it does nothing.
func (l *Ledger) SignHeads(ctx context.Context) error {
	const atOnce = 200
	failed := false
	for {
		ends, err := l.store.Unsigned(ctx, atOnce)
		if err != nil {
			return fmt.Errorf("looking for audit logs without a signed head: %w", err)
		}
		signed := 0
		for _, end := range ends {
			err := l.signEnd(ctx, end)
			if errors.Is(err, keystore.ErrLocked) {
				return nil
			}
			if err == nil {
				signed++
			} else if !errors.Is(err, store.ErrNotFound) {
				failed = true
				l.log.Error().Err(err).Str("chain", end.Chain).Msg("signing the head of an audit log")
			}
		}
		if len(ends) < atOnce || signed == 0 {
			if !failed {
				l.signed.Store(time.Now().Unix())
			}
			return nil
		}
	}
}

// HeadsSigned returns when SignHeads last succeeded for all chains; before the first time, when the process
// started.
func (l *Ledger) HeadsSigned() time.Time { return time.Unix(l.signed.Load(), 0) }

func (l *Ledger) signHead(ctx context.Context, chain string) error {
	end, err := l.store.ChainEnd(ctx, chain)
	if err != nil {
		return fmt.Errorf("reading the end of the audit log: %w", err)
	}
	return l.signEnd(ctx, end)
}

func (l *Ledger) signEnd(ctx context.Context, end store.End) error {
	now := l.store.Now().UnixMilli()
	var h store.Head
	var err error
	if end.Chain == store.ServiceChain {
		h, err = l.keystore.SignServiceHead(end, now)
	} else {
		var row store.CallerRow
		if row, err = l.store.CallerWallet(ctx, end.Chain); err != nil {
			return err // ErrNotFound: the wallet was deleted, and its key with it
		}
		var w *keystore.Wallet
		if w, err = l.keystore.OpenWallet(row.Wallet, row.Epoch); err != nil {
			return err
		}
		defer w.Close()
		h = w.SignHead(end, now)
	}
	if err != nil {
		return err
	}
	if err := l.store.PutHead(ctx, h); err != nil {
		return fmt.Errorf("storing the head: %w", err)
	}
	l.log.Info().Str("chain", h.Chain).Int64("seq", h.Seq).Hex("hash", h.Hash).Hex("key", h.PublicKey).Hex("signature", h.Signature).
		Int64("at", h.Time).Msg("head of the audit log")
	return nil
}
