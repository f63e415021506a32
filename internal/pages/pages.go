// Package pages is walletd's HTTP for people: forms in, HTML out (design section 13).
//
//	browser -> server (Host, rates, no other site's POST) -> session -> one call of the package that does it -> template
//
// It decides nothing: each page calls what package server calls for the same operation. The pages work without scripts,
// which only add what a form cannot do: a touch, the camera, and what is new. What was sent by an app has passed package
// show before it comes here, and templates escape it once more.
package pages

import (
	"errors"
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/rs/zerolog"

	"walletd/api"
	"walletd/internal/approvals"
	"walletd/internal/auth"
	"walletd/internal/backup"
	"walletd/internal/connect"
	"walletd/internal/consent"
	"walletd/internal/events"
	"walletd/internal/keystore"
	"walletd/internal/owner"
	"walletd/internal/push"
	"walletd/internal/secrets"
	"walletd/internal/store"
	"walletd/internal/wallets"
)

// Config is what Pages are made of. What is set first, up to Describe, must be.
type Config struct {
	Auth      *auth.Auth
	Wallets   *wallets.Wallets
	Approvals *approvals.Approvals
	Pipeline  *consent.Pipeline
	Owners    *owner.Owners
	Secrets   *secrets.Secrets
	Backups   *backup.Backups
	Keystore  *keystore.Keystore
	Store     *store.Store
	Feed      *events.Feed // of the store
	Sessions  *connect.Sessions
	Push      *push.Pusher
	// Describe returns the answer to an error, and whether it is one that a caller may cause.
	Describe func(error) (api.Problem, bool)
	// Log hears of what is this service's own fault.
	Log zerolog.Logger
	// Dev says that the wallet is a throw-away one: a question is approved by a button, without a touch.
	Dev bool
	// Brand is how the service calls itself.
	Brand Brand
}

// Brand is the name, the logo and the colour that an operator gave the pages.
type Brand struct {
	Name   string // "walletd" if not given
	Logo   []byte // SVG, or nil
	Accent string // #rrggbb, or ""
}

// Pages answers people's browsers. It may be used concurrently.
type Pages struct {
	Config
	languages languages
	assets    assets
	links     links
	streams   streams
}

// New returns the pages. The error says what of the Config is missing, or which messages cannot be read.
func New(c Config) (*Pages, error) {
	if c.Auth == nil || c.Wallets == nil || c.Approvals == nil || c.Pipeline == nil || c.Owners == nil || c.Secrets == nil || c.Backups == nil || c.Keystore == nil ||
		c.Store == nil || c.Feed == nil || c.Sessions == nil || c.Push == nil || c.Describe == nil {
		return nil, errors.New("pages need their packages, a keystore, a store, its feed, its sessions, and what describes errors")
	}
	if err := c.Brand.Check(); err != nil {
		return nil, err
	}
	if c.Brand.Name == "" {
		c.Brand.Name = "walletd"
	}
	p := &Pages{Config: c}
	var err error
	if p.assets, err = readAssets(); err != nil {
		return nil, err
	}
	if p.languages, err = readLanguages(p.assets, p.Brand); err != nil {
		return nil, err
	}
	return p, nil
}

// Routes returns the routes of all pages. None is under /v1/.
func (p *Pages) Routes() *chi.Mux {
	r := chi.NewRouter()
	r.Get("/", p.anyone(p.home))
	r.Get("/sign-in", p.anyone(p.signInForm))
	r.Post("/sign-in", p.anyone(p.signIn))
	r.Post("/sign-out", p.owner(p.signOut))
	r.Post("/sign-out/everywhere", p.owner(p.signOutEverywhere))
	r.Post("/language", p.anyone(p.setLanguage))
	r.Get("/approvals/{id}", p.owner(p.approval))
	r.Post("/approvals/{id}", p.owner(p.decide))
	r.Get("/open", p.owner(p.openForm))
	r.Post("/open", p.owner(p.openLink))
	r.Get("/sessions/{id}", p.owner(p.session))
	r.Post("/sessions/{id}/cancel", p.owner(p.cancelSession))
	r.Get("/apps", p.owner(p.apps))
	r.Get("/apps/{app}", p.owner(p.app))
	r.Post("/apps/{app}/name", p.owner(p.nameApp))
	r.Post("/apps/{app}/revoke", p.owner(p.revokeApp))
	r.Post("/grants/{id}/revoke", p.owner(p.revokeGrant))
	r.Post("/delegations/{hash}/revoke", p.owner(p.revokeDelegation))
	r.Get("/rules", p.owner(p.rules))
	r.Post("/rules", p.owner(p.changeRules))
	r.Get("/record", p.owner(p.record))
	r.Get("/record/export", p.owner(p.exportRecord))
	r.Get("/settings", p.owner(p.settings))
	r.Post("/settings", p.owner(p.nameWallet))
	r.Get("/devices", p.owner(p.devices))
	r.Post("/tokens/{id}/revoke", p.owner(p.revokeToken))
	r.Post("/passkeys", p.owner(p.addPasskey))
	r.Post("/passkeys/{id}/name", p.owner(p.namePasskey))
	r.Post("/passkeys/{id}/remove", p.owner(p.removePasskey))
	r.Post("/passkeys/sign-in", p.anyone(p.askSignInTouch))
	r.Post("/passkeys/invited", p.anyone(p.askInvitedPasskey))
	r.Post("/passkeys/another", p.owner(p.askAnotherPasskey))
	r.Post("/passkeys/touch", p.owner(p.askActionTouch))
	r.Post("/approvals/{id}/challenge", p.owner(p.askDecisionTouch))
	r.Get("/invite", p.anyone(p.invitePage))
	r.Post("/invite", p.anyone(p.acceptInvitation))
	r.Get("/owners", p.owner(p.owners))
	r.Post("/owners", p.owner(p.inviteOwner))
	r.Post("/owners/{id}/remove", p.owner(p.removeOwner))
	r.Post("/invitations/{id}/withdraw", p.owner(p.withdrawInvitation))
	r.Get("/pair", p.owner(p.pairForm))
	r.Post("/pair", p.owner(p.pair))
	r.Get("/notices", p.owner(p.notices))
	r.Post("/notices", p.owner(p.notify))
	r.Post("/notices/{id}/remove", p.owner(p.stopNotifying))
	r.Get("/profile", p.owner(p.profile))
	r.Post("/profile", p.owner(p.setProfile))
	r.Get("/secrets", p.owner(p.secrets))
	r.Get("/backup", p.owner(p.backupForm))
	r.Post("/backup", p.owner(p.makeBackup))
	r.Get("/operator", p.anyone(p.operator))
	r.Post("/operator", p.anyone(p.operate))
	r.Get("/live", p.owner(p.live))
	r.Get("/assets/{hash}/{name}", p.asset)
	r.Get("/manifest.webmanifest", p.manifest)
	r.Get("/sw.js", p.worker)
	r.Get("/offline", p.anyone(p.offline))
	r.Get("/brand.css", p.brand)
	r.Get("/logo", p.logo)
	if p.Dev {
		r.Get("/dev/{code}", p.anyone(p.followLink))
	}
	r.NotFound(p.anyone(func(v *visit) error { return auth.ErrNotFound }))
	return r
}

// contentPolicy is the Content-Security-Policy of each page: nothing of others, nothing inline, no frame, and no text that a
// script could turn into markup or code.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; manifest-src 'self'; worker-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types walletd"

func setHeaders(h http.Header) {
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(self), publickey-credentials-get=(self), publickey-credentials-create=(self), geolocation=(), microphone=(), payment=()")
	h.Set("X-Frame-Options", "DENY")
}
