package auth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/sha3"

	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/ledger"
	"walletd/internal/show"
	"walletd/internal/store"
)

// A page pairs with a wallet as a device without a keyboard signs in (RFC 8628): it shows a code, which the owner types
// where they are known, and it is given a token that is bound to its key.
//
//	BeginPairing   the page ──► a row, and a code
//	Pairing        the owner, with the code ──► which origin asks, from where, with which key
//	ApprovePairing the owner, who says again what they saw ──► the token's row, in place of the pairing's
//	Paired         the page, until it is approved, and then whenever its token's text ends ──► the token
//
// The code is no secret, and whoever has it gets nothing by it: the token goes to who has the key. What remains is an owner
// who types a code that somebody else gave them. So the code is short-lived, an approval names origin and key, and the
// owner is told whether the page is where they are.

const (
	// PairingLife is how long a pairing waits for its owner.
	PairingLife = 5 * time.Minute
	// DefaultPaired and MaxPaired are how long a page stays paired: what it is where the owner does not say, and the most.
	DefaultPaired = 30 * 24 * time.Hour
	MaxPaired     = 366 * 24 * time.Hour
	// MaxPairings bounds the pairings of a service that wait at one time.
	MaxPairings = 1000

	codeLetters = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789" // as in the codes of approvals
	codeLength  = 8                                  // 40 bits, of which 1000 wait for five minutes
	maxCodes    = 5                                  // drawn, before the service is said to be full

	maxTries = 30 // of codes, by the owners of one wallet, in PairingLife
)

var (
	// ErrPairings: as many pairings wait as may.
	ErrPairings = errors.New("too many pages wait to be paired")
	// ErrCodes: the owners of the wallet have named too many codes.
	ErrCodes = errors.New("too many codes of pages were tried")
	// ErrPairingRejected: the owner rejected the pairing.
	ErrPairingRejected = errors.New("the owner rejected the pairing")
	// ErrPairingExpired: nobody approved the pairing in time, or its token has ended.
	ErrPairingExpired = errors.New("the pairing has expired")
	// ErrOrigin: the page is of another origin than the one that was paired.
	ErrOrigin = errors.New("the page is of another origin than the one that was paired")
	// ErrPairingPending: nobody has answered yet.
	ErrPairingPending = errors.New("nobody has approved the pairing yet")
	// ErrPairingChanged: what the approval names is not what the pairing is.
	ErrPairingChanged = errors.New("the approval names another origin or key than the pairing has")
)

// NewPairing is what a page asks with.
type NewPairing struct {
	Origin  string // of the page, as its browser says
	Name    string // that it gives itself
	Address string // that the request came from
}

// PairingView is a pairing as its page and its owner see it.
type PairingView struct {
	ID         string
	Code       string
	Origin     string
	Name       string // made safe to show
	Thumbprint string
	Address    string
	Created    time.Time
	Expires    time.Time
	// Apps are those that pages of this origin were in this wallet before, for the owner: the newest first. App is the one
	// that the page becomes unless the owner says otherwise, "" if there are several.
	Apps []AppView
	App  string
}

// CheckOrigin reports whether text is an origin that a page can be paired for, as browsers write it.
func CheckOrigin(text string) bool { return isOrigin(text) }

// BeginPairing begins a pairing of the page that has proven its key. Errors: ErrInput, ErrPairings, those of useProof.
func (a *Auth) BeginPairing(ctx context.Context, p Proven, n NewPairing) (PairingView, error) {
	if !isOrigin(n.Origin) {
		return PairingView{}, Invalid("the header Origin must be that of a page: https, or http on this machine")
	}
	if len(n.Name) > 200 || !utf8.ValidString(n.Name) || strings.ContainsRune(n.Name, 0) {
		return PairingView{}, Invalid("name has at most 200 bytes of text")
	}
	if !a.keystore.Unlocked(0) {
		return PairingView{}, keystore.ErrLocked
	}
	if err := a.useProof(ctx, p); err != nil {
		return PairingView{}, err
	}
	now := a.store.Now()
	waiting, err := a.store.PairingsWaiting(ctx, now.Unix())
	if err != nil {
		return PairingView{}, err
	}
	if waiting >= MaxPairings {
		return PairingView{}, ErrPairings
	}
	row := store.Pairing{
		ID: store.NewID(), Origin: n.Origin, Name: n.Name, Thumbprint: p.Thumbprint, Address: n.Address,
		Created: now.Unix(), Expires: now.Add(PairingLife).Unix(),
	}
	for try := 1; ; try++ {
		row.Code = newPairingCode()
		err := a.store.AddPairing(ctx, row)
		if err == nil {
			return viewPairing(row), nil
		}
		if !errors.Is(err, store.ErrExists) || try == maxCodes {
			return PairingView{}, err
		}
	}
}

