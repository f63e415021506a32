package wallettest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"

	"walletd/internal/passkey"
	authenticator "walletd/internal/wallettest/passkey"
)

var base64url = base64.RawURLEncoding

// Person is an owner of the wallet who came by an invitation and has a passkey.
type Person struct {
	*authenticator.Authenticator
	Token   string // of a browser session
	TokenID string
	Owner   string // id of the owner
	Passkey string // its id

	w *Wallet
}

// Invite has the wallet's owner make an invitation, and returns what stands behind the # of its link.
func (w *Wallet) Invite(body Members) string {
	w.t.Helper()
	if body["wallet"] == nil {
		body["wallet"] = w.Address
	}
	link := w.Do("POST", "/v1/invitations", w.Owner, body).Must(http.StatusCreated).Text("link")
	return InvitationOf(link)
}

// InvitationOf returns what stands behind the # of a link.
func InvitationOf(link string) string {
	_, invitation, _ := strings.Cut(link, "#")
	return invitation
}

// Person invites a person, who accepts with a new passkey.
func (w *Wallet) Person(name string) *Person {
	w.t.Helper()
	return w.Accept(w.Invite(Members{"name": name}))
}

// Accept accepts an invitation with a new passkey.
func (w *Wallet) Accept(invitation string) *Person {
	w.t.Helper()
	p := &Person{Authenticator: authenticator.New(w.t, w.Party, passkey.ES256), w: w}
	p.signedIn(w.Do("POST", "/v1/invitations/accept", "", p.Acceptance(invitation)).Must(http.StatusCreated))
	return p
}

// NewPerson is somebody with an authenticator, and nothing else.
func (w *Wallet) NewPerson(algorithm int64) *Person {
	return &Person{Authenticator: authenticator.New(w.t, w.Party, algorithm), w: w}
}

func (p *Person) signedIn(r *Response) {
	p.Token, p.TokenID, p.Owner, p.Passkey = r.Text("token"), r.Text("tokenId"), r.Text("owner"), r.Text("passkey")
}

// Acceptance opens an invitation, makes a passkey, and returns the body that accepts it.
func (p *Person) Acceptance(invitation string) Members {
	p.w.t.Helper()
	asked := p.w.Do("POST", "/v1/invitations/open", "", Members{"invitation": invitation}).Must(http.StatusOK)
	return Members{"invitation": invitation, "state": asked.Text("state"), "registration": p.Registration(asked), "device": "phone"}
}

// Registration makes a passkey as it was asked for.
func (p *Person) Registration(asked *Response) Members {
	p.w.t.Helper()
	r := p.Create(p.w.bytes(asked.Text("challenge")), p.w.bytes(asked.Text("userId")))
	return Members{"id": base64url.EncodeToString(r.ID), "clientDataJSON": base64url.EncodeToString(r.ClientData), "attestationObject": base64url.EncodeToString(r.AttestationObject)}
}

func (w *Wallet) bytes(text string) []byte {
	w.t.Helper()
	b, err := base64url.DecodeString(text)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// Answer signs what was asked for, and returns the assertion as a body has it.
func (p *Person) Answer(asked *Response) Members {
	p.w.t.Helper()
	return AssertionMembers(p.Assert(p.w.bytes(asked.Text("challenge"))))
}

// AssertionMembers is an assertion as a body has it.
func AssertionMembers(a passkey.Assertion) Members {
	return Members{
		"id": base64url.EncodeToString(a.ID), "clientDataJSON": base64url.EncodeToString(a.ClientData), "authenticatorData": base64url.EncodeToString(a.AuthenticatorData),
		"signature": base64url.EncodeToString(a.Signature), "userHandle": base64url.EncodeToString(a.UserHandle),
	}
}

// SignIn signs in with the passkey.
func (p *Person) SignIn() *Response {
	p.w.t.Helper()
	asked := p.w.Do("POST", "/v1/sign-in/begin", "", Members{}).Must(http.StatusOK)
	return p.w.Do("POST", "/v1/sign-in", "", Members{"state": asked.Text("state"), "assertion": p.Answer(asked)})
}

// Do sends a request with the person's session.
func (p *Person) Do(method, path string, body any) *Response {
	p.w.t.Helper()
	return p.w.Do(method, path, p.Token, body)
}

// DoTouched sends a request with the person's session and a touch of their passkey that agrees to it.
func (p *Person) DoTouched(method, path string, body any) *Response {
	p.w.t.Helper()
	return p.w.Send(p.Touched(p.Token, method, path, body))
}

// Touched returns a request with a token of the person's and a touch of their passkey that agrees to it.
func (p *Person) Touched(token, method, path string, body any) *http.Request {
	p.w.t.Helper()
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			p.w.t.Fatal(err)
		}
		body = text
	}
	sum := sha256.Sum256(text)
	asked := p.w.Do("POST", "/v1/touch", token, Members{"method": method, "path": path, "body": hex.EncodeToString(sum[:])}).Must(http.StatusOK)
	header, err := json.Marshal(Members{"state": asked.Text("state"), "assertion": p.Answer(asked)})
	if err != nil {
		p.w.t.Fatal(err)
	}
	r := p.w.Request(method, path, body)
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Walletd-Touch", base64url.EncodeToString(header))
	return r
}

// Approve approves with a choice and a touch that signs it.
func (p *Person) Approve(id string, choice Members) *Response {
	p.w.t.Helper()
	asked := p.Do("POST", "/v1/approvals/"+id+"/challenge", choice).Must(http.StatusOK)
	body := Members{"assertion": p.Answer(asked)}
	for name, value := range choice {
		body[name] = value
	}
	return p.Do("POST", "/v1/approvals/"+id+"/approve", body)
}
