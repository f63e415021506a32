package claims

import (
	"walletd/internal/consent"
	"walletd/internal/did"
)

// prepareTx asks that a transaction be completed, signed and so paid (DID Connect reference f.4).
// This wallet knows no chain: what it can't decode and show, it declines. The same holds for
// signatures of transactions and for eth:* (signature.go).
func prepareTx() consent.Type {
	return consent.Type{
		Name:        "prepareTx",
		Description: "Prepare and sign this transaction to continue.",
		Parse:       func(did.Object) (consent.Parsed, error) { return consent.Parsed{}, cannotShow("transactions") },
	}
}
