package keystore

import (
	"context"
	"crypto/hmac"
	"crypto/subtle"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sort"
	"time"

	"walletd/internal/store"
)

// maxTried bounds the slots that a secret is tried on. We make at most maxSlots.
const maxTried = 4 * maxSlots

// maxNamed bounds the rows that one entry of the record leads to. There can be
// any number of forged and damaged ones.
const maxNamed = 16

// attempt is what a good secret led to. The caller wipes it.
type attempt struct {
	row     store.Keystore
	root    *keyring
	old     *keyring // while rotating; else nil
	service *keyring
	slots   []store.Slot      // the genuine ones
	forged  []store.Slot      // what else stands in the table
	by      map[string]Secret // by slot: the secret that opened it
	asGiven map[string]bool   // by slot: it is not of the normal form of its passphrase
	changed bool              // a genuine slot vanished or came back
	damaged []string          // wallets that do not open, the first maxNamed
	sampled bool              // only some of the wallets were looked at
}

func (a *attempt) wipe() {
	a.root.wipe()
	a.old.wipe()
	a.service.wipe()
}

// try finds the root key with the given secrets, each of which must open a
// slot, or, with all, as many as it can. The caller holds the gate.
//
// It first waits as long as the failures so far ask for, then counts one more
// before it tries, and takes the count back after success: a process killed in
// between has not had a free try. Errors are ErrNotInitialised, ErrWrongSecret,
// *ForgedError, ErrForeignRoot, the store's, and ctx's while waiting, when
// nothing is counted.
func (k *Keystore) try(ctx context.Context, all bool, secrets ...Secret) (*attempt, error) {
	row, _, err := k.load(ctx)
	if err != nil {
		return nil, err
	}
	if err := wait(ctx, row, k.now()); err != nil {
		return nil, fmt.Errorf("waiting after failed unlocks: %w", err)
	}
	if row, err = k.store.CountUnlockFailure(ctx, k.now().Unix()); err != nil {
		return nil, fmt.Errorf("counting the try: %w", err)
	}
	slots, err := k.store.Slots(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the slots: %w", err)
	}
	defer debug.FreeOSMemory() // Argon2's

	a, err := openSlots(ctx, row, slots, all, secrets)
	if err == nil {
		if err = k.checkWallets(ctx, a); err == nil {
			if err = k.store.ClearUnlockFailures(ctx); err == nil {
				return a, nil
			}
			err = fmt.Errorf("clearing the failures: %w", err)
		}
		a.wipe()
	}
	if e := k.recordForgery(ctx, err); e != nil {
		return nil, e
	}
	return nil, err
}

// wait keeps a try back that comes too early after failures. It only slows
// down: no time in the row, whoever wrote it, makes it longer than the delay.
func wait(ctx context.Context, row store.Keystore, now time.Time) error {
	d := delay(row.Failures)
	left := min(d, time.Unix(row.LastFailure, 0).Add(d).Sub(now))
	if left <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(left)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// delay is none for up to two failures, then 1 s, doubling to 30 s.
func delay(failures int64) time.Duration {
	switch {
	case failures < 3:
		return 0
	case failures < 8:
		return time.Second << (failures - 3)
	}
	return 30 * time.Second
}

// openSlots tries the secrets on the slots and checks what they led to: the
// slot's MAC and the keystore's row, under the key that was in the slot.
func openSlots(ctx context.Context, row store.Keystore, slots []store.Slot, all bool, secrets []Secret) (*attempt, error) {
	a := &attempt{row: row, by: map[string]Secret{}, asGiven: map[string]bool{}}
	var forgery error
	for i, secret := range secrets {
		worked := slices.ContainsFunc(secrets[:i], secret.equal) // given twice
		for _, s := range cheapestFirst(slots) {
			if err := ctx.Err(); err != nil {
				a.wipe()
				return nil, err
			}
			if _, done := a.by[s.ID]; done || worked && !all {
				continue
			}
			key, asGiven, ok := openSlot(row, s, secret)
			if !ok {
				continue
			}
			if err := a.accept(row, s, key); err != nil {
				forgery = err
				continue
			}
			worked = true
			a.by[s.ID], a.asGiven[s.ID] = secret, asGiven
		}
		if !worked {
			a.wipe()
			if forgery != nil {
				return nil, forgery
			}
			return nil, secret.wrong()
		}
	}
	if a.root == nil {
		return nil, ErrWrongSecret // no secrets
	}
	a.sort(slots)
	if err := a.openKeys(); err != nil {
		a.wipe()
		return nil, err
	}
	return a, nil
}

// sort tells the genuine slots from the others.
func (a *attempt) sort(slots []store.Slot) {
	a.slots, a.forged = nil, nil
	for _, s := range slots {
		if genuine(a.root, a.row, s) {
			a.slots = append(a.slots, s)
		} else {
			a.forged = append(a.forged, s)
		}
	}
	a.changed = !hmac.Equal(slotsCheck(a.root, a.row, a.slots), a.row.Check[macSize:])
}

// accept takes the key from a slot for the root key if it is.
func (a *attempt) accept(row store.Keystore, s store.Slot, key *[keySize]byte) error {
	if a.root != nil {
		defer clear(key[:])
		if subtle.ConstantTimeCompare(key[:], a.root.base[:]) != 1 || !genuine(a.root, row, s) {
			return &ForgedError{Table: tableSlots, Row: s.ID}
		}
		return nil
	}
	root := newKeyring(rootKeys, key)
	switch {
	case !genuine(root, row, s):
		root.wipe()
		return &ForgedError{Table: tableSlots, Row: s.ID}
	case !checkRow(root, row):
		root.wipe()
		return &ForgedError{Table: tableKeystore, Row: row.ID}
	}
	a.root = root
	return nil
}

// openKeys opens what the keystore's row holds: the service's key, and the root
// key that a rotation has not finished with.
func (a *attempt) openKeys() (err error) {
	if a.service, err = openService(a.root, a.row); err != nil || len(a.row.SealedOldRoot) == 0 {
		return err
	}
	plain, err := open(a.root.seal, oldRootLabel(a.row), a.row.SealedOldRoot)
	if err != nil || len(plain) != keySize {
		return &ForgedError{Table: tableKeystore, Row: a.row.ID}
	}
	a.old = newKeyring(rootKeys, (*[keySize]byte)(plain))
	return nil
}

// cheapestFirst orders the slots by what they cost to try, so that those
// somebody added to exhaust the memory come after ours. At most maxTried.
func cheapestFirst(slots []store.Slot) []store.Slot {
	cost := func(s store.Slot) int64 {
		p, _ := parseSlot(s)
		return int64(p.MemoryKiB) * int64(p.Time)
	}
	slots = slices.Clone(slots)
	// Not by slices: each instance for a large struct is 10 to 30 kB of the binary.
	sort.SliceStable(slots, func(i, j int) bool { return cost(slots[i]) < cost(slots[j]) })
	return slots[:min(len(slots), maxTried)]
}

// recordForgery puts on record that a try ended at a row somebody else wrote.
func (k *Keystore) recordForgery(ctx context.Context, err error) error {
	if forged, ok := errors.AsType[*ForgedError](err); ok {
		return k.record(ctx, event{Event: "forged", Table: forged.Table, Row: short(forged.Row)})
	}
	if errors.Is(err, ErrForeignRoot) {
		return k.record(ctx, event{Event: "foreign root"})
	}
	return nil
}
