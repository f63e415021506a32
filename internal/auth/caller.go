package auth

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
	"walletd/internal/ledger"
	"walletd/internal/store"
)

// Role is what a caller may do: owners decide, operators operate, apps send requests.
type Role string

// The roles. An operator cannot approve a request, set a policy or request a key.
const (
	Operator Role = store.RoleOperator
	Owner    Role = store.RoleOwner
	App      Role = store.RoleApp
)

// Caller is an authenticated caller. It holds the open wallet that the credential is for; an operator's has none.
// A Caller belongs to one request and one goroutine, which closes it.
type Caller struct {
	Role        Role
	Token       string                 // id of the bearer token; "" without one
	RequesterID string                 // who may collect an approval: the token, the session, or "" for whoever signs as the app
	WalletID    string                 // the wallet the credential is for; "" for an operator
	App         did.DID                // of an app
	Agent       did.DID                // the agent that sent the request for the app (reference g.i); zero if the app did
	Name        string                 // the name that a signing app gives itself: hostile text
	Label       string                 // the name that the token was created with
	Bound       bool                   // the token is bound to a key, which the caller has proven to have
	Idempotency *ledger.IdempotencyKey // of the request's Idempotency-Key; nil without one
	Session     *Session               // of a DID Connect session's request, else nil
	Owner       string                 // id of the owner whose token it is; "" if the token names nobody
	From        *From                  // where the request came from, of an app's; nil if nobody said
	Passkey     string                 // id of the passkey that signed in: then the caller is a browser session
	// CertificateEnds is when the certificate of an agent ends, in unix seconds; 0 without one.
	CertificateEnds int64

	chain       string // the type of chain that the signed request names in chainInfo, "" if none
	signed      *signedRequest
	certificate *delegation.Connect // of an agent, else nil
	origins     []string            // of pages that may call with the token
	challenge   string              // of a request that is read again for the wallet's owner
	touched     bool                // the owner agreed to this request with a passkey

	// Wallet is the caller's wallet as it was last read; nil for an operator before AuthorizeWallet. Callers that
	// act for the same request share it, and callerRow, which was read with it.
	Wallet    *ledger.Wallet
	callerRow *store.CallerRow
	genuine   bool  // the row in callerRow by which the app is registered has the wallet's MAC
	Epoch     int64 // of the keystore, as it was read with an operator's token
}

// Challenge returns the challenge that the answer must carry, "" for a bearer token's request.
func (c *Caller) Challenge() string {
	switch {
	case c.signed != nil:
		return c.signed.challenge
	case c.Session != nil && c.Session.Challenge != "":
		return c.Session.Challenge
	}
	return c.challenge
}

// Chain returns the type of chain that a signed request or a session's request names in chainInfo (reference d.3),
// "" without one.
func (c *Caller) Chain() string { return c.chain }

// Close wipes the wallet's keys.
func (c *Caller) Close() {
	if c == nil {
		return
	}
	c.Wallet.Close()
	if c.signed != nil {
		c.signed.channel.Wipe()
	}
}

// Event returns an event of a kind with the caller in it.
func (c *Caller) Event(kind ledger.Kind) ledger.Event {
	e := ledger.Event{Kind: kind, By: string(c.Role), Token: c.Token, App: c.App.String(), Agent: c.Agent.String(), Owner: c.Owner}
	if c.Session != nil {
		e.Session, e.Origin = c.Session.ID, c.Session.Origin
	}
	if c.signed != nil {
		e.JTI = c.signed.nonce.JTI
	}
	return e
}

// Commit is ledger.Wallet.Commit with the nonce and the Idempotency-Key of the caller's request.
func (c *Caller) Commit(ctx context.Context, change ledger.Change) (store.Receipt, error) {
	change.IdempotencyKey = c.IdempotencyKey()
	if c.signed == nil {
		return c.Wallet.Commit(ctx, change)
	}
	change.Nonce = &c.signed.nonce
	receipt, err := c.Wallet.Commit(ctx, change)
	if err == nil && change.Event.Kind.ConsumesNonce() {
		c.signed.consumed = true
	}
	return receipt, err
}

// CommitOutcome is Commit for the outcome of an app's request, together with what its session has to commit.
func (c *Caller) CommitOutcome(ctx context.Context, change ledger.Change, o Outcome) (store.Receipt, error) {
	if c.Session == nil || c.Session.Join == nil {
		return c.Commit(ctx, change)
	}
	j, err := c.Session.Join(ctx, change.Event.Kind, o)
	if err != nil {
		return store.Receipt{}, err
	}
	change.Before, change.After = append(j.Before, change.Before...), j.After
	change.Writes = append(change.Writes, j.Writes...)
	receipt, err := c.Commit(ctx, change)
	if err == nil {
		j.Committed()
	}
	return receipt, err
}

