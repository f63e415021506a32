package server

import (
	"net/http"
	"slices"

	"github.com/go-chi/chi/v5"

	"walletd/internal/auth"
	"walletd/internal/backup"
	"walletd/internal/store"
)

// route is one operation of the contract, and all that is decided about a request before the
// operation runs.
type route struct {
	method, path string
	callers      callers   // who may call
	operation    operation // what it does
	body         body      // how large its body may be
	secrecy      secrecy   // what becomes of the body and the answer
}

// callers are those who may call a route.
type callers struct {
	roles    []auth.Role // with a bearer token of one of these roles
	signed   bool        // without a token, by a signed request
	anyone   bool        // without saying who they are
	stranger bool        // whoever has no token yet, of whom one address may ask little
	local    bool        // without saying who they are, from this machine
	probe    bool        // anyone, under any Host and on each listener
	page     bool        // a page of any origin, which has no token yet and proves a key of its own
}

// Those who call. A route that apps may call is theirs on the listener of the apps if there is
// one, and pages of the origins that an app's token lists may call it.
var (
	operators       = callers{roles: []auth.Role{auth.Operator}}
	owners          = callers{roles: []auth.Role{auth.Owner}}
	operatorsOwners = callers{roles: []auth.Role{auth.Operator, auth.Owner}}
	apps            = callers{roles: []auth.Role{auth.App}}
	appsOwners      = callers{roles: []auth.Role{auth.App, auth.Owner}}
	appsOrSigned    = callers{roles: []auth.Role{auth.App}, signed: true}
	whoeverSigns    = callers{signed: true}
	anyone          = callers{anyone: true}
	strangers       = callers{anyone: true, stranger: true}
	probes          = callers{anyone: true, probe: true}
	pages           = callers{anyone: true, page: true}
	scrapers        = callers{roles: []auth.Role{auth.Operator}, local: true}
)

// ofApps reports whether apps may call, or pages that are to become apps.
func (c callers) ofApps() bool { return c.signed || c.page || slices.Contains(c.roles, auth.App) }

// ofPeople reports whether others than apps may call.
func (c callers) ofPeople() bool {
	return c.anyone && !c.page || slices.ContainsFunc(c.roles, func(r auth.Role) bool { return r != auth.App })
}

// mayUseReserve reports whether the connections kept for operators and probes may serve the route.
func (c callers) mayUseReserve() bool {
	return c.probe || c.local || slices.Contains(c.roles, auth.Operator)
}

// audience says whom a listener answers.
type audience int

const (
	everybody audience = iota
	people             // where apps have a listener of their own
	appsAlone
	scrapersAlone // who need not say who they are there
)

// on returns the callers of a route that a listener answers, and whether there are any.
func (c callers) on(listener audience) (callers, bool) {
	switch {
	case listener == everybody || c.probe:
		return c, true
	case listener == scrapersAlone && c.local:
		return probes, true
	case listener == appsAlone && c.ofApps():
		c.roles = slices.DeleteFunc(slices.Clone(c.roles), func(r auth.Role) bool { return r != auth.App })
		return c, true
	case listener == people && c.ofPeople():
		c.roles = slices.DeleteFunc(slices.Clone(c.roles), func(r auth.Role) bool { return r == auth.App })
		return c, true
	}
	return c, false
}

// body bounds the body of a request, in bytes; zero is no body, which a GET never has.
type body int64

const (
	bodiless body = 0
	small    body = 64 << 10
	// large is 64 KiB of text in the longest way to write it in JSON, and account data with a few
	// copies.
	large body = 512 << 10
	// huge is a backup and what comes with it.
	huge body = backup.MaxFile + small
)

// callerFirst says that the caller is identified before the body is read: a stranger makes the
// service hold no more than a small body.
func (b body) callerFirst() bool { return b > small }

// secrecy says whether a request or its answer holds a secret or a key, beside the credential.
type secrecy bool

const (
	open  secrecy = false
	wipes secrecy = true // it does: the body, what was read from it and the answer are wiped in the end
)

