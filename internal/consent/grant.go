package consent

import (
	"context"
	"encoding/hex"
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

// openGrant is a grant's row that is authentic, with its content.
type openGrant = ledger.Opened[store.Grant, policy.GrantContent]

// grantOf is what a decision may rest on.
func grantOf(g openGrant) policy.Grant {
	row := g.Row()
	return policy.Grant{ID: row.ID, App: row.App, Agent: row.Agent, Ends: row.Ends, Uses: row.Uses, Revoked: row.Revoked, GrantContent: g.Content()}
}

// grants opens the grants of the caller's app, and returns their rows by id.
func (p *Pipeline) grants(ctx context.Context, c *auth.Caller) ([]policy.Grant, map[string]openGrant, error) {
	rows, err := p.store.Grants(ctx, c.WalletID, c.App.Address(), p.store.Now().Unix())
	if err != nil {
		return nil, nil, fmt.Errorf("reading the grants: %w", err)
	}
	grants, opened := make([]policy.Grant, 0, len(rows)), map[string]openGrant{}
	for g, err := range ledger.Each[policy.GrantContent](ctx, c.Wallet, rows) {
		if err != nil {
			return nil, nil, err
		}
		grants = append(grants, grantOf(g))
		opened[g.Row().ID] = g
	}
	return grants, opened, nil
}

// useGrant returns the write that takes one use from a grant, if its uses are counted. The write
// fails with store.ErrChanged if somebody else used the grant meanwhile.
func useGrant(c *auth.Caller, g openGrant) (store.Write, bool) {
	row := g.Row()
	if row.Uses < 0 {
		return store.Write{}, false
	}
	next := row
	next.Uses--
	next.MAC = c.Wallet.MAC(next)
	return store.UseGrant(row, next), true
}

// grant returns the row that remembers a yes to one claim. It ends with the first of its own
// end, the certificate's and the delegation's.
func (q *Question) grant(c *Claim, r Remember, approval string) (store.Grant, error) {
	content := policy.GrantContent{Claim: c.kind.Name, Account: c.Account.Address, SaltText: c.saltText, Asker: q.Caller.Asker, About: c.About}
	if c.Items != nil {
		content.Items = &c.Items
	}
	if c.hasSalt {
		salt := hex.EncodeToString(c.salt)
		content.Salt = &salt
	}
	row := store.Grant{
		ID: store.NewID(), Wallet: q.Caller.WalletID, App: q.Caller.App.Address(), Agent: q.Caller.Agent.Address(),
		Approval: approval, Created: q.Now.Unix(), Uses: -1,
	}
	if r.Times > 0 {
		row.Uses = r.Times
	}
	if r.Seconds > 0 {
		row.Ends = q.Now.Unix() + r.Seconds
	}
	if c.delegation != nil {
		content.Delegation = hex.EncodeToString(c.delegation.Hash[:])
		row.Ends = earliest(row.Ends, c.delegation.Expires)
	}
	if q.Caller.CertificateEnds != 0 {
		row.Ends = earliest(row.Ends, time.Unix(q.Caller.CertificateEnds, 0))
	}
	var err error
	if row.Sealed, err = q.Caller.Wallet.Seal(row, content); err != nil {
		return store.Grant{}, err
	}
	row.MAC = q.Caller.Wallet.MAC(row)
	return row, nil
}

// earliest returns the earlier of an end in unix seconds (zero: none) and t.
func earliest(end int64, t time.Time) int64 {
	if end == 0 || t.Unix() < end {
		return t.Unix()
	}
	return end
}

// GrantView is a grant as its owner sees it.
type GrantView struct {
	ID         string
	App, Agent string // did:abt:…; Agent "" if none
	Claim      string
	Account    string
	Salt       *SaltView
	Delegation string
	About      string    // id of the credential or asset it is for, or the profile items asked for; "" if none
	Items      *[]string // of a profile, those that are given under it
	Created    time.Time
	Ends       time.Time // zero: never by time
	Uses       int64     // left; -1: not counted
}

// Grants lists the wallet's grants that have not ended, for its owner.
func (p *Pipeline) Grants(ctx context.Context, c *auth.Caller, page store.Page) ([]GrantView, string, error) {
	if err := c.RequireOwner(); err != nil {
		return nil, "", err
	}
	rows, next, err := p.store.GrantsPage(ctx, c.WalletID, page)
	if err != nil {
		return nil, "", fmt.Errorf("reading the grants: %w", err)
	}
	now := p.store.Now().Unix()
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

func viewGrant(g openGrant) GrantView {
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

// RevokeGrant ends a grant, for its owner. One that has ended already is ErrNotFound.
func (p *Pipeline) RevokeGrant(ctx context.Context, c *auth.Caller, id string) error {
	return p.auth.Retry(ctx, c, withdrawals, func() error { return p.revokeGrant(ctx, c, id) })
}

func (p *Pipeline) revokeGrant(ctx context.Context, c *auth.Caller, id string) error {
	if err := c.RequireOwner(); err != nil {
		return err
	}
	row, err := p.store.Grant(ctx, id)
	if err != nil || row.Wallet != c.WalletID || row.Revoked != 0 {
		return auth.NotFound(err)
	}
	g, err := ledger.Open[policy.GrantContent](ctx, c.Wallet, row)
	if err != nil {
		return err
	}
	e := c.Event(ledger.GrantRevoked)
	e.Grant = id
	return c.Record(ctx, e, p.endGrant(c, g))
}

// endGrant returns the write that revokes a grant.
func (p *Pipeline) endGrant(c *auth.Caller, g openGrant) store.Write {
	next := g.Row()
	next.Revoked = p.store.Now().Unix()
	next.MAC = c.Wallet.MAC(next)
	return store.RevokeGrant(next)
}
