package push

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"walletd/internal/approvals"
	"walletd/internal/auth"
	"walletd/internal/connect"
	"walletd/internal/keystore"
	"walletd/internal/ledger"
	"walletd/internal/show"
	"walletd/internal/store"
)

// How a browser is told.
const (
	pollEvery = time.Second            // finds what other replicas wrote
	pollPause = 100 * time.Millisecond // between two polls, however much happens
	atOnce    = 16                     // pushes under way in this process
	ofWallet  = 4                      // and of one wallet, so that a slow push service holds up its own wallet alone
	sendFor   = 10 * time.Second
	leaseFor  = 30 * time.Second // longer than sendFor and what is around it
	// An app that asks without end does not ring without end: a browser is told of so many approvals in a while.
	mostTold   = 10
	toldWithin = 5 * time.Minute
	firstPause = 5 * time.Second // before the second try; then twice as long each time
	maxPause   = time.Minute
)

// Run pushes until the context ends, and then waits for what is under way.
func (p *Pusher) Run(ctx context.Context) {
	var sending sync.WaitGroup
	defer sending.Wait()
	var mu sync.Mutex
	busy := map[string]int{} // pushes under way, by wallet; "" is all
	free := make(chan struct{}, 1)
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	failing := false
	for {
		changed := p.Ledger.Changed()
		due, err := p.due(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			p.Log.Error().Err(err).Msg("what is to be pushed cannot be read; retrying each second")
		}
		failing = err != nil
		for _, d := range due {
			mu.Lock()
			room := busy[""] < atOnce && busy[d.Wallet] < ofWallet
			if room {
				busy[""]++
				busy[d.Wallet]++
			}
			mu.Unlock()
			if !room {
				continue
			}
			sending.Go(func() {
				if err := p.push(ctx, d); err != nil && ctx.Err() == nil {
					p.Log.Error().Err(err).Str("approval", d.Approval).Msg("a browser cannot be told of an approval")
				}
				mu.Lock()
				busy[""]--
				if busy[d.Wallet]--; busy[d.Wallet] == 0 {
					delete(busy, d.Wallet)
				}
				mu.Unlock()
				select {
				case free <- struct{}{}:
				default:
				}
			})
		}
		if !wait(ctx, time.After(pollPause)) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-free:
		case <-tick.C:
		}
	}
}

// wait reports whether the time came before the context ended.
func wait(ctx context.Context, until <-chan time.Time) bool {
	select {
	case <-ctx.Done():
		return false
	case <-until:
		return true
	}
}

// due reads what is to be pushed; nothing while the keystore is locked.
func (p *Pusher) due(ctx context.Context) ([]store.DuePush, error) {
	if _, err := p.Keystore.VAPIDKey(); errors.Is(err, keystore.ErrLocked) {
		return nil, nil
	}
	now := p.Store.Now()
	return p.Store.DuePushes(ctx, now.Unix(), now.Add(-toldWithin).Unix(), mostTold, 4*atOnce)
}

// push makes one try, if nobody else does, and notes what came of it. Who is killed meanwhile leaves a lease that ends.
func (p *Pusher) push(ctx context.Context, d store.DuePush) error {
	now := p.Store.Now()
	tries, err := p.Store.HoldPush(ctx, d, now.Unix(), now.Add(leaseFor).Unix(), now.Add(-toldWithin).Unix(), mostTold)
	if errors.Is(err, store.ErrChanged) {
		return nil
	}
	if err != nil {
		return err
	}
	done, pause, err := p.tell(ctx, d)
	if pause == 0 {
		pause = min(firstPause<<min(tries-1, 8), maxPause)
	}
	// What was sent is noted, even while the service stops.
	return errors.Join(err, p.Store.EndPush(context.WithoutCancel(ctx), d, done, p.Store.Now().Add(pause).Unix()))
}

// tell sends one message, and reports whether no other try is due; a pause of zero leaves the next one to the caller.
func (p *Pusher) tell(ctx context.Context, d store.DuePush) (done bool, pause time.Duration, err error) {
	c, err := p.Auth.OpenItself(ctx, d.Wallet)
	if c != nil {
		defer c.Close()
	}
	if err != nil {
		return errors.Is(err, auth.ErrNotFound), 0, ours(err)
	}
	row, err := p.Store.PushSubscription(ctx, d.Wallet, d.Subscription)
	if err != nil {
		return errors.Is(err, store.ErrNotFound), 0, ours(err)
	}
	opened, err := ledger.Open[Subscription](ctx, c.Wallet, row)
	if err != nil {
		return errors.Is(err, ledger.ErrForged), 0, err
	}
	live, err := p.isLive(ctx, c, row)
	if err != nil {
		return false, 0, err
	}
	if !live {
		return true, 0, p.remove(ctx, c, row, "token_ended")
	}
	asks, err := p.Approvals.Waiting(ctx, c, d.Approval)
	if err != nil {
		return errors.Is(err, auth.ErrNotFound) || errors.Is(err, ledger.ErrForged), 0, ours(err)
	}
	s := opened.Content()
	request, body, err := p.message(s, asks)
	if err != nil {
		return false, 0, ours(err)
	}
	c.Close() // nothing of the wallet is open while a stranger is waited for
	reply, err := p.Client.Deliver(ctx, s.Endpoint, request, body, sendFor)
	if b, is := errors.AsType[*connect.BlockedError](err); is && b.Rule != connect.RuleTime {
		p.Log.Warn().Str("service", service(s)).Str("rule", string(b.Rule)).Msg("a push service may not be reached")
		return true, 0, nil
	}
	switch {
	case err != nil:
		p.Log.Info().Err(err).Str("service", service(s)).Msg("a push service did not answer")
		return false, 0, nil
	case reply.Status >= 200 && reply.Status < 300:
		return true, 0, nil
	case reply.Status == http.StatusNotFound || reply.Status == http.StatusGone:
		return true, 0, p.forget(ctx, row)
	case reply.Status == http.StatusTooManyRequests || reply.Status >= 500:
		return false, reply.RetryAfter, nil
	default: // it will say the same again
		p.Log.Warn().Int("status", reply.Status).Str("service", service(s)).Msg("a push service refuses")
		return true, 0, nil
	}
}

