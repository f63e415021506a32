package store

import (
	"bytes"
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"walletd/internal/wallettest/postgres"
)

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, url string
		want      error
	}{
		{"no URL", "", ErrInvalid},
		{"another scheme", "mysql://localhost/walletd", ErrInvalid},
		{"a path that is missing", "sqlite:", ErrInvalid},
		{"a file that is missing", "sqlite:" + filepath.Join(dir, "walletd.db"), ErrNotFound},
		{"a directory that is missing", "sqlite:" + filepath.Join(dir, "sub", "walletd.db"), ErrNotFound},
		{"a password before the host", "postgres://walletd:hunter2@localhost/walletd", ErrPasswordInURL},
		{"an empty password", "postgres://walletd:@localhost/walletd", ErrPasswordInURL},
		{"a password among the parameters", "postgresql://localhost/walletd?password=hunter2", ErrPasswordInURL},
		{"a key's password", "postgresql://localhost/walletd?sslpassword=hunter2", ErrPasswordInURL},
		{"what is no URL", "postgres://walletd:hunter2@local host/\x7f", ErrInvalid},
		{"a server that is not there", "postgres://walletd@localhost/walletd?host=" + url.QueryEscape(dir), ErrUnavailable},
	} {
		t.Run("refuses "+tt.name, func(t *testing.T) {
			s, err := Open(t.Context(), tt.url, Options{})
			if !errors.Is(err, tt.want) {
				t.Errorf("Open = %v, %v; want %v", s, err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error shows the password: %v", err)
			}
		})
	}
}

func TestPostgresIsSpokenToOverTLSUnlessLocal(t *testing.T) {
	t.Setenv("PGSSLMODE", "")
	t.Setenv("PGHOST", "")
	for _, tt := range []struct {
		url string
		tls bool
	}{
		{"postgres://walletd@db.example/walletd", true},
		{"postgres://walletd@192.0.2.1/walletd", true},
		{"postgres://walletd@127.0.0.1/walletd?sslmode=disable", false},
		{"postgres:///walletd?host=/run/postgresql", false},
		{"postgres://walletd@db.example/walletd?sslmode=disable", false}, // its operator's word
	} {
		config, err := postgresConfig(tt.url)
		if err != nil {
			t.Errorf("%s: %v", tt.url, err)
			continue
		}
		c := config.ConnConfig
		if got := c.TLSConfig != nil && !c.TLSConfig.InsecureSkipVerify && c.TLSConfig.ServerName != ""; got != tt.tls {
			t.Errorf("%s: TLS with a verified name = %v", tt.url, got)
		}
		for _, f := range c.Fallbacks {
			if tt.tls && f.TLSConfig == nil {
				t.Errorf("%s: falls back to clear text", tt.url)
			}
		}
	}
}

func TestPostgresSettingsAreOurs(t *testing.T) {
	u := postgres.Start(t)
	s := mustOpen(t, u, Options{Create: true})
	db := s.db.(*postgresDB)
	conn, err := db.acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	name := conn.Conn().Config().Database
	for _, set := range []string{"synchronous_commit=off", "default_transaction_isolation=serializable"} {
		if _, err := conn.Exec(t.Context(), "alter database "+name+" set "+set); err != nil {
			t.Fatal(err)
		}
	}
	conn.Release()
	db.pool.Reset()
	conn, err = db.acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	for setting, want := range map[string]string{"synchronous_commit": "on", "transaction_isolation": "read committed"} {
		var got string
		if err := conn.QueryRow(t.Context(), "show "+setting).Scan(&got); err != nil || got != want {
			t.Errorf("%s = %s, %v", setting, got, err)
		}
	}
}

func TestSQLiteFilesAreOursAlone(t *testing.T) {
	u := sqliteURL(t)
	path := strings.TrimPrefix(u, "sqlite:")
	dir := filepath.Dir(path)
	s := made(t, mustOpen(t, u, Options{Create: true}))
	for file, want := range map[string]os.FileMode{dir: 0o700, path: 0o600, path + "-wal": 0o600, path + "-shm": 0o600} {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", file, info.Mode(), err)
		}
	}
	if _, err := Open(t.Context(), u, Options{}); !errors.Is(err, ErrInUse) {
		t.Errorf("a second opener: %v", err)
	}
	s.Close()
	for file, lax := range map[string]os.FileMode{dir: 0o750, path: 0o640} {
		was, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, lax); err != nil {
			t.Fatal(err)
		}
		_, err = Open(t.Context(), u, Options{})
		if !errors.Is(err, ErrExposed) || !strings.Contains(err.Error(), "chmod") || !strings.Contains(err.Error(), file) {
			t.Errorf("%s of mode %o: %v", file, lax, err)
		}
		if err := os.Chmod(file, was.Mode()); err != nil {
			t.Fatal(err)
		}
	}
	s = mustOpen(t, u, Options{}) // the refusals gave the directory back
	if n := fits(t, s, ServiceChain); n != 2 {
		t.Errorf("%d records", n)
	}
}

