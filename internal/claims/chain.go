package claims

import (
	"walletd/internal/consent"
	"walletd/internal/did"
)

// prepareTx is the claim that the wallet completes and signs a transaction, and so pays it (DID Connect reference
// f.4). This wallet supports no chain, and declines what it can't decode and show. The same holds for signatures of
// transactions and for eth:* (signature.go).
func prepareTx() consent.Type {
	return consent.Type{
		Name:        "prepareTx",
		Description: "Prepare and sign this transaction to continue.",
		Parse:       func(did.Object) (consent.Parsed, error) { return consent.Parsed{}, cannotShow("transactions") },
	}
}
