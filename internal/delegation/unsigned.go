package delegation

import (
	"slices"
	"strings"
	"time"

	"walletd/internal/did"
)

const (
	// maxToken bounds a delegation or a certificate before any work is done on it,
	// in bytes.
	maxToken = 64 << 10
	// maxUnsigned is maxToken for a token that is not signed yet, with room for its
	// signature.
	maxUnsigned = 60 << 10
)

// CheckUnsigned makes the checks of DID Connect reference g.ii.1 on the text
// header64.body64 that a signature claim of type fg:x:delegation asks to sign.
// signer is the account that would sign, requester the app or agent that sent the
// request, meta the claim's member of that name, nil without. The result is shown
// to the owner; it has no Hash and no FromKey yet.
//
// The caller checks how long the delegation lasts, and that signer's hash function
// is sha3, without which the signature does not verify as the token's (g.ii).
func CheckUnsigned(origin string, signer, requester did.DID, meta did.Object, now time.Time) (Delegation, error) {
	header, body, err := readUnsigned(origin)
	if err != nil {
		return Delegation{}, err
	}
	if alg, _ := header.Text("alg"); !isAlgorithm(alg, signer) || isDelegationToken(header) {
		return Delegation{}, malformed("its header is not that of a token of this account")
	}
	if version, _ := body.Text("version"); version != "1.1.0" {
		return Delegation{}, malformed("its version is not 1.1.0")
	}
	for _, name := range []string{"jwt", "headerAndPayload"} {
		if raw := meta.Get(name); raw != nil {
			if text, ok := textOf(raw); !ok || text != origin {
				return Delegation{}, malformed("the text that is shown is not the text to sign")
			}
		}
	}
	if err := checkIssuer(body, signer); err != nil {
		return Delegation{}, err
	}
	if !namesAgent(body, requester) {
		return Delegation{}, agentMismatch()
	}
	d := Delegation{From: signer, To: requester}
	if err := d.readTimes(body, now); err != nil {
		return Delegation{}, err
	}
	for _, member := range body.Object {
		if isSessionMember(member.Name) {
			return Delegation{}, did.Refuse("delegation_is_a_session_message", "signing this could give away the account: it is a message of a session")
		}
	}
	if body.Has("ops") {
		// The token is a certificate of the legacy form (g.i, check 12), whose ops the permissions do not show.
		return Delegation{}, malformed("it grants permissions as ops, which cannot be described")
	}
	granted, err := readPermissions(body, func(role string) bool { return foldEqual(role, roleConnect) })
	if err != nil {
		return Delegation{}, err
	}
	d.Claims, d.Roles, d.NamesOnly = granted.claims, granted.roles, granted.named
	return d, nil
}

// isSessionMember reports whether a member makes a body a message of DID Connect: a
// login, a request, or the last reply of an app. With a signature, such a body could
// act for the account in a session that the owner does not see.
func isSessionMember(name string) bool {
	for _, member := range []string{"challenge", "action", "requestedClaims", "status", "verifiableClaims"} {
		if foldEqual(name, member) {
			return true
		}
	}
	return false
}

// readUnsigned parses header64.body64.
func readUnsigned(origin string) (header, body did.Object, err error) {
	if len(origin) > maxUnsigned {
		return did.Object{}, did.Object{}, malformed("it is too long")
	}
	segments := strings.Split(origin, ".")
	if len(segments) != 2 {
		return did.Object{}, did.Object{}, malformed("it is not a header and a body")
	}
	var objects [2]did.Object
	for i, segment := range segments {
		raw, err := did.DecodeBase64URL(segment)
		if err != nil {
			return did.Object{}, did.Object{}, malformed("it is not base64url")
		}
		if objects[i], err = did.ParseObject(raw); err != nil {
			return did.Object{}, did.Object{}, malformed("it is not JSON without duplicate members")
		}
	}
	return objects[0], objects[1], nil
}

// isAlgorithm reports whether alg, as a header writes it, is the signature algorithm
// of the account (c.1).
func isAlgorithm(alg string, account did.DID) bool {
	var names []string
	switch account.Type().Key {
	case did.Ed25519:
		names = []string{"ed25519"}
	case did.Secp256k1:
		names = []string{"es256k", "secp256k1"}
	case did.Ethereum:
		names = []string{"ethereum"}
	case did.Passkey:
		names = []string{"passkey"}
	}
	return slices.ContainsFunc(names, func(name string) bool { return foldEqual(name, alg) })
}

// checkIssuer refuses a delegation whose issuer is not the account that signs it. from
// and userPk may be missing, because delegations for other services have neither.
func checkIssuer(body did.Object, signer did.DID) error {
	mismatch := did.Refuse("delegation_issuer_mismatch", "the delegation is not issued by the account that signs it")
	if issuer, ok := memberDID(body, "iss"); !ok || issuer != signer {
		return mismatch
	}
	if body.Has("from") {
		if from, ok := memberDID(body, "from"); !ok || from != signer {
			return mismatch
		}
	}
	if body.Has("userPk") {
		text, _ := body.Text("userPk")
		if key, err := did.DecodePublicKey(text); err != nil || signer.CheckPublicKey(key) != nil {
			return mismatch
		}
	}
	return nil
}

// readTimes parses the times of a body that is not signed yet.
func (d *Delegation) readTimes(body did.Object, now time.Time) error {
	if !body.Has("exp") {
		return did.Refuse("delegation_no_exp", "the delegation has no expiry")
	}
	for name, into := range map[string]*time.Time{"iat": &d.IssuedAt, "nbf": &d.NotBefore, "exp": &d.Expires} {
		t, err := body.Time(name)
		if err != nil {
			return malformed("a time in it cannot be read")
		}
		*into = t
	}
	if !d.Expires.After(now) {
		return did.Refuse("delegation_expired", "the delegation has expired")
	}
	return nil
}
