package connect

import (
	"encoding/json"
	"time"

	"walletd/internal/auth"
	"walletd/internal/store"
)

// State is the state of a session.
type State string

// The states; from Done on the session has ended.
const (
	Asked     State = "asked"       // the link is being opened, or the app's request is being decided
	Waiting   State = store.Waiting // an approval waits for the owner
	Answering State = "answering"   // the answer was sent, and the app has not replied yet
	Done      State = "done"        // the app accepted the answer
	Declined  State = "declined"    // the owner rejected the request, or the wallet declined it, with a code
	Refused   State = "refused"     // the wallet ended the session without a message to the app, with a code; the app was not answered before
	Failed    State = "failed"      // the app's last reply says so, with its text
	Expired   State = "expired"     // nobody decided in time
	Unknown   State = "unknown"     // an answer was posted, and its reply was lost or, with a code, cannot be used
)

// content is the sealed content of a session's row.
type content struct {
	URL     string        `json:"url"`               // the url in the link
	Key     []byte        `json:"key,omitempty"`     // the RSA key with which the channel was offered, PKCS #1; nil after the end
	Skew    time.Duration `json:"skew,omitempty"`    // of the app's clock against the wallet's
	Account string        `json:"account,omitempty"` // the account that answered, from which every later step answers
	Name    string        `json:"name,omitempty"`    // the app's own name for itself, made plain
	Member  *member       `json:"member,omitempty"`  // the site that the owner is on, in a federated login
	Steps   int           `json:"steps,omitempty"`   // requests received
	// Answered says that an answer, not a decline, may have reached the app.
	Answered bool `json:"answered,omitempty"`

	// These belong to the current request.
	Reply     *wire  `json:"reply,omitempty"` // the request as it was received, decrypted
	Came      int64  `json:"came,omitempty"`  // when it was received, in unix milliseconds
	Sealed    bool   `json:"sealed,omitempty"`
	SharedKey string `json:"sharedKey,omitempty"` // the newest key of the channel that was received, wrapped for Key

	// Sent is when the current post was sent, in unix seconds.
	Sent int64 `json:"sent,omitempty"`
	// Declining is set if the current post is a decline, to how the session ends after it.
	Declining *ending `json:"declining,omitempty"`

	End      ending `json:"end,omitzero"`
	Previous string `json:"previous,omitempty"` // id of the session whose last reply opened this one
	// Untouched is that of auth.Session.
	Untouched bool `json:"untouched,omitempty"`
	Chained   int  `json:"chained,omitempty"` // how many sessions came before in this way
}

// ending is how a session ended.
type ending struct {
	Code        string          `json:"code,omitempty"`
	Text        string          `json:"text,omitempty"`   // the app's text, made plain, for Done and Failed; else the wallet's
	Status      int             `json:"status,omitempty"` // the HTTP status, with app_http_error
	Unconfirmed bool            `json:"unconfirmed,omitempty"`
	Next        string          `json:"next,omitempty"` // id of the session that follows
	Workflow    string          `json:"workflow,omitempty"`
	URL         string          `json:"url,omitempty"`
	Cookies     json.RawMessage `json:"cookies,omitempty"`
	Storages    json.RawMessage `json:"storages,omitempty"`
	Response    json.RawMessage `json:"response,omitempty"`
	Credential  string          `json:"credential,omitempty"` // id of a credential or asset that came with the last reply and was stored
	Asset       string          `json:"asset,omitempty"`      // id of the asset that came beside a credential and was stored
}

// Party is one side of a session.
type Party string

// The sides of a session.
const (
	ByApp    Party = "app"
	ByWallet Party = "wallet"
	// ByLink is whoever made the link, which can be anybody.
	ByLink Party = "link"
)

// View is a session as its owner sees it. What the app sent is hostile: Text and AppName are made plain; Cookies,
// Storages and Response are data for a program that knows the app.
type View struct {
	ID, Wallet string
	State      State
	Code       string // of Declined, Refused and Unknown; of Done, why the attachment of the last reply was not stored
	Text       string // the text at the end of the session
	TextBy     Party  // whose text it is
	AppStatus  int    // the HTTP status of the app's response, with app_http_error
	// Unconfirmed says that nothing proves that the app sent the text (DID Connect reference c.7).
	Unconfirmed bool
	App         string // did:abt:…; "" before its first reply
	AppName     string // the app's own name for itself
	// MemberName and MemberLink are of the site that the owner is on in a federated login, in which
	// App is that of the group's main site. MemberBy says who says so: the app, or only the link.
	MemberName, MemberLink string
	MemberBy               Party
	Origin                 string
	Account                string // address of the account that answered
	Approval               string // id of the approval that waits, or of the last one
	Skew                   time.Duration
	Previous               string // ids of the sessions before and after this one, in a chain of workflows
	Next                   string
	// NextWorkflow and NextURL are for a browser: the wallet never opens them.
	NextWorkflow, NextURL       string
	Cookies, Storages, Response json.RawMessage
	Credential                  string // id of a credential or asset that came with the last reply and was stored
	Asset                       string // id of the asset that came beside a credential and was stored
	// Sent is when the answer was sent; zero in other states than Answering.
	Sent                    time.Time
	Created, Expires, Ended time.Time
}

func view(row store.Session, c content) View {
	v := View{
		ID: row.ID, Wallet: row.Wallet, State: State(row.State), Code: c.End.Code, Text: c.End.Text, AppStatus: c.End.Status, Unconfirmed: c.End.Unconfirmed,
		AppName: c.Name, Origin: origin(c.URL), Account: c.Account, Approval: row.Approval, Skew: c.Skew,
		Previous: c.Previous, Next: c.End.Next, NextWorkflow: c.End.Workflow, NextURL: c.End.URL,
		Cookies: c.End.Cookies, Storages: c.End.Storages, Response: c.End.Response, Credential: c.End.Credential, Asset: c.End.Asset,
		Created: time.Unix(row.Created, 0), Expires: time.Unix(row.Expires, 0),
	}
	if m := c.Member; m != nil {
		v.MemberName, v.MemberLink, v.MemberBy = m.Name, m.Link, m.By
	}
	switch {
	case v.Text == "":
	case v.State == Done, v.State == Failed:
		v.TextBy = ByApp
	default:
		v.TextBy = ByWallet
	}
	if row.App != "" {
		v.App = "did:abt:" + row.App
	}
	if v.State == Answering && c.Sent != 0 {
		v.Sent = time.Unix(c.Sent, 0)
	}
	if row.Ended != 0 {
		v.Ended = time.Unix(row.Ended, 0)
	}
	return v
}

// newRow returns the row of a new session.
func (s *Sessions) newRow(c *auth.Caller, content content) (store.Session, error) {
	now := s.Store.Now()
	row := store.Session{
		ID: store.NewID(), Wallet: c.WalletID, State: string(Asked), Created: now.Unix(), Expires: now.Add(sessionLife).Unix(),
	}
	return row, sealRow(c, &row, content)
}

// sealRow seals content into a row and sets the row's MAC.
func sealRow(c *auth.Caller, row *store.Session, content content) (err error) {
	if row.Sealed, err = c.Wallet.Seal(row, content); err != nil {
		return err
	}
	row.MAC = c.Wallet.MAC(row)
	return nil
}
