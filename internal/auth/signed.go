package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"walletd/internal/delegation"
	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/store"
	"walletd/internal/strictjson"
)

// Limits of a signed request (design section 8).
const (
	signedLife     = 300 * time.Second // longest time from iat to exp
	nonceRetention = 10 * time.Minute  // how long after exp a jti is stored
	maxJTI         = 128
	MaxChallenge   = 128
)

// SignedRequest is the body of a request that is authenticated by its signature. It has the form of a DID Connect
// reply (reference d.3, g.i).
type SignedRequest struct {
	AppPk    string
	AgentPk  string
	AuthInfo string
}

// signedRequest is what the answer to a signed request needs.
type signedRequest struct {
	challenge string
	approval  string            // id of the approval that the request collects; "" for a new request
	asked     []json.RawMessage // the claims of the signed body
	channel   did.ChannelKey
	sharedKey string // channel, wrapped for the request's `_ek_`; "" without one
	nonce     store.Nonce
	consumed  bool // the nonce was consumed for this request
}

// SignedAnswer is the answer to a signed request or a session (reference d.5). Version is set if UserInfo is
// encrypted; SharedKey then wraps its key for the request's _ek_ (reference e).
type SignedAnswer struct {
	UserPK, UserInfo   string
	SharedKey, Version string
}

// AuthenticateSigned verifies a signed request and returns its caller and its claims. It makes the checks of
// reference c.8, or of g.i with an agent, in their order. Then it checks that the request is for this wallet and
// this connection: without an aud it could be a DID Connect authInfo, which anybody gets by opening the app's
// page, and the answer to a request with a url belongs to that url.
func (a *Auth) AuthenticateSigned(ctx context.Context, r SignedRequest) (*Caller, []json.RawMessage, error) {
	return a.authenticateSigned(ctx, r, false)
}

// AuthenticateSignedForAnswer is AuthenticateSigned as AuthenticateForAnswer is Authenticate.
func (a *Auth) AuthenticateSignedForAnswer(ctx context.Context, r SignedRequest) (*Caller, []json.RawMessage, error) {
	return a.authenticateSigned(ctx, r, true)
}

func (a *Auth) authenticateSigned(ctx context.Context, r SignedRequest, forAnswer bool) (*Caller, []json.RawMessage, error) {
	conn, err := delegation.VerifyReply(delegation.Reply{AppPk: r.AppPk, AgentPk: r.AgentPk, AuthInfo: r.AuthInfo}, a.store.Now())
	if err != nil {
		return nil, nil, err
	}
	body := conn.Token.Body
	if body.Has("url") {
		return nil, nil, did.Refuse("url_present", "a request with a url is answered at that url only; open its link as a session instead")
	}
	if action, _ := body.Text("action"); action != "responseAuth" {
		return nil, nil, did.Malformed("action must be responseAuth", nil)
	}
	signed, err := readSigned(conn.Token)
	if err != nil {
		return nil, nil, err
	}
	aud, err := audienceOf(body)
	if err != nil {
		return nil, nil, err
	}
	c := &Caller{Role: App, App: conn.App, Agent: conn.Agent, Name: appName(body), chain: ChainType(body), signed: signed}
	if conn.Certificate != nil {
		c.CertificateEnds = conn.Certificate.Expires.Unix()
		c.certificate = &conn
	}
	if err := a.openAudience(ctx, c, aud, forAnswer); err != nil {
		return nil, nil, err
	}
	var asked []json.RawMessage
	if raw := body.Get("requestedClaims"); raw != nil && string(raw) != "null" {
		if asked = strictjson.Elements(raw); asked == nil {
			c.Close()
			return nil, nil, did.Malformed("requestedClaims must be a list", nil)
		}
	}
	signed.asked = asked
	return c, asked, nil
}

// openAudience opens the wallet that aud names, if it knows the app or is open to strangers.
func (a *Auth) openAudience(ctx context.Context, c *Caller, aud string, forAnswer bool) error {
	name := store.SigningCaller(c.App.Address(), aud)
	if forAnswer {
		if row, facts, ok := a.store.Recall(name); ok && a.openFor(ctx, c, row) == nil {
			c.Wallet.Recall(facts)
			return nil
		}
	}
	row, err := a.findAudience(ctx, c, aud)
	if err == nil {
		err = a.openFor(ctx, c, row)
	}
	if err == nil && forAnswer {
		c.Wallet.Keep(a.store.Keep(name, row))
	}
	return err
}

