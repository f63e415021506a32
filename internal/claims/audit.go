package claims

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"walletd/internal/keystore"
	"walletd/internal/store"
)

// headEvery is after how many entries the end of a chain is signed at the latest.
const headEvery = 1000

// Run signs the ends of chains every minute with news, and after every 1,000 entries, and sweeps
// what has ended, until ctx ends. Signed heads also go to the log: a chain whose end was cut off
// in the database does not fit the head that was logged.
func (d *Door) Run(ctx context.Context) {
	minute := time.NewTicker(time.Minute)
	defer minute.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case chain := <-d.due:
			if err := d.signHead(ctx, chain); err != nil && ctx.Err() == nil {
				d.log.Error().Err(err).Msg("signing the end of a record")
			}
		case <-minute.C:
			if err := d.SignHeads(ctx); err != nil && ctx.Err() == nil {
				d.log.Error().Err(err).Msg("signing the ends of the records")
			}
			if err := d.store.Sweep(ctx, d.store.Now().Unix()); err != nil && ctx.Err() == nil {
				d.log.Error().Err(err).Msg("sweeping what has ended")
			}
		}
	}
}

// SignHeads signs the end of each chain that has news. While locked there is no key to sign with,
// and it does nothing.
func (d *Door) SignHeads(ctx context.Context) error {
	const atOnce = 200
	for {
		ends, err := d.store.Unsigned(ctx, atOnce)
		if err != nil {
			return fmt.Errorf("looking for records without a head: %w", err)
		}
		signed := 0
		for _, end := range ends {
			err := d.signEnd(ctx, end)
			if errors.Is(err, keystore.ErrLocked) {
				return nil
			}
			if err == nil {
				signed++
			} else if !errors.Is(err, store.ErrNotFound) {
				d.log.Error().Err(err).Str("chain", end.Chain).Msg("signing the end of a record")
			}
		}
		if len(ends) < atOnce || signed == 0 {
			return nil
		}
	}
}

func (d *Door) signHead(ctx context.Context, chain string) error {
	end, err := d.store.ChainEnd(ctx, chain)
	if err != nil {
		return fmt.Errorf("reading the end of the record: %w", err)
	}
	return d.signEnd(ctx, end)
}

func (d *Door) signEnd(ctx context.Context, end store.End) error {
	h := store.Head{Chain: end.Chain, Seq: end.Seq, Hash: end.Hash, Time: d.store.Now().UnixMilli()}
	var err error
	if end.Chain == store.ServiceChain {
		h.PublicKey, h.Signature, err = d.keystore.SignServiceHead(h.Chain, h.Seq, h.Hash, h.Time)
	} else {
		var row store.CallerRow
		if row, err = d.store.CallerWallet(ctx, end.Chain); err != nil {
			return err // ErrNotFound: the record of a wallet that was deleted has no key any more
		}
		var w *keystore.Wallet
		if w, err = d.keystore.OpenWallet(row.Wallet, row.Epoch); err != nil {
			return err
		}
		defer w.Close()
		h.PublicKey, h.Signature, err = w.SignHead(h.Chain, h.Seq, h.Hash, h.Time)
	}
	if err != nil {
		return err
	}
	if err := d.store.PutHead(ctx, h); err != nil {
		return fmt.Errorf("keeping the head: %w", err)
	}
	d.log.Info().Str("chain", h.Chain).Int64("seq", h.Seq).Hex("hash", h.Hash).Hex("key", h.PublicKey).Hex("signature", h.Signature).
		Int64("at", h.Time).Msg("head of the record")
	return nil
}

// Lock signs the ends of the records and locks the keystore on every replica, for an operator.
func (d *Door) Lock(ctx context.Context, c *Caller) error {
	if err := c.operates(); err != nil {
		return err
	}
	if err := d.SignHeads(ctx); err != nil {
		d.log.Error().Err(err).Msg("signing the ends of the records before a lock")
	}
	if err := d.keystore.Lock(ctx, c.Token); err != nil {
		return fmt.Errorf("locking: %w", err)
	}
	d.changed.notify()
	return nil
}