func newPairingCode() string {
	var b [codeLength]byte
	rand.Read(b[:]) // never fails
	for i, x := range b {
		b[i] = codeLetters[x%32]
	}
	return string(b[:])
}

// readCode reads a code as people write it, in any case, with a blank or a dash in it.
func readCode(text string) (string, bool) {
	if len(text) > 4*codeLength {
		return "", false
	}
	code := strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(text))
	if len(code) != codeLength || strings.Trim(code, codeLetters) != "" {
		return "", false
	}
	return code, true
}

func viewPairing(row store.Pairing) PairingView {
	return PairingView{
		ID: row.ID, Code: row.Code, Origin: row.Origin, Name: show.Plain(row.Name, show.MaxName), Thumbprint: row.Thumbprint, Address: row.Address,
		Created: time.Unix(row.Created, 0), Expires: time.Unix(row.Expires, 0),
	}
}

// Paired returns the token of a pairing, for the page that has proven its key, whose origin must be the same. It does so
// again whenever the page asks, so that a page renews its token, and an answer that was lost is asked for once more. Errors:
// ErrPairingPending, ErrPairingRejected, ErrPairingExpired; ErrNotFound if there is no such pairing of this key;
// ErrOrigin; ErrUnauthorized if the token has ended.
func (a *Auth) Paired(ctx context.Context, p Proven, id, origin string) (BoundToken, PairingView, error) {
	token, err := a.store.Caller(ctx, id, did.AccountType().String())
	if err == nil {
		t, err := a.renew(ctx, token, p, origin)
		return t, PairingView{}, err
	}
	if !errors.Is(err, store.ErrNotFound) {
		return BoundToken{}, PairingView{}, fmt.Errorf("looking for the token: %w", err)
	}
	row, err := a.store.Pairing(ctx, id)
	switch {
	case errors.Is(err, store.ErrNotFound) || err == nil && row.Thumbprint != p.Thumbprint:
		return BoundToken{}, PairingView{}, ErrNotFound
	case err != nil:
		return BoundToken{}, PairingView{}, fmt.Errorf("looking for the pairing: %w", err)
	case origin != row.Origin:
		return BoundToken{}, PairingView{}, ErrOrigin
	}
	if err := a.useProof(ctx, p); err != nil {
		return BoundToken{}, PairingView{}, err
	}
	switch {
	case row.Rejected != 0:
		return BoundToken{}, PairingView{}, ErrPairingRejected
	case a.store.Now().Unix() >= row.Expires:
		return BoundToken{}, PairingView{}, ErrPairingExpired
	}
	return BoundToken{}, viewPairing(row), ErrPairingPending
}

// codeTries counts the codes that the owners of each wallet named, within PairingLife. The zero value is ready.
type codeTries struct {
	mu    sync.Mutex
	since time.Time
	of    map[string]int
}

// TryCode counts that an owner names a code, by whatever way, before it is looked up. The error is ErrCodes. The bound is
// this process's own.
func (a *Auth) TryCode(c *Caller) error {
	t := &a.tries
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := a.store.Now(); t.of == nil || now.Sub(t.since) >= PairingLife {
		t.since, t.of = now, make(map[string]int)
	}
	if t.of[c.WalletID] == maxTries {
		return ErrCodes
	}
	t.of[c.WalletID]++
	return nil
}

