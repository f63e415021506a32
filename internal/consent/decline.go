package consent

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"
	"walletd/internal/auth"
	"walletd/internal/did"
	"walletd/internal/ledger"
)

// The actions of a reply to a session that is not an answer (reference d.7).
const (
	DeclineAuth = "declineAuth"
	Busy        = "busy"
)

// Decline returns the token that declines a session's request, or says busy. It appends the reason to the
// audit log first. Then the account that the session has revealed signs the token, or else an ephemeral key,
// so that a decline discloses nothing to the app.
func (p *Pipeline) Decline(ctx context.Context, c *auth.Caller, action, reason string) (*auth.SignedAnswer, error) {
	e := c.Event(ledger.SessionDeclined)
	e.Reason = reason
	receipt, err := c.CommitOutcome(ctx, ledger.Change{Event: e}, auth.Outcome{Account: c.Session.Account})
	if err != nil {
		return nil, err
	}
	s := c.Session
	payload := map[string]any{"action": action, "challenge": s.Challenge, "requestedClaims": []any{}}
	now := p.store.Now().Add(s.Skew)
	if s.Account == "" {
		return declineWithEphemeralKey(payload, now)
	}
	account, err := p.store.Account(ctx, c.WalletID, s.Account)
	if err != nil {
		return nil, fmt.Errorf("reading the account: %w", err)
	}
	token, err := c.Wallet.Keys().SignToken(receipt, account, payload, now)
	if err != nil {
		return nil, fmt.Errorf("signing the refusal: %w", err)
	}
	pk, err := c.Wallet.Keys().PublicKey(account)
	if err != nil {
		return nil, fmt.Errorf("reading the account: %w", err)
	}
	return &auth.SignedAnswer{UserPK: did.EncodeBase58(pk), UserInfo: token}, nil
}

// declineWithEphemeralKey signs with a key that is not stored anywhere.
func declineWithEphemeralKey(payload map[string]any, now time.Time) (*auth.SignedAnswer, error) {
	seed := randomSeed()
	defer clear(seed)
	key, err := did.SecretKeyFromSeed(did.Ed25519, seed)
	if err != nil {
		return nil, fmt.Errorf("making an ephemeral key: %w", err)
	}
	defer key.Wipe()
	account, err := did.FromPublicKey(key.Public(), did.AccountType())
	if err != nil {
		return nil, fmt.Errorf("making an ephemeral account: %w", err)
	}
	token, err := did.SignToken(key, account, payload, now)
	if err != nil {
		return nil, fmt.Errorf("signing the refusal: %w", err)
	}
	return &auth.SignedAnswer{UserPK: did.EncodeBase58(key.Public()), UserInfo: token}, nil
}

// randomSeed returns the 32 random bytes of a new key.
func randomSeed() []byte {
	seed := make([]byte, 32)
	rand.Read(seed) // never fails
	return seed
}
