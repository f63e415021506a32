package claims

import "context"

// prepareTx asks that a transaction be completed, signed and so paid (DID Connect reference f.4).
// This wallet knows no chain: what it can't decode and show, it declines. The same holds for
// signatures of transactions and for eth:* (signature.go).
func prepareTx() kind {
	return kind{
		name:        "prepareTx",
		description: "Prepare and sign this transaction to continue.",
		read:        func(context.Context, *question, *claim) error { return cannotShow("transactions") },
	}
}
