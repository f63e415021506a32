package approvals

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"walletd/internal/auth"
	"walletd/internal/delegation"
	"walletd/internal/did"
	"walletd/internal/ledger"
	"walletd/internal/show"
	"walletd/internal/store"
	"walletd/internal/wallets"
)

// SaltView shows a salt both ways: different texts can be the same bytes.
type SaltView struct {
	Text string `json:"text"` // what can't be seen is escaped
	Hex  string `json:"hex"`
}

// DelegationWords is a delegation told to a person.
type DelegationWords struct {
	Hash    string    `json:"hash"`
	From    string    `json:"from"` // did:abt:…
	To      string    `json:"to"`
	Claims  []string  `json:"claims"`
	Expires time.Time `json:"expiresAt"`
	Words   string    `json:"words"`
}

// ClaimView is a claim as the person sees it: every text of the app made plain.
type ClaimView struct {
	Type        string               `json:"type"`
	Description string               `json:"description"`
	Account     string               `json:"account"`
	Salt        *SaltView            `json:"salt,omitempty"`
	Delegation  *DelegationWords     `json:"delegation,omitempty"`
	MFACode     []int                `json:"mfaCode,omitempty"`
	Items       []ItemView           `json:"items,omitempty"` // of a profile
	Text        *TextView            `json:"text,omitempty"`  // of a signature
	Agreement   *AgreementView       `json:"agreement,omitempty"`
	KeyPair     *KeyPairView         `json:"keyPair,omitempty"`
	Filters     []FilterView         `json:"filters,omitempty"`  // of a credential or asset: any one suffices
	Presents    *wallets.HoldingView `json:"presents,omitempty"` // what would be presented
	Unusual     []string             `json:"unusual,omitempty"`
}

// ItemView is a profile item that is asked for.
type ItemView struct {
	Item  string `json:"item"`
	Held  bool   `json:"held"`            // the profile has it
	Value string `json:"value,omitempty"` // of a picture, its size
}

// TextView is what a signature signs: all of it, as text that does nothing.
type TextView struct {
	TypeURL string `json:"typeUrl"`
	Method  string `json:"method"`
	Text    string `json:"text"` // lines are kept; what else can't be seen is escaped
	// Display is what the app would have shown instead. Nobody has compared it with the text.
	Display string `json:"display,omitempty"`
}

// DescribeDelegation puts a delegation in words.
func DescribeDelegation(d delegation.Delegation) *DelegationWords {
	claims := make([]string, len(d.Claims))
	for i, c := range d.Claims {
		claims[i] = show.Plain(c, show.MaxName)
	}
	return &DelegationWords{
		Hash: hex.EncodeToString(d.Hash[:]), From: d.From.String(), To: d.To.String(), Claims: claims, Expires: d.Expires.UTC(),
		Words: fmt.Sprintf("%s lets %s ask for %s in its name until %s.",
			d.From.Address(), d.To.Address(), strings.Join(claims, ", "), d.Expires.UTC().Format(time.RFC3339)),
	}
}

// Presents reports whether a question presents the delegation with this hash.
func (a Content) Presents(hash string) bool {
	for _, c := range a.Claims {
		if c.Delegation != nil && c.Delegation.Hash == hash {
			return true
		}
	}
	return false
}

// View is a question as the person sees it. The app's own words are hostile text made
// plain. AppName is the owner's name for it, or else that of the token it asks with.
type View struct {
	ID          string
	Wallet      string
	Status      string // pending, approved, rejected, cancelled or expired
	Code        string
	App, Agent  string // did:abt:…; Agent "" if the app speaks for itself
	AppName     string
	CallsItself string
	Account     string
	Session     string // id of the session that asks, "" if it came over HTTP
	Origin      string // where the session's app was reached
	Claims      []ClaimView
	Unusual     []string
	Reason      string
	Requested   []json.RawMessage // exactly as asked
	Created     time.Time
	Expires     time.Time
	Decided     time.Time // zero while pending
	DecidedBy   string    // id of a token
}

// Expired is the status of a question that nobody answered in time.
const Expired = "expired"

