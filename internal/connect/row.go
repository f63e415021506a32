package connect

import (
	"context"
	"encoding/json"
	"time"

	"walletd/internal/auth"
	"walletd/internal/ledger"
	"walletd/internal/store"
)

// State is where a session stands.
type State string

// The states; from Done on the session has ended.
const (
	Asked     State = "asked"       // its link is being opened, or its app's request looked at
	Waiting   State = store.Waiting // for the person
	Answering State = "answering"   // the answer was sent, and the app is at work
	Done      State = "done"        // the app took the answer
	Declined  State = "declined"    // the person said no, or the wallet did: then with a code
	Refused   State = "refused"     // the wallet stopped, and said nothing; with a code
	Failed    State = "failed"      // the app said so; with its text
	Expired   State = "expired"     // nobody answered in time
	Unknown   State = "unknown"     // an answer was posted and its reply was lost
)

// content is what a row keeps sealed.
type content struct {
	URL     string        `json:"url"`               // as the link has it
	Key     []byte        `json:"key,omitempty"`     // RSA, PKCS #1: what the channel was offered with; until the end
	Skew    time.Duration `json:"skew,omitempty"`    // of the app's clock
	Account string        `json:"account,omitempty"` // that answered; every later step answers from it
	Name    string        `json:"name,omitempty"`    // what the app calls itself, made plain
	Member  *member       `json:"member,omitempty"`  // the site that the person is on, in a federated login
	Steps   int           `json:"steps,omitempty"`   // requests that came

	// Of the request that is open.
	Reply     *wire  `json:"reply,omitempty"` // as it came, but for the seal
	Came      int64  `json:"came,omitempty"`  // when, in unix milliseconds
	Sealed    bool   `json:"sealed,omitempty"`
	SharedKey string `json:"sharedKey,omitempty"` // the newest that came, wrapped for Key

	// Sent is when what is being posted was sent, in unix seconds.
	Sent int64 `json:"sent,omitempty"`
	// Declining says that what is being posted is no answer.
	Declining *ending `json:"declining,omitempty"`

	End      ending `json:"end,omitzero"`
	Previous string `json:"previous,omitempty"` // id of the session whose end this one followed from
	Chained  int    `json:"chained,omitempty"`  // how many went before
}

// ending is what became of a session.
type ending struct {
	Code        string          `json:"code,omitempty"`
	Text        string          `json:"text,omitempty"`   // the app's, made plain, of Done and Failed; else ours
	Status      int             `json:"status,omitempty"` // of HTTP, with app_http_error
	Unconfirmed bool            `json:"unconfirmed,omitempty"`
	Next        string          `json:"next,omitempty"` // id of the session that follows
	Workflow    string          `json:"workflow,omitempty"`
	URL         string          `json:"url,omitempty"`
	Cookies     json.RawMessage `json:"cookies,omitempty"`
	Storages    json.RawMessage `json:"storages,omitempty"`
	Response    json.RawMessage `json:"response,omitempty"`
	Credential  string          `json:"credential,omitempty"` // id of one that came with it and is kept
}

// Party is one side of a session.
type Party string

// The sides of a session.
const (
	ByApp    Party = "app"
	ByWallet Party = "wallet"
	// ByLink is who made the link: anybody.
	ByLink Party = "link"
)

// View is a session as its owner sees it. What the app sent is hostile: Text and AppName are made
// plain, the rest is data for whoever knows the app.
type View struct {
	ID, Wallet string
	State      State
	Code       string // of Declined and Refused; of Done, why what came with the end was not kept
	Text       string // what was said at the end
	TextBy     Party  // who says that
	AppStatus  int    // the HTTP status that the app answered with, where that is what went wrong
	// Unconfirmed says that nothing proves that the app said it (DID Connect reference c.7).
	Unconfirmed bool
	App         string // did:abt:…; "" before its first reply
	AppName     string // what it calls itself
	// MemberName and MemberLink are of the site that the person is on in a federated login, where
	// App is of the group's main site, as MemberBy says: the app, or only the link.
	MemberName, MemberLink string
	MemberBy               Party
	Origin                 string
	Account                string // that answered
	Approval               string // id of the question that waits or was the last
	Skew                   time.Duration
	Previous               string // ids of the sessions before and after this one
	Next                   string
	// NextWorkflow and NextURL are for a browser: the wallet never opens them.
	NextWorkflow, NextURL       string
	Cookies, Storages, Response json.RawMessage
	Credential                  string // id of a credential that came with the end
	// Sent is since when the app is at work on the answer; zero in other states than Answering.
	Sent                    time.Time
	Created, Expires, Ended time.Time
}

func view(row store.Session, c content) View {
	v := View{
		ID: row.ID, Wallet: row.Wallet, State: State(row.State), Code: c.End.Code, Text: c.End.Text, AppStatus: c.End.Status, Unconfirmed: c.End.Unconfirmed,
		AppName: c.Name, Origin: origin(c.URL), Account: c.Account, Approval: row.Approval, Skew: c.Skew,
		Previous: c.Previous, Next: c.End.Next, NextWorkflow: c.End.Workflow, NextURL: c.End.URL,
		Cookies: c.End.Cookies, Storages: c.End.Storages, Response: c.End.Response, Credential: c.End.Credential,
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

// newRow returns the row of a session that begins.
func (s *Sessions) newRow(c *auth.Caller, content content) (store.Session, error) {
	now := s.Store.Now()
	row := store.Session{
		ID: store.NewID(), Wallet: c.WalletID, State: string(Asked), Created: now.Unix(), Expires: now.Add(sessionLife).Unix(),
	}
	return row, sealRow(c, &row, content)
}

// sealRow puts content into a row.
func sealRow(c *auth.Caller, row *store.Session, content content) (err error) {
	if row.Sealed, err = c.Wallet.Seal(row, content); err != nil {
		return err
	}
	row.MAC = c.Wallet.MAC(row)
	return nil
}

// record puts what became of a session on record together with the writes of its row. The caller is
// the owner who opened it or the session's own. opened is the id of a session that is opened now, else
// "": a repeated Idempotency-Key opens none, and is a *ledger.AlreadyCreatedError with the id of the earlier.
func record(ctx context.Context, c *auth.Caller, kind ledger.Kind, reason, opened string, writes ...store.Write) error {
	e := c.Event(kind)
	e.Reason = reason
	_, err := c.Commit(ctx, ledger.Change{Event: e, Created: opened, Writes: writes})
	return err
}
