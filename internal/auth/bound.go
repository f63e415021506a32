package auth

import (
	"context"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"walletd/internal/did"
	"walletd/internal/dpop"
	"walletd/internal/ledger"
	"walletd/internal/store"
)

// A bound token works only together with a proof, made for each request, of the key that it is bound to (RFC 9449). Its
// row lives as long as the pairing that made it. Its text lives BoundLife: a time, and a MAC over that, the row's id and
// the key, so that no text is stored, and making the next one writes nothing.

// BoundLife is how long the text of a bound token works.
const BoundLife = 15 * time.Minute

// Proven is a request whose DPoP proof was verified: whoever sent it has the key of Thumbprint.
type Proven struct {
	Thumbprint string
	// Nonce is what the next proof of the key should have, "" to go on with the one that this had.
	Nonce string

	id string
}

// NonceError is dpop.ErrNonce, with the nonce that the client is to ask again with.
type NonceError struct{ Nonce string }

func (e *NonceError) Error() string { return dpop.ErrNonce.Error() }

func (e *NonceError) Unwrap() error { return dpop.ErrNonce }

// Prove verifies the proof of a request, of a method for one of the targets, its URL as the client may have asked for it, and
// with token unless that is "". It does not use the proof up. Errors: dpop.ErrProof, *NonceError, keystore.ErrLocked.
func (a *Auth) Prove(proof, method string, targets []string, token string) (Proven, error) {
	now := a.store.Now()
	p, err := dpop.Parse(proof, now)
	if err != nil {
		return Proven{}, err
	}
	for _, target := range targets {
		if err = p.For(method, target, token); err == nil {
			break
		}
	}
	if err != nil {
		return Proven{}, err
	}
	nonces := dpop.Nonces{MAC: func(m []byte) ([]byte, error) { return a.keystore.NonceMAC(m) }, Now: now}
	renew, err := nonces.Check(p)
	proven := Proven{Thumbprint: p.Thumbprint, id: p.ID}
	if renew {
		next, failed := nonces.For(p.Thumbprint)
		if failed != nil {
			return Proven{}, failed
		}
		proven.Nonce = next
	}
	if errors.Is(err, dpop.ErrNonce) {
		return Proven{}, &NonceError{proven.Nonce}
	}
	return proven, err
}

// useProof uses up the proof of a request, on all replicas, for as long as its nonce might serve. The error of one that was
// used before is dpop.ErrProof.
func (a *Auth) useProof(ctx context.Context, p Proven) error {
	until := a.store.Now().Add(2 * dpop.NonceLife).Unix()
	err := a.ledger.ConsumeNonce(ctx, store.Nonce{Issuer: "dpop " + p.Thumbprint, JTI: p.id, Until: until})
	if errors.Is(err, store.ErrReplayed) || did.CodeOf(err) == "jti_replayed" {
		return fmt.Errorf("%w: its jti was used before", dpop.ErrProof)
	}
	return err
}

