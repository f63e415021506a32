package did

import (
	"crypto/ecdsa"
	"crypto/sha256"
)

// Flags of authenticator data (WebAuthn section 6.1).
const (
	flagUserPresent  = 0x01
	flagUserVerified = 0x04
)

// verifyAssertion checks a WebAuthn assertion over a challenge, as the packages
// of 1.30.24 do (DID Connect reference c.5): ceremony, challenge, user present
// and verified, signature. Like theirs it knows no relying party or origin.
func verifyAssertion(key *ecdsa.PublicKey, challenge, assertion []byte) bool {
	members, err := ParseObject(assertion)
	if err != nil {
		return false
	}
	part := func(name string) []byte {
		text, _ := members.Text(name)
		b, err := DecodeBase64URL(text)
		if err != nil {
			return nil
		}
		return b
	}
	authenticator, client, sig := part("authenticatorData"), part("clientDataJSON"), part("signature")

	clientData, err := ParseObject(client)
	if err != nil {
		return false
	}
	if ceremony, _ := clientData.Text("type"); ceremony != "webauthn.get" {
		return false
	}
	if got, _ := clientData.Text("challenge"); got != EncodeBase64URL(challenge) {
		return false
	}
	const flags = flagUserPresent | flagUserVerified
	if len(authenticator) < 37 || authenticator[32]&flags != flags {
		return false
	}
	clientHash := sha256.Sum256(client)
	digest := SHA2.Sum(authenticator, clientHash[:])
	return ecdsa.VerifyASN1(key, digest, sig)
}
