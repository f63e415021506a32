package keystore

import (
	"crypto/ed25519"
	"strconv"

	"walletd/internal/secret"
	"walletd/internal/store"
)

// SignHead signs a statement of where a chain of this wallet stood (design
// section 7): the number and hash of its last entry and the time in
// milliseconds, with an ed25519 key derived from the wallet's for that alone.
// VerifyHead checks it.
func (w *Wallet) SignHead(end store.End, time int64) store.Head {
	return w.keys.signHead(end, time)
}

// HeadKey gives the public key (32 bytes) that SignHead signs with. It is the
// wallet's for good.
func (w *Wallet) HeadKey() PublicKey { return w.keys.headKey() }

// SignServiceHead is SignHead for the service's own chain, with a key derived
// from the service's, which no rotation of the root key changes. The only error
// is ErrLocked.
func (k *Keystore) SignServiceHead(end store.End, time int64) (store.Head, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.open == nil {
		return store.Head{}, ErrLocked
	}
	return k.open.service.signHead(end, time), nil
}

// ServiceHeadKey gives the public key (32 bytes) that SignServiceHead signs
// with. The only error is ErrLocked.
func (k *Keystore) ServiceHeadKey() (PublicKey, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.open == nil {
		return nil, ErrLocked
	}
	return k.open.service.headKey(), nil
}

func (k *keyring) signHead(end store.End, time int64) store.Head {
	h := store.Head{Chain: end.Chain, Seq: end.Seq, Hash: end.Hash, Time: time}
	k.withHeadKey(func(sk ed25519.PrivateKey) {
		h.PublicKey = append(h.PublicKey, sk[ed25519.SeedSize:]...)
		h.Signature = ed25519.Sign(sk, headMessage(h.Chain, h.Seq, h.Hash, h.Time))
	})
	return h
}

func (k *keyring) headKey() (pk []byte) {
	k.withHeadKey(func(sk ed25519.PrivateKey) { pk = append(pk, sk[ed25519.SeedSize:]...) })
	return pk
}

// withHeadKey lends f the key that heads are signed with.
func (k *keyring) withHeadKey(f func(sk ed25519.PrivateKey)) {
	secret.Do(func() {
		seed := subkey(k.base, k.use+"head v1")
		defer clear(seed[:])
		sk := ed25519.NewKeyFromSeed(seed[:])
		defer clear(sk)
		f(sk)
	})
}

// VerifyHead tells whether a head was signed by the key it names. Whose key
// that is, it does not tell: compare it with one known from elsewhere.
func VerifyHead(h store.Head) bool {
	return len(h.PublicKey) == ed25519.PublicKeySize &&
		ed25519.Verify(h.PublicKey, headMessage(h.Chain, h.Seq, h.Hash, h.Time), h.Signature)
}

// headMessage is what a head's signature covers: each part after its length,
// numbers in decimal.
func headMessage(chain string, seq int64, hash []byte, time int64) []byte {
	return appendParts(nil, labelHead, chain, strconv.FormatInt(seq, 10), string(hash), strconv.FormatInt(time, 10))
}
