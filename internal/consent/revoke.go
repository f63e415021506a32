package consent

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"walletd/internal/approvals"
	"walletd/internal/auth"
	"walletd/internal/did"
	"walletd/internal/ledger"
	"walletd/internal/policy"
	"walletd/internal/store"
)

// RevokeToken revokes a token, which an app may do with its own, and, in the same write, what depends on it: its waiting and its uncollected
// approvals are cancelled, and the grants that its requests led to are revoked.
func (p *Pipeline) RevokeToken(ctx context.Context, c *auth.Caller, id string) error {
	return p.auth.Retry(ctx, c, approvals.RevocationTries, func() error { return p.revokeTokenOnce(ctx, c, id) })
}

func (p *Pipeline) revokeTokenOnce(ctx context.Context, c *auth.Caller, id string) error {
	row, err := p.store.Token(ctx, id)
	if err != nil {
		return auth.NotFound(err)
	}
	if row.Revoked != 0 {
		return auth.ErrNotFound
	}
	revoked := row
	revoked.Revoked = p.store.Now().Unix()
	e := c.Event(ledger.TokenRevoked)
	e.Created, e.Role, e.App = id, row.Role, did.Prefixed(row.App)
	if row.Role == store.RoleOperator {
		if err := c.RequireOperator(); err != nil {
			return err
		}
		_, err := p.ledger.CommitService(ctx, c.Epoch, ledger.Change{Event: e, IdempotencyKey: c.IdempotencyKey(), Writes: []store.Write{store.RevokeToken(row, revoked)}}, nil)
		return err
	}
	if own := c.Token == id && c.WalletID == row.Wallet; !own {
		if err := p.auth.AuthorizeReader(ctx, c, row.Wallet); err != nil {
			return auth.NotFound(nil)
		}
	}
	if _, err := ledger.Check(ctx, c.Wallet, row); err != nil && !errors.Is(err, ledger.ErrForged) {
		return err // a forged token is recorded, and revoked all the same
	}
	revoked.MAC = c.Wallet.MAC(revoked)
	writes := []store.Write{store.RevokeToken(row, revoked)}
	if row.Role == store.RoleApp {
		ended, err := p.endDependents(ctx, c, row.App, func(g approvals.Grant) bool { return g.Content().RequesterID == id }, func(a approvals.Approval) bool { return a.Row().Asker == id })
		if err != nil {
			return err
		}
		writes = append(writes, ended...)
	}
	if row.Role == store.RoleOwner && row.Passkey == "" {
		sessions, err := p.auth.OwnerTokens(ctx, c, func(t store.Token) bool { return t.Passkey == id }) // that it signed in to
		if err != nil {
			return err
		}
		writes = append(writes, p.auth.EndTokens(c, sessions)...)
	}
	return c.Record(ctx, e, writes...)
}

// RevokeApp revokes an app. The same write revokes its tokens and grants, and cancels its waiting and its
// uncollected approvals.
func (p *Pipeline) RevokeApp(ctx context.Context, c *auth.Caller, app did.DID) error {
	return p.auth.Retry(ctx, c, approvals.RevocationTries, func() error { return p.revokeAppOnce(ctx, c, app) })
}

func (p *Pipeline) revokeAppOnce(ctx context.Context, c *auth.Caller, app did.DID) error {
	if err := c.RequireReader(); err != nil {
		return err
	}
	old, err := p.auth.App(ctx, c, app.Address())
	if err != nil {
		return err
	}
	tokens, err := p.appTokens(ctx, c.WalletID, app.Address())
	if err != nil {
		return err
	}
	if old.Row().App == "" && len(tokens) == 0 {
		return auth.ErrNotFound
	}
	w, err := p.auth.PutApp(c, old.Row(), app.Address(), store.Revoked, old.Content())
	if err != nil {
		return err
	}
	writes := []store.Write{w}
	for _, t := range tokens {
		revoked := t
		revoked.Revoked = p.store.Now().Unix()
		revoked.MAC = c.Wallet.MAC(revoked)
		writes = append(writes, store.RevokeToken(t, revoked))
	}
	ended, err := p.endDependents(ctx, c, app.Address(), func(approvals.Grant) bool { return true }, func(approvals.Approval) bool { return true })
	if err != nil {
		return err
	}
	e := c.Event(ledger.AppRevoked)
	e.App = app.String()
	return c.Record(ctx, e, append(writes, ended...)...)
}

