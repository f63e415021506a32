package store

import "context"

// Grant is an approval remembered.
type Grant struct {
	ID       string
	Wallet   string
	App      string
	Agent    string
	Approval string // id of the approval it comes from
	Created  int64
	Ends     int64 // 0: never by time
	Uses     int64 // left; -1: any number
	Revoked  int64
	Sealed   []byte
	MAC      []byte
}

func (g *Grant) columns() []column {
	return []column{
		authentic("id", &g.ID),
		authentic("wallet", &g.Wallet),
		authentic("app", &g.App),
		authentic("agent", &g.Agent),
		authentic("approval", &g.Approval),
		authentic("created", &g.Created),
		authentic("ends", &g.Ends),
		authentic("uses", &g.Uses),
		authentic("revoked", &g.Revoked),
		authentic("sealed", &g.Sealed),
		plain("mac", &g.MAC),
	}
}

func (Grant) Table() string       { return "grants" }
func (g Grant) Key() string       { return g.ID }
func (g Grant) Canonical() []byte { return canonical(&g) }
func (g Grant) Sum() []byte       { return g.MAC }

// Content is the sealed field of the row, and its name in the associated data.
func (g Grant) Content() (field string, sealed []byte) { return "content", g.Sealed }

var (
	getGrant    = reads[Grant]("grant")
	grantsOfApp = reads[Grant]("grants of app")
	listGrants  = reads[Grant]("grants")
	insertGrant = writes[Grant]("insert grant")
	useGrant    = updates[Grant]("use grant")
	revokeGrant = writes[Grant]("revoke grant")
)

// maxGrants bounds what Grants reads: more live grants than this of one app
// in one wallet are not looked at, so that the person is asked instead.
const maxGrants = 1000

// Grant reads a grant, or ErrNotFound.
func (s *Store) Grant(ctx context.Context, id string) (Grant, error) {
	return one(ctx, s, getGrant, id)
}

// Grants reads the grants of an app that still hold at the time now (unix
// seconds): not revoked, not used up, not ended; the newest 1,000.
func (s *Store) Grants(ctx context.Context, wallet, app string, now int64) ([]Grant, error) {
	return many(ctx, s, grantsOfApp, wallet, app, now, maxGrants)
}

// GrantsPage lists all grants of the wallet, ended ones too.
func (s *Store) GrantsPage(ctx context.Context, wallet string, p Page) (rows []Grant, next string, err error) {
	return paged(p, func(g Grant) position { return position{g.Created, g.ID} },
		func(after position, limit int) ([]Grant, error) {
			return many(ctx, s, listGrants, wallet, after.at, after.id, limit)
		})
}

// InsertGrant adds a grant. ErrExists. Raises.
func InsertGrant(g Grant) Write { return raising(g.Wallet, insertGrant.row(g, ErrExists)) }

// UseGrant sets the uses left and the MAC, if the grant is as old was and not
// revoked; else ErrChanged. It does not raise: who finds ErrChanged reads the
// grant again.
func UseGrant(old, updated Grant) Write {
	return Write{steps: []step{useGrant.change(old, updated, ErrChanged)}}
}

// RevokeGrant sets Revoked, Uses and the MAC, if the grant is not revoked; else
// ErrChanged. Uses that were taken meanwhile don't keep it from that. Raises.
func RevokeGrant(updated Grant) Write {
	return raising(updated.Wallet, revokeGrant.row(updated, ErrChanged))
}
