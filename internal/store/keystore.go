package store

import "context"

// The writes about the keystore itself that can't be a Change: before there is
// a chain, or before anybody has shown a right to be recorded.

// InitKeystore makes the keystore: its row, its slots, the first operator's
// token and the first entries of the service's chain, all or nothing. ErrExists
// if there is one; ErrDevStore if k.Dev is not what Open was told.
func (s *Store) InitKeystore(ctx context.Context, k Keystore, slots []Slot, operator Token, entries ...Entry) error {
	return ErrUnavailable
}

// CountUnlockFailure counts a failed unlock, before it is tried, and returns
// the row as it then is.
func (s *Store) CountUnlockFailure(ctx context.Context, at int64) (Keystore, error) {
	return Keystore{}, ErrUnavailable
}

// ClearUnlockFailures sets the count back after a good unlock.
func (s *Store) ClearUnlockFailures(ctx context.Context) error { return ErrUnavailable }

// RaiseEpoch locks every replica from its next request; it returns the new epoch.
func (s *Store) RaiseEpoch(ctx context.Context) (int64, error) { return 0, ErrUnavailable }

// PutHead keeps a signed head. One that is already there stays.
func (s *Store) PutHead(ctx context.Context, h Head) error { return ErrUnavailable }

// TouchToken notes that a token was used. It returns at once: the note is
// written within about a minute, and lost if the process is killed.
func (s *Store) TouchToken(id string, at int64) {}

// Sweep forgets nonces that ended before now and idempotency keys older than a
// day.
func (s *Store) Sweep(ctx context.Context, now int64) error { return ErrUnavailable }