// AuthenticateBound is Authenticate for a token that is bound to a key, with what proves that the caller has the key: of a
// request that was proven with this token. Errors: ErrUnauthorized, keystore.ErrLocked; dpop.ErrProof if the key is another, or
// the proof was used before.
func (a *Auth) AuthenticateBound(ctx context.Context, token string, p Proven) (*Caller, error) {
	id, ends, ok := readBound(token)
	if !ok {
		return nil, ErrUnauthorized
	}
	row, err := a.store.Caller(ctx, id, did.AccountType().String())
	if errors.Is(err, store.ErrNotFound) {
		return nil, ErrUnauthorized
	}
	if err != nil {
		return nil, fmt.Errorf("looking for the token: %w", err)
	}
	t := row.Token
	if t.Thumbprint == "" || t.Role != store.RoleApp || a.HasEnded(t) || !a.store.Now().Before(ends) {
		return nil, ErrUnauthorized
	}
	c := &Caller{Role: App, Token: t.ID, RequesterID: t.ID, WalletID: t.Wallet, Label: t.Name, Bound: true, callerRow: &row, Epoch: row.Epoch}
	if err := a.open(c, row); err != nil {
		return nil, err
	}
	err = c.checkToken(ctx, t)
	switch {
	case err != nil:
	case subtle.ConstantTimeCompare([]byte(c.boundText(t, ends)), []byte(token)) != 1:
		err = ErrUnauthorized
	case t.Thumbprint != p.Thumbprint:
		err = fmt.Errorf("%w: it is of another key than the token is bound to", dpop.ErrProof)
	default:
		err = a.useProof(ctx, p)
	}
	if err == nil {
		c.origins = strings.Fields(t.Origins)
		if c.App, err = did.Parse(t.App); err != nil {
			err = ErrUnauthorized
		}
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	a.store.TouchToken(t.ID, a.store.Now().Unix())
	return c, nil
}

// boundText returns the text of a bound token of the caller's wallet that works until ends: wd_app_<id>_<time and MAC>.
func (c *Caller) boundText(t store.Token, ends time.Time) string {
	at := binary.BigEndian.AppendUint64(nil, uint64(ends.Unix()))
	// No row's canonical form begins with this text, so that this is never the MAC of a row.
	message := append([]byte("walletd bound token v1\x00"+t.ID+"\x00"+t.Thumbprint+"\x00"), at...)
	return strings.Join([]string{tokenPrefix, store.RoleApp, t.ID, tokenEncoding.EncodeToString(append(at, c.Wallet.Keys().MAC(message)...))}, "_")
}

// DigestKey returns what the digests of the caller's requests are keyed with, for as long as the token lives: token itself,
// its text, or, since that of a bound token changes with each renewal, a MAC over the row's id.
func (c *Caller) DigestKey(token string) []byte {
	if !c.Bound {
		return []byte(token)
	}
	return c.Wallet.Keys().MAC([]byte("walletd digest key v1\x00" + c.Token)) // nor is this ever the MAC of a row
}

// readBound returns the id of a bound token and when its text ends, as it says.
func readBound(token string) (id string, ends time.Time, ok bool) {
	if len(token) > maxToken {
		return "", time.Time{}, false
	}
	parts := strings.Split(token, "_")
	if len(parts) != 4 || parts[0] != tokenPrefix || parts[1] != store.RoleApp {
		return "", time.Time{}, false
	}
	b, err := tokenEncoding.DecodeString(parts[3])
	if err != nil || len(b) < 8 {
		return "", time.Time{}, false
	}
	return parts[2], time.Unix(int64(binary.BigEndian.Uint64(b)), 0), true
}

// BoundToken is the text of a bound token, for its page. It does not print.
type BoundToken struct {
	ID      string
	Text    string
	Wallet  string
	App     string    // did:abt:…
	Ends    time.Time // of the text
	Expires time.Time // of the token: from then on the page pairs anew
}

// Format keeps the token's text out of logs.
func (t BoundToken) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "token %s", t.ID) }

// renew returns the next text of a bound token that was read as row, for whoever has proven its key.
func (a *Auth) renew(ctx context.Context, row store.CallerRow, p Proven, origin string) (BoundToken, error) {
	t := row.Token
	if t.Thumbprint != p.Thumbprint || t.Role != store.RoleApp {
		return BoundToken{}, ErrNotFound // as if it did not exist
	}
	if a.HasEnded(t) {
		return BoundToken{}, ErrUnauthorized
	}
	c := &Caller{Role: App, Token: t.ID, WalletID: t.Wallet, callerRow: &row}
	if err := a.open(c, row); err != nil {
		return BoundToken{}, err
	}
	defer c.Close()
	if _, err := ledger.Check(ctx, c.Wallet, t); errors.Is(err, ledger.ErrForged) {
		return BoundToken{}, ErrUnauthorized
	} else if err != nil {
		return BoundToken{}, err
	}
	if origin != t.Origins {
		return BoundToken{}, ErrOrigin
	}
	if err := a.useProof(ctx, p); err != nil {
		return BoundToken{}, err
	}
	expires := time.Unix(t.Expires, 0)
	ends := a.store.Now().Add(BoundLife).Truncate(time.Second)
	if ends.After(expires) {
		ends = expires
	}
	return BoundToken{ID: t.ID, Text: c.boundText(t, ends), Wallet: t.Wallet, App: did.Prefixed(t.App), Ends: ends, Expires: expires}, nil
}
