package consent_test

import (
	"testing"

	"walletd/internal/auth"
	"walletd/internal/did"
	"walletd/internal/store"
	"walletd/internal/wallets"
	"walletd/internal/wallettest/fixture"
)

func TestForgedRowsAreInTheAuditLogOfTheirWallet(t *testing.T) {
	f := fixture.New(t)
	bob, err := f.Wallets.Create(t.Context(), f.As(f.Operator), wallets.NewWallet{Name: "bob"})
	if err != nil {
		t.Fatal(err)
	}
	owners := []string{f.Owner, f.Token(f.Operator, auth.NewToken{Role: auth.Owner, Wallet: bob.Wallet}).Text}
	apps := func() {
		t.Helper()
		for _, owner := range owners {
			if _, _, err := f.Auth.Apps(t.Context(), f.As(owner), store.Page{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, owner := range owners {
		if _, err := f.Auth.NameApp(t.Context(), f.As(owner), fixture.ParseDID(t, fixture.Notes), "Notes"); err != nil {
			t.Fatal(err)
		}
	}
	f.Tamper(`update apps set state = 'revoked'`)
	apps()
	apps()
	for i, owner := range owners {
		if rows := f.ForgedRows(owner); len(rows) != 1 || rows[0] != "apps "+fixture.Notes {
			t.Errorf("wallet %d: %q recorded, want the app's row once", i, rows)
		}
	}
	t.Run("again when they are forged again", func(t *testing.T) {
		f.Tamper(`update apps set state = 'approved', created = 7`)
		apps()
		apps()
		if rows := f.ForgedRows(f.Owner); len(rows) != 2 {
			t.Errorf("%q recorded, want both forgeries", rows)
		}
	})
}

func TestForgedAccountsAreRecorded(t *testing.T) {
	for name, change := range map[string]string{
		"given to another app": `update accounts set app = '` + fixture.Another + `' where app = '` + fixture.Notes + `'`,
		"with other content":   `update accounts set sealed = zeroblob(120) where app = '` + fixture.Notes + `'`,
	} {
		t.Run(name, func(t *testing.T) {
			f := fixture.New(t)
			token, other := f.AppToken(fixture.Notes), f.AppToken(fixture.Another)
			f.SetPolicy(fixture.AllowAll)
			_, account := fixture.Secret(t, fixture.Notes, did.AccountType())
			f.Exec(change)
			for requester, claim := range map[string]string{other: `{"type":"authPrincipal","target":"` + account.Address() + `"}`, token: fixture.KeyClaim("diary")} {
				if out, err := f.Ask(requester, claim); out.Answer != nil {
					t.Errorf("answered: %v", err)
				}
			}
			f.WantForgeryRecorded()
		})
	}
}

func TestAMadeUpTokenIsNotListed(t *testing.T) {
	f := fixture.New(t)
	f.AppToken(fixture.Notes)
	f.Tamper(`insert into tokens select 'made-up', role, wallet, app, name, origins, hash, created, 0, 0, 0, mac, thumbprint, owner, passkey from tokens where role = 'owner'`)
	list, _, err := f.Auth.Tokens(t.Context(), f.As(f.Owner), f.Wallet, store.Page{})
	if err != nil || len(list) != 2 {
		t.Errorf("%d tokens are listed, %v, want the two that were made", len(list), err)
	}
	for _, v := range list {
		if v.ID == "made-up" {
			t.Error("the made-up token is listed")
		}
	}
	if rows := f.ForgedRows(f.Owner); len(rows) != 1 || rows[0] != "tokens made-up" {
		t.Errorf("%q recorded", rows)
	}
}

func TestACallerWhoWaitsLosesItsTokenMeanwhile(t *testing.T) {
	for name, change := range map[string]string{
		"that is gone":                     `delete from tokens where id = ?`,
		"that was revoked":                 `update tokens set revoked = 5 where id = ?`,
		"that has expired":                 `update tokens set expires = 5 where id = ?`,
		"that was given another app's row": `update tokens set app = '` + fixture.Another + `' where id = ?`,
	} {
		t.Run(name, func(t *testing.T) {
			f := fixture.New(t)
			token := f.Token(f.Owner, auth.NewToken{Role: auth.App, Wallet: f.Wallet, App: fixture.Notes})
			p := f.Pending(token.Text, fixture.KeyClaim("diary"))
			c := f.As(token.Text)
			if out, err := f.Pipeline.Collect(t.Context(), c, p.ID, 1); err != nil || out.Pending == nil {
				t.Fatal(out, err)
			}
			f.Tamper(change, token.ID)
			_, err := f.Pipeline.Collect(t.Context(), c, p.ID, 0)
			fixture.WantErr(t, err, auth.ErrUnauthorized)
		})
	}
}
