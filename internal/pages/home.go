package pages

import (
	"net/http"

	"walletd/internal/approvals"
	"walletd/internal/connect"
	"walletd/internal/keystore"
	"walletd/internal/store"
	"walletd/internal/wallets"
)

// How many of each thing the first page shows.
const (
	waitingShown  = 50
	sessionsShown = 5
)

// homePage is what the first page shows.
type homePage struct {
	Wallet   wallets.WalletView
	Waiting  []approvals.View
	Sessions []connect.View // newest first
}

// home shows what waits for the owner, and where to open an app's link. It also answers to the address of a web wallet
// (DID Connect reference o).
func (p *Pages) home(v *visit) error {
	query := v.r.URL.Query()
	if query.Get("action") == "iframe" { // which some pages load hidden, and frames are refused anyway
		v.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	switch {
	case v.locked:
		return keystore.ErrLocked
	case v.caller == nil:
		return v.askSignIn()
	case query.Get("action") == "login":
		return p.offerLink(v, v.r.URL.RequestURI())
	}
	shown := homePage{}
	var err error
	if shown.Wallet, err = p.Wallets.Get(v.ctx(), v.caller, v.caller.WalletID); err != nil {
		return err
	}
	if shown.Waiting, _, err = p.Approvals.List(v.ctx(), v.caller, store.Pending, store.Page{Limit: waitingShown}); err != nil {
		return err
	}
	if shown.Sessions, _, err = p.Sessions.List(v.ctx(), v.caller, store.Page{Limit: sessionsShown}); err != nil {
		return err
	}
	return v.show(http.StatusOK, "home", shown)
}
