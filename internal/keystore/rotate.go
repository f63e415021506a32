package keystore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"walletd/internal/store"
)

const (
	// resealed is how many wallets are re-sealed in one commit.
	resealed = 50
	// inFlight is how long the old root key stays in memory after it was dropped
	// from the store, for requests that had read their wallet's row before.
	inFlight = 10 * time.Second
)

// Rotate makes a new root key and re-seals all wallets under it, while the
// service runs. secrets are those of every passphrase slot; a slot whose secret
// is missing is named (*MissingSlotsError), or removed if dropMissing. Age slots
// are re-sealed from their recipient. Forged slots are removed.
//
// The first commit holds the new slots, the removal of the others, the old root
// key and the service's key sealed under the new one, and a raised epoch, which
// locks the other replicas. Then the wallets follow, and at last the old root key is dropped.
// Killed anywhere in between, every wallet opens after the next Unlock, which
// goes on with it.
//
// Errors are those of Unlock (every secret must open a slot), ErrLocked,
// *MissingSlotsError, store.ErrLastSlot, store.ErrChanged if another replica
// changed the slots at the same time, and *UnfinishedError, with which the new
// root key is in force.
func (k *Keystore) Rotate(ctx context.Context, by string, secrets []Secret, dropMissing bool) error {
	if len(secrets) > maxSlots {
		return ErrSlots
	}
	a, done, err := k.authorise(ctx, true, secrets...)
	if err != nil {
		return err
	}
	defer done()
	if a.old != nil {
		if err := k.finish(ctx, a.row, a.root, a.old); err != nil {
			return &UnfinishedError{err}
		}
		row, slots, err := k.load(ctx)
		if err != nil {
			return err
		}
		if a.row = row; !checkRow(a.root, row) {
			return &ForgedError{Table: tableKeystore, Row: row.ID}
		}
		a.sort(slots)
	}

	root := newKeyring(rootKeys, randomKey())
	defer root.wipe()
	row := a.row
	row.Generation++
	row.Epoch++
	row.SealedOldRoot = seal(root.seal, oldRootLabel(row), a.root.base[:])
	row.SealedService = sealService(root, row, a.service)
	kept, dropped, err := k.resealSlots(a, row, root)
	if err != nil {
		return err
	}
	switch {
	case len(dropped) > 0 && !dropMissing:
		return &MissingSlotsError{names(dropped)}
	case len(kept) == 0:
		return store.ErrLastSlot
	}
	row.Check = checkOf(root, row, kept)

	var writes []store.Write
	for _, s := range kept {
		writes = append(writes, store.PutSlot(s))
	}
	// Forged slots open nothing, so it does no harm if some are left.
	for _, s := range append(dropped, a.forged[:min(len(a.forged), maxTried)]...) {
		writes = append(writes, store.DeleteSlot(s.ID))
	}
	writes = append(writes, store.UpdateKeystore(a.row, row))
	events := a.findings("rotation started", by)
	events[0].Generation, events[0].Epoch = row.Generation, row.Epoch
	events[0].Slots, events[0].Dropped = names(kept), names(dropped)
	// If the outcome is unknown the epoch tells: it was raised, and the next
	// request locks this process, or nothing happened.
	if _, err := k.store.Commit(ctx, k.change(a.row.Epoch, writes, events...)); err != nil {
		return fmt.Errorf("starting the rotation: %w", err)
	}
	k.replace(true, &opened{
		generation: row.Generation, epoch: row.Epoch,
		root: root.clone(), old: a.root.clone(), service: a.service.clone(),
	})
	if err := k.finish(ctx, row, root, a.root); err != nil {
		return &UnfinishedError{err}
	}
	return nil
}

// resealSlots seals the new root key into the slots that a was opened with and
// into the age slots.
func (k *Keystore) resealSlots(a *attempt, row store.Keystore, root *keyring) (kept, dropped []store.Slot, err error) {
	for _, s := range a.slots {
		secret, given := a.by[s.ID]
		switch {
		case s.Kind == slotAge:
			recipient, err := recipientOf(a.row, a.root, s)
			if err != nil {
				return nil, nil, err
			}
			if s, err = sealForRecipient(row, root, s, recipient); err != nil {
				return nil, nil, err
			}
		case given:
			s = k.sealForPassphrase(row, root, s, secret)
		default:
			dropped = append(dropped, s)
			continue
		}
		kept = append(kept, s)
	}
	return kept, dropped, nil
}

