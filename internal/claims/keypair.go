package claims

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"walletd/internal/approvals"
	"walletd/internal/consent"
	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/store"
)

// keyPair is the claim that the wallet creates a key for a server-side application and discloses it (DID Connect
// reference f.9). The wallet stores the key as an account of the new application, which authenticates with the key
// later and whose backups depend on it. The key is derived from the seed and the approval's id, so that the approval
// names the key that is answered, and collecting one approval twice returns the same key. It has no derivation path,
// and the words alone do not restore it. With migrateFrom the key is to replace another one, and the approval names
// both: apps use nothing but the new secret (reference p), and change the rest themselves.
func keyPair() consent.Type {
	return consent.Type{
		Name:        "keyPair",
		Description: "Please create account to continue.",
		AlwaysAsk:   "the request creates a key pair and discloses it",
		Parse:       parseKeyPair,
	}
}

func parseKeyPair(asked did.Object) (consent.Parsed, error) {
	moniker, err := asked.OptionalText("moniker", consent.MaxText)
	if err != nil {
		return consent.Parsed{}, err
	}
	if !isMoniker(moniker) {
		return consent.Parsed{}, did.Malformed("keyPair requires the member moniker: a letter or digit, then 2 to 128 letters, digits, - or _", nil)
	}
	var from did.DID
	if text, err := asked.OptionalText("migrateFrom", 256); err != nil {
		return consent.Parsed{}, err
	} else if text != "" {
		if from, err = did.Parse(text); err != nil {
			return consent.Parsed{}, err
		}
	}
	t, err := readTargetType(asked)
	if err != nil {
		return consent.Parsed{}, err
	}
	declare := true
	if raw := asked.Get("declare"); raw != nil {
		declare = string(raw) != "false"
	}
	view := approvals.KeyPairView{Moniker: moniker, Type: t.String(), Declare: declare}
	return consent.Parsed{Read: func(_ context.Context, req *consent.Request, c *consent.Claim) error {
		return readKeyPair(req, c, view, t, from)
	}}, nil
}

// readKeyPair reads a claim for a key pair that replaces the key from, or none if that is the zero DID. Nothing of
// the old key is disclosed, so it makes no difference whether the wallet holds it, and the app does not learn that.
func readKeyPair(req *consent.Request, c *consent.Claim, view approvals.KeyPairView, t did.Type, from did.DID) error {
	c.View.KeyPair = &view
	req.NoteUnsealed(c)
	if !from.IsZero() {
		view.MigrateFrom, c.About = from.Address(), from.Address()
		c.Unusual = append(c.Unusual, "The new key is to replace the key "+from.Address()+". The wallet changes nothing on a chain and deletes no key: what depends on the old key, such as its backups, needs it still.")
		if from != req.Caller.App && from != req.Caller.Agent {
			c.Unusual = append(c.Unusual, "The key to replace is not the asking app's own.")
		}
	}
	c.Announce = func(label string) error {
		pair, err := req.Caller.Wallet.Keys().NewKeyPair(label, t, req.Now.Unix())
		if err != nil {
			return fmt.Errorf("naming the new key: %w", err)
		}
		view.Address = pair.Address
		return nil
	}

	var pair, user store.Account
	c.Prepare = func(ctx context.Context, label string) (writes []store.Write, err error) {
		pair, user, writes, err = newKeyPair(ctx, req, label, t)
		c.Created = pair.Address
		return writes, err
	}
	c.Answer = func(r store.Receipt, w *keystore.Wallet) (map[string]any, error) {
		secret, err := w.Secret(r, pair)
		if err != nil {
			return nil, fmt.Errorf("reading the new key: %w", err)
		}
		defer clear(secret)
		pk, err := w.PublicKey(user)
		if err != nil {
			return nil, fmt.Errorf("reading the account: %w", err)
		}
		return map[string]any{"secret": did.EncodeBase58(secret), "userDid": user.Address, "userPk": did.EncodeBase58(pk)}, nil
	}
	return nil
}

// newKeyPair derives the key pair of a label, and the wallet's account at the application that the key pair
// identifies. writes stores those of the two that are not stored yet.
func newKeyPair(ctx context.Context, req *consent.Request, label string, t did.Type) (pair, user store.Account, writes []store.Write, err error) {
	w := req.Caller.Wallet.Keys()
	if pair, err = w.NewKeyPair(label, t, req.Now.Unix()); err != nil {
		return pair, user, nil, fmt.Errorf("deriving the key pair: %w", err)
	}
	application, err := did.Parse(pair.Address)
	if err != nil {
		return pair, user, nil, fmt.Errorf("naming the key pair: %w", err)
	}
	if user, err = w.DeriveAccount(application, did.AccountType(), req.Now.Unix()); err != nil {
		return pair, user, nil, fmt.Errorf("deriving the account at the new application: %w", err)
	}
	for _, a := range []store.Account{pair, user} {
		_, err := req.Store.Account(ctx, req.Caller.WalletID, a.Address)
		if errors.Is(err, store.ErrNotFound) {
			writes = append(writes, store.InsertAccount(a))
		} else if err != nil {
			return pair, user, nil, fmt.Errorf("looking for the account: %w", err)
		}
	}
	return pair, user, writes, nil
}

// isMoniker reports whether text matches [A-Za-z0-9][-A-Za-z0-9_]{2,128}.
func isMoniker(text string) bool {
	if len(text) < 3 || len(text) > 129 || text[0] == '-' || text[0] == '_' {
		return false
	}
	return strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}
