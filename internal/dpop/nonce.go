package dpop

import (
	"crypto/hmac"
	"encoding/binary"
	"time"
)

// NonceLife is how long a nonce serves. It bounds for how long a proof can be used at all, and so how long its jti is
// remembered.
const NonceLife = 5 * time.Minute

const (
	renewAfter = time.Minute // a nonce that is older is replaced with the answer, so that no request fails for its age
	maxAhead   = time.Minute // of the clock of another replica
	nonceTime  = 8           // bytes
	nonceSum   = 16
)

// Nonces makes and checks nonces without storing any: a nonce is its time, and a MAC over that and the thumbprint of the
// key that it is for. The replicas of a service share the key of MAC.
type Nonces struct {
	// MAC returns at least 16 bytes that only the service can make.
	MAC func(message []byte) ([]byte, error)
	Now time.Time
}

// For returns a nonce for proofs of a key. The error is that of MAC.
func (n Nonces) For(thumbprint string) (string, error) {
	var at [nonceTime]byte
	binary.BigEndian.PutUint64(at[:], uint64(n.Now.Unix()))
	sum, err := n.sum(at[:], thumbprint)
	if err != nil {
		return "", err
	}
	return base64URL.EncodeToString(append(at[:], sum...)), nil
}

func (n Nonces) sum(at []byte, thumbprint string) ([]byte, error) {
	sum, err := n.MAC(append(append([]byte{}, at...), thumbprint...))
	if err != nil {
		return nil, err
	}
	return sum[:nonceSum], nil
}

// Check checks the nonce of a proof, and says whether the client should have a newer one. The error is ErrNonce or that of
// MAC.
func (n Nonces) Check(p Proof) (renew bool, err error) {
	b, err := base64URL.DecodeString(p.nonce)
	if err != nil || len(b) != nonceTime+nonceSum {
		return true, ErrNonce
	}
	sum, err := n.sum(b[:nonceTime], p.Thumbprint)
	if err != nil {
		return true, err
	}
	age := n.Now.Sub(time.Unix(int64(binary.BigEndian.Uint64(b)), 0))
	if !hmac.Equal(sum, b[nonceTime:]) || age < -maxAhead || age >= NonceLife {
		return true, ErrNonce
	}
	return age >= renewAfter, nil
}