// EntryView is an entry of the record, opened.
type EntryView struct {
	Seq   int64
	ID    string
	Time  time.Time
	Kind  string
	Entry json.RawMessage // what was recorded; null if it does not open
	Hash  string          // hex
}

// chain returns the chain a caller may read: an owner's wallet's, or the service's for operators.
func (c *Caller) chain() (string, error) {
	switch c.Role {
	case Owner:
		return c.Wallet, nil
	case Operator:
		return store.ServiceChain, nil
	}
	return "", fmt.Errorf("%w: apps do not read the record", ErrForbidden)
}

// Record lists entries after a number, oldest first: of an owner's wallet, or of the service for
// an operator.
func (d *Door) Record(ctx context.Context, c *Caller, after int64, limit int) ([]EntryView, error) {
	chain, err := c.chain()
	if err != nil {
		return nil, err
	}
	rows, err := d.store.Records(ctx, chain, after, limit)
	if err != nil {
		return nil, fmt.Errorf("reading the record: %w", err)
	}
	views := make([]EntryView, 0, len(rows))
	old := oldContents{store: d.store, wallet: c.wallet}
	for _, r := range rows {
		v := EntryView{Seq: r.Seq, ID: r.ID, Time: time.UnixMilli(r.Time), Kind: r.Kind, Entry: json.RawMessage("null"), Hash: hex.EncodeToString(r.Hash)}
		content := r.Sealed
		if chain != store.ServiceChain {
			if content, err = old.open(ctx, r); err != nil {
				return nil, err
			}
		}
		if json.Valid(content) {
			v.Entry = content
		}
		views = append(views, v)
	}
	return views, nil
}

// Verification is what checking a record found.
type Verification struct {
	Entries, Heads int64
	Head           *store.Head // the last head that fits
	Bad            *BadEntry   // the first entry, or head, that does not fit
	Unknown        string      // what cannot be known
}

// BadEntry names what does not fit.
type BadEntry struct {
	Seq int64
	Why string
}

// recordPage is how many rows are read at once when a whole chain is walked.
const recordPage = 500

// walk calls f for each entry of a chain in order.
func (d *Door) walk(ctx context.Context, chain string, f func(store.Record) error) error {
	for after := int64(0); ; {
		rows, err := d.store.Records(ctx, chain, after, recordPage)
		if err != nil {
			return fmt.Errorf("reading the record: %w", err)
		}
		for _, r := range rows {
			if err := f(r); err != nil {
				return err
			}
			after = r.Seq
		}
		if len(rows) < recordPage {
			return nil
		}
	}
}

func (d *Door) walkHeads(ctx context.Context, chain string, f func(store.Head) error) error {
	for after := int64(0); ; {
		heads, err := d.store.Heads(ctx, chain, after, recordPage)
		if err != nil {
			return fmt.Errorf("reading the heads: %w", err)
		}
		for _, h := range heads {
			if err := f(h); err != nil {
				return err
			}
			after = h.Seq
		}
		if len(heads) < recordPage {
			return nil
		}
	}
}

// VerifyRecord checks the caller's chain from its first entry, and that every signed head fits
// it. It says what it cannot know: whether entries were cut off after the last head.
func (d *Door) VerifyRecord(ctx context.Context, c *Caller) (Verification, error) {
	chain, err := c.chain()
	if err != nil {
		return Verification{}, err
	}
	key, err := d.headKey(c)
	if err != nil {
		return Verification{}, err
	}
	v := NewVerifier(chain)
	v.Key, v.Own = key, key != nil
	if err := d.walkHeads(ctx, chain, func(h store.Head) error { v.AddHead(h); return nil }); err != nil {
		return Verification{}, err
	}
	if err := d.walk(ctx, chain, func(r store.Record) error { v.Add(r); return nil }); err != nil {
		return Verification{}, err
	}
	return v.Result(), nil
}

// headKey returns the public key that signs the caller's chain; nil while locked.
func (d *Door) headKey(c *Caller) ([]byte, error) {
	if c.wallet != nil {
		return c.wallet.HeadKey(), nil
	}
	pk, err := d.keystore.ServiceHeadKey()
	if errors.Is(err, keystore.ErrLocked) {
		return nil, nil
	}
	return pk, err
}
