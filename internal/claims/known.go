package claims

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"walletd/internal/delegation"
	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/store"
)

// Apps and delegations that the person has approved are known in the wallet: rows with a MAC,
// which a rule or a grant may rest on.

// appContent is the sealed part of a known app.
type appContent struct {
	Name string `json:"name,omitempty"` // the owner's own name for it
}

func appPlace(app string) keystore.Place {
	return keystore.Place{Table: "apps", Row: app, Field: "content", Version: 1}
}

// app returns a known app's row and content; the zero App if there is none.
func (d *Door) app(ctx context.Context, c *Caller, address string) (store.App, appContent, error) {
	row, err := d.store.App(ctx, c.Wallet, address)
	if errors.Is(err, store.ErrNotFound) {
		return store.App{}, appContent{}, nil
	}
	if err != nil {
		return store.App{}, appContent{}, fmt.Errorf("looking for the app: %w", err)
	}
	if err := c.wallet.CheckMAC("apps", row.App, row.Canonical(), row.MAC); err != nil {
		return store.App{}, appContent{}, d.noteForged(ctx, c, err)
	}
	var content appContent
	plain, err := c.wallet.Open(appPlace(row.App), row.Sealed)
	if err == nil {
		err = json.Unmarshal(plain, &content)
	}
	return row, content, err
}

// putApp returns the write that makes an app known, names it, or withdraws it.
func (d *Door) putApp(c *Caller, old store.App, address, state string, content appContent) (store.Write, error) {
	plain, err := json.Marshal(content)
	if err != nil {
		return store.Write{}, fmt.Errorf("writing the app: %w", err)
	}
	row := store.App{Wallet: c.Wallet, App: address, State: state, Created: old.Created}
	if old.App == "" {
		row.Created = d.store.Now().Unix()
	}
	row.Sealed = c.wallet.Seal(appPlace(address), plain)
	row.MAC = c.wallet.MAC(row.Canonical())
	return store.PutApp(old, row), nil
}

// approveApp returns the writes that make the asking app known, if it is not.
func (d *Door) approveApp(ctx context.Context, q *question) ([]store.Write, error) {
	address := q.caller.App.Address()
	old, content, err := d.app(ctx, q.caller, address)
	if err != nil || old.State == store.Approved {
		return nil, err
	}
	w, err := d.putApp(q.caller, old, address, store.Approved, content)
	return []store.Write{w}, err
}

// readmitApp returns the writes that make an app known again that was withdrawn, now that the
// owner makes a token for it.
func (d *Door) readmitApp(ctx context.Context, c *Caller, app did.DID) ([]store.Write, error) {
	old, content, err := d.app(ctx, c, app.Address())
	if err != nil || old.State != store.Revoked {
		return nil, err
	}
	w, err := d.putApp(c, old, app.Address(), store.Approved, content)
	return []store.Write{w}, err
}

// AppView is a known app.
type AppView struct {
	App     string // did:abt:…
	Name    string
	Revoked bool
	Created time.Time
}

// Apps lists the apps the person has approved, for the wallet's owner.
func (d *Door) Apps(ctx context.Context, c *Caller, p store.Page) ([]AppView, string, error) {
	if err := c.decides(); err != nil {
		return nil, "", err
	}
	rows, next, err := d.store.Apps(ctx, c.Wallet, p)
	if err != nil {
		return nil, "", fmt.Errorf("reading the apps: %w", err)
	}
	views := make([]AppView, 0, len(rows))
	for _, row := range rows {
		_, content, err := d.app(ctx, c, row.App)
		if err != nil {
			d.noteForged(ctx, c, err)
			continue
		}
		views = append(views, AppView{App: prefixed(row.App), Name: content.Name, Revoked: row.State == store.Revoked, Created: time.Unix(row.Created, 0)})
	}
	return views, next, nil
}

