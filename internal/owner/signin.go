package owner

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"walletd/internal/auth"
	"walletd/internal/ledger"
	"walletd/internal/passkey"
	"walletd/internal/store"
)

// BeginSignIn returns what an authenticator is asked to sign, so that whoever has a passkey of a wallet signs in.
func (o *Owners) BeginSignIn(context.Context) (Request, error) {
	state, challenge, ends, err := o.challenge(auth.ForSignIn)
	return Request{State: state, Challenge: challenge, Ends: ends, Party: o.auth.Party()}, err
}

// FinishSignIn begins a browser session with a passkey, in a wallet of its owner; "" is the one that has had the
// passkey for longest. Errors: auth.ErrChallenge, auth.ErrPasskeyRefused, keystore.ErrLocked.
func (o *Owners) FinishSignIn(ctx context.Context, state []byte, as passkey.Assertion, wallet string) (SignedIn, error) {
	if err := o.auth.RequireParty(); err != nil {
		return SignedIn{}, err
	}
	nonce, err := o.auth.UseChallenge(state, auth.ForSignIn)
	if err != nil {
		return SignedIn{}, err
	}
	rows, err := o.store.PasskeysByID(ctx, auth.PasskeyID(as.ID))
	if err != nil {
		return SignedIn{}, fmt.Errorf("looking for the passkey: %w", err)
	}
	in, refused := SignedIn{}, fmt.Errorf("%w: it belongs to no wallet here", auth.ErrPasskeyRefused)
	var genuine []store.Passkey
	var key []byte // that signed
	for _, row := range rows {
		if in.Token.ID == "" && (wallet == "" || row.Wallet == wallet) {
			one, err := o.signIn(ctx, state, nonce, as, row)
			switch {
			case err == nil:
				in, key = one, row.PublicKey
			case errors.Is(err, auth.ErrPasskeyRefused):
				refused = err
				continue
			case errors.Is(err, auth.ErrNotFound), errors.Is(err, ledger.ErrForged):
				continue // the wallet was deleted, or somebody wrote the row
			default:
				return SignedIn{}, auth.UsedChallenge(err)
			}
		} else if is, err := o.isGenuine(ctx, row); err != nil {
			return SignedIn{}, err
		} else if !is {
			continue
		}
		genuine = append(genuine, row)
	}
	if in.Token.ID == "" {
		return SignedIn{}, refused
	}
	for _, row := range genuine {
		if bytes.Equal(row.PublicKey, key) { // another passkey can have the same id, which its authenticator chooses
			in.Wallets = append(in.Wallets, row.Wallet)
		}
	}
	return in, nil
}

