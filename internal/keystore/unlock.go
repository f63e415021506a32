package keystore

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"walletd/internal/store"
)

// Unlock opens the keystore with a passphrase or an identity, and finishes a
// rotation of the root key that was cut short. by is who asks, for the record:
// the id of a token, or "walletd" for the process itself. After failures it first waits:
// not at all after two, then 1 s doubling to 30 s, or until ctx ends.
//
// A passphrase slot that opened and is weak (SlotStatus.Weak), or was not made of
// the normal form of its passphrase, is made anew in the commit that puts the
// unlock on record.
//
// Of a large store it looks at some of the wallets, and Run at all of them.
//
// What it finds forged is put on the service's record. A slot beside the one
// that opened is then left alone: it opens nothing. If the very slot that opened
// or the keystore's row is forged (*ForgedError), or holds another root key
// than that of the wallets (ErrForeignRoot), the keystore stays locked. Other
// errors are ErrBusy, ErrWrongSecret, ErrNotInitialised, the store's, and
// *UnfinishedError, with which it is unlocked.
func (k *Keystore) Unlock(ctx context.Context, by string, s Secret) error {
	return k.unlock(ctx, by, s, func(store.Keystore) bool { return true })
}

// UnlockAgain is Unlock for a process that was locked from elsewhere and of which
// Loss says that it may be unlocked. If somebody has locked since, the error is
// ErrLocked.
func (k *Keystore) UnlockAgain(ctx context.Context, by string, s Secret) error {
	return k.unlock(ctx, by, s, func(row store.Keystore) bool { return k.Unlocked(row.Epoch) || k.lossBy(row).MayUnlock() })
}

// unlock is Unlock if the keystore's row, with which the secret was tried, may be
// unlocked. A lock that comes later than that has a newer epoch.
func (k *Keystore) unlock(ctx context.Context, by string, s Secret, may func(store.Keystore) bool) error {
	if !k.gate.TryLock() {
		return ErrBusy
	}
	defer k.gate.Unlock()
	a, err := k.try(ctx, false, s)
	if err != nil {
		return err
	}
	defer a.wipe()
	if !may(a.row) {
		return ErrLocked
	}
	if err := k.recordUnlock(ctx, a, by); err != nil {
		return err
	}
	k.replace(a.opened())
	if a.sampled {
		k.lookLater()
	}
	if a.old == nil {
		return nil
	}
	if err := k.finish(ctx, a.row, a.root, a.old); err != nil {
		return &UnfinishedError{err}
	}
	return nil
}

// recordUnlock puts an unlock on record, and in the same commit makes those slots
// anew that it opened and new ones would be better than. If somebody changed the keystore meanwhile the
// slots stay, until the next unlock.
func (k *Keystore) recordUnlock(ctx context.Context, a *attempt, by string) error {
	events := a.findings("unlock", by)
	writes, made, slots := k.remakeSlots(a)
	if len(writes) == 0 {
		return k.record(ctx, events...)
	}
	debug.FreeOSMemory() // Argon2's
	updated := a.row
	updated.Check = checkOf(a.root, updated, slots)
	writes = append(writes, store.UpdateKeystore(a.row, updated))
	_, err := k.store.Commit(ctx, k.change(a.row.Epoch, writes, append(events, made...)...))
	switch {
	case errors.Is(err, store.ErrChanged):
		return k.record(ctx, events...)
	case err != nil:
		return fmt.Errorf("writing the record: %w", err)
	}
	a.row = updated
	return nil
}

// remakeSlots makes those slots anew that a was opened with and that are weak,
// unless new slots are as weak here, or are not of the normal form of their
// passphrase. slots are all genuine ones as they then are.
func (k *Keystore) remakeSlots(a *attempt) (writes []store.Write, events []event, slots []store.Slot) {
	for _, s := range a.slots {
		secret, opened := a.by[s.ID]
		if opened && (a.asGiven[s.ID] || isWeak(s) && !k.argon2().weak()) {
			s = k.sealForPassphrase(a.row, a.root, s, secret)
			writes = append(writes, store.PutSlot(s))
			events = append(events, event{Event: "slot made anew", Slot: s.ID, Slots: []string{short(s.Name)}})
		}
		slots = append(slots, s)
	}
	return writes, events, slots
}

// findings are the entries about a good secret: what it was used for, with
// which slots, and what was found amiss on the way.
func (a *attempt) findings(what, by string) []event {
	e := event{Event: what, By: by, Generation: a.row.Generation}
	for _, s := range a.slots {
		if _, ok := a.by[s.ID]; ok {
			e.Slots = append(e.Slots, short(s.Name))
		}
	}
	return append([]event{e}, a.amiss()...)
}

// amiss are the entries about what somebody else did to the database.
func (a *attempt) amiss() (events []event) {
	for _, s := range a.forged[:min(len(a.forged), maxNamed)] {
		events = append(events, event{Event: "forged", Table: tableSlots, Row: short(s.ID)})
	}
	events = append(events, damagedWallets(a.damaged)...)
	if a.changed {
		events = append(events, event{Event: "slots changed", Table: tableSlots})
	}
	return events
}

// opened is what the keystore then holds: keys of its own, because a lock wipes
// them at any time.
func (a *attempt) opened() *opened {
	o := &opened{generation: a.row.Generation, epoch: a.row.Epoch, root: a.root.clone(), service: a.service.clone()}
	if a.old != nil {
		o.old = a.old.clone()
	}
	return o
}
