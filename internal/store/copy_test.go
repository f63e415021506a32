package store

import (
	"context"
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"walletd/internal/wallettest/postgres"
)

// withEveryTable opens a store of the first schema, which has a row in each table.
func withEveryTable(t *testing.T, url string) *Store {
	t.Helper()
	s := mustOpen(t, url, Options{Create: true})
	first, err := os.ReadFile("testdata/first.sql")
	if err != nil {
		t.Fatal(err)
	}
	inItsWay := func(text string) string { return text }
	if _, ok := s.db.(*postgresDB); ok { // which writes its bytes in another way
		inItsWay = func(text string) string { return regexp.MustCompile(`x'([0-9a-f]*)'`).ReplaceAllString(text, `'\x$1'`) }
	}
	var drop []string
	for _, table := range copied {
		drop = append(drop, "drop table "+table.table)
	}
	script(t, s, strings.Join(append(drop, "drop table walletd_schema"), "; "))
	script(t, s, inItsWay(string(first)))
	s.Close()
	s = mustOpen(t, url, Options{})
	for _, later := range []string{ // tables that came after the first schema
		"insert into pairings values ('p1', 'ABCDEFGH', 'https://client.example', 'Client', 'thumbprint', '192.0.2.1', 1, 301, 0)",
		"insert into push_subscriptions values ('w1', 'b1', 't1', '', x'1e', 1, x'1f')",
		"insert into pushes values ('q1', 'b1', 1, 1, 61, true)",
		"insert into trees values (1, x'20', x'21', x'22', x'23', true)",
	} {
		script(t, s, inItsWay(later))
	}
	must(t, s, "w1", laterRows("w1")...)
	return s
}

// laterRows is a row in each table that the first schema did not have.
func laterRows(wallet string) []Write {
	return []Write{
		PutOwner(Owner{}, Owner{Wallet: wallet, ID: "o1", Sealed: []byte("name"), Created: 1, MAC: []byte("mac")}),
		InsertPasskey(Passkey{Wallet: wallet, ID: "k1", Owner: "o1", Credential: []byte("id"), PublicKey: []byte("key"), Counter: 1 << 32, Sealed: []byte("name"),
			Created: 1, LastUsed: 2, MAC: []byte("mac")}, 10),
		InsertInvitation(Invitation{ID: "i1", Wallet: wallet, Owner: "o1", Inviter: RoleOwner, Recovery: true, Hash: []byte("hash"), Sealed: []byte("name"),
			Created: 1, Expires: 2, MAC: []byte("mac")}, 10),
		InsertArchive(Archive{Chain: wallet, First: 1, Seq: 1, Hash: []byte("hash"), Statement: []byte("statement"), MAC: []byte("mac")}),
	}
}

func TestCopyCopiesEveryTable(t *testing.T) {
	for name, urls := range map[string]func(t *testing.T) (from, to string){
		"from SQLite to PostgreSQL": func(t *testing.T) (string, string) { return sqliteURL(t), postgres.Start(t) },
		"from PostgreSQL to SQLite": func(t *testing.T) (string, string) { return postgres.Start(t), sqliteURL(t) },
		"from SQLite to SQLite":     func(t *testing.T) (string, string) { return sqliteURL(t), sqliteURL(t) },
	} {
		t.Run(name, func(t *testing.T) {
			fromURL, toURL := urls(t)
			from := withEveryTable(t, fromURL)
			to := mustOpen(t, toURL, Options{Create: true})
			var seen []string
			done, err := Copy(t.Context(), from, to, func(table string, rows int64) {
				if rows == 0 {
					t.Errorf("no row of %s was copied", table)
				}
				seen = append(seen, table)
			})
			if err != nil {
				t.Fatal(err)
			}
			all := tableNames(t, to)
			all = slices.DeleteFunc(all, func(name string) bool { return name == "walletd_schema" })
			slices.Sort(seen)
			slices.Sort(all)
			if !slices.Equal(seen, all) {
				t.Errorf("copied %v of %v", seen, all)
			}
			if done.Wallets != 1 || done.Chains != 1 || done.Entries != 2 || done.Rows < int64(len(all)) {
				t.Errorf("it says %+v", done)
			}
			if n := fits(t, to, "w1"); n != 2 {
				t.Errorf("%d records", n)
			}
			must(t, to, "w1", InsertAccount(Account{Wallet: "w1", Address: "a2"}))
			if _, err := Copy(t.Context(), from, to, nil); !errors.Is(err, ErrNotEmpty) {
				t.Errorf("copied once more: %v", err)
			}
		})
	}
}

func TestCopyOfABrokenAuditLogLeavesNothing(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		from := withEveryTable(t, sqliteURL(t))
		script(t, from, "update records set kind = 'another'")
		to := open()
		_, err := Copy(t.Context(), from, to, nil)
		if _, broken := errors.AsType[*BrokenError](err); !broken {
			t.Errorf("got %v", err)
		}
		if rows := texts(t, to, "select chain from chains"); len(rows) != 0 {
			t.Errorf("%v is left", rows)
		}
		if _, err := Copy(t.Context(), withEveryTable(t, sqliteURL(t)), to, nil); err != nil {
			t.Errorf("after that: %v", err)
		}
	})
}

func TestCopyNoticesThatTheSourceChanges(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		from, to := withEveryTable(t, sqliteURL(t)), open()
		_, err := Copy(t.Context(), from, to, func(table string, _ int64) {
			if table == "wallets" {
				must(t, from, "w1", InsertAccount(Account{Wallet: "w1", Address: "a2"}))
			}
		})
		if !errors.Is(err, ErrChanged) {
			t.Errorf("got %v", err)
		}
		if rows := texts(t, to, "select id from wallets"); len(rows) != 0 {
			t.Errorf("%v is left", rows)
		}
	})
}

// A copy that is not what was copied is found by reading it, whatever made it so.
func TestCopyComparesWhatItWrote(t *testing.T) {
	from, to := withEveryTable(t, sqliteURL(t)), mustOpen(t, sqliteURL(t), Options{Create: true})
	script(t, to, "create trigger spoil after insert on grants begin update grants set uses = uses + 1; end")
	if _, err := Copy(context.Background(), from, to, nil); !errors.Is(err, ErrNotSame) {
		t.Errorf("got %v", err)
	}
}
