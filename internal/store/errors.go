package store

import (
	"errors"
	"fmt"
)

var (
	// ErrNotFound: no such row; of Open, no store there yet.
	ErrNotFound = errors.New("not found")
	// ErrChanged: a conditional write found the row in another state than the
	// caller had seen, or the keystore's epoch or the wallet's version moved on.
	ErrChanged = errors.New("changed meanwhile")
	// ErrExists: a row with that name is already there.
	ErrExists = errors.New("already exists")
	// ErrCollision: the account's path already belongs to another app.
	ErrCollision = errors.New("path already belongs to another app")
	// ErrReplayed: the Change's nonce has been used before.
	ErrReplayed = errors.New("nonce already used")
	// ErrRepeated: the Change's idempotency key has been used before. The error
	// is a *RepeatedError, which holds the earlier row.
	ErrRepeated = errors.New("idempotency key already used")
	// ErrCodeTaken: another pending approval of the wallet has the same code.
	ErrCodeTaken = errors.New("code already in use")
	// ErrWaiting: the same question of the same app is already waiting.
	ErrWaiting = errors.New("the same question is waiting")
	// ErrTooMany: there are as many rows as the Write allows, of approvals that wait as many as the Budget.
	ErrTooMany = errors.New("as many as there may be")
	// ErrTooManySessions: as many sessions of an app are open as CheckSessions allows. It is ErrTooMany too.
	ErrTooManySessions = fmt.Errorf("%w: sessions that are open", ErrTooMany)
	// ErrLastSlot: the last slot can't be removed.
	ErrLastSlot = errors.New("the last slot")
	// ErrInvalid: a value that no row can hold (text that is not UTF-8, holds a
	// NUL or is over 800 bytes, bytes over 4 MiB), a Change without an entry, a malformed cursor.
	ErrInvalid = errors.New("not a value the store can hold")

	// ErrNewerSchema: a newer walletd has written this store.
	ErrNewerSchema = errors.New("the store was written by a newer walletd")
	// ErrDamaged: the database is not one, or holds what walletd never writes.
	ErrDamaged = errors.New("the store is damaged")
	// ErrFull: no room; nothing of the write is visible.
	ErrFull = errors.New("the store is full")
	// ErrUnavailable: the database can't be reached or didn't answer in time, or
	// the store was closed. A write may or may not have happened; act on nothing.
	ErrUnavailable = errors.New("the store is unavailable")
	// ErrClosed: the store was closed in this process, and does not come back. It
	// is ErrUnavailable too.
	ErrClosed = fmt.Errorf("%w: it was closed", ErrUnavailable)
	// ErrInUse: another process has the SQLite store's directory.
	ErrInUse = errors.New("the store is in use by another walletd")
	// ErrExposed: others can read the SQLite store's file or directory.
	ErrExposed = errors.New("others can read the store")
	// ErrDevStore: a store made by serve --dev opened without it, or the reverse.
	ErrDevStore = errors.New("a development store is for serve --dev, and no other")
	// ErrPasswordInURL: the store's URL holds a password.
	ErrPasswordInURL = errors.New("a password in the store's URL can be read by others")
)

// RepeatedError is ErrRepeated with the earlier request.
type RepeatedError struct{ Earlier Request }

func (e *RepeatedError) Error() string { return ErrRepeated.Error() }

// Is makes errors.Is(err, ErrRepeated) hold.
func (e *RepeatedError) Is(target error) bool { return target == ErrRepeated }
