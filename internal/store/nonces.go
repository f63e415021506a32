package store

import (
	"context"
	"errors"
	"fmt"
)

// Nonce is a jti that has been used.
type Nonce struct {
	Wallet string
	Issuer string
	JTI    string
	Until  int64 // Sweep forgets it after this
}

func (n *Nonce) columns() []column {
	return []column{
		plain("wallet", &n.Wallet),
		plain("issuer", &n.Issuer),
		plain("jti", &n.JTI),
		plain("expires", &n.Until),
	}
}

func (Nonce) Table() string { return "nonces" }

var (
	insertNonce = writes[Nonce]("insert nonce")
	sweepNonces = statement("sweep nonces")
)

// UseNonce uses up a nonce where nothing goes on record with it. ErrReplayed if it was used
// before.
func (s *Store) UseNonce(ctx context.Context, n Nonce) error {
	var used Nonce
	err := s.answered(ctx, insertNonce.query, used.columns()[:3], insertNonce.values(&n, nil)...)
	if errors.Is(err, ErrNotFound) {
		return fmt.Errorf("using a nonce: %w", ErrReplayed)
	}
	return err
}
