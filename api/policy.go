package api

import "time"

// Decision is what happens with a claim.
type Decision string

// The decisions, from the mildest to the strictest.
const (
	DecisionAllow Decision = "allow"
	DecisionAsk   Decision = "ask"
	DecisionDeny  Decision = "deny"
)

// Policy is a wallet's ordered list of rules. The first that matches wins; without a match the
// person is asked.
type Policy struct {
	Rules []Rule `json:"rules"` // at most 200
}

// StoredPolicy is a policy that was saved.
type StoredPolicy struct {
	Policy
	// Warnings say where a rule allows by one name a key that another rule denies by another, and where one gives the key of
	// a secret storage to bearers.
	Warnings []string `json:"warnings,omitempty"`
}

// Rule is one line of a policy. Salt or SaltHex, if one is there, holds it to one salt.
type Rule struct {
	App      string    `json:"app"`               // DID, or "*" for every app that is known
	Claim    ClaimName `json:"claim"`             // or "*"
	Salt     *string   `json:"salt,omitempty"`    // text that stands for bytes
	SaltHex  *string   `json:"saltHex,omitempty"` // the bytes in hex
	Decision Decision  `json:"decision"`
	// Off is an allow that came back with a backup: it counts for nothing until it is saved
	// without it.
	Off bool `json:"off,omitempty"`
	// Tokens is "any" where an allow gives the key of a secret storage to bearers' tokens too. Without it, it gives that to
	// tokens that are bound to a key alone; of other claims it says nothing.
	Tokens string `json:"tokens,omitempty"`
}

// PolicyTest is a claim that a policy is tried on.
type PolicyTest struct {
	App     string    `json:"app" max:"80"`
	Claim   ClaimName `json:"claim" max:"64"`
	Salt    *string   `json:"salt,omitempty" max:"1024"`
	SaltHex *string   `json:"saltHex,omitempty" max:"2048"`
	Bound   bool      `json:"bound,omitempty"` // the token that would ask is bound to a key
}

// PolicyVerdict is what would be decided.
type PolicyVerdict struct {
	Decision Decision `json:"decision"`
	Reason   string   `json:"reason"`
	Rule     int      `json:"rule,omitempty"` // that matched, from 1; 0 if none did
}

// Grant is an approval that is remembered.
type Grant struct {
	ID         string     `json:"id"`
	App        string     `json:"app"`
	Agent      string     `json:"agent,omitempty"` // DID of who speaks for the app
	Claim      ClaimName  `json:"claim"`
	Account    string     `json:"account"`
	Salt       *SaltShown `json:"salt,omitempty"`
	Delegation string     `json:"delegation,omitempty"` // hash of the delegation it was made for, hex
	// About is the id of the credential or asset it is for; of a profile the items asked for.
	About     string    `json:"about,omitempty"`
	Items     *[]string `json:"items,omitempty"` // of a profile, those that are given
	CreatedAt time.Time `json:"createdAt"`
	EndsAt    time.Time `json:"endsAt,omitzero"`
	UsesLeft  *int64    `json:"usesLeft,omitempty"` // nil: no number was set
}

// AppEntry is an app that the owner has approved or named.
type AppEntry struct {
	App       string    `json:"app"`
	Name      string    `json:"name,omitempty"` // the owner's own name for it
	State     string    `json:"state"`          // "approved" or "revoked"
	CreatedAt time.Time `json:"createdAt"`
}

// AppName is the owner's own name for an app.
type AppName struct {
	Name string `json:"name" form:"name"`
}

// Delegation is a delegation that the owner has approved.
type Delegation struct {
	Hash       string    `json:"hash"` // SHA3-256 of the token, hex
	From       string    `json:"from"`
	To         string    `json:"to"`
	ExpiresAt  time.Time `json:"expiresAt"`
	ApprovedAt time.Time `json:"approvedAt"`
	RevokedAt  time.Time `json:"revokedAt,omitzero"`
}