func (ap *Approvals) viewApproval(ctx context.Context, c *auth.Caller, a Approval) (View, error) {
	row, content := a.Row(), a.Content()
	v := View{
		ID: row.ID, Wallet: row.Wallet, Status: ap.status(row), Code: row.Code, App: did.Prefixed(row.App), Agent: did.Prefixed(row.Agent),
		CallsItself: content.Name, Account: content.Account, Claims: content.Claims, Unusual: content.Unusual, Reason: content.Reason,
		Requested: content.Requested, Created: time.Unix(row.Created, 0), Expires: time.Unix(row.Expires, 0),
		Decided: store.Time(row.Decided), DecidedBy: row.DecidedBy,
	}
	if content.Session != nil {
		v.Session, v.Origin = content.Session.ID, content.Session.Origin
	}
	app, err := ap.auth.App(ctx, c, row.App)
	if err != nil {
		return v, err
	}
	if v.AppName = app.Content().Name; v.AppName == "" {
		v.AppName = content.Label
	}
	return v, nil
}

func (ap *Approvals) status(row store.Approval) string {
	if row.State == store.Pending && ap.store.Now().Unix() >= row.Expires {
		return Expired
	}
	return row.State
}

// Get returns one question of the caller's wallet, for its owner.
func (ap *Approvals) Get(ctx context.Context, c *auth.Caller, id string) (View, error) {
	if err := c.RequireOwner(); err != nil {
		return View{}, err
	}
	a, err := ap.Open(ctx, c, id)
	if err != nil {
		return View{}, err
	}
	return ap.viewApproval(ctx, c, a)
}

// List lists the questions of the caller's wallet with a status ("" or "all": every one),
// newest first, for its owner.
func (ap *Approvals) List(ctx context.Context, c *auth.Caller, status string, page store.Page) ([]View, string, error) {
	if err := c.RequireOwner(); err != nil {
		return nil, "", err
	}
	var rows []store.Approval
	var next string
	var err error
	switch status {
	case store.Pending:
		rows, next, err = ap.store.PendingApprovals(ctx, c.WalletID, ap.store.Now().Unix(), page)
	case "", "all", store.Approved, store.Rejected, store.Cancelled, Expired:
		rows, next, err = ap.store.Approvals(ctx, c.WalletID, page)
	default:
		return nil, "", auth.Invalid("status is pending, approved, rejected, cancelled, expired or all")
	}
	if err != nil {
		return nil, "", fmt.Errorf("reading the approvals: %w", err)
	}
	if status != "" && status != "all" {
		rows = slices.DeleteFunc(rows, func(a store.Approval) bool { return ap.status(a) != status })
	}
	views := make([]View, 0, len(rows))
	for a, err := range ledger.Each[Content](ctx, c.Wallet, rows) {
		if err != nil {
			return nil, "", err
		}
		v, err := ap.viewApproval(ctx, c, a)
		switch {
		case errors.Is(err, ledger.ErrForged): // the row of its app, which is on record
			continue
		case err != nil:
			return nil, "", err
		}
		views = append(views, v)
	}
	return views, next, nil
}

// AgreementView is what the person is asked to agree to. The wallet has not read it.
type AgreementView struct {
	URI    string `json:"uri,omitempty"`
	Digest string `json:"digest"`
	Method string `json:"method"` // of the digest
}

// KeyPairView is a key pair that is to be made.
type KeyPairView struct {
	Moniker string `json:"moniker"` // what the app calls it
	Type    string `json:"type"`    // role/key/hash
	Declare bool   `json:"declare"` // the app wants it registered on a chain, which this wallet does not do
}

// FilterView is what an app asks for in a credential or an asset (DID Connect reference f.6 to
// f.8): what is empty may be anything. DIDs are bare addresses.
type FilterView struct {
	Types          []string `json:"types,omitempty"` // of a credential: one of them
	Target         string   `json:"target,omitempty"`
	Address        string   `json:"address,omitempty"` // of an asset
	TrustedIssuers []string `json:"trustedIssuers,omitempty"`
	TrustedParents []string `json:"trustedParents,omitempty"`
	Owners         []string `json:"owners,omitempty"`
	Tag            string   `json:"tag,omitempty"`
	AcquireURL     string   `json:"acquireUrl,omitempty"` // where the app says to get one
}
