package keystore

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"walletd/internal/did"
	"walletd/internal/store"
)

// A secret that opened a slot is good for nothing if the root key in the slot is not that of the wallets: then the
// keystore's rows are of another store, or were put back from before a rotation. So a try looks at wallets, and most of
// them must open. In a small store those are all. Of a large one they are drawn by chance, because whoever puts rows
// back chooses which; all are looked at where many of those drawn do not open, and, after an unlock, beside the
// requests (Run), which costs a tenth of one processor for a while.
const (
	allUpTo    = 100 // wallets of a store that are all looked at
	drawn      = 64  // of a larger one
	drawnBad   = 16  // of those drawn that do not open: then all are looked at. By chance fewer are seen of a store where most do not open, once in 100,000 times
	lookAtOnce = 50
	lookShare  = 10 // of the time, one part is spent on looking
)

// looked counts wallets.
type looked struct {
	good, bad int
	damaged   []string // the first maxNamed of the bad
}

func (l *looked) add(id string, opens bool) {
	if opens {
		l.good++
		return
	}
	if l.bad++; l.bad <= maxNamed {
		l.damaged = append(l.damaged, id)
	}
}

// foreign reports whether there are wallets and most of them were not made with the root key. A few that do not open
// are damaged, and must not keep the others locked.
func (l *looked) foreign() bool { return l.bad > l.good }

// checkWallets says ErrForeignRoot if most wallets do not open with the root key of the attempt.
func (k *Keystore) checkWallets(ctx context.Context, a *attempt) error {
	o := opened{generation: a.row.Generation, root: a.root, old: a.old}
	opens := func(row store.Wallet) bool {
		root := o.rootOf(row.Generation)
		if root == nil {
			return false
		}
		key, err := openWalletKey(root, row)
		if err != nil {
			return false
		}
		clear(key[:])
		return true
	}
	var all looked
	rows, next, err := k.store.Wallets(ctx, store.Page{Limit: allUpTo})
	if err != nil {
		return fmt.Errorf("reading the wallets: %w", err)
	}
	if next != "" {
		bad := 0
		for range drawn {
			row, err := k.drawWallet(ctx)
			if err != nil {
				return fmt.Errorf("reading a wallet: %w", err)
			}
			if !opens(row) {
				bad++
			}
		}
		if a.sampled = bad < drawnBad; a.sampled {
			return nil
		}
	}
	for {
		for _, row := range rows {
			all.add(row.ID, opens(row))
		}
		if next == "" {
			break
		}
		if rows, next, err = k.store.Wallets(ctx, store.Page{Cursor: next}); err != nil {
			return fmt.Errorf("reading the wallets: %w", err)
		}
	}
	if a.damaged = all.damaged; all.foreign() {
		return ErrForeignRoot
	}
	return nil
}

// drawWallet reads a wallet by chance: the one that comes next after an address that is drawn as wallets' are. A row
// that somebody adds is drawn as often as any other.
func (k *Keystore) drawWallet(ctx context.Context) (store.Wallet, error) {
	pk, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		return store.Wallet{}, err
	}
	id, err := did.FromPublicKey(pk, did.AccountType())
	if err != nil {
		return store.Wallet{}, err
	}
	return k.store.WalletFrom(ctx, id.Address())
}

// Run looks at all wallets after each unlock that has looked at some of them only, until ctx ends. Those that do not
// open it puts on the service's record. If they are most, it puts that on record too, locks this process, and calls
// failed with ErrForeignRoot. failed is also called with an error of the store, at which it begins again when the
// keystore is unlocked the next time.
func (k *Keystore) Run(ctx context.Context, failed func(error)) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.unlooked:
		}
		if err := k.lookAtAll(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, ErrLocked) {
			failed(err)
		}
	}
}

// lookLater has Run look at all wallets.
func (k *Keystore) lookLater() {
	select {
	case k.unlooked <- struct{}{}:
	default: // it will
	}
}

// lookAtAll looks at all wallets, some at a time. It stops with ErrLocked if the keystore is locked meanwhile.
func (k *Keystore) lookAtAll(ctx context.Context) error {
	var all looked
	for page := (store.Page{Limit: lookAtOnce}); ; {
		began := time.Now()
		rows, next, err := k.store.Wallets(ctx, page)
		if err != nil {
			return fmt.Errorf("reading the wallets: %w", err)
		}
		for _, row := range rows {
			opens, err := k.opensWallet(ctx, row)
			if err != nil {
				return err
			}
			all.add(row.ID, opens)
		}
		if next == "" {
			break
		}
		page.Cursor = next
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After((lookShare - 1) * time.Since(began)):
		}
	}
	events := damagedWallets(all.damaged)
	if all.foreign() {
		k.replace(nil)
		if err := k.record(ctx, append(events, event{Event: "foreign root"})...); err != nil {
			return err
		}
		return ErrForeignRoot
	}
	if len(events) == 0 {
		return nil
	}
	return k.record(ctx, events...)
}

// opensWallet reports whether a wallet opens. Where it does not, it is read once more: a rotation may have sealed it anew.
func (k *Keystore) opensWallet(ctx context.Context, row store.Wallet) (bool, error) {
	for again := true; ; again = false {
		key, err := k.walletKey(row)
		switch {
		case err == nil:
			clear(key[:])
			return true, nil
		case errors.Is(err, ErrLocked):
			return false, err
		case !again:
			return false, nil
		}
		row, err = k.store.Wallet(ctx, row.ID)
		if errors.Is(err, store.ErrNotFound) {
			return true, nil // it was deleted meanwhile
		}
		if err != nil {
			return false, fmt.Errorf("reading a wallet: %w", err)
		}
	}
}

// damagedWallets are the entries about wallets that do not open.
func damagedWallets(ids []string) (events []event) {
	for _, id := range ids {
		events = append(events, event{Event: "damaged", Table: tableWallets, Row: short(id)})
	}
	return events
}
