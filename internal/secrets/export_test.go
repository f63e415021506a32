package secrets

import (
	"context"
	"walletd/internal/auth"
	"walletd/internal/consent"
	"walletd/internal/store"
)

// What only tests of this package see.

type WriteRequest = writeRequest

var SecretWrite = secretWrite

func (r writeRequest) Parsed() consent.Parsed { return r.parsed() }

// Seal completes a request to write a secret, as reading it does.
func Seal(ctx context.Context, st *store.Store, c *auth.Caller, account store.Account, s NewSecret, r *WriteRequest) error {
	return rows{st, c}.sealSecret(ctx, account, s, r)
}
