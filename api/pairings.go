package api

import "time"

// NewPairing is what a page asks with to be paired with a wallet. Its key and its origin come with the request: a DPoP
// proof, and the header Origin.
type NewPairing struct {
	Name string `json:"name,omitempty" min:"1" max:"200"` // that the page gives itself
}

// PendingPairing is a pairing that waits for its owner, as its page sees it.
type PendingPairing struct {
	ID     string `json:"id"`
	Status string `json:"status"` // "pending"
	// Code is what the page shows, and its owner types: 8 letters and digits.
	Code       string    `json:"code"`
	Thumbprint string    `json:"thumbprint"` // of the page's key (RFC 7638)
	ExpiresAt  time.Time `json:"expiresAt"`
}

// BoundToken is a token that works only together with proofs of the key that it is bound to (RFC 9449).
type BoundToken struct {
	ID        string     `json:"id"` // of the pairing, and of the token
	Token     SecretText `json:"token"`
	TokenType string     `json:"tokenType"` // "DPoP"
	ExpiresAt time.Time  `json:"expiresAt"` // within 15 minutes; the same request gives the next one
	// PairedUntil is when the page has to be paired anew.
	PairedUntil time.Time `json:"pairedUntil"`
	Wallet      string    `json:"wallet"`
	App         string    `json:"app"`
}

// Pairing is a pairing that waits, as an owner who has its code sees it.
type Pairing struct {
	Code string `json:"code"`
	// Origin is that of the page, as its browser says. A program that is no browser can say any.
	Origin      string `json:"origin"`
	CallsItself string `json:"callsItself,omitempty"`
	Thumbprint  string `json:"thumbprint"` // of the page's key (RFC 7638)
	Address     string `json:"address"`    // that the page asked from
	// SameAddress says that this request came from the same address, of IPv6 the same /64. Where it is false the page
	// may be with somebody else.
	SameAddress bool      `json:"sameAddress"`
	CreatedAt   time.Time `json:"createdAt"`
	ExpiresAt   time.Time `json:"expiresAt"`
	// App is the app that the page becomes unless the approval says another; "" if Apps are several, and it has to.
	App string `json:"app,omitempty"`
	// Apps are those that pages of this origin were in this wallet before.
	Apps []AppEntry `json:"apps"`
}

// PairingChoice approves a pairing. It says what the owner was shown, and approves nothing else.
type PairingChoice struct {
	Origin     string `json:"origin" min:"1" max:"90"`
	Thumbprint string `json:"thumbprint" min:"43" max:"43"`
	App        string `json:"app,omitempty" min:"1" max:"80"`
	Name       string `json:"name,omitempty" form:"name"` // the owner's own, of the token
	// ExpiresIn is how long the page stays paired, in seconds; 0 is 30 days.
	ExpiresIn int64 `json:"expiresIn,omitempty" min:"1" max:"31622400"`
}
