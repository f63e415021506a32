package claims

import "walletd/internal/consent"

// Types returns the claim types of DID Connect (reference f). inUse tells what else the key for a salt
// is used for, if the person is asked about it.
func Types(inUse KeyUse) []consent.Type {
	return []consent.Type{
		authPrincipal(), encryptionKey(inUse), profile(), signature(), agreement(),
		verifiableCredential(), asset(), assetOrVC(), keyPair(), prepareTx(),
	}
}
