package keystore

import (
	"context"
	"crypto/rand"
	"encoding/binary"
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
	// The pauses between two questions to a store that does not answer.
	firstPause = 50 * time.Millisecond
	mostPause  = time.Second
)

// Rotate makes a new root key and re-seals all wallets under it, while the
// service runs. secrets are those of every passphrase slot; a slot whose secret
// is missing is named (*MissingSlotsError), or removed if dropMissing. Age slots
// are re-sealed from their recipient. Forged slots are removed.
//
// The first commit holds the new slots, the removal of the others, the old root
// key and the service's key sealed under the new one, and a raised epoch, which
// locks the other replicas (Loss tells them why). Then the wallets follow, and at
// last the old root key is dropped. This process goes on serving.
// Killed anywhere in between, every wallet opens after the next Unlock, which
// goes on with it.
//
// Errors are those of Unlock (every secret must open a slot), ErrLocked,
// *MissingSlotsError, store.ErrLastSlot, store.ErrChanged if another replica
// changed the slots at the same time, and *UnfinishedError, with which the new
// root key is in force. If the store does not answer at the first commit, Rotate
// asks it until ctx ends; with store.ErrUnavailable nothing is changed, or it is
// still not known, and this process serves either way.
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
	row.Epoch = drawEpoch(row.Epoch)
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
	// The new root key is held before the commit, so that a request which reads
	// the new epoch has it, at whatever moment.
	next := &opened{
		generation: row.Generation, epoch: row.Epoch,
		root: root.clone(), old: a.root.clone(), service: a.service.clone(),
	}
	if !k.hold(next) {
		return ErrLocked
	}
	if err := k.start(ctx, a.row, row, root, k.change(a.row.Epoch, writes, events...)); err != nil {
		if !errors.Is(err, errUnknown) {
			k.letGo(next)
		}
		return fmt.Errorf("starting the rotation: %w", err)
	}
	k.take(next)
	if err := k.finish(ctx, row, root, a.root); err != nil {
		return &UnfinishedError{err}
	}
	return nil
}

// hold keeps what the keystore holds after a rotation until it is known whether
// that began. It says false, and wipes it, if the keystore is locked.
func (k *Keystore) hold(next *opened) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.open == nil {
		next.wipe()
		return false
	}
	k.next.wipe()
	k.next = next
	return true
}

// take puts next in force, unless a request has done so that read its epoch, or a
// lock came between, which has wiped it.
func (k *Keystore) take(next *opened) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.next == next {
		k.open.wipe()
		k.open, k.next = next, nil
	}
}

// letGo wipes next after a rotation that did not begin.
func (k *Keystore) letGo(next *opened) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch next {
	case k.next:
		next.wipe()
		k.next = nil
	case k.open: // its epoch was read: somebody has guessed and written it
		k.become(nil)
	}
}

// errUnknown says that it is not known whether a rotation began, because the
// store does not answer. The new root key stays held: a request that reads its
// epoch takes it, and until then the old one is in force.
var errUnknown = errors.New("the store has not said whether it began")

// start commits the first change of a rotation, from the keystore's row as it was
// read to the one under root. If the outcome is unknown it finds it out.
func (k *Keystore) start(ctx context.Context, was, row store.Keystore, root *keyring, c store.Change) error {
	_, err := k.store.Commit(ctx, c)
	if !errors.Is(err, store.ErrUnavailable) {
		return err
	}
	for pause := firstPause; ; pause = min(2*pause, mostPause) {
		began, settled := k.settle(ctx, was, row, root)
		switch {
		case settled && began:
			return nil
		case settled:
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", errUnknown, err)
		}
	}
}

// settle tells whether a rotation began. It writes the row as it was, on the
// condition that it still is, and an entry that says so. Where the first change
// is still being written, it has the row, and this waits for its end.
func (k *Keystore) settle(ctx context.Context, was, row store.Keystore, root *keyring) (began, settled bool) {
	e := event{Event: "rotation did not start", Generation: row.Generation}
	_, err := k.store.Commit(ctx, k.change(was.Epoch, []store.Write{store.UpdateKeystore(was, was)}, e))
	if !errors.Is(err, store.ErrChanged) {
		return false, err == nil
	}
	now, err := k.store.Keystore(ctx)
	return err == nil && now.Generation == row.Generation && checkRow(root, now), err == nil
}

// An epoch counts locks in its low bits. What raises it besides, a rotation or an
// accepted clock, draws the bits above them anew, larger than they were, and
// leaves the count. So nothing else gives the epoch that a rotation is about to
// write, and of two epochs it can be said whether somebody has locked in between.
const (
	lockBits  = 16
	drawnBits = 20 // an epoch outlasts 2^27 rotations, and as many digits as a JSON number has, 2^17
)

func drawEpoch(epoch int64) int64 {
	var drawn [4]byte
	rand.Read(drawn[:]) // never fails
	return (epoch>>lockBits+1+int64(binary.BigEndian.Uint32(drawn[:])>>(32-drawnBits)))<<lockBits + locks(epoch)
}

// locks is how many locks an epoch has counted.
func locks(epoch int64) int64 { return epoch & (1<<lockBits - 1) }

// lostKeys says which root key a process held, and of which epoch, until it was raised elsewhere.
type lostKeys struct{ generation, epoch int64 }

// Loss says how an unlocked keystore was locked from elsewhere; the zero Loss,
// that it was not.
type Loss struct {
	Lost bool
	// Rotated: another replica has replaced the root key, and nobody has locked
	// since this process was unlocked: nobody has decided that it is to stay locked.
	Rotated bool
	// ClockAccepted: another replica has accepted its clock, and the same.
	ClockAccepted bool
	// Rotating: a rotation is not finished. Unlocking goes on with it.
	Rotating bool
	// Generation of the root key in force.
	Generation int64
}

// MayUnlock says that nobody has decided that the process is to stay locked, so that
// UnlockAgain may unlock it.
func (l Loss) MayUnlock() bool { return l.Rotated || l.ClockAccepted }

// Loss asks the store whether another replica has locked this process, rotated, or
// accepted its clock.
func (k *Keystore) Loss(ctx context.Context) (Loss, error) {
	row, err := k.store.Keystore(ctx)
	if err != nil {
		return Loss{}, fmt.Errorf("reading the keystore: %w", err)
	}
	return k.lossBy(row), nil
}

// lossBy is Loss, by the keystore's row.
func (k *Keystore) lossBy(row store.Keystore) Loss {
	if k.Unlocked(row.Epoch) {
		return Loss{}
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.lost == (lostKeys{}) {
		return Loss{}
	}
	unasked := locks(row.Epoch) == locks(k.lost.epoch)
	return Loss{
		Lost: true, Rotated: unasked && row.Generation > k.lost.generation, ClockAccepted: unasked && row.Generation == k.lost.generation,
		Rotating: len(row.SealedOldRoot) > 0, Generation: row.Generation,
	}
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