// openFor opens the wallet of a row for an app that signs. After an error the wallet is closed.
func (a *Auth) openFor(ctx context.Context, c *Caller, row store.CallerRow) error {
	c.callerRow, c.genuine = &row, false
	c.signed.nonce.Wallet, c.signed.nonce.Issuer = row.Wallet.ID, c.App.Address()
	if err := a.open(c, row); err != nil || c.Wallet.Settings().Strangers {
		return err
	}
	standing, err := a.Standing(ctx, c)
	if err == nil && standing == Unregistered {
		err = NoAudience()
	}
	if err != nil {
		c.Wallet.Close()
	}
	return err
}

// readSigned reads the members that bind a signed request to one time and one answer.
func readSigned(t did.Token) (*signedRequest, error) {
	if t.IssuedAt.IsZero() || t.Expires.Sub(t.IssuedAt) > signedLife {
		return nil, did.Refuse("jwt_lifetime", "a signed request must carry iat, and an exp at most 300 s after it")
	}
	if !t.Body.Has("jti") {
		return nil, did.Refuse("jti_missing", "a signed request needs a jti, new for each request")
	}
	jti, ok := t.Body.Text("jti")
	if !ok || jti == "" || len([]rune(jti)) > maxJTI || strings.ContainsRune(jti, 0) {
		return nil, did.Refuse("jti_invalid", "jti must be a text of 1 to 128 characters")
	}
	challenge, err := t.Body.OptionalText("challenge", MaxChallenge)
	if err != nil {
		return nil, err
	}
	approval, err := t.Body.OptionalText("approval", maxJTI)
	if err != nil {
		return nil, err
	}
	seal, err := t.Body.OptionalText("_ek_", 4096)
	if err != nil {
		return nil, err
	}
	s := &signedRequest{challenge: challenge, approval: approval, nonce: store.Nonce{JTI: jti, Until: t.Expires.Add(nonceRetention).Unix()}}
	if seal != "" {
		// The key of the answer is generated and wrapped now, so that an unusable _ek_ is refused before anything
		// is decided.
		s.channel = did.NewChannelKey()
		if s.sharedKey, err = did.WrapChannelKey(seal, s.channel); err != nil {
			return nil, did.Refuse("ek_invalid", "_ek_ must be the base58 text of an RSA public key in PEM, of 1024 to 4096 bits")
		}
	}
	return s, nil
}

// ForApproval refuses a signed request that was signed for another use: to collect the approval with this id and
// these claims or, with id "" and nil, to send a new request. So a request that was signed for one approval and
// intercepted cannot collect another.
func (c *Caller) ForApproval(id string, asked []json.RawMessage) error {
	if c.signed == nil {
		return nil
	}
	switch {
	case c.signed.approval == id:
	case id == "":
		return did.Refuse("approval_mismatch", "the request is signed to collect an approval; a new request must not have the member approval")
	default:
		return did.Refuse("approval_mismatch", "the signed request must name the approval that it collects in approval")
	}
	if id != "" && !sameClaims(c.signed.asked, asked) {
		return did.Refuse("approval_mismatch", "the signed request must hold the same claims as the request that was approved")
	}
	return nil
}

// sameClaims reports whether two lists of claims are the same JSON, in whatever order and spacing.
func sameClaims(a, b []json.RawMessage) bool {
	one, err := did.MarshalStable(a)
	if err != nil {
		return false
	}
	other, err := did.MarshalStable(b)
	return err == nil && bytes.Equal(one, other)
}

// audienceOf parses aud: a text, or a list of one (RFC 7519, section 4.1.3). It refuses a request for several wallets,
// because each of them could replay it to the next.
func audienceOf(body did.Object) (string, error) {
	aud, _ := body.Text("aud")
	var list []string
	if raw := body.Get("aud"); raw != nil && aud == "" && json.Unmarshal(raw, &list) == nil {
		if len(list) > 1 {
			return "", did.Refuse("aud_mismatch", "aud names more than this wallet; sign a request for each")
		}
		aud = strings.Join(list, "")
	}
	if aud == "" {
		return "", did.Refuse("aud_missing", "the signed request must name the wallet it is for in aud: the wallet's address, or the app's account in it")
	}
	return aud, nil
}

