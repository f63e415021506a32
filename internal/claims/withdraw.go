package claims

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"walletd/internal/did"
	"walletd/internal/store"
)

// withdrawals is how often what ends something is begun anew, because something came between what
// it read and what it wrote. A grant's use is no such thing, and as many questions as may wait are
// fewer, so that no app can hold off its end.
const withdrawals = 2 * waitingPerWallet

// withdraw runs what ends something until nothing came between: a grant that was made after the
// grants were read would outlive them.
func (d *Door) withdraw(ctx context.Context, c *Caller, do func() error) error {
	for try := 1; ; try++ {
		err := do()
		if try == withdrawals || !errors.Is(err, store.ErrChanged) {
			return err
		}
		if c.wallet == nil {
			continue // an operator's, of another operator's token
		}
		if err := d.refresh(ctx, c); err != nil {
			return err
		}
	}
}

// RevokeToken ends a token and, in the same write, what hangs on it: the questions it asked that
// wait, its uncollected answers, and the grants made for what it asked.
func (d *Door) RevokeToken(ctx context.Context, c *Caller, id string) error {
	return d.withdraw(ctx, c, func() error { return d.revokeToken(ctx, c, id) })
}

func (d *Door) revokeToken(ctx context.Context, c *Caller, id string) error {
	row, err := d.store.Token(ctx, id)
	if err != nil {
		return absent(err)
	}
	if row.Revoked != 0 {
		return ErrNotFound
	}
	revoked := row
	revoked.Revoked = d.store.Now().Unix()
	e := c.event("token.revoked")
	e.Made, e.Role, e.App = id, Role(row.Role), prefixed(row.App)
	if row.Role == store.RoleOperator {
		if err := c.operates(); err != nil {
			return err
		}
		return d.recordService(ctx, c, e, made{}, nil, store.RevokeToken(row, revoked))
	}
	if err := d.enter(ctx, c, row.Wallet); err != nil {
		return absent(nil)
	}
	if err := c.wallet.CheckMAC("tokens", row.ID, row.Canonical(), row.MAC); err != nil {
		d.noteForged(ctx, c, err) // on record; it is ended all the same
	}
	revoked.MAC = c.wallet.MAC(revoked.Canonical())
	writes := []store.Write{store.RevokeToken(row, revoked)}
	if row.Role == store.RoleApp {
		ended, err := d.endAll(ctx, c, row.App, func(g live) bool { return g.content.Asker == id }, func(a store.Approval, _ asked) bool { return a.Asker == id })
		if err != nil {
			return err
		}
		writes = append(writes, ended...)
	}
	if err := d.record(ctx, c, e, writes...); err != nil {
		return err
	}
	d.changed.notify()
	return nil
}

// RevokeApp withdraws an app: its tokens, grants, waiting questions and uncollected answers end in
// the same write.
func (d *Door) RevokeApp(ctx context.Context, c *Caller, app did.DID) error {
	return d.withdraw(ctx, c, func() error { return d.revokeApp(ctx, c, app) })
}

func (d *Door) revokeApp(ctx context.Context, c *Caller, app did.DID) error {
	if err := c.decides(); err != nil {
		return err
	}
	old, content, err := d.app(ctx, c, app.Address())
	if err != nil {
		return err
	}
	tokens, err := d.tokensOf(ctx, c.Wallet, app.Address())
	if err != nil {
		return err
	}
	if old.App == "" && len(tokens) == 0 {
		return ErrNotFound
	}
	w, err := d.putApp(c, old, app.Address(), store.Revoked, content)
	if err != nil {
		return err
	}
	writes := []store.Write{w}
	for _, t := range tokens {
		revoked := t
		revoked.Revoked = d.store.Now().Unix()
		revoked.MAC = c.wallet.MAC(revoked.Canonical())
		writes = append(writes, store.RevokeToken(t, revoked))
	}
	ended, err := d.endAll(ctx, c, app.Address(), func(live) bool { return true }, func(store.Approval, asked) bool { return true })
	if err != nil {
		return err
	}
	e := c.event("app.revoked")
	e.App = app.String()
	if err := d.record(ctx, c, e, append(writes, ended...)...); err != nil {
		return err
	}
	d.changed.notify()
	return nil
}

// tokensOf reads every token of an app that was not revoked, however many there are.
func (d *Door) tokensOf(ctx context.Context, wallet, app string) ([]store.Token, error) {
	var found []store.Token
	for page := (store.Page{}); ; {
		rows, next, err := d.store.Tokens(ctx, wallet, page)
		if err != nil {
			return nil, fmt.Errorf("reading the app's tokens: %w", err)
		}
		for _, t := range rows {
			if t.App == app && t.Revoked == 0 {
				found = append(found, t)
			}
		}
		if page.Cursor = next; next == "" {
			return found, nil
		}
	}
}

