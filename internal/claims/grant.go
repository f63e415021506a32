package claims

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/store"
)

// grantContent is the sealed part of a grant. The row around it, with the app, the count and the
// end, is authenticated.
type grantContent struct {
	Claim      string  `json:"claim"`
	Account    string  `json:"account"`
	Salt       *string `json:"salt,omitempty"` // hex of the bytes
	SaltText   string  `json:"saltText,omitempty"`
	Delegation string  `json:"delegation,omitempty"` // hash, hex
	Asker      string  `json:"asker,omitempty"`      // token that asked; revoking it ends the grant

	About string    `json:"about,omitempty"` // what else it is held to (claim.about)
	Items *[]string `json:"items,omitempty"` // of a profile, those that are given under it
}

// live is a grant that was opened: its MAC holds and its content was sealed in its place.
type live struct {
	row     store.Grant
	content grantContent
}

func grantPlace(id string) keystore.Place {
	return keystore.Place{Table: "grants", Row: id, Field: "content", Version: 1}
}

// covers reports whether the grant stands for f at now: the same app, agent, claim, account,
// salt bytes and delegation, not revoked, not ended, not used up.
func (g live) covers(f fact, now time.Time) bool {
	if g.row.Revoked != 0 || g.row.Uses == 0 || g.row.Ends != 0 && now.Unix() >= g.row.Ends {
		return false
	}
	if g.row.App != f.app.Address() || g.row.Agent != f.agent.Address() {
		return false
	}
	if g.content.Claim != f.claim || g.content.Account != f.account || g.content.Delegation != f.delegation || g.content.About != f.about {
		return false
	}
	if g.content.Salt == nil {
		return !f.hasSalt
	}
	return f.hasSalt && *g.content.Salt == hex.EncodeToString(f.salt)
}

// grants opens the caller's app's grants. A forged one is left out and goes on record.
func (d *Door) grants(ctx context.Context, c *Caller, w *keystore.Wallet) ([]live, error) {
	rows, err := d.store.Grants(ctx, w.ID(), c.App.Address(), d.store.Now().Unix())
	if err != nil {
		return nil, fmt.Errorf("reading the grants: %w", err)
	}
	grants := make([]live, 0, len(rows))
	for _, row := range rows {
		g, err := openGrant(w, row)
		if err != nil {
			d.noteForged(ctx, c, err)
			continue
		}
		grants = append(grants, g)
	}
	return grants, nil
}

func openGrant(w *keystore.Wallet, row store.Grant) (live, error) {
	if err := w.CheckMAC("grants", row.ID, row.Canonical(), row.MAC); err != nil {
		return live{}, err
	}
	g := live{row: row}
	plain, err := w.Open(grantPlace(row.ID), row.Sealed)
	if err != nil {
		return live{}, err
	}
	if err := json.Unmarshal(plain, &g.content); err != nil {
		return live{}, fmt.Errorf("reading grant %s: %w", row.ID, err)
	}
	return g, nil
}

// use returns the write that takes one use from a grant, if its uses are counted. The write
// fails with store.ErrChanged if somebody else used the grant meanwhile.
func (d *Door) use(w *keystore.Wallet, g live) (store.Write, bool) {
	if g.row.Uses < 0 {
		return store.Write{}, false
	}
	next := g.row
	next.Uses--
	next.MAC = w.MAC(next.Canonical())
	return store.UseGrant(g.row, next), true
}

