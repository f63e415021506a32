package auth

import (
	"errors"
	"fmt"
	"walletd/internal/store"
)

var (
	// ErrUnauthorized: no such token, or it is revoked or expired.
	ErrUnauthorized = errors.New("the token is not valid; ask the wallet's owner for a new one")
	// ErrForbidden: the token is good, but not for this. Owners decide, operators operate.
	ErrForbidden = errors.New("this token may not do that")
	// ErrNotFound: no such thing, or none that the caller may know of.
	ErrNotFound = errors.New("there is no such thing here")
	// ErrExists: the wallet, account or the like is there already.
	ErrExists = errors.New("it exists already")
	// ErrInput: a value in the request cannot be used; the wrapping error says which.
	ErrInput = errors.New("the request cannot be used")
)

// Invalid is ErrInput with what is wrong.
func Invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInput, fmt.Sprintf(format, args...))
}

// NotFound is ErrNotFound for what is not there or not the caller's.
func NotFound(err error) error {
	if err == nil || errors.Is(err, store.ErrNotFound) {
		return ErrNotFound
	}
	return err
}
