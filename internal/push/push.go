// Package push tells owners' browsers, when none of walletd's pages is open, that an approval waits: who asks, and the code.
// A push can say no more, and decides nothing: the notification leads to the page.
//
//	approvals that wait x subscriptions --DuePushes--> hold (a lease in the store) --> encrypt --> push service --> note
//
// What is due is what the store says: a subscription of the wallet that was not told yet of an approval that waits. So a commit
// waits for nothing, a kill loses nothing (its lease ends, and another tries again), and of several replicas one tells a
// browser. The message is encrypted for the browser (RFC 8291), so that the push service, whose address the browser names, learns
// nothing but when. That address is hostile: only the guarded client of package connect goes there. The service says who it
// is by a key of its own (RFC 8292).
package push

import (
	"context"
	"crypto/ecdh"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/rs/zerolog"

	"walletd/internal/approvals"
	"walletd/internal/auth"
	"walletd/internal/connect"
	"walletd/internal/keystore"
	"walletd/internal/ledger"
	"walletd/internal/store"
)

// Bounds of subscriptions.
const (
	// PerWallet is how many browsers of a wallet are told.
	PerWallet   = 20
	maxEndpoint = 2048 // bytes
)

// ErrTooMany is returned for a subscription of a wallet that has PerWallet others.
var ErrTooMany = errors.New("the wallet has as many push subscriptions as it may")

// Config is what a Pusher is made of.
type Config struct {
	Store     *store.Store
	Keystore  *keystore.Keystore
	Ledger    *ledger.Ledger
	Auth      *auth.Auth
	Approvals *approvals.Approvals
	Client    *connect.Client
	// Contact is what push services are told of who runs the service: a mailto: or https: address.
	Contact string
	Log     zerolog.Logger
}

// Pusher keeps subscriptions and pushes to them. It is safe for concurrent use.
type Pusher struct{ Config }

// New returns a Pusher, which pushes while Run runs.
func New(c Config) *Pusher { return &Pusher{c} }

// Keys are the keys of a browser's subscription (RFC 8291, section 3.2): its public key, 65 bytes, and a secret of 16 bytes.
type Keys struct {
	P256DH []byte `json:"p256dh"`
	Auth   []byte `json:"auth"`
}

// Subscription is how a browser is reached, as its PushSubscription says.
type Subscription struct {
	Endpoint string `json:"endpoint"`
	Keys     Keys   `json:"keys"`
	// Language is that of the page, such as "zh"; it is given back in each message.
	Language string `json:"language,omitempty"`
}

// Format keeps the address and the keys out of logs.
func (Subscription) Format(f fmt.State, _ rune) { fmt.Fprint(f, "push subscription") }

// View is a subscription as it is listed.
type View struct {
	ID      string
	Service string // origin of the push service
	Token   string // id of the token that subscribed it
	Created time.Time
}

// Key returns the public key that browsers subscribe with: an uncompressed point of P-256. The only error is
// keystore.ErrLocked.
func (p *Pusher) Key() ([]byte, error) { return p.Keystore.VAPIDKey() }

func (p *Pusher) check(s Subscription) error {
	u, err := url.Parse(s.Endpoint)
	if err != nil || len(s.Endpoint) > maxEndpoint || u.Scheme != "https" || p.Client.CheckURL(s.Endpoint) != nil {
		return auth.Invalid("endpoint must be an https address of at most %d bytes", maxEndpoint)
	}
	if _, err := ecdh.P256().NewPublicKey(s.Keys.P256DH); err != nil || len(s.Keys.P256DH) != publicSize {
		return auth.Invalid("keys.p256dh must be an uncompressed point of P-256")
	}
	if len(s.Keys.Auth) != authSize {
		return auth.Invalid("keys.auth must have %d bytes", authSize)
	}
	if len(s.Language) > 16 {
		return auth.Invalid("language must have at most 16 characters")
	}
	return nil
}

// Subscribe has a browser of the caller's, who is an owner, told of what waits in the caller's wallet. The same browser that
// subscribes again is told once. The subscription ends with the caller's token or, if a
// passkey signed in, with the passkey: signing in again does not end it.
func (p *Pusher) Subscribe(ctx context.Context, c *auth.Caller, s Subscription) (View, error) {
	if err := c.RequireOwner(); err != nil { // with a touch: a subscription outlives the session
		return View{}, err
	}
	if err := p.check(s); err != nil {
		return View{}, err
	}
	// The id says which browser without saying where it is reached. No row's canonical form begins with this text.
	tag := c.Wallet.Keys().MAC([]byte("walletd push subscription v1\x00" + s.Endpoint))
	row := store.PushSubscription{Wallet: c.WalletID, ID: hex.EncodeToString(tag[:16]), Token: c.Token, Passkey: c.Passkey, Created: p.Store.Now().Unix()}
	var err error
	if row.Sealed, err = c.Wallet.Seal(row, s); err != nil {
		return View{}, err
	}
	row.MAC = c.Wallet.MAC(row)
	e := c.Event(ledger.PushSubscribed)
	e.Created, e.Origin = row.ID, service(s)
	err = c.Record(ctx, e, store.PutPushSubscription(row, PerWallet))
	if errors.Is(err, store.ErrTooMany) {
		return View{}, ErrTooMany
	}
	return View{row.ID, service(s), row.Token, time.Unix(row.Created, 0)}, err
}

// service is the origin of the push service.
func service(s Subscription) string {
	u, err := url.Parse(s.Endpoint)
	if err != nil {
		return "" // check has parsed it
	}
	return u.Scheme + "://" + u.Host
}

// List lists the subscriptions of the caller's wallet, for its owner.
func (p *Pusher) List(ctx context.Context, c *auth.Caller, page store.Page) ([]View, string, error) {
	if err := c.RequireReader(); err != nil {
		return nil, "", err
	}
	rows, next, err := p.Store.PushSubscriptions(ctx, c.WalletID, page)
	if err != nil {
		return nil, "", fmt.Errorf("reading the push subscriptions: %w", err)
	}
	views := make([]View, 0, len(rows))
	for s, err := range ledger.Each[Subscription](ctx, c.Wallet, rows) {
		if err != nil {
			return nil, "", err
		}
		views = append(views, View{s.Row().ID, service(s.Content()), s.Row().Token, time.Unix(s.Row().Created, 0)})
	}
	return views, next, nil
}

// Unsubscribe ends a subscription of the caller's wallet, for its owner. auth.ErrNotFound.
func (p *Pusher) Unsubscribe(ctx context.Context, c *auth.Caller, id string) error {
	if err := c.RequireReader(); err != nil {
		return err
	}
	return p.Auth.Retry(ctx, c, auth.Tries, func() error {
		row, err := p.Store.PushSubscription(ctx, c.WalletID, id)
		if err != nil {
			return auth.NotFound(err)
		}
		return p.remove(ctx, c, row, "")
	})
}

// remove deletes a subscription; a code says why the service does it itself.
func (p *Pusher) remove(ctx context.Context, c *auth.Caller, row store.PushSubscription, code string) error {
	e := c.Event(ledger.PushUnsubscribed)
	e.Created, e.Code = row.ID, code
	return c.Record(ctx, e, store.DeletePushSubscription(row))
}