// findAudience returns the wallet that aud names: by its own address, or by the app's account in it. Another app's
// account names no wallet to this app.
func (a *Auth) findAudience(ctx context.Context, c *Caller, aud string) (store.CallerRow, error) {
	named, err := did.Parse(aud)
	if err != nil {
		return store.CallerRow{}, NoAudience()
	}
	read := func(wallet string) (store.CallerRow, error) {
		return a.store.SignedCaller(ctx, wallet, c.App.Address(), did.AccountType().String(), a.store.Now().Unix())
	}
	row, err := read(named.Address())
	if errors.Is(err, store.ErrNotFound) {
		var account store.Account
		account, err = a.store.AppAccount(ctx, c.App.Address(), named.Address())
		if errors.Is(err, store.ErrNotFound) {
			if !a.keystore.Unlocked(0) { // as it would be for a wallet that is here
				return store.CallerRow{}, keystore.ErrLocked
			}
			return store.CallerRow{}, NoAudience()
		}
		if err == nil {
			row, err = read(account.Wallet)
		}
	}
	if err != nil {
		return store.CallerRow{}, fmt.Errorf("looking for the wallet: %w", err)
	}
	return row, nil
}

// NoAudience returns the refusal of a request whose aud names no wallet here, and one of an app that the wallet does not know:
// a stranger must not learn which wallets are here.
func NoAudience() error {
	return did.Refuse("aud_mismatch", "aud names no wallet here that knows this app, nor an account of this app in one; the wallet's owner registers an app by creating a token for it")
}

// appName returns the name that an app gives itself in its signed body.
func appName(body did.Object) string {
	info, err := did.ParseObject(body.Get("appInfo"))
	if err != nil {
		return ""
	}
	name, _ := info.Text("name")
	return name
}

// ChainType returns the type that chainInfo names in the body of a request (reference d.3), or in a claim of an older
// app; "" if it names none.
func ChainType(o did.Object) string {
	info, err := did.ParseObject(o.Get("chainInfo"))
	if err != nil {
		return ""
	}
	name, _ := info.Text("type")
	return name
}

// CertificateAllows makes checks 11 to 13 of reference g.i: an agent may request only what its certificate
// lists.
func (c *Caller) CertificateAllows(requests []delegation.ClaimRequest) error {
	if c.certificate == nil {
		return nil
	}
	return c.certificate.Allow(requests)
}

// SignAnswer returns the signed answer to a signed request, or the one that a session posts (reference d.5), with
// the receipt of the audit entry that allows it. It encrypts the answer if the request has a key for that, or if
// the session has one (reference e). For a bearer token's caller it returns nil.
func (c *Caller) SignAnswer(r store.Receipt, account store.Account, userPK string, claims []json.RawMessage, now time.Time) (*SignedAnswer, error) {
	payload := map[string]any{"action": "responseAuth", "challenge": c.Challenge(), "requestedClaims": claims}
	switch {
	case c.signed != nil:
		payload["aud"], payload["jti"] = c.App.String(), c.signed.nonce.JTI
	case c.Session != nil:
		now = now.Add(c.Session.Skew)
	default:
		return nil, nil
	}
	token, err := c.Wallet.Keys().SignToken(r, account, payload, now)
	if err != nil {
		return nil, fmt.Errorf("signing the answer: %w", err)
	}
	a := &SignedAnswer{UserPK: userPK, UserInfo: token}
	switch {
	case c.signed != nil && c.signed.sharedKey != "":
		a.UserInfo, a.SharedKey, a.Version = c.signed.channel.Seal([]byte(token)), c.signed.sharedKey, "1.0.0"
	case c.Session != nil && c.Session.Seal != nil:
		a.UserInfo, a.Version = c.Session.Seal.Seal([]byte(token)), "1.0.0"
	}
	return a, nil
}

// ConsumeNonce consumes the jti of a signed request whose answer appends no audit entry, so that the request
// cannot be replayed later, when its answer would be another. It does nothing if this request has consumed its
// jti before.
func (a *Auth) ConsumeNonce(ctx context.Context, c *Caller) error {
	if c.signed == nil || c.signed.consumed {
		return nil
	}
	if err := a.ledger.ConsumeNonce(ctx, c.signed.nonce); err != nil {
		return err
	}
	c.signed.consumed = true
	return nil
}
