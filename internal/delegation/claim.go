package delegation

import (
	"bytes"
	"slices"
	"time"

	"walletd/internal/did"
)

// maxSalt bounds a salt before it is decoded, in bytes.
const maxSalt = 4 << 10

// claimEncryptionKey is the one claim type that a delegation of this kind is
// presented for.
const claimEncryptionKey = "encryptionKey"

// Verify parses the delegation of an encryptionKey claim and makes checks 1 to 7
// of DID Connect reference g.ii.2. requester is the DID that signed
// the request: the agent's in Delegated Connect, else the app's. Check 8 is the
// wallet's (account_not_held), check 9 is [Delegation.CheckSalt].
func Verify(token string, requester did.DID, now time.Time) (Delegation, error) {
	if len(token) > maxToken {
		return Delegation{}, malformed("it is longer than 64 KiB")
	}
	unverified, err := did.ReadToken(token)
	if err != nil {
		return Delegation{}, malformed("it is not a signed token")
	}
	if isDelegationToken(unverified.Header) {
		return Delegation{}, malformed("it is a DelegationToken, which this claim does not take")
	}
	from, ok := memberDID(unverified.Body, "from")
	if !ok {
		return Delegation{}, malformed("it does not name the account that delegates")
	}
	userPk, _ := unverified.Body.Text("userPk")
	key, err := did.DecodePublicKey(userPk)
	if err != nil {
		return Delegation{}, malformed("it has no public key")
	}
	mismatch := did.Refuse("delegation_issuer_mismatch", "the delegation was not issued by the account it is for")
	if unverified.Signer != from {
		return Delegation{}, mismatch
	}
	verified, err := verifyInner(unverified, key, now)
	if err != nil {
		return Delegation{}, blame(from, key, mismatch, err)
	}
	if err := checkRecipient(verified.Body, requester); err != nil {
		return Delegation{}, err
	}
	granted, err := readPermissions(verified.Body, func(role string) bool { return role == roleConnect })
	if err != nil {
		return Delegation{}, err
	}
	if !granted.connect {
		return Delegation{}, did.Refuse("delegation_role_missing", "the delegation does not have the role DIDConnectAgent")
	}
	if !slices.Contains(granted.claims, claimEncryptionKey) {
		return Delegation{}, did.Refuse("delegation_claim_not_allowed", "the delegation does not cover encryptionKey")
	}
	return Delegation{
		Hash:      HashOf(token),
		From:      from,
		To:        requester,
		FromKey:   key,
		Claims:    granted.claims,
		Roles:     granted.roles,
		IssuedAt:  verified.IssuedAt,
		NotBefore: verified.NotBefore,
		Expires:   verified.Expires,
	}, nil
}

// checkRecipient makes check 5. The delegation may name its recipient in agentDid
// too, as certificates do; then both members must name the requester.
func checkRecipient(body did.Object, requester did.DID) error {
	if to, ok := memberDID(body, "to"); !ok || to != requester {
		return agentMismatch()
	}
	if body.Has("agentDid") {
		if agent, ok := memberDID(body, "agentDid"); !ok || agent != requester {
			return agentMismatch()
		}
	}
	return nil
}

// CheckSalt makes check 9: the bytes of the salt must be those of the delegating
// account (reference b.1). Any spelling of these bytes is accepted. A DID with
// its prefix is not, because it derives another key. The refusal is
// salt_mismatch.
func (d Delegation) CheckSalt(salt string) error {
	if d.From.IsZero() || len(salt) > maxSalt || !bytes.Equal(did.LooseBytes(salt), d.From.Bytes()) {
		return did.Refuse("salt_mismatch", "with a delegation, the salt must be the address of the delegating account")
	}
	return nil
}