// Record commits one event that releases nothing, together with writes.
func (c *Caller) Record(ctx context.Context, e ledger.Event, writes ...store.Write) error {
	_, err := c.Commit(ctx, ledger.Change{Event: e, Writes: writes})
	return err
}

// IsSigned reports whether the caller was authenticated by a signed request.
func (c *Caller) IsSigned() bool { return c.signed != nil }

// Requester is what an approval seals of its requester, so that the request can be read again as it was sent. The
// app and the agent are columns of the approval's row.
type Requester struct {
	Token     string        `json:"token,omitempty"` // id of the token that sent the request
	Session   *sessionFacts `json:"session,omitempty"`
	Challenge string        `json:"challenge,omitempty"` // that the answer must carry
	// CertificateEnds bounds the grants for an agent: unix seconds, 0 for no agent.
	CertificateEnds int64 `json:"certificateEnds,omitempty"`
	// Chain is Caller.Chain.
	Chain string `json:"chain,omitempty"`
	// Bound is Caller.Bound.
	Bound bool  `json:"bound,omitempty"`
	From  *From `json:"from,omitempty"`
}

// From is where a request came from, as the connection or a trusted proxy says, and what program sent it, as it says
// itself. It proves nothing, and the owner is shown it.
type From struct {
	Address string `json:"address,omitempty"`
	Program string `json:"program,omitempty"` // made plain
}

// Requester returns what an approval seals of the caller.
func (c *Caller) Requester() Requester {
	return Requester{c.Token, c.Session.facts(), c.Challenge(), c.CertificateEnds, c.chain, c.Bound, c.From}
}

// As returns the requester of an approval as a Caller, so that the wallet's owner can read the request again. Both
// share the open wallet.
func (c *Caller) As(r Requester, requester string, app, agent did.DID) *Caller {
	return &Caller{
		Role: App, Token: r.Token, RequesterID: requester, WalletID: c.WalletID, App: app, Agent: agent, Session: r.Session.session(),
		CertificateEnds: r.CertificateEnds, challenge: r.Challenge, chain: r.Chain, Bound: r.Bound, Wallet: c.Wallet, callerRow: c.callerRow, Epoch: c.Epoch,
	}
}

// IdempotencyKey returns the request's Idempotency-Key with the caller's token; nil if either is missing.
func (c *Caller) IdempotencyKey() *ledger.IdempotencyKey {
	if c.Idempotency == nil || c.Token == "" {
		return nil
	}
	once := *c.Idempotency
	once.Token = c.Token
	return &once
}

// RequireReader returns nil for an owner, else ErrForbidden. It is for what a browser session may do without a touch
// of the passkey: read, reject, and revoke. A stolen session does no more than that.
func (c *Caller) RequireReader() error {
	if c.Role != Owner {
		return fmt.Errorf("%w: it requires an owner's token", ErrForbidden)
	}
	return nil
}

// RequireOwner returns nil for an owner, else ErrForbidden; for a browser session only with a touch, else
// ErrPasskeyRequired.
func (c *Caller) RequireOwner() error {
	if err := c.RequireReader(); err != nil {
		return err
	}
	if c.Passkey != "" && !c.touched {
		return ErrPasskeyRequired
	}
	return nil
}

// RequireDecider is RequireOwner for what decides about later requests: who may ask, what is allowed without asking,
// who owns the wallet. If the wallet is one in which the owner approves with a passkey alone, an owner's token needs a
// touch too.
func (c *Caller) RequireDecider() error {
	if err := c.RequireOwner(); err != nil {
		return err
	}
	if c.IsUntouched() {
		return ErrPasskeyRequired
	}
	return nil
}

// IsUntouched reports whether the caller approves nothing without a touch, and had none for this request.
func (c *Caller) IsUntouched() bool { return c.NeedsAssertion() && !c.touched }

// NeedsAssertion reports whether the caller approves nothing without an assertion for the approval itself.
func (c *Caller) NeedsAssertion() bool { return c.Passkey != "" || c.Wallet.Settings().Passkey }

// RequireOperator returns nil for an operator, else ErrForbidden.
func (c *Caller) RequireOperator() error {
	if c.Role != Operator {
		return fmt.Errorf("%w: it requires an operator's token", ErrForbidden)
	}
	return nil
}

// The text of a token: wd_<role>_<id>_<secret>, the secret 32 random bytes in base32.
const (
	tokenPrefix = "wd"
	maxToken    = 160
)

var tokenEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// newToken returns the text of a token, which is shown once, and the hash that is stored.
func newToken(role Role, id string) (text string, hash []byte) {
	var secret [32]byte
	rand.Read(secret[:]) // never fails
	text = strings.Join([]string{tokenPrefix, string(role), id, tokenEncoding.EncodeToString(secret[:])}, "_")
	clear(secret[:])
	return text, hashToken(text)
}

func hashToken(text string) []byte {
	h := sha3.New256()
	defer h.Reset() // the sponge holds the text
	h.Write([]byte("walletd token v1\x00"))
	h.Write([]byte(text))
	return h.Sum(nil)
}

// Authenticate returns the caller that a bearer token belongs to. While the keystore is locked only operators'
// tokens work; for others the error is keystore.ErrLocked. The error is ErrUnauthorized if the token is unknown,
// expired or revoked, or if its row does not have the wallet's MAC.
func (a *Auth) Authenticate(ctx context.Context, bearer string) (*Caller, error) {
	id, err := tokenID(bearer)
	if err != nil {
		return nil, err
	}
	return a.authenticate(ctx, id, bearer)
}

// AuthenticateForAnswer is Authenticate for a request to Pipeline.Answer alone. An app's caller may be one that is
// remembered of an earlier request (store.Facts), whose wallet then says so: nothing that follows from it holds before
// a commit has shown that the wallet is still as it was. Whatever is to be refused is read anew.
func (a *Auth) AuthenticateForAnswer(ctx context.Context, bearer string) (*Caller, error) {
	id, err := tokenID(bearer)
	if err != nil {
		return nil, err
	}
	name := store.TokenCaller(id)
	if row, facts, ok := a.store.Recall(name); ok {
		if c, err := a.callerOf(ctx, bearer, row, true); err == nil {
			c.Wallet.Recall(facts)
			return c, nil
		}
	}
	c, err := a.authenticate(ctx, id, bearer)
	if err == nil && c.Role == App {
		c.Wallet.Keep(a.store.Keep(name, *c.callerRow))
	}
	return c, err
}

// tokenID returns the id in the text of a token.
func tokenID(bearer string) (string, error) {
	if len(bearer) > maxToken {
		return "", ErrUnauthorized
	}
	parts := strings.Split(bearer, "_")
	if len(parts) != 4 || parts[0] != tokenPrefix {
		return "", ErrUnauthorized
	}
	return parts[2], nil
}

func (a *Auth) authenticate(ctx context.Context, id, bearer string) (*Caller, error) {
	row, err := a.store.Caller(ctx, id, did.AccountType().String())
	if errors.Is(err, store.ErrNotFound) {
		return nil, ErrUnauthorized
	}
	if err != nil {
		return nil, fmt.Errorf("looking for the token: %w", err)
	}
	return a.callerOf(ctx, bearer, row, false)
}

// callerOf returns the caller with a token, whose row is given. The MAC of one that is remembered was checked when it was
// read.
func (a *Auth) callerOf(ctx context.Context, bearer string, row store.CallerRow, remembered bool) (c *Caller, err error) {
	t := row.Token
	if subtle.ConstantTimeCompare(hashToken(bearer), t.Hash) != 1 || !strings.HasPrefix(bearer, tokenPrefix+"_"+t.Role+"_") {
		return nil, ErrUnauthorized
	}
	if a.HasEnded(t) || t.Thumbprint != "" { // a token that is bound to a key is not its bearer's (RFC 9449, section 7.2)
		return nil, ErrUnauthorized
	}
	c = &Caller{Role: Role(t.Role), Token: t.ID, RequesterID: t.ID, WalletID: t.Wallet, Label: t.Name, Owner: t.Owner, Passkey: t.Passkey, callerRow: &row, Epoch: row.Epoch}
	if c.Role == Operator {
		a.keystore.Unlocked(row.Epoch) // notices a lock by another replica
		a.store.TouchToken(t.ID, a.store.Now().Unix())
		return c, nil
	}
	if err := a.open(c, row); err != nil {
		return nil, err
	}
	if !remembered {
		if err := c.checkToken(ctx, t); err != nil {
			c.Close()
			return nil, err
		}
	}
	if c.Role == App {
		c.origins = strings.Fields(t.Origins)
		if c.App, err = did.Parse(t.App); err != nil {
			c.Close()
			return nil, ErrUnauthorized
		}
	}
	a.store.TouchToken(t.ID, a.store.Now().Unix())
	return c, nil
}

// open opens the caller's wallet as row was read.
func (a *Auth) open(c *Caller, row store.CallerRow) (err error) {
	if row.Wallet.ID == "" {
		return ErrUnauthorized // the token of a wallet that was deleted
	}
	c.WalletID, c.Epoch = row.Wallet.ID, row.Epoch
	c.Wallet, err = a.ledger.OpenWallet(row.Wallet, row.Epoch)
	return err
}

