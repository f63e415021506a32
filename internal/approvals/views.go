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

// SaltView shows a salt as text and as bytes, because different texts can be the same bytes.
type SaltView struct {
	Text string `json:"text"` // characters that can't be seen are escaped
	Hex  string `json:"hex"`
}

// DelegationWords describes a delegation to the owner.
type DelegationWords struct {
	Hash    string    `json:"hash"`
	From    string    `json:"from"` // did:abt:…
	To      string    `json:"to"`
	Claims  []string  `json:"claims"`
	Expires time.Time `json:"expiresAt"`
	Words   string    `json:"words"`
}

// ClaimView is a claim as the owner sees it. Every text of the app is made plain.
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
	Filters     []FilterView         `json:"filters,omitempty"`  // of a credential or asset: one that matches suffices
	Presents    *wallets.HoldingView `json:"presents,omitempty"` // what the answer presents, unless the owner chooses another of Offers; nil if the owner has to choose
	Offers      []OfferView          `json:"offers,omitempty"`   // what the owner can choose from, if several credentials or assets fit
	Unusual     []string             `json:"unusual,omitempty"`
	// AskedEachTime says why the owner is asked each time, so that no grant can be created for the claim; "" if one can.
	// What is chosen among Offers may have a reason of its own.
	AskedEachTime string `json:"askedEachTime,omitempty"`
}

// OfferView is a credential or an asset that the owner can choose to present, and what is unusual about that.
type OfferView struct {
	wallets.HoldingView
	Unusual []string `json:"unusual,omitempty"`
	// AskedEachTime says why no grant can be created for presenting this one, or is "".
	AskedEachTime string `json:"askedEachTime,omitempty"`
}

// ItemView is a profile item that is requested.
type ItemView struct {
	Item  string `json:"item"`
	Held  bool   `json:"held"`            // the profile has it
	Value string `json:"value,omitempty"` // of a picture, its size
}

// TextView is what a signature signs: the whole text, with control characters escaped, or a digest alone.
type TextView struct {
	TypeURL string `json:"typeUrl"`
	Method  string `json:"method"`
	Text    string `json:"text"` // ends of lines stay; other characters that can't be seen are escaped; "" of a digest
	// Digest is, in hex, the bytes that are signed blindly: nobody can see what they are the digest of. "" of a text.
	Digest string `json:"digest,omitempty"`
	// Display is what the app asks to show instead. The wallet has not compared it with the text.
	Display string `json:"display,omitempty"`
}

// DescribeDelegation returns a delegation with a sentence that describes it.
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

// Presents reports whether the request presents the delegation with this hash.
func (a Content) Presents(hash string) bool {
	for _, c := range a.Claims {
		if c.Delegation != nil && c.Delegation.Hash == hash {
			return true
		}
	}
	return false
}

// View is an approval as the owner sees it. The app's own words are hostile text made plain. AppName is the
// owner's name for the app, or else the name of the token that sent the request.
type View struct {
	ID          string
	Wallet      string
	Status      string // pending, approved, rejected, cancelled or expired
	Code        string
	App, Agent  string // did:abt:…; Agent "" if the app speaks for itself
	AppName     string
	CallsItself string
	Account     string
	Accounts    []string // of the app's own, from which the owner may choose the one that answers, Account first; nil if there is no choice
	Session     string   // id of the session that sent the request, "" if it came over HTTP
	Origin      string   // where the session's app was reached
	Claims      []ClaimView
	Unusual     []string
	Reason      string
	Requested   []json.RawMessage // the claims exactly as requested
	Created     time.Time
	Expires     time.Time
	Decided     time.Time  // zero while pending
	DecidedBy   string     // id of a token
	From        *auth.From // where the request came from; nil of a session, and of requests of earlier versions
	History     *History   // what the owner decided about the app before; of Get alone
	Digest      string     // hex: what a passkey signs of what was asked and shown (Decision)
}