// routes is every operation of the contract. A test compares each column with api/openapi.yaml.
func (s *Server) routes() []route {
	return []route{
		{"POST", "/v1/claims", appsOrSigned, handleAnswered(s.ask), small, wipes},
		{"GET", "/v1/claims/{id}", apps, handle(s.collect), bodiless, wipes},
		{"DELETE", "/v1/claims/{id}", apps, handle(s.withdraw), bodiless, open},
		{"POST", "/v1/claims/{id}", whoeverSigns, handle(s.collectSigned), small, wipes},

		{"POST", "/v1/secret-storage/keys", appsOwners, handleQueried(s.makeStorageKey), small, wipes},
		{"POST", "/v1/secret-storage/key", appsOwners, handleQueried(s.findStorageKey), small, wipes},
		{"PUT", "/v1/secret-storage/keys/{keyId}", appsOwners, handleQueried(s.noteStorageKey), small, wipes},
		{"GET", "/v1/secrets", appsOwners, handle(s.listSecrets), bodiless, open},
		{"GET", "/v1/secrets/{name}", appsOwners, handle(s.readSecret), bodiless, wipes},
		{"PUT", "/v1/secrets/{name}", appsOwners, handleQueried(s.writeSecret), large, wipes},
		{"DELETE", "/v1/secrets/{name}", appsOwners, handle(s.deleteSecret), bodiless, open},

		{"POST", "/v1/pairings", pages, handle(s.beginPairing), small, open},
		{"POST", "/v1/pairings/{id}/token", pages, handle(s.paired), small, wipes},
		{"GET", "/v1/pairings/{code}", owners, handle(s.pairing), bodiless, open},
		{"POST", "/v1/pairings/{code}/approve", owners, handle(s.approvePairing), small, open},
		{"POST", "/v1/pairings/{code}/reject", owners, handle(s.rejectPairing), small, open},

		{"GET", "/v1/approvals", owners, handle(s.listApprovals), bodiless, open},
		{"GET", "/v1/approvals/{id}", owners, handle(s.approval), bodiless, open},
		{"POST", "/v1/approvals/{id}/challenge", owners, handle(s.approvalChallenge), small, open},
		{"POST", "/v1/approvals/{id}/approve", owners, handle(s.approve), small, open},
		{"POST", "/v1/approvals/{id}/reject", owners, handle(s.reject), small, open},
		{"POST", "/v1/approvals/{id}/take-back", owners, handle(s.takeBack), small, open},

		{"GET", "/v1/sessions", owners, handle(s.listSessions), bodiless, open},
		{"POST", "/v1/sessions", owners, handle(s.openSession), small, open},
		{"GET", "/v1/sessions/{id}", owners, handle(s.session), bodiless, open},
		{"DELETE", "/v1/sessions/{id}", owners, handle(s.cancelSession), bodiless, open},
		{"GET", "/v1/events", owners, handle(s.events), bodiless, open},

		{"GET", "/v1/push/key", owners, handle(s.pushKey), bodiless, open},
		{"GET", "/v1/push/subscriptions", owners, handle(s.pushSubscriptions), bodiless, open},
		{"PUT", "/v1/push/subscriptions", owners, handle(s.subscribePush), small, open},
		{"DELETE", "/v1/push/subscriptions/{id}", owners, handle(s.unsubscribePush), bodiless, open},

		{"GET", "/v1/wallets", operatorsOwners, handle(s.listWallets), bodiless, open},
		{"POST", "/v1/wallets", operators, handle(s.createWallet), small, wipes},
		{"GET", "/v1/wallets/{wallet}", operatorsOwners, handle(s.wallet), bodiless, open},
		{"PATCH", "/v1/wallets/{wallet}", owners, handle(s.changeWallet), small, open},
		{"DELETE", "/v1/wallets/{wallet}", operatorsOwners, handle(s.deleteWallet), small, open},
		{"GET", "/v1/wallets/{wallet}/accounts", owners, handle(s.accounts), bodiless, open},
		{"POST", "/v1/wallets/{wallet}/accounts", owners, handle(s.addAccount), small, wipes},
		{"GET", "/v1/wallets/{wallet}/profile", owners, handle(s.profile), bodiless, open},
		{"PUT", "/v1/wallets/{wallet}/profile", owners, handle(s.setProfile), small, open},
		{"GET", "/v1/wallets/{wallet}/credentials", owners, handle(s.credentials), bodiless, open},
		{"POST", "/v1/wallets/{wallet}/credentials", owners, handle(s.addCredential), large, open},
		{"GET", "/v1/wallets/{wallet}/credentials/{id}", owners, handle(s.credential), bodiless, open},
		{"DELETE", "/v1/wallets/{wallet}/credentials/{id}", owners, handle(s.removeCredential), bodiless, open},
		{"POST", "/v1/wallets/{wallet}/derive", owners, handle(s.derive), small, wipes},
		{"POST", "/v1/wallets/{wallet}/backup", owners, handle(s.createBackup), small, open},
		{"POST", "/v1/wallets/{wallet}/backup/inspect", owners, handle(s.inspectBackup), huge, open},
		{"POST", "/v1/restore", operators, handle(s.restore), huge, wipes},

		{"GET", "/v1/wallets/{wallet}/policy", owners, handle(s.policy), bodiless, open},
		{"PUT", "/v1/wallets/{wallet}/policy", owners, handle(s.setPolicy), small, open},
		{"POST", "/v1/wallets/{wallet}/policy/test", owners, handle(s.testPolicy), small, open},
		{"GET", "/v1/wallets/{wallet}/grants", owners, handle(s.grants), bodiless, open},
		{"DELETE", "/v1/wallets/{wallet}/grants/{id}", owners, handle(s.revokeGrant), bodiless, open},
		{"GET", "/v1/wallets/{wallet}/apps", owners, handle(s.listApps), bodiless, open},
		{"PUT", "/v1/wallets/{wallet}/apps/{app}", owners, handle(s.nameApp), small, open},
		{"DELETE", "/v1/wallets/{wallet}/apps/{app}", owners, handle(s.removeApp), bodiless, open},
		{"GET", "/v1/wallets/{wallet}/delegations", owners, handle(s.delegations), bodiless, open},
		{"DELETE", "/v1/wallets/{wallet}/delegations/{hash}", owners, handle(s.revokeDelegation), bodiless, open},

		{"GET", "/v1/wallets/{wallet}/audit", owners, handle(s.records), bodiless, open},
		{"GET", "/v1/wallets/{wallet}/audit/verify", owners, handle(s.verify), bodiless, open},
		{"GET", "/v1/wallets/{wallet}/audit/archives", owners, handle(s.archives), bodiless, open},
		{"POST", "/v1/wallets/{wallet}/audit/archives", operators, handle(s.archiveAudit), small, open},
		{"GET", "/v1/wallets/{wallet}/audit/export", owners, handle(s.export), bodiless, open},
		{"GET", "/v1/audit", operators, handle(s.records), bodiless, open},
		{"GET", "/v1/audit/verify", operators, handle(s.verify), bodiless, open},
		{"GET", "/v1/audit/export", operators, handle(s.export), bodiless, open},

		{"POST", "/v1/invitations", operatorsOwners, handle(s.invite), small, wipes},
		{"GET", "/v1/invitations", operatorsOwners, handle(s.invitations), bodiless, open},
		{"DELETE", "/v1/invitations/{id}", operatorsOwners, handle(s.withdrawInvitation), bodiless, open},
		{"POST", "/v1/invitations/open", strangers, handle(s.openInvitation), small, wipes},
		{"POST", "/v1/invitations/accept", strangers, handle(s.acceptInvitation), small, wipes},
		{"GET", "/v1/owners", operatorsOwners, handle(s.listOwners), bodiless, open},
		{"DELETE", "/v1/owners/{id}", owners, handle(s.removeOwner), bodiless, open},
		{"GET", "/v1/passkeys", owners, handle(s.passkeys), bodiless, open},
		{"POST", "/v1/passkeys", owners, handle(s.addPasskey), small, open},
		{"POST", "/v1/passkeys/begin", owners, handle(s.beginPasskey), small, open},
		{"PATCH", "/v1/passkeys/{id}", owners, handle(s.namePasskey), small, open},
		{"DELETE", "/v1/passkeys/{id}", owners, handle(s.removePasskey), bodiless, open},
		{"POST", "/v1/sign-in/begin", strangers, handle(s.beginSignIn), small, open},
		{"POST", "/v1/sign-in", strangers, handle(s.signIn), small, wipes},
		{"POST", "/v1/sign-out", owners, handle(s.signOut), small, open},
		{"POST", "/v1/sign-out/everywhere", owners, handle(s.signOutEverywhere), small, open},
		{"POST", "/v1/touch", owners, handle(s.beginTouch), small, open},

		{"POST", "/v1/tokens", operatorsOwners, handle(s.createToken), small, wipes},
		{"GET", "/v1/tokens", operatorsOwners, handle(s.tokens), bodiless, open},
		{"DELETE", "/v1/tokens/self", apps, handle(s.revokeOwnToken), bodiless, open},
		{"DELETE", "/v1/tokens/{id}", operatorsOwners, handle(s.revokeToken), bodiless, open},

		{"GET", "/v1/keystore", operators, handle(s.keystoreState), bodiless, open},
		{"POST", "/v1/keystore/unlock", operators, handle(s.unlock), small, wipes},
		{"POST", "/v1/keystore/lock", operators, handle(s.lock), small, open},
		{"GET", "/v1/keystore/slots", operators, handle(s.slots), bodiless, open},
		{"POST", "/v1/keystore/slots", operators, handle(s.addSlot), small, wipes},
		{"POST", "/v1/keystore/slots/{id}/remove", operators, handle(s.removeSlot), small, wipes},
		{"POST", "/v1/keystore/rotate", operators, handle(s.rotate), small, wipes},
		{"POST", "/v1/keystore/clock", operators, handle(s.acceptClock), small, wipes},
		{"POST", "/v1/keystore/snapshot", operators, handle(s.snapshot), small, open},

		{"GET", "/healthz", probes, handle(s.healthz), bodiless, open},
		{"GET", "/readyz", probes, handle(s.readyz), bodiless, open},
		{"GET", "/metrics", scrapers, handle(s.writeMetrics), bodiless, open},
		{"GET", "/openapi.yaml", anyone, handle(s.contract), bodiless, open},
	}
}

