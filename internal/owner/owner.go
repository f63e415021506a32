// Package owner is who owns a wallet, and how they prove it: people, their invitations, their passkeys and their
// browser sessions.
//
//	Invite ──► a link, once ──► Accept ──► owner + passkey + browser session
//	                           SignIn ──► browser session         RemovePasskey ──► its sessions end
//	invited anew (Recovery) ──► all other ways of the owner end, and what waits in the wallet is cancelled
//
// Each row has the wallet's MAC, as a token's has, so the database cannot make an owner. An owner of several wallets
// has the same id in each. What a passkey decides is verified in package auth.
package owner

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"walletd/internal/auth"
	"walletd/internal/consent"
	"walletd/internal/keystore"
	"walletd/internal/ledger"
	"walletd/internal/passkey"
	"walletd/internal/show"
	"walletd/internal/store"
)

// Bounds of a wallet. They keep lists short; nobody needs as many.
const (
	maxPasskeys    = 50
	maxInvitations = 20
	maxName        = 200 // bytes
)

var (
	// ErrInvitation: the invitation was used, withdrawn, or is older than a day.
	ErrInvitation = errors.New("the invitation was used, or is older than a day; ask for a new one")
	// ErrLastWay: without it nobody could prove to be the owner.
	ErrLastWay = errors.New("it is the last way in; add another one first")
)

// Owners manages the owners of a keystore's wallets. It is safe for concurrent use, and holds no state that another
// replica needs.
type Owners struct {
	store    *store.Store
	keystore *keystore.Keystore
	auth     *auth.Auth
	pipeline *consent.Pipeline
}

// New returns the Owners of a keystore.
func New(st *store.Store, ks *keystore.Keystore, a *auth.Auth, p *consent.Pipeline) *Owners {
	return &Owners{store: st, keystore: ks, auth: a, pipeline: p}
}

// Request is what an authenticator is asked to sign, to use a passkey.
type Request struct {
	State     []byte // what comes back with the answer
	Challenge []byte // for the authenticator
	Ends      time.Time
	Party     passkey.Party
	Allow     [][]byte // credential ids of the passkeys that may answer; empty: any of the party's
}

// Creation is what an authenticator is asked for, to make a passkey: one that is discoverable, verifies its user, and
// is of ES256 or EdDSA.
type Creation struct {
	State     []byte // what comes back with the answer
	Challenge []byte // for the authenticator
	Ends      time.Time
	Party     passkey.Party
	Owner     string   // the owner's id: the user handle
	Name      string   // the owner's name
	Wallet    string   // address
	Account   string   // the wallet's name
	Exclude   [][]byte // credential ids of the owner's passkeys, of which no authenticator needs a second one
}

// SignedIn is a browser session that began. Token.Text is the session's credential, for an app; pages put it into a
// cookie.
type SignedIn struct {
	Token   auth.CreatedToken
	Owner   string
	Name    string // the owner's
	Passkey string
	Wallets []string // that the passkey signs in to; Token is of one of them
}

// Format keeps the token out of logs.
func (s SignedIn) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "session %s", s.Token.ID) }

// checkName returns a name for people, cut to its bounds and without characters that cannot be seen.
func checkName(what, name string) (string, error) {
	if len(name) > maxName || !utf8.ValidString(name) || strings.ContainsRune(name, 0) {
		return "", auth.Invalid("%s has at most %d bytes of text", what, maxName)
	}
	return show.Plain(name, show.MaxName), nil
}

// challenge returns a fresh state for a purpose and the challenge that follows from it.
func (o *Owners) challenge(purpose string, bound ...string) (state, challenge []byte, ends time.Time, err error) {
	if err := o.auth.RequireParty(); err != nil {
		return nil, nil, time.Time{}, err
	}
	state, ends, err = o.auth.NewChallenge(purpose, bound...)
	return state, passkey.ActionChallenge(state, purpose), ends, err
}

// owner returns an owner of the caller's wallet; the zero value if there is none with the id.
func (o *Owners) owner(ctx context.Context, c *auth.Caller, id string) (ledger.Opened[store.Owner, auth.OwnerContent], error) {
	row, err := o.store.Owner(ctx, c.WalletID, id)
	if errors.Is(err, store.ErrNotFound) {
		return ledger.Opened[store.Owner, auth.OwnerContent]{}, nil
	}
	if err != nil {
		return ledger.Opened[store.Owner, auth.OwnerContent]{}, fmt.Errorf("looking for the owner: %w", err)
	}
	return ledger.Open[auth.OwnerContent](ctx, c.Wallet, row)
}