// finish re-seals the wallets that are still under the old root key, and drops
// it. Both keys are the caller's. Two replicas may do it at once. It stops with
// ErrLocked when the epoch is raised.
//
// A wallet that does not open is put on record and stays behind: it does not
// open with the old root key either.
func (k *Keystore) finish(ctx context.Context, row store.Keystore, root, old *keyring) error {
	for {
		more, damaged, err := k.resealWallets(ctx, row, root, old)
		if err != nil {
			return err
		}
		if more {
			continue // until nothing is left, also of what changed meanwhile
		}
		dropped, err := k.dropOldRoot(ctx, row, root, damaged)
		if err != nil {
			return err
		}
		if dropped {
			time.AfterFunc(inFlight, func() { k.forgetOld(row.Generation) })
			return nil
		}
	}
}

// resealWallets goes through all wallets once. more says that it found some to
// re-seal.
func (k *Keystore) resealWallets(ctx context.Context, row store.Keystore, root, old *keyring) (more bool, damaged []event, err error) {
	from, to := row.Generation-1, row.Generation
	for page := (store.Page{Limit: resealed}); ; {
		rows, next, err := k.store.Wallets(ctx, page)
		if err != nil {
			return false, nil, fmt.Errorf("reading the wallets: %w", err)
		}
		var writes []store.Write
		var events []event
		for _, w := range rows {
			if w.Generation == to {
				continue
			}
			key, err := openWalletKey(old, w)
			if err != nil || w.Generation != from {
				if len(damaged) < maxNamed {
					damaged = append(damaged, event{Event: "damaged", Table: tableWallets, Row: short(w.ID)})
				}
				continue
			}
			writes = append(writes, store.RotateWallet(w.ID, from, to, sealWalletKey(root, w.ID, key)))
			events = append(events, event{Event: "wallet re-sealed", Wallet: w.ID, Generation: to})
			clear(key[:])
		}
		if len(writes) > 0 {
			more = true
			if err := k.commitResealed(ctx, row, writes, events); err != nil {
				return false, nil, err
			}
		}
		if next == "" {
			return more, damaged, nil
		}
		page.Cursor = next
	}
}

// commitResealed commits re-sealed wallets together, or, if one of them was
// changed meanwhile, each by itself.
func (k *Keystore) commitResealed(ctx context.Context, row store.Keystore, writes []store.Write, events []event) error {
	_, err := k.store.Commit(ctx, k.change(row.Epoch, writes, events...))
	if !errors.Is(err, store.ErrChanged) {
		return err
	}
	if epoch, err := k.store.Epoch(ctx); err != nil {
		return err
	} else if epoch != row.Epoch {
		return ErrLocked
	}
	if len(writes) == 1 {
		return nil // it was deleted, or another replica re-sealed it: the next pass sees
	}
	for i := range writes {
		if err := k.commitResealed(ctx, row, writes[i:i+1], events[i:i+1]); err != nil {
			return err
		}
	}
	return nil
}

// dropOldRoot is the last commit of a rotation. It says false when the row
// changed meanwhile, and looks again then.
func (k *Keystore) dropOldRoot(ctx context.Context, row store.Keystore, root *keyring, events []event) (bool, error) {
	current, err := k.store.Keystore(ctx)
	if err != nil {
		return false, fmt.Errorf("reading the keystore: %w", err)
	}
	switch {
	case current.Epoch != row.Epoch:
		return false, ErrLocked
	case !checkRow(root, current):
		return false, &ForgedError{Table: tableKeystore, Row: row.ID}
	case len(current.SealedOldRoot) == 0:
		return true, nil // another replica was faster
	}
	updated := current
	updated.SealedOldRoot = []byte{}
	// Which slots there are stays as it was stated, so that one that vanished
	// meanwhile is still noticed.
	updated.Check = append(rowCheck(root, updated), current.Check[macSize:]...)
	events = append(events, event{Event: "rotation finished", Generation: row.Generation})
	_, err = k.store.Commit(ctx, k.change(current.Epoch, []store.Write{store.UpdateKeystore(current, updated)}, events...))
	if errors.Is(err, store.ErrChanged) {
		return false, nil
	}
	return err == nil, err
}

// forgetOld wipes the root key before that of the generation.
func (k *Keystore) forgetOld(generation int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.open != nil && k.open.generation == generation {
		k.open.old.wipe()
		k.open.old = nil
	}
}

// oldRootLabel is the associated data of the old root key; row is that of the
// new generation.
func oldRootLabel(row store.Keystore) []byte {
	return appendParts(nil, labelOldRoot, row.ID, strconv.FormatInt(row.Generation, 10))
}
