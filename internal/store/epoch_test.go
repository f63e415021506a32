package store

import (
	"errors"
	"testing"
)

// In a Change a negative epoch says that the epoch is not to be checked: nobody who can write to
// the database may have it say so.
func TestANegativeEpochIsDamage(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := made(t, open())
		must(t, s, "w", InsertToken(Token{ID: "t", Role: RoleApp, Wallet: "w", App: "app"}))
		k, err := s.Keystore(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		forged := k
		forged.Epoch = -3
		must(t, s, ServiceChain, UpdateKeystore(k, forged))
		ctx := t.Context()
		for name, read := range map[string]func() error{
			"Keystore":           func() error { _, err := s.Keystore(ctx); return err },
			"Epoch":              func() error { _, err := s.Epoch(ctx); return err },
			"Caller":             func() error { _, err := s.Caller(ctx, "t", "type"); return err },
			"CallerWallet":       func() error { _, err := s.CallerWallet(ctx, "w"); return err },
			"SignedCaller":       func() error { _, err := s.SignedCaller(ctx, "w", "app", "type", 1); return err },
			"CountUnlockFailure": func() error { _, err := s.CountUnlockFailure(ctx, 1); return err },
		} {
			if err := read(); !errors.Is(err, ErrDamaged) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
