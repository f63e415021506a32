package claims

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
	// ErrDenied: a rule of the owner denies what was asked.
	ErrDenied = errors.New("the wallet's policy denies this")
	// ErrRejected: the person said no, now or within the last ten minutes.
	ErrRejected = errors.New("the person said no")
	// ErrExpired: the question was not answered, or the answer not collected, in time.
	ErrExpired = errors.New("it is too late; ask again")
	// ErrDecided: somebody answered the question first.
	ErrDecided = errors.New("this was decided already")
	// ErrChoice: an approval chose what was not offered.
	ErrChoice = errors.New("that was not offered")
	// ErrTooMany: as many questions wait as an app, or a wallet, may have waiting.
	ErrTooMany = errors.New("too many questions are waiting for the person")
	// ErrExists: the wallet, account or the like is there already.
	ErrExists = errors.New("it exists already")
	// ErrInput: a value in the request cannot be used; the wrapping error says which.
	ErrInput = errors.New("the request cannot be used")
	// ErrSeed: a seed that is imported has another length than 64 bytes.
	ErrSeed = errors.New("a seed has 64 bytes")
)

// WordsError is returned for words that are no BIP-39 phrase. Its text says why and repeats none of
// them.
type WordsError struct{ cause error }

func (e *WordsError) Error() string { return e.cause.Error() }

// Unwrap returns ErrInput and the refusal of package derive.
func (e *WordsError) Unwrap() []error { return []error{ErrInput, e.cause} }

// invalid is ErrInput with what is wrong.
func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInput, fmt.Sprintf(format, args...))
}

// absent is ErrNotFound for what is not there or not the caller's.
func absent(err error) error {
	if err == nil || errors.Is(err, store.ErrNotFound) {
		return ErrNotFound
	}
	return err
}