// RevokeDelegation withdraws a delegation: the grants made for it, the questions that present it
// and their uncollected answers end in the same write, and it is refused from now on.
func (d *Door) RevokeDelegation(ctx context.Context, c *Caller, hash string) error {
	return d.withdraw(ctx, c, func() error { return d.revokeDelegation(ctx, c, hash) })
}

func (d *Door) revokeDelegation(ctx context.Context, c *Caller, hash string) error {
	if err := c.decides(); err != nil {
		return err
	}
	raw, err := hex.DecodeString(hash)
	if err != nil || len(raw) != 32 {
		return ErrNotFound
	}
	old, err := d.delegationRow(ctx, c, raw)
	if err != nil {
		return err
	}
	if len(old.Hash) == 0 || old.Revoked != 0 {
		return ErrNotFound
	}
	row := old
	row.Revoked = d.store.Now().Unix()
	row.MAC = c.wallet.MAC(row.Canonical())
	ended, err := d.endAll(ctx, c, "", func(g live) bool { return g.content.Delegation == hash }, func(_ store.Approval, a asked) bool { return a.presents(hash) })
	if err != nil {
		return err
	}
	e := c.event("delegation.revoked")
	e.Delegation = hash
	if err := d.record(ctx, c, e, append([]store.Write{store.PutDelegation(old, row)}, ended...)...); err != nil {
		return err
	}
	d.changed.notify()
	return nil
}

// endAll returns the writes that end what a withdrawal ends: the grants of an app ("" for every
// app), and its questions that wait or whose yes can still be collected, where the functions say so.
func (d *Door) endAll(ctx context.Context, c *Caller, app string, grant func(live) bool, question func(store.Approval, asked) bool) ([]store.Write, error) {
	var writes []store.Write
	for page := (store.Page{}); ; {
		rows, next, err := d.store.GrantsPage(ctx, c.Wallet, page)
		if err != nil {
			return nil, fmt.Errorf("reading the grants: %w", err)
		}
		for _, row := range rows {
			if row.Revoked != 0 || app != "" && row.App != app {
				continue
			}
			g, err := openGrant(c.wallet, row)
			if err != nil {
				d.noteForged(ctx, c, err)
				continue
			}
			if grant(g) {
				writes = append(writes, d.endGrant(c.wallet, row))
			}
		}
		if page.Cursor = next; next == "" {
			break
		}
	}
	now := d.store.Now()
	waiting := int64(0)
	for _, of := range []struct {
		state string
		rows  func(store.Page) ([]store.Approval, string, error)
		end   func(old, updated store.Approval) store.Write
	}{
		{"waiting", func(p store.Page) ([]store.Approval, string, error) {
			return d.store.PendingApprovals(ctx, c.Wallet, now.Unix(), p)
		}, store.DecideApproval},
		{"approved", func(p store.Page) ([]store.Approval, string, error) {
			return d.store.CollectableApprovals(ctx, c.Wallet, now.Add(-collectFor).Unix(), p)
		}, store.WithdrawApproval},
	} {
		for page := (store.Page{}); ; {
			rows, next, err := of.rows(page)
			if err != nil {
				return nil, fmt.Errorf("reading the %s questions: %w", of.state, err)
			}
			for _, row := range rows {
				if app != "" && row.App != app {
					continue
				}
				if row.State == store.Pending {
					waiting++
				}
				ended, ends, err := d.endQuestion(ctx, c, row, question)
				if err != nil {
					return nil, err
				}
				if ends {
					writes = append(writes, of.end(row, ended))
				}
			}
			if page.Cursor = next; next == "" {
				break
			}
		}
	}
	// A question that comes now would wait on.
	return append([]store.Write{store.CheckWaiting(c.Wallet, app, now.Unix(), waiting)}, writes...), nil
}

// endQuestion returns the row of a question with its end, and whether the function says that it
// ends. A forged one is left alone: nothing comes of it.
func (d *Door) endQuestion(ctx context.Context, c *Caller, row store.Approval, question func(store.Approval, asked) bool) (ended store.Approval, ends bool, err error) {
	if err := c.wallet.CheckMAC("approvals", row.ID, row.Canonical(), row.MAC); err != nil {
		d.noteForged(ctx, c, err)
		return row, false, nil
	}
	content, err := openAsked(c.wallet, row)
	if err != nil {
		d.noteForged(ctx, c, err)
		return row, false, nil
	}
	if !question(row, content) {
		return row, false, nil
	}
	ended, err = d.decide(c, row, store.Cancelled, decision{})
	return ended, true, err
}
