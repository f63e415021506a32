package claims

import (
	"database/sql"
	"encoding/json"
	"testing"

	"walletd/internal/did"
	"walletd/internal/ledger"
	"walletd/internal/store"
)

// tamper changes rows under the hands of the running service.
func (h *house) tamper(query string, args ...any) {
	h.t.Helper()
	db, err := sql.Open("sqlite", h.path+"?_pragma=busy_timeout(5000)")
	if err != nil {
		h.t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(query, args...); err != nil {
		h.t.Fatal(err)
	}
}

// forged returns the rows that the record of an owner's wallet calls forged.
func (h *house) forged(owner string) (rows []string) {
	h.t.Helper()
	entries, err := h.door.Record(h.t.Context(), h.as(owner), 0, 200)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, entry := range entries {
		var e ledger.Event
		if err := json.Unmarshal(entry.Entry, &e); err != nil {
			h.t.Fatal(err)
		}
		if entry.Kind == "row.forged" {
			rows = append(rows, e.Row)
		}
	}
	return rows
}

func TestForgedRowsAreOnTheRecordOfTheirWallet(t *testing.T) {
	h := newHouse(t)
	bob, err := h.door.CreateWallet(t.Context(), h.as(h.operator), NewWallet{Name: "bob"})
	if err != nil {
		t.Fatal(err)
	}
	owners := []string{h.owner, h.token(h.operator, NewToken{Role: Owner, Wallet: bob.Wallet}).Text}
	apps := func() {
		t.Helper()
		for _, owner := range owners {
			if _, _, err := h.door.Apps(t.Context(), h.as(owner), store.Page{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, owner := range owners {
		if _, err := h.door.NameApp(t.Context(), h.as(owner), app(t, notes), "Notes"); err != nil {
			t.Fatal(err)
		}
	}
	h.tamper(`update apps set state = 'revoked'`)
	apps()
	apps()
	for i, owner := range owners {
		if rows := h.forged(owner); len(rows) != 1 || rows[0] != "apps "+notes {
			t.Errorf("wallet %d: %q on record, want the app's row once", i, rows)
		}
	}
	t.Run("again when they are forged again", func(t *testing.T) {
		h.tamper(`update apps set state = 'approved', created = 7`)
		apps()
		apps()
		if rows := h.forged(h.owner); len(rows) != 2 {
			t.Errorf("%q on record, want both forgeries", rows)
		}
	})
}

func TestForgedAccountsAreOnRecord(t *testing.T) {
	for name, change := range map[string]string{
		"given to another app": `update accounts set app = '` + another + `' where app = '` + notes + `'`,
		"with other content":   `update accounts set sealed = zeroblob(120) where app = '` + notes + `'`,
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			token, other := h.appToken(notes), h.appToken(another)
			h.policy(allowAll)
			_, account := secret(t, notes, did.AccountType())
			h.exec(change)
			for asker, claim := range map[string]string{other: `{"type":"authPrincipal","target":"` + account.Address() + `"}`, token: keyClaim("diary")} {
				if out, err := h.ask(asker, claim); out.Answer != nil {
					t.Errorf("answered: %v", err)
				}
			}
			h.wantForgedOnRecord()
		})
	}
}

func TestAMadeUpTokenIsNotListed(t *testing.T) {
	h := newHouse(t)
	h.appToken(notes)
	h.tamper(`insert into tokens select 'made-up', role, wallet, app, name, origins, hash, created, 0, 0, 0, mac from tokens where role = 'owner'`)
	list, _, err := h.door.Tokens(t.Context(), h.as(h.owner), h.wallet, store.Page{})
	if err != nil || len(list) != 2 {
		t.Errorf("%d tokens are listed, %v, want the two that were made", len(list), err)
	}
	for _, v := range list {
		if v.ID == "made-up" {
			t.Error("the made-up token is listed")
		}
	}
	if rows := h.forged(h.owner); len(rows) != 1 || rows[0] != "tokens made-up" {
		t.Errorf("%q on record", rows)
	}
}

func TestACallerWhoWaitsLosesItsTokenMeanwhile(t *testing.T) {
	for name, change := range map[string]string{
		"that is gone":                     `delete from tokens where id = ?`,
		"that was revoked":                 `update tokens set revoked = 5 where id = ?`,
		"that has expired":                 `update tokens set expires = 5 where id = ?`,
		"that was given another app's row": `update tokens set app = '` + another + `' where id = ?`,
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			token := h.token(h.owner, NewToken{Role: App, Wallet: h.wallet, App: notes})
			p := h.pending(token.Text, keyClaim("diary"))
			c := h.as(token.Text)
			if out, err := h.door.Collect(t.Context(), c, p.ID, 1); err != nil || out.Pending == nil {
				t.Fatal(out, err)
			}
			h.tamper(change, token.ID)
			_, err := h.door.Collect(t.Context(), c, p.ID, 0)
			wantErr(t, err, ErrUnauthorized)
		})
	}
}
