// Package delegation verifies the tokens by which one party lets another act for
// it. Its functions take a token and return a verified value, or a refusal with
// a code of DID Connect reference section l. They store nothing and have no clock.
//
// There are three kinds of delegation, one file each:
//
//	claim.go        a delegation that comes with an encryptionKey claim (g.ii.2)
//	unsigned.go     the same before the wallet signs it                 (g.ii.1)
//	certificate.go  Delegated Connect: an agent speaks for the app      (g.i),
//	                as part of who sent a request, in reply.go          (c.8)
//
// The DelegationTokens of g.iii are refused: no app is known that uses them.
//
// The contents of a token are used only after its signature was verified, and the
// checks run in the reference's order, so that a code names the first failure.
// The caller checks how long a delegation may last, and whether the wallet holds
// the account.
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
	// Hash is SHA3-256 of the token's text. It names the delegation in grants and
	// in the audit log. It is zero before the delegation is signed.
	Hash [32]byte
	// From is the account that delegates, To the party that may act.
	From, To did.DID
	// FromKey is From's public key, in the form its DID hashes; nil before it
	// is signed.
	FromKey []byte
	// Claims are the claim types that the role DIDConnectAgent lists.
	Claims []string
	// Roles are all roles and bare permissions, to be shown to the owner. They are
	// untrusted text: escape them before showing them.
	Roles []string
	// NamesOnly says that all it allows are bare names that only To's own service knows, such as publish_blocklet:
	// it lets nobody ask for a key or a secret, and nobody speak for From.
	NamesOnly bool
	// IssuedAt and NotBefore are zero if the token does not have them. The issuer
	// can write any time there; only Expires limits how long a delegation lasts.
	IssuedAt, NotBefore, Expires time.Time
}

// HashOf returns the hash that names a token.
func HashOf(token string) [32]byte { return sha3.Sum256([]byte(token)) }

// HoldsFor reports whether [Verify] would return d once more for the same token, the requester and the time now.
func (d Delegation) HoldsFor(requester did.DID, now time.Time) bool {
	return d.To == requester && did.CheckTimes(d.IssuedAt, d.NotBefore, d.Expires, now) == nil
}

// isDelegationToken reports whether a token is a DelegationToken of reference
// g.iii, which this package refuses. The packages write the member typ; type
// counts as well.
func isDelegationToken(header did.Object) bool {
	for _, name := range []string{"typ", "type"} {
		if kind, _ := header.Text(name); strings.EqualFold(kind, "DelegationToken") {
			return true
		}
	}
	return false
}

// verifyInner verifies a token inside another message, whose signer iss names
// (c.8). Its refusals have codes of their own, so that a caller can tell a bad
// delegation from a bad message around it.
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
		return did.Token{}, did.Refuse("delegation_no_exp", "the delegation has no expiry")
	case "jwt_malformed", "jwt_time_invalid":
		return did.Token{}, malformed("a time in it cannot be read")
	default:
		return did.Token{}, did.Refuse("delegation_bad_signature", "the delegation was not signed by its issuer")
	}
}

// blame returns mismatch if pk is not a valid key of signer, and err otherwise. In
// the reference's order that check comes before verification. It is made only after
// a failure, because a signature that verifies proves the key, and the check costs
// a third of a verification.
func blame(signer did.DID, pk []byte, mismatch, err error) error {
	if signer.CheckPublicKey(pk) != nil {
		return mismatch
	}
	return err
}

// malformed returns the refusal of a delegation that cannot be parsed.
func malformed(why string) error {
	return did.Refuse("delegation_malformed", "the delegation cannot be read: "+why)
}

// agentMismatch returns the refusal of a delegation for another party.
func agentMismatch() error {
	return did.Refuse("delegation_agent_mismatch", "the delegation is for another party than the requester")
}

// memberDID parses a member that holds a DID.
func memberDID(body did.Object, name string) (did.DID, bool) {
	text, ok := body.Text(name)
	if !ok {
		return did.DID{}, false
	}
	party, err := did.Parse(text)
	return party, err == nil
}
