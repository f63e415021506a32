// Package passkey verifies passkeys: the registrations and the assertions of WebAuthn (level 3, sections 7.1 and
// 7.2), for one relying party, and the challenge that stands for a decision of a person.
//
//	Party.Register(challenge, Registration) -> Key     a new passkey
//	Party.Verify(challenge, Key, Assertion) -> Use     a touch of it
//	Decision.Challenge()                               what a touch that approves signs
//
// Values in, verdicts out: the package knows no store, no clock and no caller. CBOR, keys and signatures are read by
// go-webauthn's package protocol; what that package leaves to the relying party is decided here. User verification
// is required, the origin is compared byte for byte, only ES256 and EdDSA are accepted, and no attestation is
// believed.
package passkey

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"

	"walletd/internal/strictjson"
)

// The algorithms of passkeys, as COSE numbers them (RFC 9053).
const (
	ES256 = int64(webauthncose.AlgES256)
	EdDSA = int64(webauthncose.AlgEdDSA)
)

// Bounds of what is read, in bytes. A credential id has at most 1,023 bytes (WebAuthn, section 4); those of
// discoverable passkeys have far fewer, and 512 fit a row.
const (
	maxID          = 512
	maxClientData  = 4 << 10
	maxAttestation = 16 << 10
	maxAuthData    = 4 << 10
	maxSignature   = 512
	maxUserHandle  = 64
)

var (
	// ErrMalformed is returned for what is not a registration or an assertion, or is too large.
	ErrMalformed = errors.New("the passkey's answer cannot be read")
	// ErrChallenge is returned if another challenge was answered than the one that was set.
	ErrChallenge = errors.New("the passkey answered another challenge")
	// ErrOrigin is returned if a page of another origin, or one inside another page, asked the passkey.
	ErrOrigin = errors.New("the passkey was asked by a page of another origin")
	// ErrUnverified is returned if the authenticator did not verify who touched it.
	ErrUnverified = errors.New("the authenticator did not verify its user")
	// ErrAlgorithm is returned for a passkey of another algorithm than ES256 and EdDSA.
	ErrAlgorithm = errors.New("the passkey's algorithm is neither ES256 nor EdDSA")
	// ErrSignature is returned if the signature, or what it is over, is not that of the passkey.
	ErrSignature = errors.New("the passkey's signature does not verify")
	// ErrPath is returned for a public URL with a path: passkeys and cookies are of a name, whatever the path, so that other
	// pages of the name could use them.
	ErrPath = errors.New("a public URL has no path: the service is the only one of its name, and at its root")
	// ErrCounter is returned if the passkey's counter did not go up: there may be a copy of it.
	ErrCounter = errors.New("the passkey's counter went back: there may be a copy of it")
)

// Party is the relying party: the name that the service is called by. The zero Party has no passkeys.
type Party struct {
	id     string
	origin string
}

// ParseParty returns the party of a service's public URL: https with a name, or http for localhost. A passkey cannot
// belong to an IP address.
func ParseParty(text string) (Party, error) {
	u, err := url.Parse(text)
	if err == nil && u.Host != "" && u.Path != "" && u.Path != "/" {
		return Party{}, ErrPath
	}
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "" {
		return Party{}, errors.New("a public URL is a scheme and a name, as in https://wallet.example")
	}
	name := u.Hostname()
	_, notName := netip.ParseAddr(name)
	switch {
	case notName == nil:
		return Party{}, errors.New("a public URL has a name, not an address: a passkey belongs to a name")
	case u.Scheme != "https" && (u.Scheme != "http" || name != "localhost"):
		return Party{}, errors.New("a public URL begins with https://; with http:// only for localhost")
	case name != strings.ToLower(name) || strings.HasSuffix(name, ".") || strings.HasSuffix(u.Host, ":") || len(name) > 253:
		return Party{}, errors.New("a public URL is written as browsers write it: in lower case, without a final dot")
	case u.Scheme == "https" && u.Port() == "443" || u.Scheme == "http" && u.Port() == "80":
		return Party{}, errors.New("a public URL leaves out the port of its scheme, as browsers do")
	}
	for _, b := range []byte(u.Host) {
		if (b < 'a' || b > 'z') && (b < '0' || b > '9') && b != '.' && b != '-' && b != ':' {
			return Party{}, errors.New("a public URL has a name of letters, digits, dots and hyphens; others are written as xn--…")
		}
	}
	return Party{id: name, origin: u.Scheme + "://" + u.Host}, nil
}

// IsZero reports whether the service has no public URL, and so no passkeys.
func (p Party) IsZero() bool { return p.id == "" }

// ID returns the relying party's id: the name that passkeys belong to.
func (p Party) ID() string { return p.id }

// Origin returns the origin of the service's pages, which is its public URL without a path.
func (p Party) Origin() string { return p.origin }

// Key is a passkey as it was registered.
type Key struct {
	ID        []byte // the credential id
	PublicKey []byte // COSE_Key, in CBOR
	Counter   uint32 // of the last use; 0 if the authenticator does not count
}

// Registration is what an authenticator answered to a request to make a passkey.
type Registration struct {
	ID                []byte // the credential id
	ClientData        []byte // clientDataJSON
	AttestationObject []byte
}

// Assertion is what an authenticator answered to a request to use a passkey.
type Assertion struct {
	ID                []byte // the credential id
	ClientData        []byte // clientDataJSON
	AuthenticatorData []byte
	Signature         []byte
	UserHandle        []byte // the owner's id as the authenticator has it; nil if it did not say
}

