package keystore

import (
	"context"
	"fmt"

	"walletd/internal/store"
)

// AcceptClock goes on from what the clock of this machine says, where a time from the future is in the store, or
// where the clock was wrong and is right now. It takes the secret of a slot, and puts on record who did it and
// which chain held the newest time. by is as in Unlock. What was recorded in the future stays recorded so.
//
// It raises the epoch, as a rotation does: other replicas lock, and learn the newest time anew; those that can read
// what unlocks them do so again (Loss), because nobody has decided that they stay locked. This one stays as it is,
// and so does what was locked before. Errors are ErrBusy, ErrWrongSecret, *ForgedError, ErrForeignRoot, ErrNotInitialised, store.ErrClockAhead if
// this clock is not the database's, and the store's.
func (k *Keystore) AcceptClock(ctx context.Context, by string, s Secret) error {
	if !k.gate.TryLock() {
		return ErrBusy
	}
	defer k.gate.Unlock()
	newest, err := k.store.NewestEnd(ctx)
	if err != nil {
		return fmt.Errorf("looking for the newest time: %w", err)
	}
	a, err := k.try(ctx, false, s)
	if err != nil {
		return err
	}
	defer a.wipe()
	k.Unlocked(a.row.Epoch) // a lock that this process has not noticed yet is one before
	raised := a.row
	raised.Epoch = drawEpoch(a.row.Epoch)
	events := a.findings("clock accepted", by)
	events[0].Epoch, events[0].Table, events[0].Row = raised.Epoch, tableChains, short(newest.Chain)
	// What is held from the new epoch on is held before the commit, as in a rotation.
	next := a.opened()
	next.epoch = raised.Epoch
	held := k.hold(next)
	err = k.store.AcceptClock(ctx, k.change(a.row.Epoch, []store.Write{store.UpdateKeystore(a.row, raised)}, events...))
	switch {
	case err != nil:
		if held {
			k.letGo(next) // if it happened all the same, the epoch locks this replica too
		}
		return err
	case held:
		k.take(next)
	}
	return nil
}
