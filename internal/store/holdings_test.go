package store

import (
	"errors"
	"testing"
)

func TestAProfileIsReplacedOnlyFromTheVersionBefore(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := open()
		if _, err := s.Profile(t.Context(), "w1"); !errors.Is(err, ErrNotFound) {
			t.Errorf("before it was set: %v", err)
		}
		first := Profile{Wallet: "w1", Version: 1, Sealed: []byte("a"), Updated: 5}
		must(t, s, "w1", PutProfile(first))
		c := change("w1")
		c.Writes = []Write{PutProfile(first)}
		if _, err := s.Commit(t.Context(), c); !errors.Is(err, ErrChanged) {
			t.Errorf("set twice from nothing: %v", err)
		}
		must(t, s, "w1", PutProfile(Profile{Wallet: "w1", Version: 2, Sealed: []byte("b"), Updated: 6}))
		if p, err := s.Profile(t.Context(), "w1"); err != nil || string(p.Sealed) != "b" || p.Version != 2 {
			t.Errorf("Profile = %+v, %v", p, err)
		}
	})
}

func TestAWalletHoldsSoManyCredentials(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := made(t, open())
		put := func(id string, sealed string) error {
			c := change("w1")
			c.Writes = []Write{PutCredential(Credential{Wallet: "w1", ID: id, Sealed: []byte(sealed), Created: 5}, 2)}
			_, err := s.Commit(t.Context(), c)
			return err
		}
		for _, id := range []string{"c1", "c2", "c1"} { // the last is a replacement
			if err := put(id, "of "+id); err != nil {
				t.Fatal(err)
			}
		}
		if err := put("c3", ""); !errors.Is(err, ErrTooMany) {
			t.Errorf("one too many: %v", err)
		}
		must(t, s, "w1", DeleteCredential("w1", "c2"))
		rows, _, err := s.Credentials(t.Context(), "w1", Page{})
		if err != nil || len(rows) != 1 || rows[0].ID != "c1" {
			t.Errorf("Credentials = %+v, %v", rows, err)
		}
		if _, err := s.Credential(t.Context(), "w1", "c2"); !errors.Is(err, ErrNotFound) {
			t.Errorf("the one that was deleted: %v", err)
		}
	})
}

func TestADeletedWalletTakesItsHoldingsAlong(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := made(t, open())
		must(t, s, "w", PutProfile(Profile{Wallet: "w", Version: 1}), PutCredential(Credential{Wallet: "w", ID: "c1"}, 2))
		must(t, s, "w", DeleteWallet("w"))
		if _, err := s.Profile(t.Context(), "w"); !errors.Is(err, ErrNotFound) {
			t.Errorf("its profile: %v", err)
		}
		if _, err := s.Credential(t.Context(), "w", "c1"); !errors.Is(err, ErrNotFound) {
			t.Errorf("its credential: %v", err)
		}
	})
}