// isGenuine reports whether a row of a passkey is its wallet's own.
func (o *Owners) isGenuine(ctx context.Context, row store.Passkey) (bool, error) {
	c, err := o.auth.ForOwner(ctx, row.Wallet, row.Owner)
	if errors.Is(err, auth.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer c.Close()
	return ledger.IsGenuine(c.Wallet, row), nil
}

func (o *Owners) signIn(ctx context.Context, state []byte, nonce *store.Nonce, as passkey.Assertion, row store.Passkey) (in SignedIn, err error) {
	c, err := o.auth.ForOwner(ctx, row.Wallet, row.Owner)
	if err != nil {
		return SignedIn{}, err
	}
	defer c.Close()
	err = o.auth.Retry(ctx, c, auth.Tries, func() error {
		touch, err := o.auth.Act(ctx, c, state, []string{auth.ForSignIn}, as)
		if err != nil {
			return err
		}
		k, err := o.find(ctx, c, touch.Passkey())
		if err != nil {
			return err
		}
		owner, err := o.owner(ctx, c, row.Owner)
		if err != nil {
			return err
		}
		rows, err := o.store.PasskeyTokens(ctx, row.Wallet, row.ID, o.store.Now().Unix())
		if err != nil {
			return fmt.Errorf("reading the sessions: %w", err)
		}
		var sessions []store.Token // the newest first
		for t, err := range ledger.EachChecked(ctx, c.Wallet, rows) {
			if err != nil {
				return err
			}
			sessions = append(sessions, t.Row())
		}
		token, session := o.auth.NewSession(c, row.Owner, row.ID, k.Content().Name)
		writes := []store.Write{touch.Write(), store.InsertToken(session)}
		if len(sessions) >= auth.MaxSessions {
			writes = append(writes, o.auth.EndTokens(c, sessions[auth.MaxSessions-1:])...)
		}
		e := c.Event(ledger.PasskeySignedIn)
		touch.Note(&e)
		e.Created = token.ID
		in = SignedIn{Token: token, Owner: row.Owner, Name: owner.Content().Name, Passkey: row.ID}
		_, err = c.Wallet.Commit(ctx, ledger.Change{Event: e, Nonce: nonce, Writes: writes})
		return err
	})
	return in, err
}

// BeginTouch returns what an authenticator is asked to sign, so that the caller agrees to one action
// (auth.TouchRequest). Over HTTP an action is "request", the method, the path with its query, and SHA-256 of the body
// in hex; pages have their own.
func (o *Owners) BeginTouch(ctx context.Context, c *auth.Caller, action ...string) (Request, error) {
	if err := c.RequireReader(); err != nil {
		return Request{}, err
	}
	state, _, ends, err := o.challenge(auth.ForAction, c.Token)
	if err != nil {
		return Request{}, err
	}
	r := Request{State: state, Challenge: passkey.ActionChallenge(state, action...), Ends: ends, Party: o.auth.Party()}
	r.Allow, err = o.allowed(ctx, c)
	return r, err
}

// allowed returns the credential ids of the passkeys that may answer for the caller.
func (o *Owners) allowed(ctx context.Context, c *auth.Caller) ([][]byte, error) {
	keys, err := o.passkeys(ctx, c, c.Owner)
	var ids [][]byte
	for _, k := range keys {
		ids = append(ids, k.Row().Credential)
	}
	return ids, err
}

// BeginApprove returns what an authenticator is asked to sign, so that the caller approves exactly what d says
// (approvals.Decision). It has no state: an approval is decided once.
func (o *Owners) BeginApprove(ctx context.Context, c *auth.Caller, d passkey.Decision) (Request, error) {
	if err := c.RequireReader(); err != nil {
		return Request{}, err
	}
	if err := o.auth.RequireParty(); err != nil {
		return Request{}, err
	}
	allow, err := o.allowed(ctx, c)
	return Request{Challenge: d.Challenge(), Party: o.auth.Party(), Allow: allow}, err
}

// SignOut ends the caller's browser session, or whichever token it is.
func (o *Owners) SignOut(ctx context.Context, c *auth.Caller) error {
	return o.pipeline.RevokeToken(ctx, c, c.Token)
}

// SignOutEverywhere ends all browser sessions of the caller's owner, whichever passkey or token began them, in one write;
// those of every owner of the wallet, if the caller's token names nobody. A browser session may, without a touch. Push
// subscriptions end with their passkeys, and stay.
func (o *Owners) SignOutEverywhere(ctx context.Context, c *auth.Caller) error {
	return o.auth.Retry(ctx, c, auth.Tries, func() error {
		if err := c.RequireReader(); err != nil {
			return err
		}
		sessions, err := o.auth.OwnerTokens(ctx, c, func(t store.Token) bool { return t.Passkey != "" && (c.Owner == "" || t.Owner == c.Owner) })
		if err != nil || len(sessions) == 0 {
			return err
		}
		e := c.Event(ledger.OwnerSignedOut)
		return c.Record(ctx, e, o.auth.EndTokens(c, sessions)...)
	})
}

// SignInWithToken begins a browser session for who has an owner's token. Like every browser session it reads, rejects
// and revokes, and approves nothing without a touch of a passkey: a cookie is less well kept than a token. Errors:
// auth.ErrUnauthorized, auth.ErrForbidden for a token of another role, keystore.ErrLocked.
func (o *Owners) SignInWithToken(ctx context.Context, token, name string) (auth.CreatedToken, error) {
	c, err := o.auth.Authenticate(ctx, token)
	if err != nil {
		return auth.CreatedToken{}, err
	}
	defer c.Close()
	if err := c.RequireReader(); err != nil {
		return auth.CreatedToken{}, err
	}
	if c.Passkey != "" {
		return auth.CreatedToken{}, fmt.Errorf("%w: a session begins no other", auth.ErrForbidden)
	}
	var created auth.CreatedToken
	err = o.auth.Retry(ctx, c, auth.Tries, func() error {
		var session store.Token
		created, session = o.auth.NewSession(c, c.Owner, c.Token, name)
		e := c.Event(ledger.TokenCreated)
		e.Created, e.Role, e.Name = session.ID, string(auth.Owner), name
		return c.Record(ctx, e, store.InsertToken(session))
	})
	return created, err
}
