package api

import "time"

// Bytes that a browser or an authenticator makes are base64url without padding, as PublicKeyCredential.toJSON of
// browsers writes them.

// NewInvitation asks for an invitation: who accepts it becomes an owner of the wallet.
type NewInvitation struct {
	Wallet string `json:"wallet" max:"64"`
	Name   string `json:"name,omitempty" form:"name"` // of the person
	// Owner is the id of the owner who is to get another passkey. Without it the invitation makes a new owner; with
	// Recovery, that of a wallet with one owner is meant.
	Owner string `json:"owner,omitempty" min:"1" max:"64"`
	// Recovery ends all other ways of the owner when the invitation is accepted, and cancels what waits in the wallet.
	// For an operator it takes the secret of a slot.
	Recovery bool        `json:"recovery,omitempty"`
	Secret   *SlotSecret `json:"secret,omitempty"`
}

// CreatedInvitation is an invitation that was made.
type CreatedInvitation struct {
	ID    string `json:"id"`
	Owner string `json:"owner"` // id of the owner that it makes, or adds a passkey to
	// Link is the page that accepts the invitation, shown once. What stands behind its # is the invitation itself; browsers
	// do not send it to a server.
	Link      SecretText `json:"link"`
	ExpiresAt time.Time  `json:"expiresAt"`
}

// Invitation is an invitation that nobody has accepted yet.
type Invitation struct {
	ID         string    `json:"id"`
	Wallet     string    `json:"wallet"`
	Owner      string    `json:"owner"`
	Name       string    `json:"name"`
	Recovery   bool      `json:"recovery"`
	ByOperator bool      `json:"byOperator"`
	CreatedAt  time.Time `json:"createdAt"`
	ExpiresAt  time.Time `json:"expiresAt"`
}

// OwnersQuery is the query of a list of owners or of invitations.
type OwnersQuery struct {
	Wallet string `json:"wallet,omitempty" max:"64"` // an owner's own, if it is not there
	Limit  int    `json:"limit,omitempty" min:"1" max:"200"`
	Cursor string `json:"cursor,omitempty" max:"512"`
}

// Owner is a person who owns a wallet.
type Owner struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	You       bool      `json:"you"` // the caller's own
	CreatedAt time.Time `json:"createdAt"`
}

// PasskeyCreation is what to give to navigator.credentials.create, or to what stands for it on a phone: a passkey
// that is discoverable and verifies its user, of one of Algorithms, without attestation.
type PasskeyCreation struct {
	State      string    `json:"state"` // to be sent back with the registration
	Challenge  string    `json:"challenge"`
	RPID       string    `json:"rpId"`
	UserID     string    `json:"userId"` // the user handle: the owner's id
	UserName   string    `json:"userName"`
	Algorithms []int     `json:"algorithms"` // COSE: -7 is ES256, -8 is EdDSA
	Exclude    []string  `json:"exclude"`    // ids of passkeys that the owner has; never null
	Wallet     string    `json:"wallet"`
	WalletName string    `json:"walletName"`
	ExpiresAt  time.Time `json:"expiresAt"`
}

// PasskeyRequest is what to give to navigator.credentials.get: user verification is required.
type PasskeyRequest struct {
	State     string    `json:"state,omitempty"` // to be sent back with the assertion; an approval has none
	Challenge string    `json:"challenge"`
	RPID      string    `json:"rpId"`
	Allow     []string  `json:"allow"` // ids of the passkeys that may answer; empty: any; never null
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
}

// Registration is a passkey that was made, as the authenticator answered.
type Registration struct {
	ID                string `json:"id" min:"1" max:"700"`
	ClientDataJSON    string `json:"clientDataJSON" min:"1" max:"5500"`
	AttestationObject string `json:"attestationObject" min:"1" max:"22000"`
}

// Assertion is the use of a passkey, as the authenticator answered.
type Assertion struct {
	ID                string `json:"id" min:"1" max:"700"`
	ClientDataJSON    string `json:"clientDataJSON" min:"1" max:"5500"`
	AuthenticatorData string `json:"authenticatorData" min:"1" max:"5500"`
	Signature         string `json:"signature" min:"1" max:"700"`
	UserHandle        string `json:"userHandle,omitempty" max:"90"`
}

// OpenInvitation asks what an invitation needs.
type OpenInvitation struct {
	Invitation SecretText `json:"invitation" min:"1" max:"128"` // what stands behind the # of its link
}

// AcceptInvitation accepts an invitation.
type AcceptInvitation struct {
	Invitation   SecretText   `json:"invitation" min:"1" max:"128"`
	State        string       `json:"state" min:"1" max:"200"`
	Registration Registration `json:"registration"`
	Name         string       `json:"name,omitempty" form:"name"`   // of the person
	Device       string       `json:"device,omitempty" form:"name"` // of the passkey
}

// SignIn begins a browser session.
type SignIn struct {
	State     string    `json:"state" min:"1" max:"200"`
	Assertion Assertion `json:"assertion"`
	Wallet    string    `json:"wallet,omitempty" min:"1" max:"64"` // of an owner who has several
}

// SignedIn is a session that began.
type SignedIn struct {
	Token     SecretText `json:"token"` // an owner's token: it reads, rejects and revokes; the rest takes a touch
	TokenID   string     `json:"tokenId"`
	Wallet    string     `json:"wallet"`
	Wallets   []string   `json:"wallets"` // that the passkey signs in to
	Owner     string     `json:"owner"`
	Name      string     `json:"name"`
	Passkey   string     `json:"passkey"`
	ExpiresAt time.Time  `json:"expiresAt"`
}

// NewPasskey adds a passkey.
type NewPasskey struct {
	State        string       `json:"state" min:"1" max:"200"`
	Registration Registration `json:"registration"`
	Name         string       `json:"name,omitempty" form:"name"`
}

// PasskeyName names a passkey.
type PasskeyName struct {
	Name string `json:"name" form:"name"`
}

// Passkey is a passkey of an owner of the wallet.
type Passkey struct {
	ID         string    `json:"id"`
	Owner      string    `json:"owner"`
	Name       string    `json:"name"`
	Current    bool      `json:"current"` // the caller signed in with it
	CreatedAt  time.Time `json:"createdAt"`
	LastUsedAt time.Time `json:"lastUsedAt"`
}

// NewTouch asks for the challenge of a touch that agrees to one request.
type NewTouch struct {
	Method string `json:"method" min:"3" max:"6"`
	Path   string `json:"path" min:"1" max:"4096"` // as it is sent, with its query
	Body   string `json:"body" min:"64" max:"64"`  // SHA-256 of the body in hex; of no bytes, if there is none
}

// Touched is what the header Walletd-Touch of that request holds, as JSON in base64url.
type Touched struct {
	State     string    `json:"state" min:"1" max:"200"`
	Assertion Assertion `json:"assertion"`
}
