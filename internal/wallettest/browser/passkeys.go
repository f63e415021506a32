package browser

import (
	"bytes"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/webauthn"
)

// Authenticator is a phone or a key in the hand of the person at a page: it makes and uses passkeys, at once,
// and knows its person.
type Authenticator struct {
	p  *Page
	id webauthn.AuthenticatorID
}

// Passkey is one passkey with its private key, to be carried to another page's authenticator. It is
// webauthn.Credential without what these authenticators do not have, which the browser refuses.
type Passkey struct {
	CredentialID         []byte  `json:"credentialId"`
	IsResidentCredential bool    `json:"isResidentCredential"`
	RPID                 string  `json:"rpId"`
	PrivateKey           []byte  `json:"privateKey"` // ECDSA on P-256, PKCS #8
	UserHandle           []byte  `json:"userHandle,omitempty"`
	SignCount            float64 `json:"signCount"`
	UserName             string  `json:"userName,omitempty"`
	UserDisplayName      string  `json:"userDisplayName,omitempty"`
}

type add struct {
	AuthenticatorID webauthn.AuthenticatorID `json:"authenticatorId"`
	Credential      *Passkey                 `json:"credential"`
}

var addPasskey = cdp.Command[add, cdp.Empty]{Method: webauthn.CommandAddCredential}

// Authenticator gives the page's person an authenticator that holds these passkeys. It is the page's own, as
// long as the page is open: other pages and windows that this one opens have none.
func (p *Page) Authenticator(passkeys ...*Passkey) *Authenticator {
	p.t.Helper()
	call(p, webauthn.Enable, webauthn.EnableParams{})
	made := call(p, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: webauthn.AuthenticatorProtocolCtap2, Ctap2version: webauthn.Ctap2versionCtap21,
		Transport:      webauthn.AuthenticatorTransportInternal,
		HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
	}})
	a := &Authenticator{p, made.AuthenticatorID}
	for _, k := range passkeys {
		call(p, addPasskey, add{a.id, k})
	}
	return a
}

// Passkeys are those that it holds, with their counters as they are now.
func (a *Authenticator) Passkeys() []*Passkey {
	a.p.t.Helper()
	var held []*Passkey
	for _, c := range call(a.p, webauthn.GetCredentials, webauthn.GetCredentialsParams{AuthenticatorID: a.id}).Credentials {
		held = append(held, &Passkey{c.CredentialID, c.IsResidentCredential, c.RpID, c.PrivateKey, c.UserHandle, c.SignCount, c.UserName, c.UserDisplayName})
	}
	return held
}

// Knows sets whether the authenticator knows its person again (a finger, a face, a PIN).
func (a *Authenticator) Knows(person bool) {
	a.p.t.Helper()
	call(a.p, webauthn.SetUserVerified, webauthn.SetUserVerifiedParams{AuthenticatorID: a.id, IsUserVerified: person})
}

// Rewind sets the counter of a passkey, which another one that was copied would have.
func (a *Authenticator) Rewind(k *Passkey, counter int) {
	a.p.t.Helper()
	for _, held := range a.Passkeys() {
		if bytes.Equal(held.CredentialID, k.CredentialID) {
			call(a.p, webauthn.RemoveCredential, webauthn.RemoveCredentialParams{AuthenticatorID: a.id, CredentialID: k.CredentialID})
		}
	}
	again := *k
	again.SignCount = float64(counter)
	call(a.p, addPasskey, add{a.id, &again})
}

// Remove takes the authenticator away, with what it holds.
func (a *Authenticator) Remove() {
	a.p.t.Helper()
	call(a.p, webauthn.RemoveVirtualAuthenticator, webauthn.RemoveVirtualAuthenticatorParams{AuthenticatorID: a.id})
	call(a.p, webauthn.Disable, cdp.Empty{})
}
