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
	// maxUnsigned is maxToken for what is not signed yet: what a signature may add
	// still fits.
	maxUnsigned = 60 << 10
)

// CheckUnsigned makes the checks of DID Connect reference g.ii.1 on the text
// header64.body64 that a signature claim of type fg:x:delegation wants signed.
// signer is the account that would sign, asker the app or agent in whose
// session it is asked, meta the claim's member of that name (nil without). The
// result is for showing to a person; its Hash and FromKey are not known yet.
//
// It does not look at how long the delegation lives, nor whether signer's hash
// is sha3, without which the signature is none of the token (g.ii).
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
		if raw, present := meta[name]; present {
			if text, ok := textOf(raw); !ok || text != origin {
				return Delegation{}, malformed("what is shown is not what is to be signed")
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
	for name := range body {
		if isSessionMember(name) {
			return Delegation{}, did.Refuse("delegation_is_a_session_message", "signing this could give away the account: it is a message of a session")
		}
	}
	if _, present := body["ops"]; present {
		// A certificate of the old form (g.i, check 12), which permissions would not tell.
		return Delegation{}, malformed("it gives permissions as ops, which cannot be told in words")
	}
	granted, err := readPermissions(body, func(role string) bool { return foldEqual(role, roleConnect) })
	if err != nil {
		return Delegation{}, err
	}
	d.Claims, d.Roles = granted.claims, granted.roles
	return d, nil
}

// isSessionMember knows the names that make a body a message of DID Connect: a
// login, a request, or the last reply of an app. Signed, such a body would speak
// for the account in a session that nobody sees.
func isSessionMember(name string) bool {
	for _, member := range []string{"challenge", "action", "requestedClaims", "status", "verifiableClaims"} {
		if foldEqual(name, member) {
			return true
		}
	}
	return false
}

// readUnsigned takes header64.body64 apart.
func readUnsigned(origin string) (header, body did.Object, err error) {
	if len(origin) > maxUnsigned {
		return nil, nil, malformed("it is too long")
	}
	segments := strings.Split(origin, ".")
	if len(segments) != 2 {
		return nil, nil, malformed("it is not a header and a body")
	}
	var objects [2]did.Object
	for i, segment := range segments {
		raw, err := did.DecodeBase64URL(segment)
		if err != nil {
			return nil, nil, malformed("it is not base64url")
		}
		if objects[i], err = did.ParseObject(raw); err != nil {
			return nil, nil, malformed("it is not JSON that all readers read alike")
		}
	}
	return objects[0], objects[1], nil
}

// isAlgorithm tells whether alg, as a header writes it, is what the account
// signs with (c.1).
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

// checkIssuer refuses a delegation in which anybody but the signing account
// lets somebody act. from and userPk may be missing: delegations for other
// services have neither.
func checkIssuer(body did.Object, signer did.DID) error {
	mismatch := did.Refuse("delegation_issuer_mismatch", "the delegation is not from the account that is to sign it")
	if issuer, ok := memberDID(body, "iss"); !ok || issuer != signer {
		return mismatch
	}
	if _, present := body["from"]; present {
		if from, ok := memberDID(body, "from"); !ok || from != signer {
			return mismatch
		}
	}
	if _, present := body["userPk"]; present {
		text, _ := body.Text("userPk")
		if key, err := did.DecodePublicKey(text); err != nil || signer.CheckPublicKey(key) != nil {
			return mismatch
		}
	}
	return nil
}

// readTimes reads the times of a body that nobody has signed yet.
func (d *Delegation) readTimes(body did.Object, now time.Time) error {
	if _, present := body["exp"]; !present {
		return did.Refuse("delegation_no_exp", "the delegation has no end")
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
