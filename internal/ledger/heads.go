package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"walletd/internal/keystore"
	"walletd/internal/store"
)

// headEvery is after how many entries the end of a chain is signed at the latest.
const headEvery = 1000

// Run signs the ends of chains every minute in which they grew, and after every 1,000 entries, and sweeps
// what has ended, until ctx ends. Signed heads also go to the log: a chain whose end was cut off
// in the database does not fit the head that was logged.
func (l *Ledger) Run(ctx context.Context) {
	minute := time.NewTicker(time.Minute)
	defer minute.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case chain := <-l.due:
			if err := l.signHead(ctx, chain); err != nil && ctx.Err() == nil {
				l.log.Error().Err(err).Msg("signing the end of a record")
			}
		case <-minute.C:
			if err := l.SignHeads(ctx); err != nil && ctx.Err() == nil {
				l.log.Error().Err(err).Msg("signing the ends of the records")
			}
			if err := l.store.Sweep(ctx, l.store.Now().Unix()); err != nil && ctx.Err() == nil {
				l.log.Error().Err(err).Msg("sweeping what has ended")
			}
		}
	}
}

// SignHeads signs the end of each chain that has news. While locked there is no key to sign with,
// and it does nothing.
func (l *Ledger) SignHeads(ctx context.Context) error {
	const atOnce = 200
	failed := false
	for {
		ends, err := l.store.Unsigned(ctx, atOnce)
		if err != nil {
			return fmt.Errorf("looking for records without a head: %w", err)
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
				l.log.Error().Err(err).Str("chain", end.Chain).Msg("signing the end of a record")
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

// HeadsSigned is when each chain that had grown was last found to have, or given, a signed head; at
// first it is when the process began.
func (l *Ledger) HeadsSigned() time.Time { return time.Unix(l.signed.Load(), 0) }

func (l *Ledger) signHead(ctx context.Context, chain string) error {
	end, err := l.store.ChainEnd(ctx, chain)
	if err != nil {
		return fmt.Errorf("reading the end of the record: %w", err)
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
			return err // ErrNotFound: the record of a wallet that was deleted has no key any more
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
		return fmt.Errorf("keeping the head: %w", err)
	}
	l.log.Info().Str("chain", h.Chain).Int64("seq", h.Seq).Hex("hash", h.Hash).Hex("key", h.PublicKey).Hex("signature", h.Signature).
		Int64("at", h.Time).Msg("head of the record")
	return nil
}
