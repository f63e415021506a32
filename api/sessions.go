package api

import (
	"encoding/json"
	"time"
)

// NewSession opens the link of an app's DID Connect session.
type NewSession struct {
	Wallet string `json:"wallet,omitempty" min:"1" max:"64"` // must be the token's, if it is said
	Link   string `json:"link" min:"1" max:"32768"`          // as the app shows it
}

// SessionState says how far a session is. From "done" on it has ended.
type SessionState string

// The states of a session.
const (
	SessionAsked     SessionState = "asked"
	SessionWaiting   SessionState = "waiting"
	SessionAnswering SessionState = "answering" // the answer was sent, and the app is at work
	SessionDone      SessionState = "done"
	SessionDeclined  SessionState = "declined" // by the owner, or by the wallet, then with a code
	SessionRefused   SessionState = "refused"  // the wallet stopped before it answered, with a code
	SessionFailed    SessionState = "failed"   // the app said so, with its text
	SessionExpired   SessionState = "expired"
	SessionUnknown   SessionState = "unknown" // an answer was posted, and its reply was lost or, with a code, cannot be used
)

// Party is one side of a session.
type Party string

// The sides of a session.
const (
	ByApp    Party = "app"
	ByWallet Party = "wallet"
	ByLink   Party = "link" // whoever made it
)

// Member is the site that a person is on in a federated login, where the session's app is that of
// the group's main site.
type Member struct {
	Name string `json:"name,omitempty"`
	Link string `json:"link,omitempty"` // its origin
	By   Party  `json:"by"`             // who says so
}

// Session is a DID Connect session. What the app sent is hostile: Text and AppName are made safe
// to show; Cookies, Storages, Response and the two URLs are data for whoever knows the app.
type Session struct {
	ID           string          `json:"id"`
	Wallet       string          `json:"wallet"`
	State        SessionState    `json:"state"`
	Code         string          `json:"code,omitempty"`
	Text         string          `json:"text,omitempty"`
	TextBy       Party           `json:"textBy,omitempty"`      // whose words Text is
	AppStatus    int             `json:"appStatus,omitempty"`   // HTTP status, with the code app_http_error
	Unconfirmed  bool            `json:"unconfirmed,omitempty"` // nothing proves that the app said it
	App          string          `json:"app,omitempty"`
	AppName      string          `json:"appName,omitempty"` // what the app calls itself
	Member       *Member         `json:"member,omitempty"`
	Origin       string          `json:"origin"`
	Account      string          `json:"account,omitempty"`     // address that answered
	Approval     string          `json:"approval,omitempty"`    // id of the approval that waits, or was the last
	SkewSeconds  float64         `json:"skewSeconds,omitempty"` // how far the app's clock is ahead
	Previous     string          `json:"previous,omitempty"`    // session whose end this one followed from
	Next         string          `json:"next,omitempty"`        // session that follows from its end
	NextWorkflow string          `json:"nextWorkflow,omitempty"`
	NextURL      string          `json:"nextUrl,omitempty"`
	Cookies      json.RawMessage `json:"cookies,omitempty"`
	Storages     json.RawMessage `json:"storages,omitempty"`
	Response     json.RawMessage `json:"response,omitempty"`
	Credential   string          `json:"credential,omitempty"` // id of a credential or asset that came with the end
	Asset        string          `json:"asset,omitempty"`      // id of an asset that came beside the credential
	SentAt       time.Time       `json:"sentAt,omitzero"`      // while it is answering: since when the app is at work
	CreatedAt    time.Time       `json:"createdAt"`
	ExpiresAt    time.Time       `json:"expiresAt"`
	EndedAt      time.Time       `json:"endedAt,omitzero"`
}