// Expired is the status of an approval about which nobody decided in time.
const Expired = "expired"

func (ap *Approvals) viewApproval(ctx context.Context, c *auth.Caller, a Approval) (View, error) {
	row, content := a.Row(), a.Content()
	v := View{
		ID: row.ID, Wallet: row.Wallet, Status: ap.status(row), Code: row.Code, App: did.Prefixed(row.App), Agent: did.Prefixed(row.Agent),
		CallsItself: content.Name, Account: content.Account, Accounts: content.Accounts, Claims: content.Claims, Unusual: content.Unusual, Reason: content.Reason,
		Requested: content.Requested, Created: time.Unix(row.Created, 0), Expires: time.Unix(row.Expires, 0),
		Decided: store.Time(row.Decided), DecidedBy: row.DecidedBy, Digest: content.Shown.Digest(row.Digest), From: content.From,
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

// Get returns one approval of the caller's wallet, for its owner.
func (ap *Approvals) Get(ctx context.Context, c *auth.Caller, id string) (View, error) {
	if err := c.RequireReader(); err != nil {
		return View{}, err
	}
	a, err := ap.Open(ctx, c, id)
	if err != nil {
		return View{}, err
	}
	v, err := ap.viewApproval(ctx, c, a)
	if err != nil {
		return View{}, err
	}
	v.History, err = ap.history(ctx, c, a)
	return v, err
}

// Waiting returns one approval that waits in the caller's wallet, as its owner sees it, for the service to tell them of. If it no
// longer waits, the error is auth.ErrNotFound.
func (ap *Approvals) Waiting(ctx context.Context, c *auth.Caller, id string) (View, error) {
	a, err := ap.Open(ctx, c, id)
	if err != nil {
		return View{}, err
	}
	if ap.status(a.Row()) != store.Pending {
		return View{}, auth.ErrNotFound
	}
	return ap.viewApproval(ctx, c, a)
}

// List lists the approvals of the caller's wallet with a status ("" or "all": every one), newest first, for
// its owner.
func (ap *Approvals) List(ctx context.Context, c *auth.Caller, status string, page store.Page) ([]View, string, error) {
	if err := c.RequireReader(); err != nil {
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
		case errors.Is(err, ledger.ErrForged): // the row of its app is forged, which is recorded
			continue
		case err != nil:
			return nil, "", err
		}
		views = append(views, v)
	}
	return views, next, nil
}

// AgreementView is what the owner is asked to agree to. The wallet has not read the document.
type AgreementView struct {
	URI    string `json:"uri,omitempty"`
	Digest string `json:"digest"`
	Method string `json:"method"` // of the digest
}

// KeyPairView is a key pair that the answer creates.
type KeyPairView struct {
	Moniker string `json:"moniker"` // the app's name for it
	Type    string `json:"type"`    // role/key/hash
	Declare bool   `json:"declare"` // the app wants it registered on a chain, which this wallet does not do
	// Address is that of the new key; "" if an earlier version stored the approval.
	Address string `json:"address,omitempty"`
	// MigrateFrom is the address of the key that the new one is to replace, or "".
	MigrateFrom string `json:"migrateFrom,omitempty"`
}

// FilterView is what an app requires of a credential or an asset (DID Connect reference f.6 to f.8). An empty
// member matches anything. DIDs are bare addresses.
type FilterView struct {
	Types          []string `json:"types,omitempty"` // of a credential: one of them
	Target         string   `json:"target,omitempty"`
	Address        string   `json:"address,omitempty"` // of an asset
	TrustedIssuers []string `json:"trustedIssuers,omitempty"`
	TrustedParents []string `json:"trustedParents,omitempty"`
	Owners         []string `json:"owners,omitempty"`
	Tag            string   `json:"tag,omitempty"`
	AcquireURL     string   `json:"acquireUrl,omitempty"` // where the app says one can be had
}
