package wallets

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"walletd/internal/auth"
	"walletd/internal/did"
	"walletd/internal/ledger"
	"walletd/internal/show"
	"walletd/internal/store"
)

const (
	KindCredential = "credential"
	KindAsset      = "asset"

	// MaxHoldings bounds the credentials and assets of a wallet, because apps hand them out without being asked.
	MaxHoldings = 500
	// MaxCredential bounds the text of a credential, in bytes. Apps draw the avatar that they were given, of up to
	// maxAvatar, into the passport that they issue: 16.4 kB of picture around it and some 2 kB of credential make
	// 66 KiB, or 90 KiB where the picture is in base64 once more. A last reply has room for it (connect.maxLast),
	// and so have a row of the store (4 MiB), and MaxHoldings of them a backup (128 MiB). The answer that presents
	// a passport with the largest avatar stays below the 100 kB that dApps read (TestAPassportWithTheLargestAvatar).
	MaxCredential = 128 << 10
)

// Holding is a credential or an asset of a wallet: the sealed content of its row.
type Holding struct {
	Kind       string    `json:"kind"`
	DID        string    `json:"did"` // of the credential or asset, a bare address
	Owner      string    `json:"owner"`
	Types      []string  `json:"types,omitempty"`
	Issuer     string    `json:"issuer,omitempty"`
	IssuerName string    `json:"issuerName,omitempty"`
	Parent     string    `json:"parent,omitempty"` // of an asset
	Tag        string    `json:"tag,omitempty"`    // from the owner, or from the app that handed it out
	Issued     time.Time `json:"issued,omitzero"`
	Expires    time.Time `json:"expires,omitzero"`
	From       string    `json:"from,omitempty"` // DID of the app that handed it out; "" if the owner stored it
	Stored     time.Time `json:"stored"`
	// Data is the credential in canonical JSON; nil for an asset.
	Data json.RawMessage `json:"data,omitempty"`
}

// ID returns the key of the row. The issuer and the owner are part of it, so that no issuer can replace what
// another has issued.
func (h Holding) ID() string {
	sum := did.SHA3.Sum([]byte("walletd holding v1\x00"), []byte(h.Kind+"\x00"+h.Issuer+"\x00"+h.DID+"\x00"+h.Owner))
	return hex.EncodeToString(sum[:16])
}

// Contents returns the hash of the holding without the time at which it was stored, so that storing the same
// holding again does not change the hash.
func (h Holding) Contents() (string, error) {
	h.Stored = time.Time{}
	return Contents(h)
}

// HoldingView is a credential or an asset as the wallet's owner sees it. Names and types are the issuer's words,
// made plain.
type HoldingView struct {
	ID         string    `json:"id"`
	Kind       string    `json:"kind"` // "credential" or "asset"
	DID        string    `json:"did"`
	Owner      string    `json:"owner"` // address of the account it belongs to
	Types      []string  `json:"types,omitempty"`
	Issuer     string    `json:"issuer,omitempty"`
	IssuerName string    `json:"issuerName,omitempty"`
	Parent     string    `json:"parent,omitempty"`
	Title      string    `json:"title,omitempty"` // of a passport
	Role       string    `json:"role,omitempty"`  // of a passport: its holder's role at the app that issued it
	Tag        string    `json:"tag,omitempty"`   // the owner's or the handing app's, or else the credential's own
	Issued     time.Time `json:"issuedAt,omitzero"`
	Expires    time.Time `json:"expiresAt,omitzero"`
	From       string    `json:"from,omitempty"`
	Stored     time.Time `json:"storedAt"`
}

// View returns the holding as the wallet's owner sees it.
func (h Holding) View() *HoldingView {
	said := h.Said()
	v := &HoldingView{
		ID: h.ID(), Kind: h.Kind, DID: show.Plain(h.DID, show.MaxName), Owner: h.Owner, Issuer: h.Issuer, IssuerName: show.Plain(h.IssuerName, show.MaxName),
		Parent: h.Parent, Title: show.Plain(said.Title, show.MaxName), Role: show.Plain(said.Role, show.MaxName), Tag: show.Plain(cmp.Or(h.Tag, said.Tag), show.MaxName),
		Issued: h.Issued, Expires: h.Expires, From: h.From, Stored: h.Stored,
	}
	for _, name := range h.Types {
		v.Types = append(v.Types, show.Plain(name, show.MaxName))
	}
	return v
}

