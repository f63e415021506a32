package claims

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/sha3"

	"walletd/internal/delegation"
	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/store"
)

// Role is what a caller may do: owners decide, operators operate, apps ask.
type Role string

// The roles. An operator neither approves, nor sets a policy, nor asks for a key.
const (
	Operator Role = store.RoleOperator
	Owner    Role = store.RoleOwner
	App      Role = store.RoleApp
)

// Caller is who asks, proved by a token or a signature. It holds an open wallet (but for an
// operator's) and serves one request, one goroutine; Close it.
type Caller struct {
	Role   Role
	Token  string  // id of the bearer token; "" without one
	Asker  string  // who may collect what is asked: the token, the session, or "" for whoever signs as the app
	Wallet string  // the wallet the credential is for; "" for an operator
	App    did.DID // of an app
	Agent  did.DID // who speaks for the app (reference g.i); zero if itself
	Name   string  // what an app that signs calls itself: hostile text
	Label  string  // what the token was named by who made it
	Once   *Once   // an Idempotency-Key, if one came with the request

	signed          *signedRequest
	session         *Session
	certificate     *delegation.Connect // of an agent, else nil
	certificateEnds int64               // unix seconds; 0 without a certificate
	origins         []string            // of pages that may call with the token
	challenge       string              // of a question that is read again for its owner
	*opened
}

// opened is the caller's wallet as it was last read. Those who act for the same request share it.
type opened struct {
	wallet *keystore.Wallet
	row    store.Wallet
	epoch  int64

	asking store.CallerRow // what was read of the app that asks, until the wallet is read again
}

// challenged is the challenge that the caller's answer is to carry, "" for a bearer token's.
func (c *Caller) challenged() string {
	switch {
	case c.signed != nil:
		return c.signed.challenge
	case c.session != nil && c.session.Challenge != "":
		return c.session.Challenge
	}
	return c.challenge
}

// Once is an Idempotency-Key: a request with the same key of the same token on the same route is
// done once (design section 8).
type Once struct {
	Route, Key string
	Digest     [32]byte // of the body
}

// Close wipes the wallet's keys.
func (c *Caller) Close() {
	if c == nil {
		return
	}
	c.close()
	if c.signed != nil {
		c.signed.channel.Wipe()
	}
}

func (o *opened) close() {
	if o.wallet != nil {
		o.wallet.Close()
		o.wallet = nil
	}
}

// decides returns nil for an owner.
func (c *Caller) decides() error {
	if c.Role != Owner {
		return fmt.Errorf("%w: it takes an owner's token", ErrForbidden)
	}
	return nil
}

// operates returns nil for an operator.
func (c *Caller) operates() error {
	if c.Role != Operator {
		return fmt.Errorf("%w: it takes an operator's token", ErrForbidden)
	}
	return nil
}

// The text of a token: wd_<role>_<id>_<secret>, the secret 32 random bytes in base32.
const (
	tokenPrefix = "wd"
	maxToken    = 160
)

var tokenEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// newToken returns the text of a token, which is shown once, and the hash that is kept.
func newToken(role Role, id string) (text string, hash []byte) {
	var secret [32]byte
	rand.Read(secret[:]) // never fails
	text = strings.Join([]string{tokenPrefix, string(role), id, tokenEncoding.EncodeToString(secret[:])}, "_")
	clear(secret[:])
	return text, hashToken(text)
}

func hashToken(text string) []byte {
	h := sha3.New256()
	h.Write([]byte("walletd token v1\x00"))
	h.Write([]byte(text))
	return h.Sum(nil)
}

// Authenticate finds who a bearer token belongs to. Only an operator's works while the keystore
// is locked; others are keystore.ErrLocked then. A token is ErrUnauthorized if it is unknown,
// expired, revoked, or its row does not carry the wallet's MAC.
func (d *Door) Authenticate(ctx context.Context, bearer string) (*Caller, error) {
	if len(bearer) > maxToken {
		return nil, ErrUnauthorized
	}
	parts := strings.Split(bearer, "_")
	if len(parts) != 4 || parts[0] != tokenPrefix {
		return nil, ErrUnauthorized
	}
	row, err := d.store.Caller(ctx, parts[2], did.AccountType().String())
	if errors.Is(err, store.ErrNotFound) {
		return nil, ErrUnauthorized
	}
	if err != nil {
		return nil, fmt.Errorf("looking for the token: %w", err)
	}
	t := row.Token
	if subtle.ConstantTimeCompare(hashToken(bearer), t.Hash) != 1 || parts[1] != t.Role {
		return nil, ErrUnauthorized
	}
	if d.over(t) {
		return nil, ErrUnauthorized
	}
	c := &Caller{Role: Role(t.Role), Token: t.ID, Asker: t.ID, Wallet: t.Wallet, Label: t.Name, opened: &opened{row: row.Wallet, epoch: row.Epoch, asking: row}}
	if c.Role == Operator {
		d.keystore.Unlocked(row.Epoch) // notices a lock made on another replica
		d.store.TouchToken(t.ID, d.store.Now().Unix())
		return c, nil
	}
	if err := d.open(c); err != nil {
		return nil, err
	}
	if err := c.wallet.CheckMAC("tokens", t.ID, t.Canonical(), t.MAC); err != nil {
		d.noteForged(ctx, c, err)
		c.Close()
		return nil, ErrUnauthorized
	}
	if c.Role == App {
		c.origins = strings.Fields(t.Origins)
		if c.App, err = did.Parse(t.App); err != nil {
			c.Close()
			return nil, ErrUnauthorized
		}
	}
	d.store.TouchToken(t.ID, d.store.Now().Unix())
	return c, nil
}

