package store

import "context"

// App is an app that the person has approved in the wallet.
type App struct {
	Wallet  string
	App     string
	State   string // Approved or Revoked
	Sealed  []byte
	Created int64
	MAC     []byte
}

func (a *App) columns() []column {
	return []column{
		authentic("wallet", &a.Wallet),
		authentic("app", &a.App),
		authentic("state", &a.State),
		authentic("sealed", &a.Sealed),
		authentic("created", &a.Created),
		plain("mac", &a.MAC),
	}
}

func (App) Table() string       { return "apps" }
func (a App) Key() string       { return a.App }
func (a App) Canonical() []byte { return canonical(&a) }
func (a App) Sum() []byte       { return a.MAC }

// Content is the sealed field of the row, and its name in the associated data.
func (a App) Content() (field string, sealed []byte) { return "content", a.Sealed }

var (
	getApp    = reads[App]("app")
	listApps  = reads[App]("apps")
	insertApp = writes[App]("insert app")
	updateApp = updates[App]("update app")
)

// App reads an app the person has approved or revoked, or ErrNotFound.
func (s *Store) App(ctx context.Context, wallet, app string) (App, error) {
	return one(ctx, s, getApp, wallet, app)
}

// Apps lists the wallet's apps, the revoked ones too.
func (s *Store) Apps(ctx context.Context, wallet string, p Page) (rows []App, next string, err error) {
	return paged(p, func(a App) position { return position{a.Created, a.App} },
		func(after position, limit int) ([]App, error) {
			return many(ctx, s, listApps, wallet, after.at, after.id, limit)
		})
}

// PutApp adds an app (old is the zero App; ErrExists), or replaces old
// (ErrChanged). Raises.
func PutApp(old, updated App) Write {
	if old.App == "" {
		return raising(updated.Wallet, insertApp.row(updated, ErrExists))
	}
	return raising(updated.Wallet, updateApp.change(old, updated, ErrChanged))
}
