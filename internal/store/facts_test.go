package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
)

// remembered reads the caller with a token and has the wallet's facts remembered.
func remembered(t *testing.T, s *Store, token string) *Facts {
	t.Helper()
	row, err := s.Caller(t.Context(), token, "type")
	if err != nil {
		t.Fatal(err)
	}
	return s.Keep(TokenCaller(token), row)
}

func TestFactsAreRememberedUntilTheWalletChanges(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s, ctx := made(t, open()), t.Context()
		must(t, s, "w", InsertToken(Token{ID: "t", Role: RoleApp, Wallet: "w", App: "app"}),
			InsertGrant(Grant{ID: "always", Wallet: "w", App: "app", Uses: -1}), InsertGrant(Grant{ID: "twice", Wallet: "w", App: "other", Uses: 2}))
		facts := remembered(t, s, "t")
		if _, err := facts.Account(ctx, "new"); !errors.Is(err, ErrNotFound) {
			t.Fatal(err)
		}
		for _, app := range []string{"app", "other"} {
			if grants, err := facts.Grants(ctx, app, 1); err != nil || len(grants) != 1 {
				t.Fatal(grants, err)
			}
		}

		// Behind the store's back, as another replica would, but without raising the version.
		behind := func(statement string) {
			t.Helper()
			err := s.committer.wait(ctx, &job{alone: func(ctx context.Context, c conn) error {
				_, err := c.run(ctx, []stmt{{text: s.db.words().begin}, {text: statement}, {text: "commit"}})
				return err
			}})
			if err != nil {
				t.Fatal(err)
			}
		}
		behind("update grants set uses = 1 where id = 'twice'")
		behind("update grants set ends = 7 where id = 'always'")
		row, facts, ok := s.Recall(TokenCaller("t"))
		if !ok || row.Token.ID != "t" || row.Wallet.ID != "w" {
			t.Fatal(ok, row)
		}
		if grants, err := facts.Grants(ctx, "app", 1); err != nil || grants[0].Ends != 0 {
			t.Errorf("grants without a count are not remembered: %v, %v", grants, err)
		}
		if grants, err := facts.Grants(ctx, "other", 1); err != nil || grants[0].Uses != 1 {
			t.Errorf("the uses of a grant are remembered, which change without the version: %v, %v", grants, err)
		}

		seen := row.Wallet
		holds := func() error {
			c := change("w")
			c.Epoch, c.Seen = row.Epoch, &seen
			_, err := s.Commit(ctx, c)
			return err
		}
		if err := holds(); err != nil {
			t.Error(err)
		}
		must(t, s, "w", InsertAccount(Account{Wallet: "w", Address: "new", App: "app", Path: "m/7"}))
		if _, _, ok := s.Recall(TokenCaller("t")); ok {
			t.Error("a wallet that this process changed is remembered")
		}
		if err := holds(); !errors.Is(err, ErrChanged) {
			t.Errorf("a decision by what was remembered: %v", err)
		}
		if a, err := remembered(t, s, "t").Account(ctx, "new"); err != nil || a.App != "app" {
			t.Error(a, err)
		}
		s.ForgetAll()
		if _, _, ok := s.Recall(TokenCaller("t")); ok || s.Kept().Wallets != 0 || s.Kept().Bytes != 0 {
			t.Errorf("all was forgotten, but for %+v", s.Kept())
		}
	})
}

func TestWhatIsRememberedIsBounded(t *testing.T) {
	s := &Store{}
	row := func(n int) CallerRow {
		return CallerRow{Token: Token{ID: fmt.Sprint(n)}, Wallet: Wallet{ID: fmt.Sprint("w", n), Sealed: bytes.Repeat([]byte{1}, 100<<10)}}
	}
	const many = 2 * maxKept / (100 << 10)
	for n := range many {
		s.Keep(TokenCaller(fmt.Sprint(n)), row(n))
		s.Recall(TokenCaller("0")) // used all the time
	}
	if kept := s.Kept(); kept.Bytes > maxKept || kept.Bytes < maxKept/2 || kept.Wallets > many/2+1 {
		t.Errorf("%+v", kept)
	}
	for n, want := range map[int]bool{0: true, 1: false, many - 1: true} {
		if _, _, ok := s.Recall(TokenCaller(fmt.Sprint(n))); ok != want {
			t.Errorf("caller %d is remembered: %v, want %v", n, ok, want)
		}
	}

	_, facts, _ := s.Recall(TokenCaller("0"))
	for n := range 100 {
		if _, err := recall(facts, fmt.Sprint("account ", n), func() (Account, error) { return Account{Sealed: make([]byte, 10<<10)}, nil }); err != nil {
			t.Fatal(err)
		}
	}
	if facts.kept.bytes > maxKeptWallet || len(facts.kept.found) < 10 {
		t.Errorf("one wallet takes %d bytes in %d facts", facts.kept.bytes, len(facts.kept.found))
	}
}
