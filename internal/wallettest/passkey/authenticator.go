// Package passkey is an authenticator in software, for tests: it makes passkeys and answers challenges as a phone and
// its browser do, and lies when it is told to.
package passkey

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"walletd/internal/passkey"
)

// Authenticator holds one passkey of one relying party. Its exported fields may be changed between uses.
type Authenticator struct {
	Party      string // the relying party's id
	Origin     string // of the page that asks
	Type       string // of the client data; "" says what is asked for
	Cross      bool   // the page is inside another one
	Unverified bool   // the user is not verified
	Absent     bool   // nobody touches it
	Counter    uint32 // of the last use; it goes up by Step
	Step       uint32
	Format     string // of the attestation; "" is none

	ID         []byte // the credential id
	UserHandle []byte

	t         testing.TB
	algorithm int64
	key       crypto.Signer
}

// New returns an authenticator without a passkey.
func New(t testing.TB, party passkey.Party, algorithm int64) *Authenticator {
	return &Authenticator{Party: party.ID(), Origin: party.Origin(), Step: 1, t: t, algorithm: algorithm}
}

// Create makes a passkey for a user, which replaces the one before.
func (a *Authenticator) Create(challenge, userHandle []byte) passkey.Registration {
	a.t.Helper()
	a.ID, a.UserHandle = make([]byte, 32), userHandle
	rand.Read(a.ID)
	var public any
	switch a.algorithm {
	case passkey.EdDSA:
		pk, sk, err := ed25519.GenerateKey(nil)
		a.must(err)
		a.key, public = sk, map[int]any{1: 1, 3: -8, -1: 6, -2: []byte(pk)}
	case passkey.ES256:
		sk, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		a.must(err)
		point, err := sk.PublicKey.Bytes()
		a.must(err)
		a.key, public = sk, map[int]any{1: 2, 3: -7, -1: 1, -2: point[1:33], -3: point[33:]}
	default: // RS256 with a small key, which is refused
		a.key, public = nil, map[int]any{1: 3, 3: -257, -1: make([]byte, 256), -2: []byte{1, 0, 1}}
	}
	a.Counter += a.Step
	data := a.data(0x40)
	data = append(data, make([]byte, 16)...) // no AAGUID
	data = binary.BigEndian.AppendUint16(data, uint16(len(a.ID)))
	data = append(data, a.ID...)
	data = append(data, a.cbor(public)...)
	format := a.Format
	if format == "" {
		format = "none"
	}
	object := a.cbor(map[string]any{"fmt": format, "attStmt": map[string]any{}, "authData": data})
	return passkey.Registration{ID: a.ID, ClientData: a.clientData("webauthn.create", challenge), AttestationObject: object}
}

// Assert answers a challenge with the passkey.
func (a *Authenticator) Assert(challenge []byte) passkey.Assertion {
	a.t.Helper()
	a.Counter += a.Step
	client, data := a.clientData("webauthn.get", challenge), a.data(0)
	return passkey.Assertion{ID: a.ID, ClientData: client, AuthenticatorData: data, Signature: a.Sign(data, client), UserHandle: a.UserHandle}
}

// Sign signs authenticator data and client data, as an assertion has them.
func (a *Authenticator) Sign(data, client []byte) []byte {
	a.t.Helper()
	sum := sha256.Sum256(client)
	signed := append(append([]byte{}, data...), sum[:]...)
	if a.algorithm == passkey.ES256 {
		digest := sha256.Sum256(signed)
		signature, err := a.key.Sign(rand.Reader, digest[:], crypto.SHA256)
		a.must(err)
		return signature
	}
	signature, err := a.key.Sign(nil, signed, crypto.Hash(0))
	a.must(err)
	return signature
}

func (a *Authenticator) data(flags byte) []byte {
	if !a.Absent {
		flags |= 0x01
	}
	if !a.Unverified {
		flags |= 0x04
	}
	party := sha256.Sum256([]byte(a.Party))
	return binary.BigEndian.AppendUint32(append(party[:], flags), a.Counter)
}

func (a *Authenticator) clientData(kind string, challenge []byte) []byte {
	if a.Type != "" {
		kind = a.Type
	}
	b, err := json.Marshal(map[string]any{
		"type": kind, "challenge": base64.RawURLEncoding.EncodeToString(challenge), "origin": a.Origin, "crossOrigin": a.Cross,
	})
	a.must(err)
	return b
}

func (a *Authenticator) cbor(v any) []byte {
	mode, err := cbor.CTAP2EncOptions().EncMode()
	a.must(err)
	b, err := mode.Marshal(v)
	a.must(err)
	return b
}

func (a *Authenticator) must(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}
