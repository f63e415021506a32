package ledger

import (
	"encoding/hex"
	"walletd/internal/policy"
)

// Event is the content of an audit entry: who did what, and why it was allowed. In a wallet's audit log it is
// sealed. In the service's, which grows while the keystore is locked too, it is plain and holds no secret. JSON
// members are added, never renamed, because old entries are read by their names.
type Event struct {
	Kind       Kind            `json:"-"`
	By         string          `json:"by"`              // "app", "owner", "operator" or "walletd"
	Token      string          `json:"token,omitempty"` // id of the caller's token
	App        string          `json:"app,omitempty"`
	Agent      string          `json:"agent,omitempty"`
	JTI        string          `json:"jti,omitempty"`
	Session    string          `json:"session,omitempty"`
	Origin     string          `json:"origin,omitempty"`
	Claims     []ClaimEvent    `json:"claims,omitempty"`
	Decision   policy.Decision `json:"decision,omitempty"`
	Reason     string          `json:"reason,omitempty"`
	Rule       int             `json:"rule,omitempty"`
	Code       string          `json:"code,omitempty"` // of a refusal
	Approval   string          `json:"approval,omitempty"`
	Digest     string          `json:"digest,omitempty"` // of the approval: it covers the request and what was shown
	Grant      string          `json:"grant,omitempty"`
	Delegation string          `json:"delegation,omitempty"`
	Account    string          `json:"account,omitempty"`
	Salt       *string         `json:"salt,omitempty"` // hex; of an owner's own key
	Wallet     string          `json:"wallet,omitempty"`
	Created    string          `json:"made,omitempty"` // id of a token, credential or asset that was created, revoked or deleted
	Role       string          `json:"role,omitempty"`
	Name       string          `json:"name,omitempty"`
	Policy     *policy.Policy  `json:"policy,omitempty"`
	Row        string          `json:"row,omitempty"`        // table and key of a forged row
	Items      []string        `json:"items,omitempty"`      // names of the items that a profile has
	Thumbprint string          `json:"thumbprint,omitempty"` // of the key that a token is bound to
	Owner      string          `json:"owner,omitempty"`      // id of the owner whom the entry is about, or who did it
	Passkey    string          `json:"passkey,omitempty"`    // id of the passkey that the entry is about, or that decided
	// Disclosed is what an exported audit log shows of the entry, so that anybody can check it; else nil.
	Disclosed *Disclosure `json:"disclosed,omitempty"`
	// Inert says that the entry changes nothing of the wallet but the uses of a grant, so that a backup that is
	// being made at the same time need not start again.
	Inert bool `json:"inert,omitempty"`
}

// ClaimEvent is one claim of an Event.
type ClaimEvent struct {
	Type       string  `json:"type"`
	Account    string  `json:"account"`
	Salt       *string `json:"salt,omitempty"` // hex of the bytes
	Delegation string  `json:"delegation,omitempty"`

	Items   []string `json:"items,omitempty"` // of a profile: the items that were disclosed
	About   string   `json:"about,omitempty"` // id of the credential or asset
	Created string   `json:"made,omitempty"`  // address of a key pair that was created
}

// Hex returns bytes in hex, as an entry holds them.
func Hex(b []byte) *string {
	text := hex.EncodeToString(b)
	return &text
}