func TestOpenKeepsDevelopmentStoresApart(t *testing.T) {
	eachURL(t, func(t *testing.T, url string) {
		s := mustOpen(t, url, Options{Create: true, Dev: true})
		err := s.InitKeystore(t.Context(), Keystore{ID: "k"}, nil, Token{}, entry("init")[0])
		if !errors.Is(err, ErrDevStore) {
			t.Errorf("an ordinary keystore in a development store: %v", err)
		}
		if err := s.InitKeystore(t.Context(), Keystore{ID: "k", Dev: true}, nil, Token{}, entry("init")[0]); err != nil {
			t.Fatal(err)
		}
		s.Close()
		if _, err := Open(t.Context(), url, Options{}); !errors.Is(err, ErrDevStore) {
			t.Errorf("opened without Dev: %v", err)
		}
		if err := mustOpen(t, url, Options{Dev: true}).Ping(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestOpenRefusesANewerSchema(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := open()
		script(t, s, "update walletd_schema set version = version + 1")
		if err := s.migrate(t.Context(), Options{Create: true}); !errors.Is(err, ErrNewerSchema) {
			t.Errorf("migrate = %v", err)
		}
		script(t, s, "delete from walletd_schema")
		if err := s.migrate(t.Context(), Options{Create: true}); !errors.Is(err, ErrDamaged) {
			t.Errorf("migrate = %v", err)
		}
	})
}

// script runs statements on the store's own writing connection, which it then
// gives back.
func script(t *testing.T, s *Store, text string) {
	t.Helper()
	err := s.committer.do(t.Context(), func(ctx context.Context, c conn) error {
		err := c.script(ctx, text)
		if err == nil {
			s.committer.drop(false)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// first makes an open store one of the first schema ever shipped, with a row in each table, and closes it.
func first(t *testing.T, s *Store) {
	t.Helper()
	tables := []string{"keystore", "slots", "wallets", "accounts", "paths", "policies", "tokens", "apps", "approvals",
		"grants", "delegations", "profiles", "credentials", "sessions", "secret_keys", "secrets", "records", "chains", "heads", "restored", "nonces", "requests", "walletd_schema"}
	for _, table := range copied { // and what later versions added
		if !slices.Contains(tables, table.table) {
			tables = append(tables, table.table)
		}
	}
	script(t, s, "drop table "+strings.Join(tables, "; drop table "))
	first, err := os.ReadFile("testdata/first.sql")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := s.db.(*postgresDB); ok { // which writes its bytes in another way
		first = regexp.MustCompile(`x'([0-9a-f]*)'`).ReplaceAll(first, []byte(`'\x$1'`))
	}
	script(t, s, string(first))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOpenUpgradesTheFirstSchema(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		first(t, open())
		s := open()
		c, err := s.Caller(t.Context(), "t1", "")
		if err != nil || c.Wallet.Version != 4 || c.Token.App != "app" || c.Newest != 1_700_000_000_000 {
			t.Errorf("Caller = %+v, %v", c, err)
		}
		if n := fits(t, s, "w1"); n != 1 {
			t.Errorf("%d records", n)
		}
		if old := c.Token; !bytes.Equal(old.Canonical(), Token{ID: old.ID, Role: old.Role, Wallet: old.Wallet, App: old.App, Name: old.Name, Origins: old.Origins,
			Hash: old.Hash, Created: old.Created, Expires: old.Expires, Revoked: old.Revoked}.Canonical()) {
			t.Error("the MAC of a token of the first schema would not hold")
		}
		must(t, s, "w1", InsertAccount(Account{Wallet: "w1", Address: "a2"}))
		must(t, s, "w1", laterRows("w1")...)
	})
}

func TestNowIsNeverBeforeTheStore(t *testing.T) {
	eachURL(t, func(t *testing.T, url string) {
		clock := time.UnixMilli(1_700_000_000_000)
		o := Options{Create: true, Clock: func() time.Time { return clock }}
		s := made(t, mustOpen(t, url, o))
		if got := s.Now(); !got.Equal(clock) || s.ClockBehind() != 0 {
			t.Errorf("Now = %v, behind %v", got, s.ClockBehind())
		}
		clock = clock.Add(-time.Hour)
		if s.ClockBehind() != time.Hour {
			t.Errorf("behind %v", s.ClockBehind())
		}
		s.Close()
		s = mustOpen(t, url, o)
		if got := s.Now().UnixMilli(); got != 1_700_000_000_000 {
			t.Errorf("Now after opening again = %v", got)
		}
		c := change("w")
		c.Entries[0].Time += 60_000
		if _, err := s.Commit(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if s.ClockBehind() != time.Hour+time.Minute {
			t.Errorf("behind %v", s.ClockBehind())
		}
	})
}
