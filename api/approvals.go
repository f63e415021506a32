package api

import (
	"encoding/json"
	"time"
)

// ApprovalState says how an approval stands.
type ApprovalState string

// The states of an approval.
const (
	ApprovalPending   ApprovalState = "pending"
	ApprovalApproved  ApprovalState = "approved"
	ApprovalRejected  ApprovalState = "rejected"
	ApprovalExpired   ApprovalState = "expired"
	ApprovalCancelled ApprovalState = "cancelled"
)

// ApprovalsQuery is the query of a list of approvals.
type ApprovalsQuery struct {
	Status ApprovalState `json:"status,omitempty" max:"16"` // pending unless said; "all" for every one
	Wallet string        `json:"wallet,omitempty" max:"64"` // only those of this wallet
	Limit  int           `json:"limit,omitempty" min:"1" max:"200"`
	Cursor string        `json:"cursor,omitempty" max:"512"`
}

// Approval is a request that waits for the owner, or was decided. Texts of the app are hostile
// and made safe to show: controls are escaped, and they are cut to a length.
type Approval struct {
	ID      string        `json:"id"`
	Wallet  string        `json:"wallet"`
	Status  ApprovalState `json:"status"`
	Code    string        `json:"code"` // six letters that the app shows too
	App     Requester     `json:"app"`
	Agent   *Requester    `json:"agent,omitempty"`   // who speaks for the app
	Session string        `json:"session,omitempty"` // id of the session that asks
	Origin  string        `json:"origin,omitempty"`  // where the session's app was reached
	Account string        `json:"account"`           // address that would answer
	// Accounts are those of the app's own from which the owner may choose the one that answers, Account first; none if there
	// is no choice.
	Accounts  []string        `json:"accounts,omitempty"`
	Claims    []ApprovalClaim `json:"claims"`
	Unusual   []string        `json:"unusual"` // never null
	Reason    string          `json:"reason"`  // why the owner is asked
	CreatedAt time.Time       `json:"createdAt"`
	ExpiresAt time.Time       `json:"expiresAt"`
	DecidedAt time.Time       `json:"decidedAt,omitzero"`
	DecidedBy string          `json:"decidedBy,omitempty"` // id of a token
	Digest    string          `json:"digest"`              // hex: what a passkey signs of what was asked and shown
	From      *From           `json:"from,omitempty"`      // where the request came from, if it came over HTTP
	History   *History        `json:"history,omitempty"`   // of one approval, not in lists
	// Requested are the claims exactly as they were asked.
	Requested []json.RawMessage `json:"requested"`
}

// From is where a request came from. It proves nothing.
type From struct {
	Address string `json:"address,omitempty"` // as the connection or a trusted proxy says
	Program string `json:"program,omitempty"` // as it calls itself (User-Agent), made safe to show
}

// History is what the owner decided about earlier requests of the app, of the newest 200.
type History struct {
	Approved int `json:"approved"`
	Rejected int `json:"rejected"`
	Same     int `json:"same"` // of the approved ones, those that asked for everything that this one asks for
	// SameSalts counts the approved ones that had every salt of this one; all, if it has none.
	SameSalts int       `json:"sameSalts"`
	Since     time.Time `json:"since,omitzero"` // when the first that was counted came
	More      bool      `json:"more"`           // there are older ones, which were not counted
}

// Requester is an app, or who speaks for it.
type Requester struct {
	DID         string `json:"did"`
	Name        string `json:"name,omitempty"`        // the owner's own name for it
	CallsItself string `json:"callsItself,omitempty"` // nobody has confirmed it
}

// ApprovalClaim is a claim as the owner sees it.
type ApprovalClaim struct {
	Type        ClaimName        `json:"type"`
	Description string           `json:"description"`
	Account     string           `json:"account"`
	Salt        *SaltShown       `json:"salt,omitempty"`
	Delegation  *DelegationShown `json:"delegation,omitempty"`
	MFACode     []int            `json:"mfaCode,omitempty"` // as received; the owner picks the one the app shows
	Items       []ItemShown      `json:"items,omitempty"`   // of a profile
	Text        *TextShown       `json:"text,omitempty"`    // of a signature
	Agreement   *AgreementShown  `json:"agreement,omitempty"`
	KeyPair     *KeyPairShown    `json:"keyPair,omitempty"`
	Filters     []Filter         `json:"filters,omitempty"`  // of a credential or asset; any one suffices
	Presents    *Credential      `json:"presents,omitempty"` // what would be presented, unless another is chosen
	Offers      []Offer          `json:"offers,omitempty"`   // where several fit: what can be chosen
	Unusual     []string         `json:"unusual"`            // never null
	// AskedEachTime says why the owner is asked each time, so that the approval cannot be remembered; "" if it can.
	AskedEachTime string `json:"askedEachTime,omitempty"`
}