// IsNear reports whether the page asked from the network of an address: the same, of IPv6 the same /64, or both of this
// machine.
func (v PairingView) IsNear(address string) bool {
	x, err := netip.ParseAddr(v.Address)
	y, failed := netip.ParseAddr(address)
	if err != nil || failed != nil {
		return false
	}
	if x, y = x.Unmap(), y.Unmap(); x.IsLoopback() && y.IsLoopback() {
		return true
	}
	bits := x.BitLen()
	if x.Is6() {
		bits = 64
	}
	network, err := x.WithZone("").Prefix(bits)
	return err == nil && network.Contains(y.WithZone(""))
}

// waitingPairing returns the pairing with a code that waits for an owner.
func (a *Auth) waitingPairing(ctx context.Context, c *Caller, code string) (store.Pairing, error) {
	if err := c.RequireReader(); err != nil {
		return store.Pairing{}, err
	}
	code, ok := readCode(code)
	if !ok {
		return store.Pairing{}, ErrNotFound
	}
	row, err := a.store.PairingByCode(ctx, code)
	switch {
	case err != nil:
		return store.Pairing{}, NotFound(err)
	case row.Rejected != 0 || a.store.Now().Unix() >= row.Expires:
		return store.Pairing{}, ErrNotFound
	}
	return row, nil
}

// Pairing returns the pairing that has a code, for an owner. Errors: ErrNotFound, ErrForbidden.
func (a *Auth) Pairing(ctx context.Context, c *Caller, code string) (PairingView, error) {
	row, err := a.waitingPairing(ctx, c, code)
	if err != nil {
		return PairingView{}, err
	}
	v := viewPairing(row)
	v.Apps, err = a.appsOfOrigin(ctx, c, row.Origin)
	if err != nil {
		return PairingView{}, err
	}
	app, err := pairedApp(v.Apps, "", row.Origin)
	if err == nil {
		v.App = app.String()
	}
	return v, nil
}

// appsOfOrigin returns the apps of tokens that list an origin, ended ones too, the newest first.
func (a *Auth) appsOfOrigin(ctx context.Context, c *Caller, origin string) ([]AppView, error) {
	var apps []AppView
	seen := map[string]bool{}
	list := func(page store.Page) ([]store.Token, string, error) { return a.store.Tokens(ctx, c.WalletID, page) }
	for t, err := range ledger.Rows(list) {
		if err != nil {
			return nil, fmt.Errorf("reading the wallet's tokens: %w", err)
		}
		listed := strings.Contains(" "+t.Origins+" ", " "+origin+" ")
		if t.Role != store.RoleApp || seen[t.App] || !listed || !ledger.IsGenuine(c.Wallet, t) {
			continue
		}
		seen[t.App] = true
		app, err := a.App(ctx, c, t.App)
		if err != nil {
			return nil, err
		}
		apps = append(apps, AppView{App: did.Prefixed(t.App), Name: app.Content().Name, Revoked: app.Row().State == store.Revoked, Created: time.Unix(t.Created, 0)})
	}
	return apps, nil
}

// pairedApp returns the app that a page becomes: the one that the owner says; else the one that pages of its origin were
// before; else one that follows from the origin, so that the words of a wallet and the address of a page are enough to have
// the same keys again.
func pairedApp(before []AppView, said, origin string) (did.DID, error) {
	if said == "" && len(before) == 1 {
		said = before[0].App
	}
	switch {
	case said != "":
		return appOf(said)
	case len(before) > 1:
		return did.DID{}, Invalid("pages of this origin were several apps before: app must say which")
	}
	return keylessApp("walletd paired app v1\x00" + origin)
}

// keylessApp returns an application DID that follows from a text, of a public key whose secret key nobody has: it is found by
// hashing, not made. About every second hash is a key.
func keylessApp(text string) (app did.DID, err error) {
	for try := range 128 {
		h := sha3.New256()
		h.Write([]byte(text))
		h.Write(make([]byte, try))
		if app, err = did.FromPublicKey(h.Sum(nil), did.Type{Role: did.RoleApplication, Key: did.Ed25519, Hash: did.SHA3}); err == nil {
			break
		}
	}
	return app, err
}

