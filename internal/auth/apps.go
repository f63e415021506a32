package auth

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"walletd/internal/delegation"
	"walletd/internal/did"
	"walletd/internal/ledger"
	"walletd/internal/store"
)

// Apps and delegations that the owner has approved are registered in the wallet: rows with a MAC, which a rule
// or a grant may depend on.

// AppContent is the sealed content of a registered app's row.
type AppContent struct {
	Name string `json:"name,omitempty"` // the owner's own name for the app
	// Presented are the ids of the credentials and assets that the app was presented, the last one first.
	Presented []string `json:"presented,omitempty"`
}

// maxPresented bounds AppContent.Presented.
const maxPresented = 32

// openedApp is an authentic row of an app, with its content.
type openedApp = ledger.Opened[store.App, AppContent]

// App returns the row of an app that was registered or revoked; the zero row if there is none.
func (a *Auth) App(ctx context.Context, c *Caller, address string) (openedApp, error) {
	row, err := c.Wallet.Facts().App(ctx, address)
	if errors.Is(err, store.ErrNotFound) {
		return openedApp{}, nil
	}
	if err != nil {
		return openedApp{}, fmt.Errorf("looking for the app: %w", err)
	}
	return ledger.Open[AppContent](ctx, c.Wallet, row)
}

// PutApp returns the write that registers, names or revokes an app.
func (a *Auth) PutApp(c *Caller, old store.App, address, state string, content AppContent) (store.Write, error) {
	row := store.App{Wallet: c.WalletID, App: address, State: state, Created: old.Created}
	if old.App == "" {
		row.Created = a.store.Now().Unix()
	}
	var err error
	if row.Sealed, err = c.Wallet.Seal(row, content); err != nil {
		return store.Write{}, err
	}
	row.MAC = c.Wallet.MAC(row)
	return store.PutApp(old, row), nil
}

// RegisterApp returns the write that registers the caller's app, if it is not registered.
func (a *Auth) RegisterApp(ctx context.Context, c *Caller) ([]store.Write, error) {
	address := c.App.Address()
	app, err := a.App(ctx, c, address)
	if err != nil || app.Row().State == store.Approved {
		return nil, err
	}
	w, err := a.PutApp(c, app.Row(), address, store.Approved, app.Content())
	return []store.Write{w}, err
}

// NotePresented returns the write that puts ids first among those that the caller's app was presented last. It is
// nil if they are already, or if the owner has not approved the app.
func (a *Auth) NotePresented(ctx context.Context, c *Caller, ids []string) ([]store.Write, error) {
	app, err := a.App(ctx, c, c.App.Address())
	if err != nil || app.Row().State != store.Approved {
		return nil, err
	}
	content := app.Content()
	presented := slices.Clone(ids)
	for _, id := range content.Presented {
		if !slices.Contains(presented, id) && len(presented) < maxPresented {
			presented = append(presented, id)
		}
	}
	content.Presented = presented
	w, err := a.PutApp(c, app.Row(), app.Row().App, store.Approved, content)
	return []store.Write{w}, err
}

// reregisterApp returns the write that registers a revoked app again, because the owner creates a token for it.
func (a *Auth) reregisterApp(ctx context.Context, c *Caller, app did.DID) ([]store.Write, error) {
	old, err := a.App(ctx, c, app.Address())
	if err != nil || old.Row().State != store.Revoked {
		return nil, err
	}
	w, err := a.PutApp(c, old.Row(), app.Address(), store.Approved, old.Content())
	return []store.Write{w}, err
}

// AppView is an app as the wallet's owner sees it.
type AppView struct {
	App     string // did:abt:…
	Name    string
	Revoked bool
	Created time.Time
}

