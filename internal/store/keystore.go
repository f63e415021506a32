package store

import (
	"context"
	"fmt"
)

// Keystore is the one row about the root key.
type Keystore struct {
	ID            string // random; names this keystore for good
	Generation    int64  // of the root key; raised by each rotation
	Epoch         int64  // raised by every lock, rotation and accepted clock, on whichever replica
	SealedOldRoot []byte // the root key before this one; only while rotating
	SealedService []byte // the service's own key, under the root key
	Failures      int64  // failed unlocks since the last good one
	LastFailure   int64
	Dev           bool   // made by serve --dev
	Check         []byte // MAC of Canonical under the root key
}

// columns: authentic is what only a holder of the root key changes.
func (k *Keystore) columns() []column {
	return []column{
		authentic("id", &k.ID),
		authentic("generation", &k.Generation),
		plain("epoch", &k.Epoch),
		authentic("sealed_old_root", &k.SealedOldRoot),
		authentic("sealed_service", &k.SealedService),
		plain("failures", &k.Failures),
		plain("last_failure", &k.LastFailure),
		authentic("dev", &k.Dev),
		plain("mac", &k.Check),
	}
}

func (Keystore) Table() string       { return "keystore" }
func (k Keystore) Key() string       { return k.ID }
func (k Keystore) Canonical() []byte { return canonical(&k) }
func (k Keystore) Sum() []byte       { return k.Check }

var (
	getKeystore     = reads[Keystore]("keystore")
	countFailure    = reads[Keystore]("count failure")
	insertKeystore  = writes[Keystore]("insert keystore")
	updateKeystore  = updates[Keystore]("update keystore")
	getEpoch        = statement("epoch")
	keystoreAtEpoch = statement("keystore at epoch")
	clearFailures   = statement("clear failures")
	raiseEpoch      = statement("raise epoch")
)

// keystoreEpoch stands for the keystore's epoch among what a Write raises.
const keystoreEpoch = "keystore"

// Keystore reads the keystore's row. ErrNotFound before InitKeystore.
func (s *Store) Keystore(ctx context.Context) (Keystore, error) {
	k, err := one(ctx, s, getKeystore)
	return k, s.checkEpoch(ctx, k.Epoch, err)
}

// Epoch reads the keystore's epoch.
func (s *Store) Epoch(ctx context.Context) (int64, error) {
	var epoch int64
	err := s.scalars(ctx, getEpoch, nil, &epoch)
	return epoch, s.checkEpoch(ctx, epoch, err)
}

// checkEpoch refuses an epoch below 0, which nobody here has written: in a Change
// it would say that the epoch is not to be checked; it notes any other.
func (s *Store) checkEpoch(ctx context.Context, epoch int64, err error) error {
	switch {
	case err != nil:
		return err
	case epoch < 0:
		return fmt.Errorf("%w: %s holds a keystore of a negative epoch", ErrDamaged, s.where)
	}
	return s.noteEpoch(ctx, epoch)
}

// UpdateKeystore sets Generation, Epoch, SealedOldRoot, SealedService and Check,
// if the row's id, Generation, Epoch and Check are still old's; else ErrChanged.
// The Change is on the service's chain.
func UpdateKeystore(old, updated Keystore) Write {
	return Write{chain: ServiceChain, raises: keystoreEpoch, steps: []step{updateKeystore.change(old, updated, ErrChanged)}}
}

// The writes below can't be a Change: they come before there is a chain, or
// before anybody has shown a right to be recorded.

// InitKeystore makes the keystore: its row, its slots, the first operator's
// token and the first entry of the service's chain, all or nothing. ErrExists
// if there is one; ErrDevStore if k.Dev is not what Open was told.
func (s *Store) InitKeystore(ctx context.Context, k Keystore, slots []Slot, operator Token, entry Entry) error {
	if k.Dev != s.dev {
		return fmt.Errorf("making the keystore: %w", ErrDevStore)
	}
	c := Change{Chain: ServiceChain, Entries: []Entry{entry}, Epoch: -1,
		Writes: []Write{{steps: []step{insertKeystore.row(k, ErrExists)}}}}
	for _, slot := range slots {
		c.Writes = append(c.Writes, PutSlot(slot))
	}
	c.Writes = append(c.Writes, InsertToken(operator))
	if _, err := s.Commit(ctx, c); err != nil {
		return fmt.Errorf("making the keystore: %w", err)
	}
	return nil
}

// CountUnlockFailure counts a failed unlock, before it is tried, and returns
// the row as it then is. ErrNotFound before InitKeystore.
func (s *Store) CountUnlockFailure(ctx context.Context, at int64) (Keystore, error) {
	var k Keystore
	err := s.answered(ctx, countFailure.query, k.columns(), at)
	return k, s.checkEpoch(ctx, k.Epoch, err)
}

// ClearUnlockFailures sets the count back after a good unlock.
func (s *Store) ClearUnlockFailures(ctx context.Context) error {
	return s.alone(ctx, clearFailures)
}

// RaiseEpoch locks every replica from its next request; it returns the new epoch.
func (s *Store) RaiseEpoch(ctx context.Context) (int64, error) {
	var epoch int64
	err := s.answered(ctx, raiseEpoch, []column{plain("epoch", &epoch)})
	return epoch, err
}
