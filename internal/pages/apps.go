package pages

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"walletd/internal/approvals"
	"walletd/internal/auth"
	"walletd/internal/did"
	"walletd/internal/show"
	"walletd/internal/store"
	"walletd/internal/wallets"
)

// shownAtMost bounds what a page lists of one kind; what is more, the command line shows.
const shownAtMost = 1000

// every collects the pages of a list, up to shownAtMost.
func every[T any](ctx context.Context, c *auth.Caller, list func(context.Context, *auth.Caller, store.Page) ([]T, string, error)) ([]T, error) {
	var all []T
	for cursor := ""; ; {
		some, next, err := list(ctx, c, store.Page{Cursor: cursor, Limit: store.MaxPage})
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
		if next == "" || len(all) >= shownAtMost {
			return all, nil
		}
		cursor = next
	}
}

// appShown is an app with what it may do without asking.
type appShown struct {
	auth.AppView
	Grants []approvals.GrantView
}

// appsPage is what the page of the apps shows.
type appsPage struct {
	Apps        []appShown
	Delegations []auth.DelegationView
}

func (p *Pages) apps(v *visit) error {
	apps, err := p.appsWithGrants(v)
	if err != nil {
		return err
	}
	delegations, err := every(v.ctx(), v.caller, p.Auth.Delegations)
	if err != nil {
		return err
	}
	return v.show(http.StatusOK, "apps", appsPage{apps, delegations})
}

// appsWithGrants lists the apps with their grants, and those that have a grant but are not registered.
func (p *Pages) appsWithGrants(v *visit) ([]appShown, error) {
	views, err := every(v.ctx(), v.caller, p.Auth.Apps)
	if err != nil {
		return nil, err
	}
	tokens, err := p.tokensOf(v)
	if err != nil {
		return nil, err
	}
	grants, err := every(v.ctx(), v.caller, p.Approvals.ListGrants)
	if err != nil {
		return nil, err
	}
	apps, at := []appShown{}, map[string]int{}
	add := func(view auth.AppView) int {
		i, there := at[view.App]
		if !there {
			i = len(apps)
			at[view.App], apps = i, append(apps, appShown{AppView: view})
		}
		return i
	}
	for _, view := range views {
		view.Name = show.Plain(view.Name, show.MaxName)
		add(view)
	}
	for _, t := range tokens {
		if t.App != "" && t.Revoked.IsZero() {
			if i := add(auth.AppView{App: t.App, Created: t.Created}); apps[i].Name == "" {
				apps[i].Name = show.Plain(t.Name, show.MaxName)
			}
		}
	}
	for _, g := range grants {
		i := add(auth.AppView{App: g.App, Created: g.Created})
		apps[i].Grants = append(apps[i].Grants, g)
	}
	return apps, nil
}

func (p *Pages) tokensOf(v *visit) ([]auth.TokenView, error) {
	return every(v.ctx(), v.caller, func(ctx context.Context, c *auth.Caller, page store.Page) ([]auth.TokenView, string, error) {
		return p.Auth.Tokens(ctx, c, c.WalletID, page)
	})
}

// appPage is what the page of one app shows.
type appPage struct {
	appShown
	Accounts []wallets.AccountView
}

// app shows one app.
func (p *Pages) app(v *visit) error {
	id, err := v.app()
	if err != nil {
		return err
	}
	apps, err := p.appsWithGrants(v)
	if err != nil {
		return err
	}
	accounts, err := every(v.ctx(), v.caller, p.Wallets.Accounts)
	if err != nil {
		return err
	}
	for _, a := range apps {
		if a.App == id.String() {
			shown := appPage{appShown: a}
			for _, account := range accounts {
				if did.Bare(account.App) == id.Address() {
					shown.Accounts = append(shown.Accounts, account)
				}
			}
			return v.show(http.StatusOK, "app", shown)
		}
	}
	return auth.ErrNotFound
}

// app reads the app in the path.
func (v *visit) app() (did.DID, error) {
	id, err := did.Parse(v.name("app"))
	if err != nil {
		return did.DID{}, auth.ErrNotFound
	}
	return id, nil
}

func (p *Pages) nameApp(v *visit) error {
	id, err := v.app()
	if err != nil {
		return err
	}
	if _, err := p.Auth.NameApp(v.ctx(), v.caller, id, v.form.text("name")); err != nil {
		return err
	}
	return v.redirectDone("/apps/"+url.PathEscape(id.Address()), "saved")
}

func (p *Pages) revokeApp(v *visit) error {
	id, err := v.app()
	if err != nil {
		return err
	}
	if err := p.Pipeline.RevokeApp(v.ctx(), v.caller, id); err != nil {
		return err
	}
	return v.redirectDone("/apps", "revoked")
}

func (p *Pages) revokeGrant(v *visit) error {
	if err := p.Approvals.RevokeGrant(v.ctx(), v.caller, v.name("id")); err != nil && !errors.Is(err, auth.ErrNotFound) {
		return err
	}
	return v.redirectDone(local(v.form.text("next")), "revoked")
}

func (p *Pages) revokeDelegation(v *visit) error {
	if err := p.Pipeline.RevokeDelegation(v.ctx(), v.caller, v.name("hash")); err != nil {
		return err
	}
	return v.redirectDone("/apps", "revoked")
}