// AllHoldings returns all credentials and assets of the caller's wallet, newest first. It records a forged row and
// leaves it out.
func (w *Wallets) AllHoldings(ctx context.Context, c *auth.Caller) ([]Holding, error) {
	var all []Holding
	list := func(p store.Page) ([]store.Credential, string, error) { return w.store.Credentials(ctx, c.WalletID, p) }
	for h, err := range ledger.All[Holding](ctx, c.Wallet, list) {
		if err != nil {
			return nil, fmt.Errorf("reading the credentials: %w", err)
		}
		all = append(all, h.Content())
	}
	return all, nil
}

// putHolding stores a holding and appends that to the audit log.
func (w *Wallets) putHolding(ctx context.Context, c *auth.Caller, h Holding) (HoldingView, error) {
	h.Stored = time.Unix(w.store.Now().Unix(), 0).UTC()
	row := store.Credential{Wallet: c.WalletID, ID: h.ID(), Created: h.Stored.Unix()}
	var err error
	if row.Sealed, err = c.Wallet.Seal(row, h); err != nil {
		return HoldingView{}, err
	}
	e := c.Event(ledger.CredentialStored)
	e.Created, e.Account = row.ID, h.Owner
	err = c.Record(ctx, e, store.PutCredential(row, MaxHoldings))
	if errors.Is(err, store.ErrTooMany) {
		return HoldingView{}, auth.Invalid("the wallet holds %d credentials and assets, which is the maximum; delete some first", MaxHoldings)
	}
	return *h.View(), err
}

// Holdings lists the credentials and assets of the wallet, for its owner.
func (w *Wallets) Holdings(ctx context.Context, c *auth.Caller, p store.Page) ([]HoldingView, string, error) {
	if err := c.RequireReader(); err != nil {
		return nil, "", err
	}
	rows, next, err := w.store.Credentials(ctx, c.WalletID, p)
	if err != nil {
		return nil, "", fmt.Errorf("reading the credentials: %w", err)
	}
	views := make([]HoldingView, 0, len(rows))
	for h, err := range ledger.Each[Holding](ctx, c.Wallet, rows) {
		if err != nil {
			return nil, "", err
		}
		views = append(views, *h.Content().View())
	}
	return views, next, nil
}

// Holding returns one credential or asset, for the wallet's owner. data is the credential itself in canonical
// JSON, nil for an asset.
func (w *Wallets) Holding(ctx context.Context, c *auth.Caller, id string) (v HoldingView, data json.RawMessage, err error) {
	if err := c.RequireReader(); err != nil {
		return v, nil, err
	}
	row, err := w.store.Credential(ctx, c.WalletID, id)
	if err != nil {
		return v, nil, auth.NotFound(err)
	}
	h, err := ledger.Open[Holding](ctx, c.Wallet, row)
	if err != nil {
		return v, nil, err
	}
	return *h.Content().View(), h.Content().Data, nil
}

// DeleteHolding deletes a credential or asset, for the wallet's owner. The audit log keeps its id.
func (w *Wallets) DeleteHolding(ctx context.Context, c *auth.Caller, id string) error {
	if err := c.RequireOwner(); err != nil {
		return err
	}
	e := c.Event(ledger.CredentialDeleted)
	e.Created = id
	return notFoundOr(c.Record(ctx, e, store.DeleteCredential(c.WalletID, id)))
}

// notFoundOr returns auth.ErrNotFound for store.ErrNotFound, and any other error, or nil, as it is.
func notFoundOr(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return auth.ErrNotFound
	}
	return err
}

// PutCredential stores a credential for the wallet's owner, if it is genuine and its subject is an account of the
// wallet. The tag is the owner's own, "" for none.
func (w *Wallets) PutCredential(ctx context.Context, c *auth.Caller, data json.RawMessage, tag string) (HoldingView, error) {
	if err := c.RequireOwner(); err != nil {
		return HoldingView{}, err
	}
	h, err := readCredential(data, w.store.Now())
	if err != nil {
		return HoldingView{}, err
	}
	if h.Tag, err = readTag(tag); err != nil {
		return HoldingView{}, err
	}
	if err := w.holdsAccount(ctx, c, h.Owner); err != nil {
		return HoldingView{}, err
	}
	return w.putHolding(ctx, c, h)
}

// NewAsset describes an asset of an account of the wallet. Whether the account owns it on chain, apps check.
type NewAsset struct {
	Asset  did.DID
	Owner  did.DID // an account of the wallet
	Issuer did.DID // zero if unknown; apps may require certain issuers
	Parent did.DID // zero if none
	Tag    string
}