// Apps lists the apps that the owner has registered or revoked, for the owner.
func (a *Auth) Apps(ctx context.Context, c *Caller, p store.Page) ([]AppView, string, error) {
	if err := c.RequireReader(); err != nil {
		return nil, "", err
	}
	rows, next, err := a.store.Apps(ctx, c.WalletID, p)
	if err != nil {
		return nil, "", fmt.Errorf("reading the apps: %w", err)
	}
	views := make([]AppView, 0, len(rows))
	for app, err := range ledger.Each[AppContent](ctx, c.Wallet, rows) {
		if err != nil {
			return nil, "", err
		}
		row := app.Row()
		views = append(views, AppView{App: did.Prefixed(row.App), Name: app.Content().Name, Revoked: row.State == store.Revoked, Created: time.Unix(row.Created, 0)})
	}
	return views, next, nil
}

// NameApp sets the owner's own name for an app, and registers the app.
func (a *Auth) NameApp(ctx context.Context, c *Caller, app did.DID, name string) (AppView, error) {
	if err := c.RequireDecider(); err != nil {
		return AppView{}, err
	}
	if len(name) > 200 || !utf8.ValidString(name) {
		return AppView{}, Invalid("an app's name has at most 200 bytes of text")
	}
	old, err := a.App(ctx, c, app.Address())
	if err != nil {
		return AppView{}, err
	}
	content := old.Content()
	content.Name = name
	w, err := a.PutApp(c, old.Row(), app.Address(), store.Approved, content)
	if err != nil {
		return AppView{}, err
	}
	e := c.Event(ledger.AppNamed)
	e.App, e.Name = app.String(), name
	if err := c.Record(ctx, e, w); err != nil {
		return AppView{}, err
	}
	return AppView{App: app.String(), Name: name, Created: a.store.Now()}, nil
}

// DelegationRow returns a delegation's row; the zero Delegation if the wallet has none.
func (a *Auth) DelegationRow(ctx context.Context, c *Caller, hash []byte) (store.Delegation, error) {
	row, err := c.Wallet.Facts().Delegation(ctx, hash)
	if errors.Is(err, store.ErrNotFound) {
		return store.Delegation{}, nil
	}
	if err != nil {
		return store.Delegation{}, fmt.Errorf("looking for the delegation: %w", err)
	}
	checked, err := ledger.Check(ctx, c.Wallet, row)
	return checked.Row(), err
}

// ApprovedDelegation reports whether the owner has approved this delegation. It refuses a revoked one.
func (a *Auth) ApprovedDelegation(ctx context.Context, c *Caller, del delegation.Delegation) (bool, error) {
	row, err := a.DelegationRow(ctx, c, del.Hash[:])
	if err != nil {
		return false, err
	}
	if row.Revoked != 0 {
		return false, did.Refuse("delegation_revoked", "the wallet's owner revoked this delegation; ask for a new one")
	}
	return row.Approved != 0, nil
}

// DelegationView is a delegation that the owner has approved or revoked.
type DelegationView struct {
	Hash              string // SHA3-256 of its text, hex
	From, To          string // did:abt:…
	Expires, Approved time.Time
	Revoked           time.Time
}

// Delegations lists the delegations approved in the wallet, for its owner.
func (a *Auth) Delegations(ctx context.Context, c *Caller, p store.Page) ([]DelegationView, string, error) {
	if err := c.RequireReader(); err != nil {
		return nil, "", err
	}
	rows, next, err := a.store.Delegations(ctx, c.WalletID, p)
	if err != nil {
		return nil, "", fmt.Errorf("reading the delegations: %w", err)
	}
	views := make([]DelegationView, 0, len(rows))
	for checked, err := range ledger.EachChecked(ctx, c.Wallet, rows) {
		if err != nil {
			return nil, "", err
		}
		row := checked.Row()
		views = append(views, DelegationView{
			Hash: hex.EncodeToString(row.Hash), From: did.Prefixed(row.FromAddr), To: did.Prefixed(row.ToAddr),
			Expires: time.Unix(row.Expires, 0), Approved: store.Time(row.Approved), Revoked: store.Time(row.Revoked),
		})
	}
	return views, next, nil
}
