// Package delegation reads the tokens by which one party lets another act: a
// token in, a verified value out, or a refusal with the code of DID Connect
// reference section l. It keeps nothing and asks no clock.
//
// Three things carry the name, one file each:
//
//	claim.go        a delegation that comes with an encryptionKey claim (g.ii.2)
//	unsigned.go     the same before the wallet signs it                 (g.ii.1)
//	certificate.go  Delegated Connect: an agent speaks for the app      (g.i),
//	                as part of who sent a request, in reply.go          (c.8)
//
// The DelegationTokens of g.iii are refused: no app is known that uses them.
//
// What a token says is only ever used after its signature held, and the checks
// run in the reference's order, so that a code names the first thing wrong.
// How long a delegation may live is policy and not decided here, nor whether
// the wallet holds the account.
package delegation

import (
	"strings"
	"time"

	"golang.org/x/crypto/sha3"

	"walletd/internal/did"
)

// roleConnect is the role whose claims DID Connect honours; others, such as
// DIDSpaceAgent, are for other services.
const roleConnect = "DIDConnectAgent"

// Delegation says that the account From lets the party To act for it.
type Delegation struct {
	// Hash is SHA3-256 of the token's text. It names this very delegation: in
	// the grant that was made for it, and in the record. Zero before it is
	// signed.
	Hash [32]byte
	// From is the account that delegates, To the party that may act.
	From, To did.DID
	// FromKey is From's public key, in the form its DID hashes; nil before it
	// is signed.
	FromKey []byte
	// Claims are the claim types that the role DIDConnectAgent lists.
	Claims []string
	// Roles are all roles and bare permissions, to be shown to a person. They
	// are text of the other side: escape before showing.
	Roles []string
	// IssuedAt and NotBefore are zero if the token does not say, and otherwise
	// what the issuer chose to write: how long a delegation lives is only told
	// by Expires.
	IssuedAt, NotBefore, Expires time.Time
}

// hashOf names a token by its text.
func hashOf(token string) [32]byte { return sha3.Sum256([]byte(token)) }

// isDelegationToken tells the DelegationTokens of reference g.iii, which nothing
// here takes, from all others. The packages write typ; a header that says it
// under either name means it.
func isDelegationToken(header did.Object) bool {
	for _, name := range []string{"typ", "type"} {
		if kind, _ := header.Text(name); strings.EqualFold(kind, "DelegationToken") {
			return true
		}
	}
	return false
}

// verifyInner verifies a token that another message carries, with the signer
// named by iss (c.8), and says what is wrong in codes of its own: a caller must
// be able to tell the delegation's fault from that of the message around it.
func verifyInner(token did.Token, key []byte, now time.Time) (did.Token, error) {
	verified, err := token.Verify(did.Check{PublicKey: key, Now: now})
	if err == nil {
		return verified, nil
	}
	switch did.CodeOf(err) {
	case "jwt_expired":
		return did.Token{}, did.Refuse("delegation_expired", "the delegation has expired")
	case "jwt_iat_future", "jwt_nbf_future":
		return did.Token{}, did.Refuse("delegation_not_yet_valid", "the delegation is not valid yet; check the clocks")
	case "jwt_no_exp":
		return did.Token{}, did.Refuse("delegation_no_exp", "the delegation has no end")
	case "jwt_malformed", "jwt_time_invalid":
		return did.Token{}, malformed("a time in it cannot be read")
	default:
		return did.Token{}, did.Refuse("delegation_bad_signature", "the delegation was not signed by who issued it")
	}
}

// blame gives mismatch if pk is not a sound key behind signer, which is the
// first thing to be said of whatever was to be verified with it, and err
// otherwise. It is asked after something failed: what has verified has shown its
// key to be sound, and to look at that closely costs a third of a verification.
func blame(signer did.DID, pk []byte, mismatch, err error) error {
	if signer.CheckPublicKey(pk) != nil {
		return mismatch
	}
	return err
}

// malformed refuses a delegation that cannot be read.
func malformed(why string) error {
	return did.Refuse("delegation_malformed", "the delegation cannot be read: "+why)
}

// agentMismatch refuses a delegation that is for somebody else.
func agentMismatch() error {
	return did.Refuse("delegation_agent_mismatch", "the delegation is for another party than the one that asks")
}

// memberDID reads a member that names a party.
func memberDID(body did.Object, name string) (did.DID, bool) {
	text, ok := body.Text(name)
	if !ok {
		return did.DID{}, false
	}
	party, err := did.Parse(text)
	return party, err == nil
}