// isLive reports whether that lives from which the subscription came: the passkey or the token that began the browser's
// session or, without a session, the token.
func (p *Pusher) isLive(ctx context.Context, c *auth.Caller, row store.PushSubscription) (bool, error) {
	if row.Passkey == "" {
		return p.Auth.IsLive(ctx, c, row.Token)
	}
	passkey, err := p.Store.Passkey(ctx, c.WalletID, row.Passkey)
	if errors.Is(err, store.ErrNotFound) {
		return p.Auth.IsLive(ctx, c, row.Passkey) // a session names the token that began it in the place of a passkey
	}
	if err == nil {
		_, err = ledger.Check(ctx, c.Wallet, passkey)
	}
	if errors.Is(err, ledger.ErrForged) {
		return false, nil
	}
	return err == nil, err
}

// forget removes a subscription that the browser or its push service has ended.
func (p *Pusher) forget(ctx context.Context, row store.PushSubscription) error {
	c, err := p.Auth.OpenItself(ctx, row.Wallet)
	if c != nil {
		defer c.Close()
	}
	if err != nil {
		return ours(err)
	}
	err = p.remove(ctx, c, row, "gone")
	if errors.Is(err, store.ErrChanged) { // it was renewed, or removed, meanwhile
		return nil
	}
	return err
}

// ours drops the errors that are the ordinary end of a push: what it was about is gone, or the keystore was locked.
func ours(err error) error {
	for _, ordinary := range []error{auth.ErrNotFound, store.ErrNotFound, keystore.ErrLocked} {
		if errors.Is(err, ordinary) {
			return nil
		}
	}
	return err
}

// Message is what a browser is told. Names are of others, made plain and cut.
type Message struct {
	Type        string    `json:"type"` // "approval"
	ID          string    `json:"id"`
	Code        string    `json:"code"`
	App         string    `json:"app,omitempty"`         // the owner's name for the app
	CallsItself string    `json:"callsItself,omitempty"` // the app's own
	DID         string    `json:"did"`
	Origin      string    `json:"origin,omitempty"` // where the app of a session was reached
	Expires     time.Time `json:"expiresAt"`
	Language    string    `json:"language,omitempty"`
}

// maxOrigin bounds an origin in a message: a name has at most 253 letters.
const maxOrigin = 270

// message is the request to the push service.
func (p *Pusher) message(s Subscription, asks approvals.View) (http.Header, []byte, error) {
	plain, err := json.Marshal(Message{
		Type: "approval", ID: asks.ID, Code: asks.Code, App: show.Plain(asks.AppName, show.MaxName/2), CallsItself: show.Plain(asks.CallsItself, show.MaxName/2),
		DID: asks.App, Origin: show.Plain(asks.Origin, maxOrigin), Expires: asks.Expires.UTC(), Language: s.Language,
	})
	if err != nil {
		return nil, nil, err
	}
	body, err := encrypt(s.Keys, plain)
	if err != nil {
		return nil, nil, fmt.Errorf("encrypting a push: %w", err)
	}
	endpoint, err := url.Parse(s.Endpoint)
	if err != nil {
		return nil, nil, err
	}
	who, err := authorization(p.Keystore, endpoint, p.Contact, p.Store.Now())
	if err != nil {
		return nil, nil, err
	}
	// A message that is sent twice takes the place of the first (RFC 8030, section 5.4).
	topic := sha256.Sum256([]byte("walletd push topic v1\x00" + asks.ID))
	left := max(0, asks.Expires.Unix()-p.Store.Now().Unix())
	return http.Header{
		"Authorization": {who}, "Content-Encoding": {"aes128gcm"}, "Content-Type": {"application/octet-stream"},
		"Ttl": {strconv.FormatInt(left, 10)}, "Urgency": {"high"}, "Topic": {base64.RawURLEncoding.EncodeToString(topic[:24])}, "User-Agent": {"walletd"},
	}, body, nil
}
