package keystore

import (
	"context"
	"fmt"
	"runtime/debug"

	"walletd/internal/store"
)

// AddSlot adds a slot; auth is the secret of an existing one, tried like that
// of an unlock. by is the id of the token that asks, for the record. Errors are
// those of Unlock, ErrLocked, ErrSlot, ErrRecipient, those of CheckPassphrase,
// ErrSlots if there are too many, and store.ErrChanged if another replica changed
// the slots at the same time.
func (k *Keystore) AddSlot(ctx context.Context, by string, auth Secret, n NewSlot) (id string, err error) {
	a, done, err := k.authorise(ctx, false, auth)
	if err != nil {
		return "", err
	}
	defer done()
	if len(a.slots) >= maxSlots {
		return "", ErrSlots
	}
	s, err := k.makeSlot(a.row, a.root, n)
	if err != nil {
		return "", err
	}
	e := event{Event: "slot added", By: by, Slot: s.ID, Slots: []string{s.Name}}
	if err := k.changeSlots(ctx, a, append(a.slots, s), store.PutSlot(s), e); err != nil {
		return "", err
	}
	return s.ID, nil
}

// RemoveSlot removes a slot, also a forged one; auth is the secret of an
// existing one, possibly of this. Errors are those of Unlock, ErrLocked,
// ErrNoSlot, store.ErrLastSlot and store.ErrChanged.
//
// It keeps out who learns the secret later. Who knows it and has a copy of the
// row has the root key: against them only Rotate helps.
func (k *Keystore) RemoveSlot(ctx context.Context, by string, auth Secret, id string) error {
	a, done, err := k.authorise(ctx, false, auth)
	if err != nil {
		return err
	}
	defer done()
	var left []store.Slot
	removed := ""
	found := false
	for _, s := range a.slots {
		if s.ID == id {
			found, removed = true, s.Name
		} else {
			left = append(left, s)
		}
	}
	for _, s := range a.forged {
		found = found || s.ID == id
	}
	switch {
	case !found:
		return ErrNoSlot
	case len(left) == 0:
		return store.ErrLastSlot
	}
	e := event{Event: "slot removed", By: by, Slot: short(id), Dropped: []string{removed}}
	return k.changeSlots(ctx, a, left, store.DeleteSlot(id), e)
}

// CheckSecret reports whether a secret is that of a slot, tried like that of an unlock, and puts on record what it was
// given for. by is the id of the token that asks. Errors are those of Unlock and ErrLocked.
func (k *Keystore) CheckSecret(ctx context.Context, by, purpose string, secret Secret) error {
	_, done, err := k.authorise(ctx, false, secret)
	if err != nil {
		return err
	}
	done()
	return k.record(ctx, event{Event: purpose, By: by})
}

// AddOperator adds an operator's token for who has the secret of a slot, as somebody has who lost all tokens. The
// keystore may be locked, and stays as it is. Errors are those of Unlock.
func (k *Keystore) AddOperator(ctx context.Context, auth Secret, operator store.Token) error {
	if !k.gate.TryLock() {
		return ErrBusy
	}
	defer k.gate.Unlock()
	a, err := k.try(ctx, false, auth)
	if err != nil {
		return err
	}
	defer a.wipe()
	events := a.findings("operator token made", "")
	events[0].Token = operator.ID
	if _, err := k.store.Commit(ctx, k.change(-1, []store.Write{store.InsertToken(operator)}, events...)); err != nil {
		return fmt.Errorf("storing the token: %w", err)
	}
	return nil
}

// authorise tries the secret for a change of slots. Unless it fails, the caller
// calls done.
func (k *Keystore) authorise(ctx context.Context, all bool, auth ...Secret) (a *attempt, done func(), err error) {
	if !k.gate.TryLock() {
		return nil, nil, ErrBusy
	}
	if a, err = k.try(ctx, all, auth...); err == nil {
		if k.Unlocked(a.row.Epoch) {
			return a, func() {
				a.wipe()
				debug.FreeOSMemory() // Argon2's, if a slot was made
				k.gate.Unlock()
			}, nil
		}
		a.wipe()
		err = ErrLocked
	}
	k.gate.Unlock()
	return nil, nil, err
}

// changeSlots commits a change after which slots are all there are.
func (k *Keystore) changeSlots(ctx context.Context, a *attempt, slots []store.Slot, w store.Write, e event) error {
	updated := a.row
	updated.Check = checkOf(a.root, updated, slots)
	// What was found amiss goes on record here too: from now on it is the state
	// that later checks compare with.
	events := append([]event{e}, a.amiss()...)
	c := k.change(a.row.Epoch, []store.Write{w, store.UpdateKeystore(a.row, updated)}, events...)
	_, err := k.store.Commit(ctx, c)
	return err
}
