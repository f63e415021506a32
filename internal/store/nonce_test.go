package store

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
)

func TestUseNonceUsesItUp(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := made(t, open())
		records := fits(t, s, "w")
		n := Nonce{Wallet: "w", Issuer: "i", JTI: "j", Until: 100}
		if err := s.UseNonce(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		if err := s.UseNonce(t.Context(), n); !errors.Is(err, ErrReplayed) {
			t.Errorf("a second time: %v", err)
		}
		c := change("w")
		c.Nonce = &n
		if _, err := s.Commit(t.Context(), c); !errors.Is(err, ErrReplayed) {
			t.Errorf("for a change: %v", err)
		}
		for name, other := range map[string]Nonce{
			"of another wallet": {Wallet: "w2", Issuer: "i", JTI: "j"}, "of another issuer": {Wallet: "w", Issuer: "i2", JTI: "j"}, "another jti": {Wallet: "w", Issuer: "i", JTI: "j2"},
		} {
			if err := s.UseNonce(t.Context(), other); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := s.UseNonce(t.Context(), Nonce{Wallet: "w", JTI: "nul\x00"}); !errors.Is(err, ErrInvalid) {
			t.Errorf("one that no row can hold: %v", err)
		}
		c.Nonce = &Nonce{Wallet: "w", Issuer: "i", JTI: "of a change"}
		if _, err := s.Commit(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if err := s.UseNonce(t.Context(), *c.Nonce); !errors.Is(err, ErrReplayed) {
			t.Errorf("one that a change used up: %v", err)
		}
		if after := fits(t, s, "w"); after != records+1 {
			t.Errorf("%d entries went on record, want the change's", after-records)
		}
	})
}

func TestOfManyWhoUseANonceOneDoes(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := made(t, open())
		var used atomic.Int64
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				switch err := s.UseNonce(t.Context(), Nonce{Wallet: "w", Issuer: "i", JTI: "j"}); {
				case err == nil:
					used.Add(1)
				case !errors.Is(err, ErrReplayed):
					t.Error(err)
				}
			})
		}
		all.Wait()
		if used.Load() != 1 {
			t.Errorf("%d used it", used.Load())
		}
	})
}
