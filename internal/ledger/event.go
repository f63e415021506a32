package ledger

import (
	"encoding/hex"
	"walletd/internal/policy"
)

// Event is the content of an entry: who did what, and why it was allowed. On a wallet's chain it is
// sealed; on the service's, which grows while locked too, it is plain and holds nothing secret.
// Members are added, never renamed: old entries are read by their names.
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
	Digest     string          `json:"digest,omitempty"` // of the approval: what was asked and shown
	Grant      string          `json:"grant,omitempty"`
	Delegation string          `json:"delegation,omitempty"`
	Account    string          `json:"account,omitempty"`
	Salt       *string         `json:"salt,omitempty"` // hex, of an owner's own key
	Wallet     string          `json:"wallet,omitempty"`
	Created    string          `json:"made,omitempty"` // id of a token made or revoked
	Role       string          `json:"role,omitempty"`
	Name       string          `json:"name,omitempty"`
	Policy     *policy.Policy  `json:"policy,omitempty"`
	Row        string          `json:"row,omitempty"`   // table and row of a forgery
	Items      []string        `json:"items,omitempty"` // that a profile has
	// Inert says that the wallet is after this entry what it was before it, but for the uses of a grant:
	// a backup that is being made need not start again.
	Inert bool `json:"inert,omitempty"`
}

// ClaimEvent is one claim of an Event.
type ClaimEvent struct {
	Type       string  `json:"type"`
	Account    string  `json:"account"`
	Salt       *string `json:"salt,omitempty"` // hex of the bytes
	Delegation string  `json:"delegation,omitempty"`

	Items   []string `json:"items,omitempty"` // of a profile, those given
	About   string   `json:"about,omitempty"` // id of the credential or asset
	Created string   `json:"made,omitempty"`  // address of the key pair
}

// Hex writes bytes as an entry holds them, in hex.
func Hex(b []byte) *string {
	text := hex.EncodeToString(b)
	return &text
}