// appTokens returns every token of an app that was not revoked, however many there are.
func (p *Pipeline) appTokens(ctx context.Context, wallet, app string) ([]store.Token, error) {
	var found []store.Token
	list := func(page store.Page) ([]store.Token, string, error) { return p.store.Tokens(ctx, wallet, page) }
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

// RevokeDelegation revokes a delegation, which is refused from now on. The same write revokes the grants for
// it, and cancels the waiting and the uncollected approvals of requests that present it.
func (p *Pipeline) RevokeDelegation(ctx context.Context, c *auth.Caller, hash string) error {
	return p.auth.Retry(ctx, c, approvals.RevocationTries, func() error { return p.revokeDelegationOnce(ctx, c, hash) })
}

func (p *Pipeline) revokeDelegationOnce(ctx context.Context, c *auth.Caller, hash string) error {
	if err := c.RequireReader(); err != nil {
		return err
	}
	raw, err := hex.DecodeString(hash)
	if err != nil || len(raw) != 32 {
		return auth.ErrNotFound
	}
	old, err := p.auth.DelegationRow(ctx, c, raw)
	if err != nil {
		return err
	}
	if len(old.Hash) == 0 || old.Revoked != 0 {
		return auth.ErrNotFound
	}
	row := old
	row.Revoked = p.store.Now().Unix()
	row.MAC = c.Wallet.MAC(row)
	ended, err := p.endDependents(ctx, c, "", func(g approvals.Grant) bool { return g.Content().Delegation == hash }, func(a approvals.Approval) bool { return a.Content().Presents(hash) })
	if err != nil {
		return err
	}
	e := c.Event(ledger.DelegationRevoked)
	e.Delegation = hash
	return c.Record(ctx, e, append([]store.Write{store.PutDelegation(old, row)}, ended...)...)
}

// endDependents returns the writes that revoke the grants, and cancel the waiting and the uncollected
// approvals, of an app ("" for every app), as far as the functions select them. It leaves out forged rows,
// which are never used.
func (p *Pipeline) endDependents(ctx context.Context, c *auth.Caller, app string, grant func(approvals.Grant) bool, approval func(approvals.Approval) bool) ([]store.Write, error) {
	var writes []store.Write
	grants := func(page store.Page) ([]store.Grant, string, error) {
		rows, next, err := p.store.GrantsPage(ctx, c.WalletID, page)
		return slices.DeleteFunc(rows, func(g store.Grant) bool { return g.Revoked != 0 || app != "" && g.App != app }), next, err
	}
	for g, err := range ledger.All[policy.GrantContent](ctx, c.Wallet, grants) {
		if err != nil {
			return nil, fmt.Errorf("reading the grants: %w", err)
		}
		if grant(g) {
			writes = append(writes, p.approvals.EndGrant(c, g))
		}
	}
	now, waiting := p.store.Now(), int64(0)
	pending := func(page store.Page) ([]store.Approval, string, error) {
		rows, next, err := p.store.PendingApprovals(ctx, c.WalletID, now.Unix(), page)
		rows = filterApp(rows, app)
		waiting += int64(len(rows))
		return rows, next, err
	}
	approved := func(page store.Page) ([]store.Approval, string, error) {
		rows, next, err := p.store.CollectableApprovals(ctx, c.WalletID, now.Add(-collectLife).Unix(), page)
		return filterApp(rows, app), next, err
	}
	for _, of := range []struct {
		list ledger.List[store.Approval]
		end  func(old, updated store.Approval) store.Write
	}{{pending, store.DecideApproval}, {approved, store.UpdateApprovedApproval}} {
		for a, err := range ledger.All[approvals.Content](ctx, c.Wallet, of.list) {
			if err != nil {
				return nil, fmt.Errorf("reading the approvals: %w", err)
			}
			if !approval(a) {
				continue
			}
			ended, err := p.approvals.Resolve(c, a.Row(), store.Cancelled, approvals.Resolution{})
			if err != nil {
				return nil, err
			}
			writes = append(writes, of.end(a.Row(), ended))
		}
	}
	// The write fails if a request has arrived since, which would go on waiting.
	return append([]store.Write{store.CheckWaiting(c.WalletID, app, now.Unix(), waiting)}, writes...), nil
}

// CancelWaiting returns the writes that cancel every waiting and every uncollected approval of the caller's wallet. The
// kind of their entry is one that is fresh.
func (p *Pipeline) CancelWaiting(ctx context.Context, c *auth.Caller) ([]store.Write, error) {
	return p.endDependents(ctx, c, "", func(approvals.Grant) bool { return false }, func(approvals.Approval) bool { return true })
}

// filterApp returns the approvals of an app; those of all apps for "".
func filterApp(rows []store.Approval, app string) []store.Approval {
	return slices.DeleteFunc(rows, func(a store.Approval) bool { return app != "" && a.App != app })
}

// CancelRequest cancels a request of the caller's session that still waits. It does nothing to one that was
// decided.
func (p *Pipeline) CancelRequest(ctx context.Context, c *auth.Caller, id string) error {
	a, err := p.approvals.Open(ctx, c, id)
	if err != nil {
		return err
	}
	row := a.Row()
	if row.State != store.Pending || row.Asker != c.RequesterID {
		return nil
	}
	next, err := p.approvals.Resolve(c, row, store.Cancelled, approvals.Resolution{})
	if err != nil {
		return err
	}
	e := c.Event(ledger.ApprovalCancelled)
	e.Approval = id
	err = c.Record(ctx, e, store.DecideApproval(row, next))
	if errors.Is(err, store.ErrChanged) {
		return nil
	}
	return err
}