// router answers the routes of one listener.
func (s *Server) router(listener audience) *chi.Mux {
	r := chi.NewRouter()
	r.Use(s.observe, s.guard)
	answersPeople := listener == everybody || listener == people
	// What a form was sent to, opened again, is for a person too: no page of the service's own is there.
	unrouted := func(otherwise func(http.ResponseWriter, *http.Request) error) func(http.ResponseWriter, *http.Request) error {
		return func(w http.ResponseWriter, req *http.Request) error {
			if err := s.checkUnrouted(w, req); err != nil {
				return err
			}
			if answersPeople && s.isForPage(req) {
				s.pages.NotFoundHandler().ServeHTTP(w, req)
				return nil
			}
			return otherwise(w, req)
		}
	}
	r.NotFound(s.answer(unrouted(func(http.ResponseWriter, *http.Request) error { return store.ErrNotFound })))
	notAllowed := unrouted(func(w http.ResponseWriter, req *http.Request) error {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} {
			if r.Match(chi.NewRouteContext(), method, req.URL.EscapedPath()) {
				w.Header().Add("Allow", method)
			}
		}
		return errMethod
	})
	r.MethodNotAllowed(s.answer(notAllowed))
	preflight := func(by callers) http.HandlerFunc {
		return s.answer(func(w http.ResponseWriter, req *http.Request) error {
			if origin, cross := s.crossOrigin(req); cross && req.Header.Get("Access-Control-Request-Method") != "" {
				return s.preflight(w, req, origin, by)
			}
			return notAllowed(w, req)
		})
	}
	for _, rt := range s.routes() {
		var here bool
		if rt.callers, here = rt.callers.on(listener); !here {
			continue
		}
		handler := s.serve(rt)
		r.Method(rt.method, rt.path, handler)
		if rt.method == http.MethodGet && (rt.callers.anyone || rt.callers.local) {
			r.Head(rt.path, handler) // some probes ask so; a GET of the others does more than answer
		}
		if rt.callers.ofApps() {
			r.Options(rt.path, preflight(rt.callers))
		}
	}
	if s.pages != nil && answersPeople {
		s.routePages(r)
	}
	return r
}