// PutAsset stores an asset for the wallet's owner.
func (w *Wallets) PutAsset(ctx context.Context, c *auth.Caller, n NewAsset) (HoldingView, error) {
	if err := c.RequireOwner(); err != nil {
		return HoldingView{}, err
	}
	tag, err := readTag(n.Tag)
	if err != nil {
		return HoldingView{}, err
	}
	if err := w.holdsAccount(ctx, c, n.Owner.Address()); err != nil {
		return HoldingView{}, err
	}
	return w.putHolding(ctx, c, Holding{
		Kind: KindAsset, DID: n.Asset.Address(), Owner: n.Owner.Address(), Issuer: n.Issuer.Address(), Parent: n.Parent.Address(), Tag: tag,
	})
}

func readTag(tag string) (string, error) {
	if !isTag(tag) {
		return "", auth.Invalid("a tag is text of at most %d bytes", maxItem)
	}
	return tag, nil
}

func isTag(text string) bool { return len(text) <= maxItem && show.IsShowable(text) }

// holdsAccount returns the refusal account_not_held if the account is not the wallet's.
func (w *Wallets) holdsAccount(ctx context.Context, c *auth.Caller, address string) error {
	_, err := w.store.Account(ctx, c.WalletID, address)
	if errors.Is(err, store.ErrNotFound) {
		return did.Refuse("account_not_held", "the credential or asset belongs to an account that this wallet does not hold")
	}
	return err
}

// StoreCredential stores the attachment of a session's last reply (DID Connect reference d.11): a genuine
// credential whose subject is an account of the wallet, an asset of this session's account, or both. The subject may
// be another account than the session's: an app that is launched hands the owner's passport to the account that its
// keyPair claim has just created. It needs no approval, and is recorded. Storing the same attachment again changes
// nothing. It returns what the wallet now holds of the attachment, the credential first, also with an error: if one
// part is refused, the other is stored all the same. Refusals: credential_invalid.
func (w *Wallets) StoreCredential(ctx context.Context, c *auth.Caller, attachment json.RawMessage) ([]HoldingView, error) {
	if c.Session == nil || c.Session.Account == "" {
		return nil, auth.ErrForbidden
	}
	o, err := did.ParseObject(attachment)
	if err != nil {
		return nil, badCredential("the attachment is not a JSON object without duplicate members")
	}
	if how, _ := o.Text("disposition"); how != "attachment" {
		return nil, badCredential("the reply's response is not an attachment")
	}
	asset, _ := o.Text("assetId")
	what, _ := o.Text("type")
	data := o.Get("data")
	withData := what == "VerifiableCredential" && len(data) > 0 && string(data) != "null"
	if !withData && asset == "" {
		return nil, badCredential("this wallet stores credentials and assets only")
	}
	var stored []HoldingView
	var refusals []error
	store := func(h Holding, err error) {
		if err == nil {
			var v HoldingView
			if v, err = w.storeHanded(ctx, c, o, h); err == nil {
				stored = append(stored, v)
			}
		}
		refusals = append(refusals, err)
	}
	if withData {
		store(readCredential(data, w.store.Now()))
	}
	if asset != "" {
		store(readAsset(asset, c.Session.Account))
	}
	return stored, errors.Join(refusals...)
}

// storeHanded stores one holding of an attachment.
func (w *Wallets) storeHanded(ctx context.Context, c *auth.Caller, attachment did.Object, h Holding) (HoldingView, error) {
	if err := w.holdsAccount(ctx, c, h.Owner); did.CodeOf(err) != "" {
		return HoldingView{}, badCredential("the credential's subject is not an account of this wallet")
	} else if err != nil {
		return HoldingView{}, err
	}
	if tag, _ := attachment.Text("tag"); isTag(tag) {
		h.Tag = tag
	}
	h.From = c.App.String()
	row, err := w.store.Credential(ctx, c.WalletID, h.ID())
	if err == nil {
		if old, err := ledger.Open[Holding](ctx, c.Wallet, row); err == nil && bytes.Equal(old.Content().Data, h.Data) && old.Content().Tag == h.Tag {
			return *old.Content().View(), nil
		}
	}
	return w.putHolding(ctx, c, h)
}

func readAsset(address, account string) (Holding, error) {
	asset, err := did.Parse(address)
	if err != nil {
		return Holding{}, badCredential("the asset in the attachment has no valid address")
	}
	return Holding{Kind: KindAsset, DID: asset.Address(), Owner: account}, nil
}

func badCredential(why string) error { return did.Refuse("credential_invalid", why) }

// Contents returns the hash, in hex, of the contents that an answer discloses.
func Contents(of any) (string, error) {
	text, err := did.MarshalStable(of)
	if err != nil {
		return "", fmt.Errorf("hashing the contents of the answer: %w", err)
	}
	return hex.EncodeToString(did.SHA3.Sum([]byte("walletd contents v1\x00"), text)), nil
}
