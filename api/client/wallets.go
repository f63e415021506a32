package client

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"walletd/api"
)

// ErrWhichWallet is returned by the methods of a Wallet that was not named, where the token is not
// for exactly one.
var ErrWhichWallet = errors.New("the token is not for one wallet alone: name the wallet")

// Wallets lists wallets: an operator's token sees all, an owner's its own.
func (c *Client) Wallets(ctx context.Context, page api.Page) (api.List[api.Wallet], error) {
	return call[api.List[api.Wallet]](ctx, c, request{method: "GET", path: "/v1/wallets", query: page})
}

// CreateWallet makes a wallet of new words, which are in the answer and nowhere else, or imports one.
// Operator.
func (c *Client) CreateWallet(ctx context.Context, w api.NewWallet) (api.CreatedWallet, error) {
	return call[api.CreatedWallet](ctx, c, request{method: "POST", path: "/v1/wallets", body: w})
}

// Wallet is one wallet. Its methods take an owner's token of it, unless they say otherwise. It may be
// used concurrently.
type Wallet struct {
	c  *Client
	at func(context.Context) (string, error) // its address
}

// Wallet names a wallet by its address. Without one it is the only wallet of the token, which the
// first call asks for: ErrWhichWallet if there is none, or there are several.
func (c *Client) Wallet(address string) *Wallet {
	if address != "" {
		return &Wallet{c, func(context.Context) (string, error) { return address, nil }}
	}
	var mu sync.Mutex
	return &Wallet{c, func(ctx context.Context) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		if address != "" {
			return address, nil
		}
		own, err := c.Wallets(ctx, api.Page{Limit: 2})
		if err != nil {
			return "", fmt.Errorf("looking for the token's wallet: %w", err)
		}
		if len(own.Items) != 1 {
			return "", ErrWhichWallet
		}
		address = own.Items[0].Wallet
		return address, nil
	}}
}

// inWallet makes a call on a path under a wallet.
func inWallet[T any](ctx context.Context, w *Wallet, r request) (out T, err error) {
	if r.path, err = w.path(ctx, r.path); err != nil {
		return out, err
	}
	return call[T](ctx, w.c, r)
}

func (w *Wallet) path(ctx context.Context, more string) (string, error) {
	address, err := w.at(ctx)
	return "/v1/wallets/" + segment(address) + more, err
}

// Address returns the wallet's address.
func (w *Wallet) Address(ctx context.Context) (string, error) { return w.at(ctx) }

// Get returns the wallet and its settings. An operator's token may ask too.
func (w *Wallet) Get(ctx context.Context) (api.Wallet, error) {
	return inWallet[api.Wallet](ctx, w, request{method: "GET"})
}

// Change changes the settings that are named.
func (w *Wallet) Change(ctx context.Context, s api.WalletSettings) (api.Wallet, error) {
	return inWallet[api.Wallet](ctx, w, request{method: "PATCH", body: s})
}

// Delete deletes the wallet; only its words bring its keys back. Its audit log stays. Confirm is the
// wallet's address. An operator's token may do it while the wallet has no owner.
func (w *Wallet) Delete(ctx context.Context, confirm string) error {
	_, err := inWallet[struct{}](ctx, w, request{method: "DELETE", body: api.DeleteWallet{Confirm: confirm}})
	return err
}

// Accounts lists the wallet's accounts.
func (w *Wallet) Accounts(ctx context.Context, page api.Page) (api.List[api.Account], error) {
	return inWallet[api.List[api.Account]](ctx, w, request{method: "GET", path: "/accounts", query: page})
}

// AddAccount derives the account of an app, or stores a key that was made elsewhere.
func (w *Wallet) AddAccount(ctx context.Context, a api.NewAccount) (api.Account, error) {
	return inWallet[api.Account](ctx, w, request{method: "POST", path: "/accounts", body: a})
}

// Derive returns the owner's own key for a salt, which no app can reach.
func (w *Wallet) Derive(ctx context.Context, d api.Derive) (api.DerivedKey, error) {
	return inWallet[api.DerivedKey](ctx, w, request{method: "POST", path: "/derive", body: d})
}

// Profile returns what the owner tells apps about themselves, where they or a rule say so.
func (w *Wallet) Profile(ctx context.Context) (api.Profile, error) {
	return inWallet[api.Profile](ctx, w, request{method: "GET", path: "/profile"})
}

// SetProfile replaces the profile with an api.Profile, or with a json.RawMessage, which is sent as it
// is so that the service checks all of it.
func (w *Wallet) SetProfile(ctx context.Context, profile any) (api.Profile, error) {
	return inWallet[api.Profile](ctx, w, request{method: "PUT", path: "/profile", body: profile})
}

// Credentials lists the credentials and assets that the wallet holds.
func (w *Wallet) Credentials(ctx context.Context, page api.Page) (api.List[api.Credential], error) {
	return inWallet[api.List[api.Credential]](ctx, w, request{method: "GET", path: "/credentials", query: page})
}

// Credential returns one credential with its content, or an asset.
func (w *Wallet) Credential(ctx context.Context, id string) (api.CredentialWhole, error) {
	return inWallet[api.CredentialWhole](ctx, w, request{method: "GET", path: "/credentials/" + segment(id)})
}

// AddCredential stores a credential, or an asset.
func (w *Wallet) AddCredential(ctx context.Context, n api.NewCredential) (api.Credential, error) {
	return inWallet[api.Credential](ctx, w, request{method: "POST", path: "/credentials", body: n})
}

// RemoveCredential removes a credential or an asset.
func (w *Wallet) RemoveCredential(ctx context.Context, id string) error {
	_, err := inWallet[struct{}](ctx, w, request{method: "DELETE", path: "/credentials/" + segment(id)})
	return err
}
