package wallets

import (
	"errors"

	"walletd/internal/auth"
)

// ErrSeed: a seed that is imported has another length than 64 bytes.
var ErrSeed = errors.New("a seed has 64 bytes")

// WordsError is returned for words that are no BIP-39 phrase. Its text says why and repeats none of
// them.
type WordsError struct{ cause error }

func (e *WordsError) Error() string { return e.cause.Error() }

// Unwrap returns auth.ErrInput and the refusal of package derive.
func (e *WordsError) Unwrap() []error { return []error{auth.ErrInput, e.cause} }
