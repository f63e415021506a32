package keystore

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"strconv"

	"walletd/internal/secret"
)

// VAPIDKey gives the public key that the service pushes with (RFC 8292): an
// uncompressed point of P-256, 65 bytes. Browsers subscribe with it, so it is the
// service's for good: it is derived from the service's key, which no rotation of
// the root key changes, and nothing of it is stored. The only error is ErrLocked.
func (k *Keystore) VAPIDKey() (PublicKey, error) {
	var pk []byte
	err := k.withVAPIDKey(func(key *ecdsa.PrivateKey) (err error) {
		pk, err = key.PublicKey.Bytes()
		return err
	})
	return pk, err
}

// VAPIDSignature is r ‖ s, 32 bytes each (ES256 of RFC 7518).
type VAPIDSignature []byte

// SignVAPID signs a SHA-256 digest with the key of VAPIDKey. What it signs tells push services who pushes, and
// releases nothing of a wallet. The only error is ErrLocked.
func (k *Keystore) SignVAPID(digest [sha256.Size]byte) (VAPIDSignature, error) {
	signature := make(VAPIDSignature, 64)
	err := k.withVAPIDKey(func(key *ecdsa.PrivateKey) error {
		r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
		if err != nil {
			return err
		}
		r.FillBytes(signature[:32])
		s.FillBytes(signature[32:])
		return nil
	})
	if err != nil {
		return nil, err
	}
	return signature, nil
}

// withVAPIDKey lends f the private key.
func (k *Keystore) withVAPIDKey(f func(key *ecdsa.PrivateKey) error) error {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.open == nil {
		return ErrLocked
	}
	var err error
	secret.Do(func() {
		for i := 0; ; i++ {
			scalar := subkey(k.open.service.base, k.open.service.use+"vapid v1 "+strconv.Itoa(i))
			key, e := ecdsa.ParseRawPrivateKey(elliptic.P256(), scalar[:])
			clear(scalar[:])
			if e != nil {
				continue // no number below the order of the curve, which one in 2^32 is not
			}
			err = f(key) // the key keeps copies that nobody can wipe; a lock sweeps them
			return
		}
	})
	return err
}
