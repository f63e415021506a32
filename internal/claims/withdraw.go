package claims

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"walletd/internal/did"
	"walletd/internal/ledger"
	"walletd/internal/policy"
	"walletd/internal/store"
)

// withdrawals is how often what ends something is begun anew, because something came between what
// it read and what it wrote. A grant's use is no such thing, and as many questions as may wait are
// fewer, so that no app can hold off its end.
const withdrawals = 2 * waitingPerWallet

// RevokeToken ends a token and, in the same write, what hangs on it: the questions it asked that
// wait, its uncollected answers, and the grants made for what it asked.
func (d *Door) RevokeToken(ctx context.Context, c *Caller, id string) error {
	return d.retry(ctx, c, withdrawals, func() error { return d.revokeToken(ctx, c, id) })
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
	e := c.event(ledger.TokenRevoked)
	e.Made, e.Role, e.App = id, row.Role, did.Prefixed(row.App)
	if row.Role == store.RoleOperator {
		if err := c.operates(); err != nil {
			return err
		}
		_, err := d.ledger.CommitService(ctx, c.epoch, ledger.Change{Event: e, Once: c.once(), Writes: []store.Write{store.RevokeToken(row, revoked)}}, nil)
		return err
	}
	if err := d.enter(ctx, c, row.Wallet); err != nil {
		return absent(nil)
	}
	if _, err := ledger.Check(ctx, c.Wallet, row); err != nil && !errors.Is(err, ledger.ErrForged) {
		return err // a forged one is on record; it is revoked all the same
	}
	revoked.MAC = c.Wallet.MAC(revoked)
	writes := []store.Write{store.RevokeToken(row, revoked)}
	if row.Role == store.RoleApp {
		ended, err := d.endAll(ctx, c, row.App, func(g openGrant) bool { return g.Content().Asker == id }, func(a openApproval) bool { return a.Row().Asker == id })
		if err != nil {
			return err
		}
		writes = append(writes, ended...)
	}
	return c.record(ctx, e, writes...)
}

// RevokeApp withdraws an app: its tokens, grants, waiting questions and uncollected answers end in
// the same write.
func (d *Door) RevokeApp(ctx context.Context, c *Caller, app did.DID) error {
	return d.retry(ctx, c, withdrawals, func() error { return d.revokeApp(ctx, c, app) })
}

func (d *Door) revokeApp(ctx context.Context, c *Caller, app did.DID) error {
	if err := c.decides(); err != nil {
		return err
	}
	old, err := d.app(ctx, c, app.Address())
	if err != nil {
		return err
	}
	tokens, err := d.tokensOf(ctx, c.WalletID, app.Address())
	if err != nil {
		return err
	}
	if old.Row().App == "" && len(tokens) == 0 {
		return ErrNotFound
	}
	w, err := d.putApp(c, old.Row(), app.Address(), store.Revoked, old.Content())
	if err != nil {
		return err
	}
	writes := []store.Write{w}
	for _, t := range tokens {
		revoked := t
		revoked.Revoked = d.store.Now().Unix()
		revoked.MAC = c.Wallet.MAC(revoked)
		writes = append(writes, store.RevokeToken(t, revoked))
	}
	ended, err := d.endAll(ctx, c, app.Address(), func(openGrant) bool { return true }, func(openApproval) bool { return true })
	if err != nil {
		return err
	}
	e := c.event(ledger.AppRevoked)
	e.App = app.String()
	return c.record(ctx, e, append(writes, ended...)...)
}

// tokensOf reads every token of an app that was not revoked, however many there are.
func (d *Door) tokensOf(ctx context.Context, wallet, app string) ([]store.Token, error) {
	var found []store.Token
	list := func(p store.Page) ([]store.Token, string, error) { return d.store.Tokens(ctx, wallet, p) }
	for t, err := range ledger.Rows(list) {
		if err != nil {
			return nil, fmt.Errorf("reading the app's tokens: %w", err)
		}
		if t.App == app && t.Revoked == 0 {
			found = append(found, t)
		}
	}
	return found, nil
}

