package auth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"walletd/internal/ledger"
	"walletd/internal/passkey"
	"walletd/internal/store"
)

var (
	// ErrPasskeyRequired: the caller may do this only with a touch of a passkey.
	ErrPasskeyRequired = errors.New("this takes a touch of the owner's passkey")
	// ErrPasskeyRefused: the passkey's answer does not hold. The wrapping error says why.
	ErrPasskeyRefused = errors.New("the passkey's answer is not accepted")
	// ErrNoPasskey: no owner of the wallet has a passkey.
	ErrNoPasskey = errors.New("a passkey must be added first: walletd owner invite")
	// ErrNoPublicURL: the service has no public URL, to whose name passkeys would belong.
	ErrNoPublicURL = errors.New("the service has no public URL, so it has no passkeys; its operator starts it with --public-url")
)

// PasskeyContent is the sealed content of a passkey's row.
type PasskeyContent struct {
	Name string `json:"name"` // the owner's own name for it
}

// Passkey is an authentic row of a passkey, with its content.
type Passkey = ledger.Opened[store.Passkey, PasskeyContent]

// PasskeyID returns the id of a passkey from the id that its authenticator gave it.
func PasskeyID(credential []byte) string {
	sum := sha256.Sum256(credential)
	return hex.EncodeToString(sum[:16])
}

// Party returns the relying party that passkeys belong to; the zero Party if the service has none.
func (a *Auth) Party() passkey.Party { return a.party }

// RequireParty returns nil if the service has passkeys, else ErrNoPublicURL.
func (a *Auth) RequireParty() error {
	if a.party.IsZero() {
		return ErrNoPublicURL
	}
	return nil
}

// ApprovalPage returns the address of the page on which an owner decides about an approval; "" if the service has no
// public URL. The id is no secret: the page shows something to the owner alone.
func (a *Auth) ApprovalPage(id string) string {
	if a.party.IsZero() {
		return ""
	}
	return a.party.Origin() + "/approvals/" + id
}

// Touch is the use of a passkey that was verified. It holds only once its Write is committed, with an entry that
// discloses it.
type Touch struct {
	row, used store.Passkey
	touch     ledger.Touch
}

// Owner returns the id of the owner whose passkey it was.
func (t *Touch) Owner() string { return t.row.Owner }

// Passkey returns the id of the passkey.
func (t *Touch) Passkey() string { return t.row.ID }

// Write returns the write that raises the passkey's counter. It fails with store.ErrChanged if the passkey was used,
// named or removed meanwhile.
func (t *Touch) Write() store.Write { return store.UpdatePasskey(t.row, t.used) }

// Note puts the touch into an event.
func (t *Touch) Note(e *ledger.Event) {
	e.Owner, e.Passkey = t.row.Owner, t.row.ID
	e.Disclosed = &ledger.Disclosure{Touch: &t.touch}
}

// Decide verifies that an owner's passkey signed a decision. The error is ErrPasskeyRefused; if the passkey's counter
// went back, that is recorded.
func (a *Auth) Decide(ctx context.Context, c *Caller, d passkey.Decision, as passkey.Assertion) (*Touch, error) {
	return a.verify(ctx, c, d.Challenge(), as, ledger.Touch{Decision: &d})
}

// Act verifies that an owner's passkey signed an action, for a fresh challenge that the caller has checked
// (UseChallenge). The error is ErrPasskeyRefused.
func (a *Auth) Act(ctx context.Context, c *Caller, fresh []byte, action []string, as passkey.Assertion) (*Touch, error) {
	return a.verify(ctx, c, passkey.ActionChallenge(fresh, action...), as, ledger.Touch{Fresh: fresh, Action: action})
}

// TouchRequest verifies that the caller's owner agreed with a passkey to one action, puts it on record, and lets the
// caller do from now on what takes a touch. The caller does that one action and is closed. fresh is a challenge for
// ForAction, bound to the caller's token. Errors: ErrChallenge, ErrPasskeyRefused, ErrNoPublicURL.
func (a *Auth) TouchRequest(ctx context.Context, c *Caller, fresh []byte, action []string, as passkey.Assertion) error {
	if err := c.RequireReader(); err != nil {
		return err
	}
	nonce, err := a.UseChallenge(fresh, ForAction, c.Token)
	if err != nil {
		return err
	}
	err = a.Retry(ctx, c, Tries, func() error {
		touch, err := a.Act(ctx, c, fresh, action, as)
		if err != nil {
			return err
		}
		e := c.Event(ledger.PasskeyTouched)
		touch.Note(&e)
		_, err = c.Wallet.Commit(ctx, ledger.Change{Event: e, Nonce: nonce, Writes: []store.Write{touch.Write()}})
		return err
	})
	c.touched = err == nil
	return UsedChallenge(err)
}

func (a *Auth) verify(ctx context.Context, c *Caller, challenge []byte, as passkey.Assertion, note ledger.Touch) (*Touch, error) {
	if err := a.RequireParty(); err != nil {
		return nil, err
	}
	row, err := a.store.Passkey(ctx, c.WalletID, PasskeyID(as.ID))
	if errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("%w: it is not a passkey of this wallet", ErrPasskeyRefused)
	}
	if err != nil {
		return nil, fmt.Errorf("looking for the passkey: %w", err)
	}
	opened, err := ledger.Open[PasskeyContent](ctx, c.Wallet, row)
	if errors.Is(err, ledger.ErrForged) {
		return nil, fmt.Errorf("%w: it is not a passkey of this wallet", ErrPasskeyRefused)
	}
	if err != nil {
		return nil, err
	}
	if row = opened.Row(); c.Owner != "" && row.Owner != c.Owner || as.UserHandle != nil && string(as.UserHandle) != row.Owner {
		return nil, fmt.Errorf("%w: it is another owner's", ErrPasskeyRefused)
	}
	key := passkey.Key{ID: row.Credential, PublicKey: row.PublicKey, Counter: uint32(row.Counter)}
	counter, err := a.party.Verify(challenge, key, as)
	if errors.Is(err, passkey.ErrCounter) {
		e := c.Event(ledger.PasskeyRefused)
		e.Owner, e.Passkey, e.Code = row.Owner, row.ID, "counter"
		if _, err := c.Wallet.Commit(ctx, ledger.Change{Event: e}); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPasskeyRefused, err)
	}
	t := &Touch{row: row, used: row, touch: note}
	t.used.Counter, t.used.LastUsed = int64(counter), a.store.Now().Unix()
	t.used.MAC = c.Wallet.MAC(t.used)
	t.touch.Passkey, t.touch.PublicKey, t.touch.Credential, t.touch.Origin = row.ID, row.PublicKey, row.Credential, a.party.Origin()
	t.touch.ClientData, t.touch.AuthenticatorData, t.touch.Signature = as.ClientData, as.AuthenticatorData, as.Signature
	return t, nil
}
