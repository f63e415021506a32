package store

import "context"

// maxGrants bounds what Grants reads: more live grants than this of one app
// in one wallet are not looked at, so that the person is asked instead.
const maxGrants = 1000

// App reads an app the person has approved or revoked, or ErrNotFound.
func (s *Store) App(ctx context.Context, wallet, app string) (App, error) {
	return one[App](ctx, s, "app", wallet, app)
}

// Apps lists the wallet's apps, the revoked ones too.
func (s *Store) Apps(ctx context.Context, wallet string, p Page) (rows []App, next string, err error) {
	return paged(p, func(a App) position { return position{a.Created, a.App} },
		func(after position, limit int) ([]App, error) {
			return many[App](ctx, s, "apps", wallet, after.at, after.id, limit)
		})
}

// Grant reads a grant, or ErrNotFound.
func (s *Store) Grant(ctx context.Context, id string) (Grant, error) {
	return one[Grant](ctx, s, "grant", id)
}

// Grants reads the grants of an app that still hold at the time now (unix
// seconds): not revoked, not used up, not ended; the newest 1,000.
func (s *Store) Grants(ctx context.Context, wallet, app string, now int64) ([]Grant, error) {
	return many[Grant](ctx, s, "grants of app", wallet, app, now, maxGrants)
}

// GrantsPage lists all grants of the wallet, ended ones too.
func (s *Store) GrantsPage(ctx context.Context, wallet string, p Page) (rows []Grant, next string, err error) {
	return paged(p, func(g Grant) position { return position{g.Created, g.ID} },
		func(after position, limit int) ([]Grant, error) {
			return many[Grant](ctx, s, "grants", wallet, after.at, after.id, limit)
		})
}

// Delegation reads a delegation by its hash, or ErrNotFound.
func (s *Store) Delegation(ctx context.Context, wallet string, hash []byte) (Delegation, error) {
	return one[Delegation](ctx, s, "delegation", wallet, hash)
}

// Delegations lists the wallet's delegations, those that end last first.
func (s *Store) Delegations(ctx context.Context, wallet string, p Page) (rows []Delegation, next string, err error) {
	return paged(p, func(d Delegation) position { return position{d.Expires, string(d.Hash)} },
		func(after position, limit int) ([]Delegation, error) {
			return many[Delegation](ctx, s, "delegations", wallet, after.at, []byte(after.id), limit)
		})
}

// Approval reads an approval, or ErrNotFound.
func (s *Store) Approval(ctx context.Context, id string) (Approval, error) {
	return one[Approval](ctx, s, "approval", id)
}

// Approvals lists the wallet's approvals, whatever became of them.
func (s *Store) Approvals(ctx context.Context, wallet string, p Page) (rows []Approval, next string, err error) {
	return paged(p, placeOfApproval, func(after position, limit int) ([]Approval, error) {
		return many[Approval](ctx, s, "approvals", wallet, after.at, after.id, limit)
	})
}

// PendingApprovals lists those that wait for an answer at the time now (unix
// seconds).
func (s *Store) PendingApprovals(ctx context.Context, wallet string, now int64, p Page) (rows []Approval, next string, err error) {
	return paged(p, placeOfApproval, func(after position, limit int) ([]Approval, error) {
		return many[Approval](ctx, s, "pending approvals", wallet, now, after.at, after.id, limit)
	})
}

// CollectableApprovals lists those approved after a time (unix seconds).
func (s *Store) CollectableApprovals(ctx context.Context, wallet string, after int64, p Page) (rows []Approval, next string, err error) {
	return paged(p, placeOfApproval, func(place position, limit int) ([]Approval, error) {
		return many[Approval](ctx, s, "collectable approvals", wallet, after, place.at, place.id, limit)
	})
}

func placeOfApproval(a Approval) position { return position{a.Created, a.ID} }

// FindApproval reads the newest approval of that app and digest made at since
// (unix seconds) or later, of one second the one that waits; or ErrNotFound.
func (s *Store) FindApproval(ctx context.Context, wallet, app string, digest []byte, since int64) (Approval, error) {
	return one[Approval](ctx, s, "find approval", wallet, app, digest, since)
}

// Waiting counts the approvals that wait at the time now (unix seconds).
func (s *Store) Waiting(ctx context.Context, wallet, app string, now int64) (ofApp, ofWallet int64, err error) {
	err = s.scalars(ctx, "waiting", []any{wallet, app, now}, &ofApp, &ofWallet)
	return ofApp, ofWallet, err
}
