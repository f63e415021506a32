package connect

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"sync"
	"time"

	"walletd/internal/did"
)

const (
	// keyBits is the largest common size whose text fits the 512 characters that Blocklet Server
	// accepts (reference e).
	keyBits = 1536
	// keyLife is how long a key is offered to one app.
	keyLife = 10 * time.Minute
	// keysReady is how many keys are generated ahead. Generating one takes 300 times as long as all
	// the signatures of a login.
	keysReady = 8
	// keysServing bounds the apps whose key is reused for their next session.
	keysServing = 1024
)

// keys holds the RSA keys with which the encrypted channel is offered. One key serves one app in one wallet, for ten
// minutes; a session seals its key in its row. It is safe for concurrent use.
type keys struct {
	now   func() time.Time
	ready chan *rsa.PrivateKey
	turn  chan struct{} // holds a value while a key is generated: generating two at a time is no faster, and starves other work

	mu      sync.Mutex
	serving map[string]served
	only    *rsa.PrivateKey // serves all apps if single is set
	single  bool
}

type served struct {
	key  *rsa.PrivateKey
	ends time.Time
}

// newKeys returns keys. With single, one key serves the whole process, so that development and one-session wallets do
// not wait for keys.
func newKeys(now func() time.Time, single bool) *keys {
	return &keys{now: now, single: single, ready: make(chan *rsa.PrivateKey, keysReady), turn: make(chan struct{}, 1), serving: make(map[string]served)}
}

// fill generates keys ahead until the context ends.
func (k *keys) fill(ctx context.Context) {
	for !k.single {
		key, err := k.generate(ctx, nil)
		if err != nil {
			return // the context ended, or the source of randomness failed: then key fails too
		}
		select {
		case k.ready <- key:
		case <-ctx.Done():
			return
		}
	}
}

// key returns the key to offer to an app. The caller must not change it. If no key is ready, key waits for one: the
// wallet always offers the channel.
func (k *keys) key(ctx context.Context, app string) (*rsa.PrivateKey, error) {
	k.mu.Lock()
	now := k.now()
	if s, ok := k.serving[app]; ok && now.Before(s.ends) {
		k.mu.Unlock()
		return s.key, nil
	}
	only := k.only
	k.mu.Unlock()
	if only != nil {
		return only, nil
	}
	key, err := k.next(ctx)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.single {
		if k.only == nil {
			k.only = key
		}
		return k.only, nil
	}
	if s, ok := k.serving[app]; ok && now.Before(s.ends) {
		k.putBack(key) // a concurrent session of the app was first
		return s.key, nil
	}
	k.forget(now)
	k.serving[app] = served{key, now.Add(keyLife)}
	return key, nil
}

// next returns a key that serves no app yet.
func (k *keys) next(ctx context.Context) (*rsa.PrivateKey, error) {
	select {
	case key := <-k.ready:
		return key, nil
	default:
		return k.generate(ctx, k.ready)
	}
}

// generate generates a key, or takes one from instead while it waits for its turn.
func (k *keys) generate(ctx context.Context, instead <-chan *rsa.PrivateKey) (*rsa.PrivateKey, error) {
	select {
	case k.turn <- struct{}{}:
		defer func() { <-k.turn }()
	case key := <-instead:
		return key, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, fmt.Errorf("generating a key of the channel: %w", err)
	}
	return key, nil
}

// putBack returns an unused key to those that are ready.
func (k *keys) putBack(key *rsa.PrivateKey) {
	select {
	case k.ready <- key:
	default:
	}
}

// forget drops expired keys, and any keys while there are too many.
func (k *keys) forget(now time.Time) {
	for app, s := range k.serving {
		if !now.Before(s.ends) || len(k.serving) >= keysServing {
			delete(k.serving, app)
		}
	}
}

// encodeKey encodes a key for the row of its session, as PKCS #1; decodeKey decodes it.
func encodeKey(key *rsa.PrivateKey) []byte { return x509.MarshalPKCS1PrivateKey(key) }

func decodeKey(der []byte) (*rsa.PrivateKey, error) {
	if len(der) == 0 {
		return nil, nil
	}
	key, err := x509.ParsePKCS1PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("reading the key of the channel: %w", err)
	}
	return key, nil
}

// offer returns the value of _ek_ for a key.
func offer(key *rsa.PrivateKey) string { return did.EncodeChannelPublicKey(&key.PublicKey) }
