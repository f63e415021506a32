package approvals

import (
	"context"
	"fmt"
	"slices"
	"time"

	"walletd/internal/auth"
	"walletd/internal/did"
	"walletd/internal/ledger"
	"walletd/internal/policy"
	"walletd/internal/show"
	"walletd/internal/store"
)

// Grant is an authentic row of a grant, with its content.
type Grant = ledger.Opened[store.Grant, policy.GrantContent]

// policyGrant returns the grant as package policy reads it.
func policyGrant(g Grant) policy.Grant {
	row := g.Row()
	return policy.Grant{ID: row.ID, App: row.App, Agent: row.Agent, Ends: row.Ends, Uses: row.Uses, Revoked: row.Revoked, GrantContent: g.Content()}
}

// Grants returns the grants of the caller's app that have not ended, and their rows by id.
func (ap *Approvals) Grants(ctx context.Context, c *auth.Caller) ([]policy.Grant, map[string]Grant, error) {
	rows, err := c.Wallet.Facts().Grants(ctx, c.App.Address(), ap.store.Now().Unix())
	if err != nil {
		return nil, nil, fmt.Errorf("reading the grants: %w", err)
	}
	grants, opened := make([]policy.Grant, 0, len(rows)), map[string]Grant{}
	for g, err := range ledger.Each[policy.GrantContent](ctx, c.Wallet, rows) {
		if err != nil {
			return nil, nil, err
		}
		grants = append(grants, policyGrant(g))
		opened[g.Row().ID] = g
	}
	return grants, opened, nil
}

// UseGrant returns the write that consumes one use of a grant, and whether its uses are counted. The write
// fails with store.ErrChanged if a concurrent request used the grant.
func UseGrant(c *auth.Caller, g Grant) (store.Write, bool) {
	row := g.Row()
	if row.Uses < 0 {
		return store.Write{}, false
	}
	next := row
	next.Uses--
	next.MAC = c.Wallet.MAC(next)
	return store.UseGrant(row, next), true
}

// GrantView is a grant as its owner sees it.
type GrantView struct {
	ID         string
	App, Agent string // did:abt:…; Agent "" if none
	Claim      string
	Account    string
	Salt       *SaltView
	Delegation string
	About      string    // id of the credential or asset that the grant is for, or the profile items that were requested; "" if none
	Items      *[]string // of a profile: the items that the grant discloses
	Created    time.Time
	Ends       time.Time // zero: never by time
	Uses       int64     // left; -1: not counted
}

// ListGrants lists the wallet's grants that have not ended, for its owner.
func (ap *Approvals) ListGrants(ctx context.Context, c *auth.Caller, page store.Page) ([]GrantView, string, error) {
	if err := c.RequireReader(); err != nil {
		return nil, "", err
	}
	rows, next, err := ap.store.GrantsPage(ctx, c.WalletID, page)
	if err != nil {
		return nil, "", fmt.Errorf("reading the grants: %w", err)
	}
	now := ap.store.Now().Unix()
	rows = slices.DeleteFunc(rows, func(g store.Grant) bool { return g.Revoked != 0 || g.Uses == 0 || g.Ends != 0 && g.Ends <= now })
	views := make([]GrantView, 0, len(rows))
	for g, err := range ledger.Each[policy.GrantContent](ctx, c.Wallet, rows) {
		if err != nil {
			return nil, "", err
		}
		views = append(views, viewGrant(g))
	}
	return views, next, nil
}

func viewGrant(g Grant) GrantView {
	row, content := g.Row(), g.Content()
	v := GrantView{
		ID: row.ID, App: did.Prefixed(row.App), Agent: did.Prefixed(row.Agent), Claim: content.Claim,
		Account: content.Account, Delegation: content.Delegation, About: content.About, Items: content.Items, Created: time.Unix(row.Created, 0), Uses: row.Uses,
	}
	if row.Ends != 0 {
		v.Ends = time.Unix(row.Ends, 0)
	}
	if content.Salt != nil {
		v.Salt = &SaltView{Text: show.Escape(content.SaltText), Hex: *content.Salt}
	}
	return v
}

// RevokeGrant revokes a grant, for the wallet's owner. If it was revoked before, the error is auth.ErrNotFound.
func (ap *Approvals) RevokeGrant(ctx context.Context, c *auth.Caller, id string) error {
	return ap.auth.Retry(ctx, c, RevocationTries, func() error { return ap.revokeGrantOnce(ctx, c, id) })
}

func (ap *Approvals) revokeGrantOnce(ctx context.Context, c *auth.Caller, id string) error {
	if err := c.RequireReader(); err != nil {
		return err
	}
	row, err := ap.store.Grant(ctx, id)
	if err != nil || row.Wallet != c.WalletID || row.Revoked != 0 {
		return auth.NotFound(err)
	}
	g, err := ledger.Open[policy.GrantContent](ctx, c.Wallet, row)
	if err != nil {
		return err
	}
	e := c.Event(ledger.GrantRevoked)
	e.Grant = id
	return c.Record(ctx, e, ap.EndGrant(c, g))
}

// EndGrant returns the write that revokes a grant.
func (ap *Approvals) EndGrant(c *auth.Caller, g Grant) store.Write {
	next := g.Row()
	next.Revoked = ap.store.Now().Unix()
	next.MAC = c.Wallet.MAC(next)
	return store.RevokeGrant(next)
}