// grant returns the row that remembers a yes to one claim. It ends with the first of its own
// end, the certificate's and the delegation's.
func (q *question) grant(c *claim, r Remember, approval string) (store.Grant, error) {
	content := grantContent{Claim: c.kind.name, Account: c.account.Address, SaltText: c.saltText, Asker: q.caller.Asker, About: c.about}
	if c.items != nil {
		content.Items = &c.items
	}
	if c.hasSalt {
		salt := hex.EncodeToString(c.salt)
		content.Salt = &salt
	}
	row := store.Grant{
		ID: store.NewID(), Wallet: q.caller.Wallet, App: q.caller.App.Address(), Agent: q.caller.Agent.Address(),
		Approval: approval, Created: q.now.Unix(), Uses: -1,
	}
	if r.Times > 0 {
		row.Uses = r.Times
	}
	if r.Seconds > 0 {
		row.Ends = q.now.Unix() + r.Seconds
	}
	if c.delegation != nil {
		content.Delegation = hex.EncodeToString(c.delegation.Hash[:])
		row.Ends = earliest(row.Ends, c.delegation.Expires)
	}
	if q.caller.certificateEnds != 0 {
		row.Ends = earliest(row.Ends, time.Unix(q.caller.certificateEnds, 0))
	}
	plain, err := json.Marshal(content)
	if err != nil {
		return store.Grant{}, fmt.Errorf("writing the grant: %w", err)
	}
	row.Sealed = q.caller.wallet.Seal(grantPlace(row.ID), plain)
	row.MAC = q.caller.wallet.MAC(row.Canonical())
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
func (d *Door) Grants(ctx context.Context, c *Caller, page store.Page) ([]GrantView, string, error) {
	if err := c.decides(); err != nil {
		return nil, "", err
	}
	rows, next, err := d.store.GrantsPage(ctx, c.Wallet, page)
	if err != nil {
		return nil, "", fmt.Errorf("reading the grants: %w", err)
	}
	now := d.store.Now().Unix()
	views := make([]GrantView, 0, len(rows))
	for _, row := range rows {
		if row.Revoked != 0 || row.Uses == 0 || row.Ends != 0 && row.Ends <= now {
			continue
		}
		g, err := openGrant(c.wallet, row)
		if err != nil {
			d.noteForged(ctx, c, err)
			continue
		}
		views = append(views, g.view())
	}
	return views, next, nil
}

func (g live) view() GrantView {
	v := GrantView{
		ID: g.row.ID, App: prefixed(g.row.App), Agent: prefixed(g.row.Agent), Claim: g.content.Claim,
		Account: g.content.Account, Delegation: g.content.Delegation, About: g.content.About, Items: g.content.Items, Created: time.Unix(g.row.Created, 0), Uses: g.row.Uses,
	}
	if g.row.Ends != 0 {
		v.Ends = time.Unix(g.row.Ends, 0)
	}
	if g.content.Salt != nil {
		v.Salt = &SaltView{Text: escaped(g.content.SaltText), Hex: *g.content.Salt}
	}
	return v
}

// prefixed writes a bare address of a row as a DID; "" stays "".
func prefixed(address string) string {
	d, err := did.Parse(address)
	if err != nil {
		return ""
	}
	return d.String()
}

// RevokeGrant ends a grant, for its owner. One that has ended already is ErrNotFound.
func (d *Door) RevokeGrant(ctx context.Context, c *Caller, id string) error {
	return d.withdraw(ctx, c, func() error { return d.revokeGrant(ctx, c, id) })
}

func (d *Door) revokeGrant(ctx context.Context, c *Caller, id string) error {
	if err := c.decides(); err != nil {
		return err
	}
	row, err := d.store.Grant(ctx, id)
	if err != nil || row.Wallet != c.Wallet || row.Revoked != 0 {
		return absent(err)
	}
	if err := c.wallet.CheckMAC("grants", row.ID, row.Canonical(), row.MAC); err != nil {
		return d.noteForged(ctx, c, err)
	}
	e := c.event("grant.revoked")
	e.Grant = id
	return d.record(ctx, c, e, d.endGrant(c.wallet, row))
}

// endGrant returns the write that revokes a grant.
func (d *Door) endGrant(w *keystore.Wallet, row store.Grant) store.Write {
	next := row
	next.Revoked = d.store.Now().Unix()
	next.MAC = w.MAC(next.Canonical())
	return store.RevokeGrant(next)
}
