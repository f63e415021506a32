package consent_test

import (
	"testing"

	"walletd/internal/auth"
	"walletd/internal/did"
	"walletd/internal/store"
	"walletd/internal/wallets"
	"walletd/internal/wallettest/fixture"
)

func TestForgedRowsAreOnTheRecordOfTheirWallet(t *testing.T) {
	h := fixture.New(t)
	bob, err := h.Wallets.Create(t.Context(), h.As(h.Operator), wallets.NewWallet{Name: "bob"})
	if err != nil {
		t.Fatal(err)
	}
	owners := []string{h.Owner, h.Token(h.Operator, auth.NewToken{Role: auth.Owner, Wallet: bob.Wallet}).Text}
	apps := func() {
		t.Helper()
		for _, owner := range owners {
			if _, _, err := h.Auth.Apps(t.Context(), h.As(owner), store.Page{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, owner := range owners {
		if _, err := h.Auth.NameApp(t.Context(), h.As(owner), fixture.App(t, fixture.Notes), "Notes"); err != nil {
			t.Fatal(err)
		}
	}
	h.Tamper(`update apps set state = 'revoked'`)
	apps()
	apps()
	for i, owner := range owners {
		if rows := h.Forged(owner); len(rows) != 1 || rows[0] != "apps "+fixture.Notes {
			t.Errorf("wallet %d: %q on record, want the app's row once", i, rows)
		}
	}
	t.Run("again when they are forged again", func(t *testing.T) {
		h.Tamper(`update apps set state = 'approved', created = 7`)
		apps()
		apps()
		if rows := h.Forged(h.Owner); len(rows) != 2 {
			t.Errorf("%q on record, want both forgeries", rows)
		}
	})
}

func TestForgedAccountsAreOnRecord(t *testing.T) {
	for name, change := range map[string]string{
		"given to another app": `update accounts set app = '` + fixture.Another + `' where app = '` + fixture.Notes + `'`,
		"with other content":   `update accounts set sealed = zeroblob(120) where app = '` + fixture.Notes + `'`,
	} {
		t.Run(name, func(t *testing.T) {
			h := fixture.New(t)
			token, other := h.AppToken(fixture.Notes), h.AppToken(fixture.Another)
			h.Policy(fixture.AllowAll)
			_, account := fixture.Secret(t, fixture.Notes, did.AccountType())
			h.Exec(change)
			for asker, claim := range map[string]string{other: `{"type":"authPrincipal","target":"` + account.Address() + `"}`, token: fixture.KeyClaim("diary")} {
				if out, err := h.Ask(asker, claim); out.Answer != nil {
					t.Errorf("answered: %v", err)
				}
			}
			h.WantForgedOnRecord()
		})
	}
}

func TestAMadeUpTokenIsNotListed(t *testing.T) {
	h := fixture.New(t)
	h.AppToken(fixture.Notes)
	h.Tamper(`insert into tokens select 'made-up', role, wallet, app, name, origins, hash, created, 0, 0, 0, mac from tokens where role = 'owner'`)
	list, _, err := h.Auth.Tokens(t.Context(), h.As(h.Owner), h.Wallet, store.Page{})
	if err != nil || len(list) != 2 {
		t.Errorf("%d tokens are listed, %v, want the two that were made", len(list), err)
	}
	for _, v := range list {
		if v.ID == "made-up" {
			t.Error("the made-up token is listed")
		}
	}
	if rows := h.Forged(h.Owner); len(rows) != 1 || rows[0] != "tokens made-up" {
		t.Errorf("%q on record", rows)
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
			h := fixture.New(t)
			token := h.Token(h.Owner, auth.NewToken{Role: auth.App, Wallet: h.Wallet, App: fixture.Notes})
			p := h.Pending(token.Text, fixture.KeyClaim("diary"))
			c := h.As(token.Text)
			if out, err := h.Pipeline.Collect(t.Context(), c, p.ID, 1); err != nil || out.Pending == nil {
				t.Fatal(out, err)
			}
			h.Tamper(change, token.ID)
			_, err := h.Pipeline.Collect(t.Context(), c, p.ID, 0)
			fixture.WantErr(t, err, auth.ErrUnauthorized)
		})
	}
}
