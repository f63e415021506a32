package store

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func tag(n int) []byte { return bytes.Repeat([]byte{byte(n)}, 32) }

func TestSecrets(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := made(t, open())
		ctx := t.Context()
		secret := func(app string, n int) Secret {
			return Secret{Wallet: "w", App: app, Tag: tag(n), Revision: fmt.Sprint("r", n), Sealed: []byte{byte(n)}, Created: int64(n), Updated: 9}
		}
		one, two, other := secret("a", 1), secret("a", 2), secret("b", 3)
		commit := func(w Write) error {
			c := change("w", w)
			_, err := s.Commit(ctx, c)
			return err
		}
		wants := func(what string, err, want error) {
			t.Helper()
			if !errors.Is(err, want) {
				t.Errorf("%s = %v, want %v", what, err, want)
			}
		}
		must(t, s, "w", InsertSecret(one, 2), InsertSecret(two, 2), InsertSecret(other, 2))
		wants("a third of two", commit(InsertSecret(secret("a", 4), 2)), ErrTooMany)
		wants("the same again", commit(InsertSecret(other, 9)), ErrExists)

		got, err := s.Secret(ctx, "w", tag(1))
		if diff := cmp.Diff(one, got); err != nil || diff != "" {
			t.Errorf("Secret: %v %s", err, diff)
		}
		all, next, err := s.Secrets(ctx, "w", "", Page{Limit: 2})
		if diff := cmp.Diff([]Secret{other, two}, all); err != nil || diff != "" {
			t.Errorf("Secrets: %v %s", err, diff)
		}
		rest, _, err := s.Secrets(ctx, "w", "", Page{Cursor: next})
		if diff := cmp.Diff([]Secret{one}, rest); err != nil || diff != "" {
			t.Errorf("Secrets, the rest: %v %s", err, diff)
		}
		ofApp, _, err := s.Secrets(ctx, "w", "a", Page{})
		if diff := cmp.Diff([]Secret{two, one}, ofApp); err != nil || diff != "" {
			t.Errorf("Secrets of an app: %v %s", err, diff)
		}

		newer := one
		newer.Revision, newer.Sealed, newer.Updated = "r9", []byte("new"), 10
		must(t, s, "w", UpdateSecret(one, newer))
		wants("an update of what was updated", commit(UpdateSecret(one, newer)), ErrChanged)
		wants("deleting what was updated", commit(DeleteSecret(one)), ErrChanged)
		if got, err := s.Secret(ctx, "w", tag(1)); err != nil || !cmp.Equal(newer, got) {
			t.Errorf("after an update: %v, %v", got, err)
		}
		must(t, s, "w", DeleteSecret(newer))
		_, err = s.Secret(ctx, "w", tag(1))
		wants("reading what was deleted", err, ErrNotFound)
	})
}

func TestSecretKeys(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := made(t, open())
		ctx := t.Context()
		one := SecretKey{Wallet: "w", App: "a", Tag: tag(1), Sealed: []byte("1"), Created: 1}
		two := SecretKey{Wallet: "w", App: "a", Tag: tag(2), Sealed: []byte("2"), Created: 2}
		must(t, s, "w", InsertSecretKey(one, 2), InsertSecretKey(two, 2), InsertSecretKey(SecretKey{Wallet: "w", App: "b", Tag: tag(3)}, 2))
		for what, tt := range map[string]struct {
			write Write
			want  error
		}{
			"a third of two":              {InsertSecretKey(SecretKey{Wallet: "w", App: "a", Tag: tag(4)}, 2), ErrTooMany},
			"the same again":              {InsertSecretKey(one, 9), ErrExists},
			"an update of something else": {UpdateSecretKey(SecretKey{Wallet: "w", Tag: tag(1), Sealed: []byte("x")}, two), ErrChanged},
		} {
			if _, err := s.Commit(ctx, change("w", tt.write)); !errors.Is(err, tt.want) {
				t.Errorf("%s = %v, want %v", what, err, tt.want)
			}
		}
		newer := one
		newer.Sealed = []byte("3")
		must(t, s, "w", UpdateSecretKey(one, newer))
		keys, err := s.SecretKeys(ctx, "w", "a")
		if diff := cmp.Diff([]SecretKey{two, newer}, keys); err != nil || diff != "" {
			t.Errorf("SecretKeys: %v %s", err, diff)
		}
		if key, err := s.SecretKey(ctx, "w", tag(1)); err != nil || !cmp.Equal(newer, key) {
			t.Errorf("SecretKey = %v, %v", key, err)
		}
	})
}

func TestDeletingAWalletDeletesItsSecrets(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := made(t, open())
		c := change("w", InsertSecretKey(SecretKey{Wallet: "w", App: "a", Tag: tag(1)}, 9), InsertSecret(Secret{Wallet: "w", App: "a", Tag: tag(2)}, 9))
		if _, err := s.Commit(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		must(t, s, "w", DeleteWallet("w"))
		if _, err := s.SecretKey(t.Context(), "w", tag(1)); !errors.Is(err, ErrNotFound) {
			t.Errorf("the key: %v", err)
		}
		if _, err := s.Secret(t.Context(), "w", tag(2)); !errors.Is(err, ErrNotFound) {
			t.Errorf("the secret: %v", err)
		}
	})
}

func TestOriginListed(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := made(t, open())
		must(t, s, "w",
			InsertToken(Token{ID: "1", Wallet: "w", Origins: "https://a.example https://under_score.example", Expires: 100}),
			InsertToken(Token{ID: "2", Wallet: "w", Origins: "https://gone.example", Revoked: 1}), InsertToken(Token{ID: "3", Wallet: "w"}))
		for _, tt := range []struct {
			name, origin string
			now          int64
			want         bool
		}{
			{"finds the first", "https://a.example", 1, true},
			{"finds the last", "https://under_score.example", 1, true},
			{"takes a mark for itself", "https://underXscore.example", 1, false},
			{"takes no wildcard", "%", 1, false},
			{"takes no part of one", "https://a.exampl", 1, false},
			{"takes no other case", "https://A.example", 1, false},
			{"takes nothing for nothing", "", 1, false},
			{"leaves out what has ended", "https://a.example", 100, false},
			{"leaves out what was revoked", "https://gone.example", 1, false},
		} {
			t.Run(tt.name, func(t *testing.T) {
				if got, err := s.OriginListed(t.Context(), tt.origin, tt.now); got != tt.want || err != nil {
					t.Errorf("OriginListed = %v, %v", got, err)
				}
			})
		}
	})
}