// Register verifies a registration that answers a challenge, and returns the passkey.
func (p Party) Register(challenge []byte, r Registration) (Key, error) {
	if !within(r.ID, 1, maxID) || !within(r.ClientData, 1, maxClientData) || !within(r.AttestationObject, 1, maxAttestation) {
		return Key{}, ErrMalformed
	}
	if err := p.checkClientData(r.ClientData, protocol.CreateCeremony, challenge); err != nil {
		return Key{}, err
	}
	parsed, err := protocol.CredentialCreationResponse{
		PublicKeyCredential: credential(r.ID),
		AttestationResponse: protocol.AuthenticatorAttestationResponse{
			AuthenticatorResponse: protocol.AuthenticatorResponse{ClientDataJSON: r.ClientData}, AttestationObject: r.AttestationObject,
		},
	}.Parse()
	if err != nil {
		return Key{}, ErrMalformed // the library's words quote what was sent
	}
	object := parsed.Response.AttestationObject
	switch protocol.AttestationFormat(object.Format) {
	case protocol.AttestationFormatNone, protocol.AttestationFormatPacked: // packed as browsers leave it: signed with the passkey itself
	default:
		return Key{}, fmt.Errorf("%w: an attestation came that nobody asked for", ErrMalformed)
	}
	key, err := webauthncose.ParsePublicKey(object.AuthData.AttData.CredentialPublicKey)
	if err != nil || !accepted(key) {
		return Key{}, ErrAlgorithm
	}
	if !object.AuthData.Flags.UserPresent() || !object.AuthData.Flags.UserVerified() {
		return Key{}, ErrUnverified
	}
	params := []protocol.CredentialParameter{
		{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.AlgES256}, {Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.AlgEdDSA},
	}
	_, err = parsed.Verify(encode(challenge), p.id, []string{p.origin}, nil, nil, protocol.TopOriginExplicitVerificationMode, false, true, true,
		nil, params, protocol.AttestationPolicy{}, protocol.SignaturePolicy{})
	if err != nil {
		return Key{}, ErrSignature
	}
	return Key{ID: bytes.Clone(r.ID), PublicKey: bytes.Clone(object.AuthData.AttData.CredentialPublicKey), Counter: object.AuthData.Counter}, nil
}

// Verify verifies that the passkey answered the challenge, and returns its counter. ErrCounter is returned last: then
// all else holds.
func (p Party) Verify(challenge []byte, key Key, a Assertion) (counter uint32, err error) {
	if !within(a.ID, 1, maxID) || !within(a.ClientData, 1, maxClientData) || !within(a.AuthenticatorData, 1, maxAuthData) ||
		!within(a.Signature, 1, maxSignature) || !within(a.UserHandle, 0, maxUserHandle) {
		return 0, ErrMalformed
	}
	if !bytes.Equal(a.ID, key.ID) {
		return 0, ErrSignature
	}
	if err := p.checkClientData(a.ClientData, protocol.AssertCeremony, challenge); err != nil {
		return 0, err
	}
	parsed, err := protocol.CredentialAssertionResponse{
		PublicKeyCredential: credential(a.ID),
		AssertionResponse: protocol.AuthenticatorAssertionResponse{
			AuthenticatorResponse: protocol.AuthenticatorResponse{ClientDataJSON: a.ClientData},
			AuthenticatorData:     a.AuthenticatorData, Signature: a.Signature, UserHandle: a.UserHandle,
		},
	}.Parse()
	if err != nil {
		return 0, ErrMalformed
	}
	data := parsed.Response.AuthenticatorData
	if !data.Flags.UserPresent() || !data.Flags.UserVerified() {
		return 0, ErrUnverified
	}
	public, err := webauthncose.ParsePublicKey(key.PublicKey)
	if err != nil || !accepted(public) {
		return 0, ErrAlgorithm
	}
	err = parsed.Verify(encode(challenge), p.id, "", []string{p.origin}, nil, nil, protocol.TopOriginExplicitVerificationMode, false, true, true,
		key.PublicKey, protocol.SignaturePolicy{})
	if err != nil {
		return 0, ErrSignature
	}
	if (data.Counter != 0 || key.Counter != 0) && data.Counter <= key.Counter {
		return data.Counter, ErrCounter
	}
	return data.Counter, nil
}

// checkClientData checks what the browser says of the page that asked: the kind of request, the challenge and the
// origin, byte for byte. The library compares origins as URLs.
func (p Party) checkClientData(text []byte, kind protocol.CeremonyType, challenge []byte) error {
	if p.IsZero() {
		return ErrOrigin
	}
	data, err := strictjson.Parse(text)
	if err != nil || data.Exact() != nil {
		return ErrMalformed
	}
	said, _ := data.WholeText("type")
	answered, _ := data.WholeText("challenge")
	origin, _ := data.WholeText("origin")
	switch cross := data.Get("crossOrigin"); {
	case said != string(kind):
		return ErrMalformed
	case answered != encode(challenge):
		return ErrChallenge
	case origin != p.origin, cross != nil && string(cross) != "false", data.Has("topOrigin"):
		return ErrOrigin
	}
	return nil
}

// accepted reports whether a parsed key is one of the algorithms that are asked for.
func accepted(key any) bool {
	switch k := key.(type) {
	case webauthncose.EC2PublicKeyData:
		return k.Algorithm == ES256
	case webauthncose.OKPPublicKeyData:
		return k.Algorithm == EdDSA
	}
	return false
}

func credential(id []byte) protocol.PublicKeyCredential {
	return protocol.PublicKeyCredential{Credential: protocol.Credential{ID: encode(id), Type: string(protocol.PublicKeyCredentialType)}, RawID: id}
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func within(b []byte, least, most int) bool { return len(b) >= least && len(b) <= most }
