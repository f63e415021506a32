package claims

import (
	"context"
	"errors"
	"fmt"

	"walletd/internal/delegation"
	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/policy"
	"walletd/internal/store"
)

// encryptionKey is the claim for SHA3-256(masterKey ‖ salt), returned as base58btc of 32 bytes
// (DID Connect reference f.10). The account that answers is the session's, or with a delegation
// the one that delegates.
func encryptionKey() kind {
	return kind{
		name:        "encryptionKey",
		description: "Please provide encryptionKey to continue.",
		read:        readEncryptionKey,
	}
}

func readEncryptionKey(ctx context.Context, q *question, c *claim) error {
	salt, ok := c.asked.Text("salt")
	if !ok {
		return malformed("encryptionKey needs a salt; it may be empty, it may not be absent", nil)
	}
	if len(salt) > policy.MaxSalt {
		return malformed(fmt.Sprintf("the salt is longer than %d bytes", policy.MaxSalt), nil)
	}
	c.saltText, c.salt, c.hasSalt = salt, did.LooseBytes(salt), true
	c.answer = func(r store.Receipt, w *keystore.Wallet) (map[string]any, error) {
		key, err := w.EncryptionKey(r, c.account, c.salt)
		if err != nil {
			return nil, fmt.Errorf("deriving the encryption key: %w", err)
		}
		defer key.Wipe()
		return map[string]any{"key": key.Base58()}, nil
	}
	q.noteUnsealed(c)

	token, err := optionalText(c.asked, "delegation", maxDelegation)
	if err != nil {
		return err
	}
	if token == "" {
		// Never from an account that is not the asking app's own (reference f.10, rule 3).
		if !q.owns(q.account) {
			return did.Refuse("delegation_missing", "this account belongs to another app; a delegation from it is needed")
		}
		c.account = q.account
	} else if err := readDelegation(ctx, q, c, token); err != nil {
		return err
	}
	return checkSalt(ctx, q, c)
}

// readDelegation makes the checks of reference g.ii.2 in their order and finds the account that
// delegates.
func readDelegation(ctx context.Context, q *question, c *claim, token string) error {
	d, err := delegation.Verify(token, q.asker(), q.now)
	if err != nil {
		return err
	}
	if err := q.door.checkLifetime(d); err != nil {
		return err
	}
	c.account, err = q.held(ctx, d.From)
	if err != nil {
		return err
	}
	if err := d.CheckSalt(c.saltText); err != nil {
		return err
	}
	c.delegation, c.token = &d, token

	approved, err := q.door.approvedDelegation(ctx, q, d)
	switch {
	case err != nil:
		return err
	case !q.owns(c.account):
		c.refuseRule("the key of another account is asked for: " + d.From.Address())
		c.unusual = append(c.unusual, "Asks for the key of another account, "+d.From.Address()+".")
	}
	if !approved {
		notYet := "this delegation has not been approved in this wallet"
		if c.never != "" {
			notYet = ""
		}
		c.firstTime("Presents a delegation that was not seen here before.", notYet)
	}
	return nil
}

// held returns the wallet's account with exactly this DID, or account_not_held.
func (q *question) held(ctx context.Context, account did.DID) (store.Account, error) {
	a, err := q.door.store.Account(ctx, q.caller.WalletID, account.Address())
	if errors.Is(err, store.ErrNotFound) {
		return store.Account{}, did.Refuse("account_not_held", "this wallet does not hold the account asked for")
	}
	if err != nil {
		return store.Account{}, fmt.Errorf("looking for the account: %w", err)
	}
	return a, nil
}

// refuseRule notes why no rule may decide c; the first reason stands.
func (c *claim) refuseRule(why string) {
	if c.never == "" {
		c.never = why
	}
}
