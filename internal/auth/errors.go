package auth

import (
	"errors"
	"fmt"
	"walletd/internal/store"
)

var (
	// ErrUnauthorized: the token is unknown, revoked or expired.
	ErrUnauthorized = errors.New("the token is not valid; ask the wallet's owner for a new one")
	// ErrForbidden: the token is valid, but not for this operation. Owners decide, operators operate.
	ErrForbidden = errors.New("this token may not do that")
	// ErrNotFound: there is no such thing, or the caller may not know of it.
	ErrNotFound = errors.New("there is no such thing here")
	// ErrExists: the wallet or account exists already.
	ErrExists = errors.New("it exists already")
	// ErrInput: a value in the request is not valid; the wrapping error says which.
	ErrInput = errors.New("the request cannot be used")
)

// Invalid returns ErrInput wrapped with what is wrong.
func Invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInput, fmt.Sprintf(format, args...))
}

// NotFound returns ErrNotFound for nil, which is what the caller may not know of, and for store.ErrNotFound;
// any other error it returns as it is.
func NotFound(err error) error {
	if err == nil || errors.Is(err, store.ErrNotFound) {
		return ErrNotFound
	}
	return err
}
