package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"walletd/internal/did"
	"walletd/internal/passkey"
	"walletd/internal/store"
)

// A challenge that a passkey answers is not stored. It is its end, 16 random bytes, and a MAC of both and of what it
// is for, under a key of the service: so every replica knows it, nobody can fill the store by asking for many, and it
// serves one purpose. It is used up by the write that acts on its answer.

// challengeLife is how long a challenge may be answered.
const challengeLife = 5 * time.Minute

const (
	challengeRandom = 16
	challengeSize   = 8 + challengeRandom + 32
)

// The purposes of challenges.
const (
	ForSignIn   = "sign in"
	ForPasskey  = "add a passkey"
	ForInvited  = "accept an invitation"
	ForAction   = "act"
	challengeOf = "walletd challenge v1"
)

// ErrChallenge: the challenge was not given by this service for this purpose, has ended, or was used.
var ErrChallenge = errors.New("the challenge is not one that this service gave for this, or it has ended or was used; ask for a new one")

// NewChallenge returns a challenge for a purpose and what it is bound to, and when it ends. It is 56 bytes. The error
// is keystore.ErrLocked.
func (a *Auth) NewChallenge(purpose string, bound ...string) ([]byte, time.Time, error) {
	ends := a.store.Now().Add(challengeLife)
	c := binary.BigEndian.AppendUint64(make([]byte, 0, challengeSize), uint64(ends.Unix()))
	c = c[:8+challengeRandom]
	rand.Read(c[8:]) // never fails
	sum, err := a.challengeMAC(c, purpose, bound)
	if err != nil {
		return nil, time.Time{}, err
	}
	return append(c, sum...), time.Unix(ends.Unix(), 0), nil
}

// UseChallenge checks a challenge that came back, and returns the nonce that uses it up. A Commit that consumes the
// nonce after another did fails; UsedChallenge makes ErrChallenge of its error.
func (a *Auth) UseChallenge(challenge []byte, purpose string, bound ...string) (*store.Nonce, error) {
	if len(challenge) != challengeSize {
		return nil, ErrChallenge
	}
	stated := challenge[:8+challengeRandom]
	sum, err := a.challengeMAC(stated, purpose, bound)
	if err != nil {
		return nil, err
	}
	ends := int64(binary.BigEndian.Uint64(stated))
	if !hmac.Equal(sum, challenge[len(stated):]) || a.store.Now().Unix() >= ends {
		return nil, ErrChallenge
	}
	return &store.Nonce{Issuer: "challenge", JTI: hex.EncodeToString(stated[8:]), Until: ends}, nil
}

// UsedChallenge returns ErrChallenge for the error of a Commit whose nonce was used before, and other errors as they
// are.
func UsedChallenge(err error) error {
	if refusal, is := errors.AsType[*did.Refusal](err); is && refusal.Code == "jti_replayed" {
		return ErrChallenge
	}
	return err
}

func (a *Auth) challengeMAC(stated []byte, purpose string, bound []string) ([]byte, error) {
	sum, err := a.keystore.NonceMAC(passkey.ActionChallenge(stated, append([]string{challengeOf, a.party.Origin(), purpose}, bound...)...))
	if err != nil {
		return nil, fmt.Errorf("making a challenge: %w", err)
	}
	return sum, nil
}
