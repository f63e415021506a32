package api

import "time"

// Role is what the bearer of a token may do.
type Role string

// The roles: an operator runs the service, an owner decides for one wallet, an app asks.
const (
	RoleOperator Role = "operator"
	RoleOwner    Role = "owner"
	RoleApp      Role = "app"
)

// NewToken asks for a token.
type NewToken struct {
	Role   Role   `json:"role"`
	Wallet string `json:"wallet,omitempty" max:"64"` // of an owner's or an app's token
	// App is the DID of an app's token; "" has one made.
	App       string `json:"app,omitempty" min:"1" max:"80"`
	Name      string `json:"name,omitempty" form:"name"`
	ExpiresIn int64  `json:"expiresIn,omitempty" min:"1" max:"3162240000"` // seconds; 0: it does not expire
	// Origins are those whose pages may use an app's token in a browser, as browsers write them.
	Origins []string `json:"origins,omitempty" max:"8"`
}

// CreatedToken is a token that was made.
type CreatedToken struct {
	ID        string     `json:"id"`
	Token     SecretText `json:"token"` // the credential, shown once
	Role      Role       `json:"role"`
	Wallet    string     `json:"wallet,omitempty"`
	App       string     `json:"app,omitempty"`
	Name      string     `json:"name,omitempty"`
	Origins   []string   `json:"origins,omitempty"`
	ExpiresAt time.Time  `json:"expiresAt,omitzero"`
}

// TokensQuery is the query of a list of tokens.
type TokensQuery struct {
	Wallet string `json:"wallet,omitempty" max:"64"`
	Limit  int    `json:"limit,omitempty" min:"1" max:"200"`
	Cursor string `json:"cursor,omitempty" max:"512"`
}

// Token is a token without its secret.
type Token struct {
	ID         string    `json:"id"`
	Role       Role      `json:"role"`
	Wallet     string    `json:"wallet,omitempty"`
	App        string    `json:"app,omitempty"`
	Name       string    `json:"name"`
	Origins    []string  `json:"origins,omitempty"`
	Thumbprint string    `json:"thumbprint,omitempty"` // of the key that it is bound to (RFC 7638)
	Owner      string    `json:"owner,omitempty"`      // id of the owner whose token it is, if it names one
	Passkey    string    `json:"passkey,omitempty"`    // of a browser session: id of the passkey that signed in
	CreatedAt  time.Time `json:"createdAt"`
	ExpiresAt  time.Time `json:"expiresAt,omitzero"`
	LastUsedAt time.Time `json:"lastUsedAt,omitzero"`
	RevokedAt  time.Time `json:"revokedAt,omitzero"`
}