// passkeys returns the passkeys of an owner of the caller's wallet; of all for "".
func (o *Owners) passkeys(ctx context.Context, c *auth.Caller, owner string) ([]auth.Passkey, error) {
	var found []auth.Passkey
	list := func(page store.Page) ([]store.Passkey, string, error) { return o.store.Passkeys(ctx, c.WalletID, page) }
	for k, err := range ledger.All[auth.PasskeyContent](ctx, c.Wallet, list) {
		if err != nil {
			return nil, err
		}
		if owner == "" || k.Row().Owner == owner {
			found = append(found, k)
		}
	}
	return found, nil
}

// View is an owner as owners and operators see them.
type View struct {
	ID, Name string
	Created  time.Time
	You      bool // the caller's own
}

// List lists the owners of a wallet, for its owners, or for an operator while it has none.
func (o *Owners) List(ctx context.Context, c *auth.Caller, wallet string, p store.Page) ([]View, string, error) {
	if err := o.auth.AuthorizeReader(ctx, c, wallet); err != nil {
		return nil, "", err
	}
	rows, next, err := o.store.WalletOwners(ctx, wallet, p)
	if err != nil {
		return nil, "", fmt.Errorf("reading the owners: %w", err)
	}
	views := make([]View, 0, len(rows))
	for row, err := range ledger.Each[auth.OwnerContent](ctx, c.Wallet, rows) {
		if err != nil {
			return nil, "", err
		}
		id := row.Row().ID
		views = append(views, View{ID: id, Name: row.Content().Name, Created: time.Unix(row.Row().Created, 0), You: c.Owner == id})
	}
	return views, next, nil
}

// Remove removes an owner of the caller's wallet: the owner's passkeys and tokens end in the same write, and so do all
// invitations to the wallet, one of which may be theirs. The last owner who can prove it stays: ErrLastWay.
func (o *Owners) Remove(ctx context.Context, c *auth.Caller, id string) error {
	return o.auth.Retry(ctx, c, auth.Tries, func() error {
		if err := c.RequireDecider(); err != nil {
			return err
		}
		owner, err := o.owner(ctx, c, id)
		if err != nil {
			return err
		}
		if owner.Row().ID == "" {
			return auth.ErrNotFound
		}
		others, err := o.passkeys(ctx, c, "")
		if err != nil {
			return err
		}
		tokens, err := o.auth.OwnerTokens(ctx, c, func(t store.Token) bool { return t.Passkey == "" && t.Owner != id })
		if err != nil {
			return err
		}
		ways := len(tokens)
		if c.Wallet.Settings().Passkey {
			ways = 0 // no token approves
		}
		for _, k := range others {
			if k.Row().Owner != id {
				ways++
			}
		}
		if ways == 0 {
			return ErrLastWay
		}
		e := c.Event(ledger.OwnerRemoved)
		e.Owner, e.Name = id, owner.Content().Name
		writes, removed, err := o.endWays(ctx, c, func(of string) bool { return of == id })
		if err != nil {
			return err
		}
		withdrawn, err := o.endInvitations(ctx, c, "")
		if err != nil {
			return err
		}
		writes = append(writes, withdrawn...)
		if len(removed) > 0 {
			e.Disclosed = &ledger.Disclosure{Removed: removed}
		}
		return c.Record(ctx, e, append(writes, store.DeleteOwner(owner.Row()))...)
	})
}

// endWays returns the writes that remove the passkeys, and revoke the tokens, of the owners that is selects, and the
// ids of those passkeys. Tokens of nobody are of the owner "".
func (o *Owners) endWays(ctx context.Context, c *auth.Caller, is func(owner string) bool) (writes []store.Write, removed []string, err error) {
	keys, err := o.passkeys(ctx, c, "")
	if err != nil {
		return nil, nil, err
	}
	for _, k := range keys {
		if is(k.Row().Owner) {
			writes, removed = append(writes, store.DeletePasskey(k.Row())), append(removed, k.Row().ID)
		}
	}
	tokens, err := o.auth.OwnerTokens(ctx, c, func(t store.Token) bool { return is(t.Owner) })
	return append(writes, o.auth.EndTokens(c, tokens)...), removed, err
}