// open opens the caller's wallet with the epoch its row was read at.
func (d *Door) open(c *Caller) error {
	if c.row.ID == "" {
		return ErrUnauthorized // the token of a wallet that was deleted
	}
	w, err := d.keystore.OpenWallet(c.row, c.epoch)
	if err != nil {
		return fmt.Errorf("opening the wallet: %w", err)
	}
	c.wallet = w
	return nil
}

// refresh reads the caller's wallet again, after a write found it changed or time went by. A
// token that ended meanwhile, or whose row is gone or not the one that was made, is
// ErrUnauthorized.
func (d *Door) refresh(ctx context.Context, c *Caller) error {
	var row store.CallerRow
	var err error
	held := c.Token != "" && c.Role != Operator
	if held {
		row, err = d.store.Caller(ctx, c.Token, did.AccountType().String())
	} else {
		row, err = d.store.CallerWallet(ctx, c.Wallet)
	}
	switch {
	case errors.Is(err, store.ErrNotFound) && held:
		return ErrUnauthorized
	case errors.Is(err, store.ErrNotFound):
		return ErrNotFound
	case err != nil:
		return fmt.Errorf("reading the wallet again: %w", err)
	case held && d.over(row.Token):
		return ErrUnauthorized
	}
	c.close()
	c.row, c.epoch, c.asking = row.Wallet, row.Epoch, store.CallerRow{}
	if err := d.open(c); err != nil || !held {
		return err
	}
	if err := c.wallet.CheckMAC("tokens", row.Token.ID, row.Token.Canonical(), row.Token.MAC); err != nil {
		d.noteForged(ctx, c, err)
		return ErrUnauthorized
	}
	return nil
}

// over reports whether a token was revoked or has expired.
func (d *Door) over(t store.Token) bool {
	return t.Revoked != 0 || t.Expires != 0 && d.store.Now().Unix() >= t.Expires
}

// standing is what a wallet knows of an app.
type standing int

const (
	stranger  standing = iota
	known              // it has a token in the wallet, or the person approved it
	withdrawn          // the owner revoked it
)

// knows returns the asking app's standing. A token's caller is known by that token; a signer is
// looked up, and what is found must carry the wallet's MAC.
func (d *Door) knows(ctx context.Context, c *Caller) (standing, error) {
	if c.Token != "" || c.readAsKnown() {
		return known, nil
	}
	app, err := d.store.App(ctx, c.Wallet, c.App.Address())
	if err == nil {
		if err := c.wallet.CheckMAC("apps", app.App, app.Canonical(), app.MAC); err != nil {
			d.noteForged(ctx, c, err)
		} else if app.State == store.Approved {
			return known, nil
		} else {
			return withdrawn, nil
		}
	} else if !errors.Is(err, store.ErrNotFound) {
		return stranger, fmt.Errorf("looking for the app: %w", err)
	}
	tokens, err := d.store.AppTokens(ctx, c.Wallet, c.App.Address(), d.store.Now().Unix())
	if err != nil {
		return stranger, fmt.Errorf("looking for the app's tokens: %w", err)
	}
	for _, t := range tokens {
		if err := c.wallet.CheckMAC("tokens", t.ID, t.Canonical(), t.MAC); err != nil {
			d.noteForged(ctx, c, err)
			continue
		}
		return known, nil
	}
	return stranger, nil
}

// readAsKnown reports whether what was read with a signed request says that its app is known, as
// it is nearly always. Anything else, a row that is not genuine too, is for knows to look into.
func (c *Caller) readAsKnown() bool {
	app, token := c.asking.App, c.asking.Token
	switch c.App.Address() {
	case app.App:
		return app.State == store.Approved && c.wallet.CheckMAC("apps", app.App, app.Canonical(), app.MAC) == nil
	case token.App:
		return c.wallet.CheckMAC("tokens", token.ID, token.Canonical(), token.MAC) == nil
	}
	return false
}