// Offer is a credential or an asset that the owner can choose to present.
type Offer struct {
	Credential
	Unusual []string `json:"unusual,omitempty"` // what is unusual about presenting this one
	// AskedEachTime says why presenting this one cannot be remembered; "" if it can.
	AskedEachTime string `json:"askedEachTime,omitempty"`
}

// SaltShown is a salt as text, with controls escaped, and as its bytes in hex: different texts can
// stand for the same bytes.
type SaltShown struct {
	Text string `json:"text"`
	Hex  string `json:"hex"`
}

// DelegationShown is a delegation told to a person.
type DelegationShown struct {
	Hash      string    `json:"hash"` // SHA3-256 of the token, hex
	From      string    `json:"from"` // DID
	To        string    `json:"to"`   // DID
	Claims    []string  `json:"claims"`
	ExpiresAt time.Time `json:"expiresAt"`
	Words     string    `json:"words"` // the delegation as a sentence
}

// ItemShown is an item of the profile that is asked for.
type ItemShown struct {
	Item  string `json:"item"`
	Held  bool   `json:"held"`            // the profile has it
	Value string `json:"value,omitempty"` // what would be given; of a picture, its size
}

// TextShown is all that a signature would sign, as text: to be shown, never run.
type TextShown struct {
	TypeURL string `json:"typeUrl"`
	Method  string `json:"method"`
	Text    string `json:"text"` // "" where a digest is to be signed
	// Digest is, in hex, what would be signed blindly: nobody can see what it is the digest of.
	Digest string `json:"digest,omitempty"`
	// Display is what the app would show instead. Nobody has compared it with the text.
	Display string `json:"display,omitempty"`
}

// AgreementShown is what an agreement is about.
type AgreementShown struct {
	URI    string `json:"uri,omitempty"` // the wallet has not read it
	Digest string `json:"digest"`
	Method string `json:"method"` // of the digest
}

// KeyPairShown is the application that a key pair is asked for.
type KeyPairShown struct {
	Moniker string `json:"moniker"` // what the app calls the new application
	Type    string `json:"type"`    // role/key/hash, as in application/ed25519/sha3
	// Declare says that the app wants it registered on a chain, which the wallet does not do.
	Declare bool `json:"declare"`
	// Address is that of the new key.
	Address string `json:"address,omitempty"`
	// MigrateFrom is the address of the key that the new one is to replace, "" if it replaces none.
	MigrateFrom string `json:"migrateFrom,omitempty"`
}

// Filter is what a credential or an asset must be.
type Filter struct {
	Types          []string `json:"types,omitempty"`
	Target         string   `json:"target,omitempty"`
	Address        string   `json:"address,omitempty"`
	TrustedIssuers []string `json:"trustedIssuers,omitempty"`
	TrustedParents []string `json:"trustedParents,omitempty"`
	Owners         []string `json:"owners,omitempty"`
	Tag            string   `json:"tag,omitempty"`
	AcquireURL     string   `json:"acquireUrl,omitempty"` // where the app says to get one
}

// Choice is how the owner approves.
type Choice struct {
	MFACode int `json:"mfaCode,omitempty"` // the number that the app showed
	// Account is another of the app's own accounts, for an authPrincipal without target.
	Account string `json:"account,omitempty"`
	// Items are the items of the profile that are given. Nil gives every item that was asked for
	// and that the profile has, an empty list none.
	Items *[]string `json:"items,omitempty" max:"64"`
	// Credentials are the ids of the credentials or assets to present, where several fit (Offers): each
	// claim presents the first of these that it offers.
	Credentials []string  `json:"credentials,omitempty" max:"16"`
	Remember    *Remember `json:"remember,omitempty"`
}

// Approve is a Choice with the touch of a passkey that signs it.
type Approve struct {
	MFACode     int        `json:"mfaCode,omitempty"`
	Account     string     `json:"account,omitempty"`
	Items       *[]string  `json:"items,omitempty" max:"64"`
	Credentials []string   `json:"credentials,omitempty" max:"16"`
	Remember    *Remember  `json:"remember,omitempty"`
	Assertion   *Assertion `json:"assertion,omitempty"` // nil: the caller's token approves by itself
}

// Choice returns what was chosen.
func (a Approve) Choice() Choice {
	return Choice{MFACode: a.MFACode, Account: a.Account, Items: a.Items, Credentials: a.Credentials, Remember: a.Remember}
}

// Remember makes an approval a grant. It has one member.
type Remember struct {
	Seconds int64  `json:"seconds,omitempty"` // at most 315360000
	Times   int64  `json:"times,omitempty"`   // at most 1000000
	Until   string `json:"until,omitempty"`   // "withdrawn"
}
