package owner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"walletd/internal/auth"
	"walletd/internal/ledger"
	"walletd/internal/passkey"
	"walletd/internal/store"
)

// creation returns what an authenticator is asked for, to make a passkey for the caller's owner.
func (o *Owners) creation(ctx context.Context, c *auth.Caller, purpose string, bound ...string) (Creation, error) {
	state, challenge, ends, err := o.challenge(purpose, bound...)
	if err != nil {
		return Creation{}, err
	}
	owner, err := o.owner(ctx, c, c.Owner)
	if err != nil {
		return Creation{}, err
	}
	keys, err := o.passkeys(ctx, c, c.Owner)
	if err != nil {
		return Creation{}, err
	}
	creation := Creation{
		State: state, Challenge: challenge, Ends: ends, Party: o.auth.Party(), Owner: c.Owner, Name: owner.Content().Name,
		Wallet: c.WalletID, Account: c.Wallet.Settings().Name,
	}
	for _, k := range keys {
		creation.Exclude = append(creation.Exclude, k.Row().Credential)
	}
	return creation, nil
}

// added is a passkey that was registered and is not stored yet.
type added struct {
	row     store.Passkey
	content auth.PasskeyContent
	event   ledger.Event
	nonce   *store.Nonce
}

// register verifies a registration for the caller's owner.
func (o *Owners) register(c *auth.Caller, state []byte, r passkey.Registration, name, purpose string, bound ...string) (added, error) {
	if err := o.auth.RequireParty(); err != nil {
		return added{}, err
	}
	name, err := checkName("a passkey's name", name)
	if err != nil {
		return added{}, err
	}
	nonce, err := o.auth.UseChallenge(state, purpose, bound...)
	if err != nil {
		return added{}, err
	}
	key, err := o.auth.Party().Register(passkey.ActionChallenge(state, purpose), r)
	if err != nil {
		return added{}, fmt.Errorf("%w: %w", auth.ErrPasskeyRefused, err)
	}
	now := o.store.Now().Unix()
	a := added{nonce: nonce, content: auth.PasskeyContent{Name: name}, row: store.Passkey{
		Wallet: c.WalletID, ID: auth.PasskeyID(key.ID), Owner: c.Owner, Credential: key.ID, PublicKey: key.PublicKey, Counter: int64(key.Counter), Created: now, LastUsed: now,
	}}
	if a.row.Sealed, err = c.Wallet.Seal(a.row, a.content); err != nil {
		return added{}, err
	}
	a.row.MAC = c.Wallet.MAC(a.row)
	a.event = c.Event(ledger.PasskeyAdded)
	a.event.Passkey, a.event.Owner, a.event.Name = a.row.ID, c.Owner, name
	a.event.Disclosed = &ledger.Disclosure{Passkey: &ledger.PasskeyAdding{
		ID: a.row.ID, Owner: c.Owner, Name: name, Credential: key.ID, PublicKey: key.PublicKey, Counter: key.Counter,
	}}
	return a, nil
}

// PasskeyView is a passkey as its owner sees it.
type PasskeyView struct {
	ID, Owner, Name   string
	Created, LastUsed time.Time
	Current           bool // the caller signed in with it
}

func viewPasskey(c *auth.Caller, row store.Passkey, content auth.PasskeyContent) PasskeyView {
	return PasskeyView{
		ID: row.ID, Owner: row.Owner, Name: content.Name, Created: time.Unix(row.Created, 0), LastUsed: time.Unix(row.LastUsed, 0), Current: c.Passkey == row.ID,
	}
}

// Passkeys lists the passkeys of the owners of the caller's wallet.
func (o *Owners) Passkeys(ctx context.Context, c *auth.Caller, p store.Page) ([]PasskeyView, string, error) {
	if err := c.RequireReader(); err != nil {
		return nil, "", err
	}
	rows, next, err := o.store.Passkeys(ctx, c.WalletID, p)
	if err != nil {
		return nil, "", fmt.Errorf("reading the passkeys: %w", err)
	}
	views := make([]PasskeyView, 0, len(rows))
	for k, err := range ledger.Each[auth.PasskeyContent](ctx, c.Wallet, rows) {
		if err != nil {
			return nil, "", err
		}
		views = append(views, viewPasskey(c, k.Row(), k.Content()))
	}
	return views, next, nil
}

// named returns the error of a caller whose token names nobody, who has no passkeys.
func named(c *auth.Caller) error {
	if c.Owner == "" {
		return fmt.Errorf("%w: this token names no owner; an invitation makes one", auth.ErrForbidden)
	}
	return nil
}