// NameApp sets the owner's own name for an app; it makes the app known.
func (d *Door) NameApp(ctx context.Context, c *Caller, app did.DID, name string) (AppView, error) {
	if err := c.decides(); err != nil {
		return AppView{}, err
	}
	if len(name) > 200 || !utf8.ValidString(name) {
		return AppView{}, invalid("an app's name has at most 200 bytes of text")
	}
	old, _, err := d.app(ctx, c, app.Address())
	if err != nil {
		return AppView{}, err
	}
	w, err := d.putApp(c, old, app.Address(), store.Approved, appContent{Name: name})
	if err != nil {
		return AppView{}, err
	}
	e := c.event("app.named")
	e.App, e.Name = app.String(), name
	if err := d.record(ctx, c, e, w); err != nil {
		return AppView{}, err
	}
	return AppView{App: app.String(), Name: name, Created: d.store.Now()}, nil
}

func delegationPlace(hash []byte) keystore.Place {
	return keystore.Place{Table: "delegations", Row: hex.EncodeToString(hash), Field: "token", Version: 1}
}

// delegationRow returns a delegation's row; the zero Delegation if the wallet has not seen it.
func (d *Door) delegationRow(ctx context.Context, c *Caller, hash []byte) (store.Delegation, error) {
	row, err := d.store.Delegation(ctx, c.Wallet, hash)
	if errors.Is(err, store.ErrNotFound) {
		return store.Delegation{}, nil
	}
	if err != nil {
		return store.Delegation{}, fmt.Errorf("looking for the delegation: %w", err)
	}
	if err := c.wallet.CheckMAC("delegations", hex.EncodeToString(hash), row.Canonical(), row.MAC); err != nil {
		return store.Delegation{}, d.noteForged(ctx, c, err)
	}
	return row, nil
}

// approvedDelegation reports whether the person has approved this very delegation. One that was
// revoked is refused.
func (d *Door) approvedDelegation(ctx context.Context, q *question, del delegation.Delegation) (bool, error) {
	row, err := d.delegationRow(ctx, q.caller, del.Hash[:])
	if err != nil {
		return false, err
	}
	if row.Revoked != 0 {
		return false, did.Refuse("delegation_revoked", "the wallet's owner withdrew this delegation; ask for a new one")
	}
	return row.Approved != 0, nil
}

// approveDelegation returns the writes that put a delegation down as approved.
func (d *Door) approveDelegation(ctx context.Context, q *question, c *claim) ([]store.Write, error) {
	old, err := d.delegationRow(ctx, q.caller, c.delegation.Hash[:])
	if err != nil || old.Approved != 0 {
		return nil, err
	}
	row := store.Delegation{
		Wallet: q.caller.Wallet, Hash: c.delegation.Hash[:], FromAddr: c.delegation.From.Address(), ToAddr: c.delegation.To.Address(),
		Expires: c.delegation.Expires.Unix(), Approved: q.now.Unix(),
	}
	row.Sealed = q.caller.wallet.Seal(delegationPlace(row.Hash), []byte(c.token))
	row.MAC = q.caller.wallet.MAC(row.Canonical())
	return []store.Write{store.PutDelegation(old, row)}, nil
}

// DelegationView is a delegation the person has approved.
type DelegationView struct {
	Hash              string // SHA3-256 of its text, hex
	From, To          string // did:abt:…
	Expires, Approved time.Time
	Revoked           time.Time
}

// Delegations lists the delegations approved in the wallet, for its owner.
func (d *Door) Delegations(ctx context.Context, c *Caller, p store.Page) ([]DelegationView, string, error) {
	if err := c.decides(); err != nil {
		return nil, "", err
	}
	rows, next, err := d.store.Delegations(ctx, c.Wallet, p)
	if err != nil {
		return nil, "", fmt.Errorf("reading the delegations: %w", err)
	}
	views := make([]DelegationView, 0, len(rows))
	for _, row := range rows {
		if err := c.wallet.CheckMAC("delegations", hex.EncodeToString(row.Hash), row.Canonical(), row.MAC); err != nil {
			d.noteForged(ctx, c, err)
			continue
		}
		views = append(views, DelegationView{
			Hash: hex.EncodeToString(row.Hash), From: prefixed(row.FromAddr), To: prefixed(row.ToAddr),
			Expires: time.Unix(row.Expires, 0), Approved: orZero(row.Approved), Revoked: orZero(row.Revoked),
		})
	}
	return views, next, nil
}
