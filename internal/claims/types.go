package claims

import "walletd/internal/consent"

// Types returns the claim types of DID Connect (reference f). inUse is called when the owner is asked about an
// encryptionKey.
func Types(inUse KeyUse) []consent.Type {
	return []consent.Type{
		authPrincipal(), encryptionKey(inUse), profile(), signature(), agreement(),
		verifiableCredential(), asset(), assetOrVC(), keyPair(), prepareTx(),
	}
}