// BeginAdd returns what an authenticator is asked for, to make another passkey for the caller.
func (o *Owners) BeginAdd(ctx context.Context, c *auth.Caller) (Creation, error) {
	if err := c.RequireReader(); err != nil {
		return Creation{}, err
	}
	if err := named(c); err != nil {
		return Creation{}, err
	}
	return o.creation(ctx, c, auth.ForPasskey, c.Token)
}

// FinishAdd adds another passkey of the caller, who agrees with a touch of one they have (auth.TouchRequest). Errors:
// auth.ErrPasskeyRequired, auth.ErrChallenge, auth.ErrPasskeyRefused, auth.ErrExists, store.ErrTooMany.
func (o *Owners) FinishAdd(ctx context.Context, c *auth.Caller, state []byte, r passkey.Registration, name string) (v PasskeyView, err error) {
	err = o.auth.Retry(ctx, c, auth.Tries, func() error {
		if err := c.RequireDecider(); err != nil {
			return err
		}
		if err := named(c); err != nil {
			return err
		}
		a, err := o.register(c, state, r, name, auth.ForPasskey, c.Token)
		if err != nil {
			return err
		}
		v = viewPasskey(c, a.row, a.content)
		_, err = c.Commit(ctx, ledger.Change{Event: a.event, Nonce: a.nonce, Created: a.row.ID, Writes: []store.Write{store.InsertPasskey(a.row, maxPasskeys)}})
		return err
	})
	if errors.Is(err, store.ErrExists) {
		err = fmt.Errorf("%w: this passkey", auth.ErrExists)
	}
	return v, auth.UsedChallenge(err)
}

// find returns a passkey that the caller may change: one of their own, or any of the wallet for a token that names
// nobody.
func (o *Owners) find(ctx context.Context, c *auth.Caller, id string) (auth.Passkey, error) {
	row, err := o.store.Passkey(ctx, c.WalletID, id)
	if err != nil || c.Owner != "" && row.Owner != c.Owner {
		return auth.Passkey{}, auth.NotFound(err)
	}
	return ledger.Open[auth.PasskeyContent](ctx, c.Wallet, row)
}

// NamePasskey names a passkey of the caller.
func (o *Owners) NamePasskey(ctx context.Context, c *auth.Caller, id, name string) (v PasskeyView, err error) {
	if name, err = checkName("a passkey's name", name); err != nil {
		return PasskeyView{}, err
	}
	err = o.auth.Retry(ctx, c, auth.Tries, func() error {
		if err := c.RequireOwner(); err != nil {
			return err
		}
		k, err := o.find(ctx, c, id)
		if err != nil {
			return err
		}
		content := auth.PasskeyContent{Name: name}
		row := k.Row()
		if row.Sealed, err = c.Wallet.Seal(row, content); err != nil {
			return err
		}
		row.MAC = c.Wallet.MAC(row)
		v = viewPasskey(c, row, content)
		e := c.Event(ledger.PasskeyNamed)
		e.Passkey, e.Name = id, name
		return c.Record(ctx, e, store.UpdatePasskey(k.Row(), row))
	})
	return v, err
}

// RemovePasskey removes a passkey of the caller, and ends the browser sessions that it signed in to, in one write. The
// last way of an owner stays: ErrLastWay.
func (o *Owners) RemovePasskey(ctx context.Context, c *auth.Caller, id string) error {
	return o.auth.Retry(ctx, c, auth.Tries, func() error {
		if err := c.RequireDecider(); err != nil {
			return err
		}
		k, err := o.find(ctx, c, id)
		if err != nil {
			return err
		}
		owner := k.Row().Owner
		all, err := o.passkeys(ctx, c, "")
		if err != nil {
			return err
		}
		if len(all) == 1 && c.Wallet.Settings().Passkey {
			return ErrLastWay // nobody could approve
		}
		keys := slices.DeleteFunc(all, func(k auth.Passkey) bool { return k.Row().Owner != owner })
		if len(keys) == 1 {
			tokens, err := o.auth.OwnerTokens(ctx, c, func(t store.Token) bool { return t.Passkey == "" && t.Owner == owner })
			if err != nil {
				return err
			}
			if len(tokens) == 0 {
				return ErrLastWay
			}
		}
		sessions, err := o.auth.OwnerTokens(ctx, c, func(t store.Token) bool { return t.Passkey == id })
		if err != nil {
			return err
		}
		e := c.Event(ledger.PasskeyRemoved)
		e.Passkey, e.Owner, e.Name = id, owner, k.Content().Name
		e.Disclosed = &ledger.Disclosure{Removed: []string{id}}
		return c.Record(ctx, e, append(o.auth.EndTokens(c, sessions), store.DeletePasskey(k.Row()))...)
	})
}