// RevokeDelegation withdraws a delegation: the grants made for it, the questions that present it
// and their uncollected answers end in the same write, and it is refused from now on.
func (d *Door) RevokeDelegation(ctx context.Context, c *Caller, hash string) error {
	return d.retry(ctx, c, withdrawals, func() error { return d.revokeDelegation(ctx, c, hash) })
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
	row.MAC = c.Wallet.MAC(row)
	ended, err := d.endAll(ctx, c, "", func(g openGrant) bool { return g.Content().Delegation == hash }, func(a openApproval) bool { return a.Content().presents(hash) })
	if err != nil {
		return err
	}
	e := c.event(ledger.DelegationRevoked)
	e.Delegation = hash
	return c.record(ctx, e, append([]store.Write{store.PutDelegation(old, row)}, ended...)...)
}

// endAll returns the writes that end what a withdrawal ends: the grants of an app ("" for every
// app), and its questions that wait or whose yes can still be collected, where the functions say so.
// Forged ones are left alone: nothing comes of them.
func (d *Door) endAll(ctx context.Context, c *Caller, app string, grant func(openGrant) bool, question func(openApproval) bool) ([]store.Write, error) {
	var writes []store.Write
	grants := func(p store.Page) ([]store.Grant, string, error) {
		rows, next, err := d.store.GrantsPage(ctx, c.WalletID, p)
		return slices.DeleteFunc(rows, func(g store.Grant) bool { return g.Revoked != 0 || app != "" && g.App != app }), next, err
	}
	for g, err := range ledger.All[policy.GrantContent](ctx, c.Wallet, grants) {
		if err != nil {
			return nil, fmt.Errorf("reading the grants: %w", err)
		}
		if grant(g) {
			writes = append(writes, d.endGrant(c, g))
		}
	}
	now, waiting := d.store.Now(), int64(0)
	pending := func(p store.Page) ([]store.Approval, string, error) {
		rows, next, err := d.store.PendingApprovals(ctx, c.WalletID, now.Unix(), p)
		rows = ofApp(rows, app)
		waiting += int64(len(rows))
		return rows, next, err
	}
	approved := func(p store.Page) ([]store.Approval, string, error) {
		rows, next, err := d.store.CollectableApprovals(ctx, c.WalletID, now.Add(-collectFor).Unix(), p)
		return ofApp(rows, app), next, err
	}
	for _, of := range []struct {
		list ledger.List[store.Approval]
		end  func(old, updated store.Approval) store.Write
	}{{pending, store.DecideApproval}, {approved, store.WithdrawApproval}} {
		for a, err := range ledger.All[asked](ctx, c.Wallet, of.list) {
			if err != nil {
				return nil, fmt.Errorf("reading the questions: %w", err)
			}
			if !question(a) {
				continue
			}
			ended, err := d.decide(c, a.Row(), store.Cancelled, decision{})
			if err != nil {
				return nil, err
			}
			writes = append(writes, of.end(a.Row(), ended))
		}
	}
	// A question that comes now would wait on.
	return append([]store.Write{store.CheckWaiting(c.WalletID, app, now.Unix(), waiting)}, writes...), nil
}

// ofApp leaves the approvals of an app; of all apps for "".
func ofApp(rows []store.Approval, app string) []store.Approval {
	return slices.DeleteFunc(rows, func(a store.Approval) bool { return app != "" && a.App != app })
}

// CancelQuestion ends a question of the caller's session that still waits; one that was answered
// or is gone is left as it is.
func (d *Door) CancelQuestion(ctx context.Context, c *Caller, id string) error {
	a, err := d.approval(ctx, c, id)
	if err != nil {
		return err
	}
	row := a.Row()
	if row.State != store.Pending || row.Asker != c.Asker {
		return nil
	}
	next, err := d.decide(c, row, store.Cancelled, decision{})
	if err != nil {
		return err
	}
	e := c.event(ledger.ApprovalCancelled)
	e.Approval = id
	err = c.record(ctx, e, store.DecideApproval(row, next))
	if errors.Is(err, store.ErrChanged) {
		return nil
	}
	return err
}
