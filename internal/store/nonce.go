package store

import (
	"context"
	"errors"
	"fmt"
)

// UseNonce uses up a nonce where nothing goes on record with it. ErrReplayed if it was used
// before.
func (s *Store) UseNonce(ctx context.Context, n Nonce) error {
	err := s.alone(ctx, "insert nonce", n.arguments(), func([]any) bool { return true })
	if errors.Is(err, ErrNotFound) {
		return fmt.Errorf("using a nonce: %w", ErrReplayed)
	}
	return err
}