// PairingApproval is an owner's yes to what they were shown of a pairing.
type PairingApproval struct {
	Origin, Thumbprint string // as they were shown
	App                string // "" for PairingView.App
	Name               string // the owner's own, of the token; "" for the name that the page gives itself
	For                time.Duration
}

// ApprovePairing creates the token of the pairing that has a code, in the owner's wallet, and puts it on record. Errors:
// ErrNotFound; ErrPairingChanged if the approval is not of this origin and key; ErrInput, ErrForbidden, store.ErrChanged.
func (a *Auth) ApprovePairing(ctx context.Context, c *Caller, code string, n PairingApproval) (v TokenView, err error) {
	err = a.Retry(ctx, c, Tries, func() (err error) { v, err = a.approvePairingOnce(ctx, c, code, n); return err })
	return v, err
}

func (a *Auth) approvePairingOnce(ctx context.Context, c *Caller, code string, n PairingApproval) (TokenView, error) {
	if err := c.RequireDecider(); err != nil {
		return TokenView{}, err
	}
	row, err := a.waitingPairing(ctx, c, code)
	if err != nil {
		return TokenView{}, err
	}
	if n.Origin != row.Origin || n.Thumbprint != row.Thumbprint {
		return TokenView{}, ErrPairingChanged
	}
	if n.For < 0 || n.For > MaxPaired {
		return TokenView{}, Invalid("expiresIn is at most %d seconds", MaxPaired/time.Second)
	}
	if len(n.Name) > 200 || !utf8.ValidString(n.Name) || strings.ContainsRune(n.Name, 0) {
		return TokenView{}, Invalid("a token's name has at most 200 bytes of text")
	}
	if n.For == 0 {
		n.For = DefaultPaired
	}
	if n.Name == "" {
		n.Name = show.Plain(row.Name, show.MaxName)
	}
	before, err := a.appsOfOrigin(ctx, c, row.Origin)
	if err != nil {
		return TokenView{}, err
	}
	app, err := pairedApp(before, n.App, row.Origin)
	if err != nil {
		return TokenView{}, err
	}
	requester := *c
	requester.App = app
	if _, err := a.EnsureAccount(ctx, &requester, did.AccountType()); err != nil {
		return TokenView{}, err
	}
	writes, err := a.reregisterApp(ctx, c, app)
	if err != nil {
		return TokenView{}, err
	}
	now := a.store.Now()
	t := store.Token{
		ID: row.ID, Role: store.RoleApp, Wallet: c.WalletID, App: app.Address(), Name: n.Name, Origins: row.Origin,
		Created: now.Unix(), Expires: now.Add(n.For).Unix(), Thumbprint: row.Thumbprint,
	}
	t.MAC = c.Wallet.MAC(t)
	e := c.Event(ledger.PairingApproved)
	e.App, e.Created, e.Role, e.Name, e.Origin, e.Thumbprint = app.String(), t.ID, t.Role, show.Plain(n.Name, show.MaxName), row.Origin, row.Thumbprint
	if err := c.Record(ctx, e, append(writes, store.EndPairing(row), store.InsertToken(t))...); err != nil {
		return TokenView{}, err
	}
	return viewToken(t), nil
}

// RejectPairing rejects the pairing that has a code, and puts that on record. Errors: ErrNotFound, ErrForbidden,
// store.ErrChanged.
func (a *Auth) RejectPairing(ctx context.Context, c *Caller, code string) error {
	row, err := a.waitingPairing(ctx, c, code)
	if err != nil {
		return err
	}
	rejected := row
	rejected.Rejected = a.store.Now().Unix()
	e := c.Event(ledger.PairingRejected)
	e.Name, e.Origin, e.Thumbprint = show.Plain(row.Name, show.MaxName), row.Origin, row.Thumbprint
	return c.Record(ctx, e, store.RejectPairing(row, rejected))
}
