package server_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"walletd/internal/did"
	"walletd/internal/wallettest"
)

// thief changes the database as someone would who can write to it, while the service is down.
func thief(t *testing.T, w *wallettest.Wallet, statement string, args ...any) {
	t.Helper()
	w.Stop()
	db, err := sql.Open("sqlite", filepath.Join(w.Dir, "walletd.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	done, err := db.Exec(statement, args...)
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	if n, err := done.RowsAffected(); err != nil || n == 0 {
		t.Fatalf("%s: changed %d rows: %v", statement, n, err)
	}
	db.Close()
	w.Restart()
	w.UnlockKeystore()
}

// forgeries counts the entries of the record about rows that somebody else wrote.
func forgeries(t *testing.T, w *wallettest.Wallet) int {
	t.Helper()
	return strings.Count(string(w.Do("GET", w.Path("/audit?limit=200"), w.Owner, nil).Must(200).Body), `"kind":"row.forged"`)
}

func TestTheDatabaseCannotApprove(t *testing.T) {
	t.Parallel()
	t.Run("an approval turned to approved gives nothing", func(t *testing.T) {
		t.Parallel()
		w := wallettest.New(t)
		notes := w.App("Notes")
		asked := notes.Ask(notesKey...).Must(202)
		thief(t, w, `update approvals set state = 'approved', decided = created, decided_by = asker`)
		notes.Collect(asked.Text("id")).Refused(500, "internal")
		if again := notes.Ask(notesKey...); again.Status == 200 {
			t.Errorf("asked again, a key is given: %s", again.Body)
		}
		if forgeries(t, w) != 1 {
			t.Errorf("%d forgeries are on record", forgeries(t, w))
		}
	})
	t.Run("a yes moved to another question gives nothing", func(t *testing.T) {
		t.Parallel()
		w := wallettest.New(t)
		notes := w.App("Notes")
		first, second := notes.Ask(notesKey...).Must(202), notes.Ask(wallettest.EncryptionKey("more")).Must(202)
		w.MustApprove(first.Text("code"))
		thief(t, w, `update approvals set (state, decided, decided_by, answer, mac) =
			(select state, decided, decided_by, answer, mac from approvals where id = $1) where id = $2`, first.Text("id"), second.Text("id"))
		notes.Collect(second.Text("id")).Refused(500, "internal")
	})
	t.Run("a question moved under a yes gives nothing", func(t *testing.T) {
		t.Parallel()
		w := wallettest.New(t)
		notes := w.App("Notes")
		first, second := notes.Ask(notesKey...).Must(202), notes.Ask(wallettest.EncryptionKey("more")).Must(202)
		w.MustApprove(first.Text("code"))
		thief(t, w, `update approvals set sealed = (select sealed from approvals where id = $1) where id = $2`, second.Text("id"), first.Text("id"))
		notes.Collect(first.Text("id")).Refused(500, "internal")
	})
	t.Run("a grant without end counts for nothing", func(t *testing.T) {
		t.Parallel()
		w := wallettest.New(t)
		notes := w.App("Notes")
		w.MustApprove(notes.Ask(notesKey...).Must(202).Text("code"), members{"remember": members{"times": 1}})
		notes.Ask(notesKey...).Must(200)
		thief(t, w, `update grants set uses = -1`)
		notes.Ask(notesKey...).Must(202)
		if forgeries(t, w) != 1 {
			t.Errorf("%d forgeries are on record", forgeries(t, w))
		}
	})
	t.Run("a grant of one app counts for no other", func(t *testing.T) {
		t.Parallel()
		w := wallettest.New(t)
		notes, other := w.App("Notes"), w.App("Other")
		w.MustApprove(notes.Ask(notesKey...).Must(202).Text("code"), members{"remember": members{"until": "withdrawn"}})
		thief(t, w, `update grants set app = $1`, other.DID.Address())
		other.Ask(notesKey...).Must(202)
	})
	t.Run("rules of another wallet are not rules of this one", func(t *testing.T) {
		t.Parallel()
		w := wallettest.New(t)
		notes := w.App("Notes")
		bob := w.Do("POST", "/v1/wallets", w.Operator, members{"name": "bob"}).Must(201).Text("wallet")
		owner := w.Do("POST", "/v1/tokens", w.Operator, members{"role": "owner", "wallet": bob}).Must(201).Text("token")
		w.Do("PUT", "/v1/wallets/"+bob+"/policy", owner, members{"rules": []members{everything}}).Must(200)
		thief(t, w, `insert into policies select $1, version, sealed, updated from policies where wallet = $2`, w.Address, bob)
		notes.Ask(notesKey...).Refused(500, "internal")
		if forgeries(t, w) != 1 {
			t.Errorf("%d forgeries are on record", forgeries(t, w))
		}
	})
	t.Run("an owner's token that nobody made opens nothing", func(t *testing.T) {
		t.Parallel()
		w := wallettest.New(t)
		notes := w.App("Notes")
		id := strings.Split(notes.Token, "_")[2]
		thief(t, w, `update tokens set role = 'owner', app = '' where id = $1`, id)
		w.Do("GET", "/v1/approvals", notes.Token, nil).Refused(401, "unauthorized")
		forged := strings.Replace(notes.Token, "_app_", "_owner_", 1)
		w.Do("GET", "/v1/approvals", forged, nil).Refused(401, "unauthorized")
	})
	t.Run("a token's end cannot be moved", func(t *testing.T) {
		t.Parallel()
		w := wallettest.New(t)
		notes := w.App("Notes")
		thief(t, w, `update tokens set expires = 0, wallet = wallet, created = created + 1 where role = 'app'`)
		notes.Ask(notesKey...).Refused(401, "unauthorized")
		if forgeries(t, w) != 1 {
			t.Errorf("%d forgeries are on record", forgeries(t, w))
		}
	})
	t.Run("a token of one wallet opens no other", func(t *testing.T) {
		t.Parallel()
		w := wallettest.New(t)
		notes := w.App("Notes")
		bob := w.Do("POST", "/v1/wallets", w.Operator, members{"name": "bob"}).Must(201).Text("wallet")
		thief(t, w, `update tokens set wallet = $1 where role = 'app'`, bob)
		notes.Ask(notesKey...).Refused(401, "unauthorized")
	})
	t.Run("an app that was never approved stays unknown", func(t *testing.T) {
		t.Parallel()
		w := wallettest.New(t)
		w.Rules(everything)
		notes, stranger := w.App("Notes"), w.Stranger("Stranger", did.Ed25519)
		w.Do("PUT", w.Path("/apps/"+notes.DID.String()), w.Owner, members{"name": "Notes"}).Must(200)
		thief(t, w, `insert into apps select wallet, $1, state, sealed, created, mac from apps`, stranger.DID.Address())
		stranger.AskSigned(notesKey).Refused(403, "aud_mismatch")
	})
}

// changedBit is the sealed bytes with another 41st byte.
const changedBit = `cast(substr(sealed, 1, 40) || (case substr(sealed, 41, 1) when x'00' then x'01' else x'00' end) || substr(sealed, 42) as blob)`

// A sealed row that was cut, changed or moved is an error that names it, never a wrong key.
func TestSealedRowsStayInTheirPlace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, table, change string }{
		{"a wallet's content with a changed bit", "wallets", `update wallets set sealed = ` + changedBit + ` where id = $1`},
		{"a wallet's content that was cut", "wallets", `update wallets set sealed = substr(sealed, 1, length(sealed) - 1) where id = $1`},
		{"a wallet's content that is empty", "wallets", `update wallets set sealed = x'' where id = $1`},
		{"a wallet's key that is another's", "wallets", `update wallets set sealed_key = (select sealed_key from wallets where id != $1) where id = $1`},
		{"a wallet's content that is another's", "wallets", `update wallets set sealed = (select sealed from wallets where id != $1) where id = $1`},
		{"an account with a changed bit", "accounts", `update accounts set sealed = ` + changedBit + ` where wallet = $1`},
		{"an account that was cut", "accounts", `update accounts set sealed = substr(sealed, 1, 20) where wallet = $1`},
		{"an account whose key is another account's", "accounts", `update accounts set sealed = (select sealed from accounts a where a.wallet = $1 and a.address = $1) where wallet = $1`},
		{"an account whose key is another wallet's", "accounts", `update accounts set sealed = (select sealed from accounts a where a.wallet != $1) where wallet = $1`},
		{"an account under another address", "accounts", `update accounts set address = 'z1nsdV7esuV3MfsGmcyckqErnvjyzU8RQGV' where wallet = $1 and address != $1`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := wallettest.New(t)
			w.Rules(everything)
			notes := w.App("Notes")
			notes.Ask(notesKey...).Must(200)
			w.Do("POST", "/v1/wallets", w.Operator, members{"name": "bob"}).Must(201)
			thief(t, w, c.change, w.Address)
			got := notes.Ask(notesKey...)
			if got.Status == 200 {
				t.Fatalf("a key was given: %s", got.Body)
			}
			got.Refused(500, "internal")
			if !strings.Contains(got.Text("detail"), c.table) && !strings.Contains(w.Log.String(), c.table) {
				t.Errorf("%q does not name the table %s, and the log does not either", got.Text("detail"), c.table)
			}
		})
	}
}

func TestRecordShowsWhatWasChanged(t *testing.T) {
	t.Parallel()
	for seq, change := range map[int]string{
		3: `update records set sealed = x'00' where chain = $1 and seq = 3`,
		4: `delete from records where chain = $1 and seq = 4`,
	} {
		w := wallettest.New(t)
		w.App("Notes").Ask(notesKey...).Must(202)
		thief(t, w, change, w.Address)
		found := w.Do("GET", w.Path("/audit/verify"), w.Owner, nil).Must(200).Members()
		bad, _ := found["firstBad"].(map[string]any)
		if found["ok"] != false || fmt.Sprint(bad["seq"]) != fmt.Sprint(seq) {
			t.Errorf("%s: got %v", change, found)
		}
	}
}
