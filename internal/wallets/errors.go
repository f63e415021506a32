package wallets

import (
	"errors"

	"walletd/internal/auth"
)

// ErrSeed: an imported seed does not have 64 bytes.
var ErrSeed = errors.New("a seed must have 64 bytes")

// WordsError is returned for words that are not a BIP-39 phrase. Its text says why, and repeats none of the
// words.
type WordsError struct{ cause error }

func (e *WordsError) Error() string { return e.cause.Error() }

// Unwrap returns auth.ErrInput and the refusal of package derive.
func (e *WordsError) Unwrap() []error { return []error{auth.ErrInput, e.cause} }
