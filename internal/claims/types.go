package claims

// Types returns the claim types of DID Connect (reference f). inUse tells what else the key for a salt
// is used for, if the person is asked about it.
func Types(inUse KeyUse) []Type {
	return []Type{
		authPrincipal(), encryptionKey(inUse), profile(), signature(), agreement(),
		verifiableCredential(), asset(), assetOrVC(), keyPair(), prepareTx(),
	}
}