// checkToken returns ErrUnauthorized for a token's row that this keystore did not write, which it records.
func (c *Caller) checkToken(ctx context.Context, t store.Token) error {
	_, err := ledger.Check(ctx, c.Wallet, t)
	if errors.Is(err, ledger.ErrForged) {
		return ErrUnauthorized
	}
	return err
}

// Refresh reads the caller's wallet again, after a concurrent change or a wait. If the token has expired or was
// revoked since, or its row is missing or forged, the error is ErrUnauthorized.
func (a *Auth) Refresh(ctx context.Context, c *Caller) error {
	var row store.CallerRow
	var err error
	hasToken := c.Token != "" && c.Role != Operator
	if hasToken {
		row, err = a.store.Caller(ctx, c.Token, did.AccountType().String())
	} else {
		row, err = a.store.CallerWallet(ctx, c.WalletID)
	}
	switch {
	case errors.Is(err, store.ErrNotFound) && hasToken:
		return ErrUnauthorized
	case errors.Is(err, store.ErrNotFound):
		return ErrNotFound
	case err != nil:
		return fmt.Errorf("reading the wallet again: %w", err)
	case hasToken && a.HasEnded(row.Token):
		return ErrUnauthorized
	}
	if row.Wallet.ID == "" {
		return ErrUnauthorized // the wallet was deleted
	}
	if c.Wallet.IsRemembered() {
		a.store.Forget(c.WalletID)
	}
	*c.callerRow, c.Epoch = store.CallerRow{}, row.Epoch
	if err := c.Wallet.Reopen(row.Wallet, row.Epoch); err != nil || !hasToken {
		return err
	}
	return c.checkToken(ctx, row.Token)
}

// HasEnded reports whether a token was revoked or has expired.
func (a *Auth) HasEnded(t store.Token) bool {
	return t.Revoked != 0 || t.Expires != 0 && a.store.Now().Unix() >= t.Expires
}

// Standing says whether an app is registered in a wallet.
type Standing int

const (
	Unregistered Standing = iota
	Registered            // the app has a token in the wallet, or the owner has approved it
	Revoked               // the owner has revoked the app
)

// Standing returns the standing of the caller's app. An app with a token is registered. For a signed request the
// app's row is looked up, which must have the wallet's MAC.
func (a *Auth) Standing(ctx context.Context, c *Caller) (Standing, error) {
	if c.Token != "" || a.readAsRegistered(c) {
		return Registered, nil
	}
	app, err := c.Wallet.Facts().App(ctx, c.App.Address())
	if err == nil {
		_, err = ledger.Check(ctx, c.Wallet, app)
	}
	switch {
	case err == nil && app.State == store.Approved:
		return Registered, nil
	case err == nil:
		return Revoked, nil
	case !errors.Is(err, store.ErrNotFound) && !errors.Is(err, ledger.ErrForged):
		return Unregistered, fmt.Errorf("looking for the app: %w", err)
	}
	tokens, err := a.store.AppTokens(ctx, c.WalletID, c.App.Address(), a.store.Now().Unix())
	if err != nil {
		return Unregistered, fmt.Errorf("looking for the app's tokens: %w", err)
	}
	for _, err := range ledger.EachChecked(ctx, c.Wallet, tokens) {
		return Registered, err
	}
	return Unregistered, nil
}

// readAsRegistered reports whether the rows that were read with a signed request say that its app is registered,
// which is nearly always so. If not, or if a row is forged, Standing looks the app up.
func (a *Auth) readAsRegistered(c *Caller) bool {
	app, token := c.callerRow.App, c.callerRow.Token
	switch c.App.Address() {
	case app.App:
		c.genuine = app.State == store.Approved && (c.genuine || ledger.IsGenuine(c.Wallet, app))
	case token.App:
		c.genuine = !a.HasEnded(token) && (c.genuine || ledger.IsGenuine(c.Wallet, token))
	default:
		return false
	}
	return c.genuine
}

// Tries is how often a request is decided before a concurrent change of the wallet fails it.
const Tries = 5

// Retry calls do until no concurrent writer has changed the wallet between its reads and its write, at most so
// many times. Such a change is store.ErrChanged or store.ErrExists. Retry reads the caller's wallet again before
// each further call.
func (a *Auth) Retry(ctx context.Context, c *Caller, times int, do func() error) error {
	for try := 1; ; try++ {
		err := do()
		if try == times || !errors.Is(err, store.ErrChanged) && !errors.Is(err, store.ErrExists) {
			return err
		}
		if c.Wallet == nil {
			continue // an operator's caller, which has no wallet
		}
		if err := a.Refresh(ctx, c); err != nil {
			return err
		}
	}
}
