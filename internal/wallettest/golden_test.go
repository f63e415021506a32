package wallettest_test

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"walletd/internal/wallettest/postgres"
)

// golden is a store that walletd 1 made, what opens it, and what walletd 1 said of it
// (testdata/v1).
type golden struct {
	url    string
	backup json.RawMessage
	record []byte       // of alice's wallet, exported
	now    atomic.Int64 // unix nanoseconds

	Passphrase, Laptop, Identity, Operator string
	Wallets                                map[string]struct{ Wallet, Owner, Words string }
	Apps                                   map[string]string

	At    time.Time
	Reads []struct {
		As, Path string
		Body     json.RawMessage
	}
	Keys                       []struct{ App, Salt, Account, PK, Key string }
	Approved, Pending, Expired []waiting
	Signed                     waiting
	Sessions                   []string
	Delegation                 struct{ Salt, Token, Key string }
	OwnerKeys                  map[string]string
	StorageKey                 struct {
		Key     string
		KeyInfo json.RawMessage
	}
	Entries map[string]int
	Heads   map[string]struct {
		Seq                        int
		Hash, PublicKey, Signature string
	}
	Backup json.RawMessage
}

// waiting is an approval that is to be answered with Choice, and then holds Claim.
type waiting struct {
	App, ID string
	Choice  members
	Claim   json.RawMessage
}

func loadGolden(t *testing.T, kind string) *golden {
	t.Helper()
	dir := filepath.Join("testdata", "v1", kind)
	file := func(name string) []byte {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, ".gz") {
			z, err := gzip.NewReader(bytes.NewReader(b))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if b, err = io.ReadAll(z); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		return b
	}
	g := &golden{backup: file("backup.json"), record: file("record.jsonl.gz")}
	for _, name := range []string{"secrets.json", "expected.json.gz"} {
		if err := json.Unmarshal(file(name), g); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if kind == "sqlite" {
		data := filepath.Join(t.TempDir(), "data")
		if err := os.Mkdir(data, 0o700); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(data, "walletd.db")
		if err := os.WriteFile(path, file("walletd.db.gz"), 0o600); err != nil {
			t.Fatal(err)
		}
		g.url = "sqlite:" + path
		return g
	}
	g.url = postgres.Start(t)
	conn, err := pgx.Connect(t.Context(), g.url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), string(file("walletd.sql.gz"))); err != nil {
		t.Fatalf("loading the dump: %v", err)
	}
	return g
}

// token is that of who reads: a wallet's owner, "operator", or "app " and the app's name.
func (g *golden) token(as string) string {
	if as == "operator" {
		return g.Operator
	}
	if app, ok := strings.CutPrefix(as, "app "); ok {
		return g.Apps[app]
	}
	return g.Wallets[as].Owner
}

// trimRecord leaves out what was recorded since.
func (g *golden) trimRecord(want, got any) {
	old, now := want.(members), got.(members)
	delete(old, "next")
	if items := now["items"].([]any); len(items) > len(old["items"].([]any)) {
		now["items"] = items[:len(old["items"].([]any))]
	}
}

// leaveOutOpen leaves out sessions that went on when the service started.
func (g *golden) leaveOutOpen(list any) {
	l := list.(members)
	l["items"] = slices.DeleteFunc(l["items"].([]any), func(s any) bool { return slices.Contains(g.Sessions, s.(members)["id"].(string)) })
}

// missing says what of an answer is not in another, which may have more members. When a token was
// last used is nobody's to compare.
func missing(at string, want, got any) (diffs []string) {
	switch want := want.(type) {
	case members:
		got, ok := got.(members)
		if !ok {
			break
		}
		for _, name := range slices.Sorted(maps.Keys(want)) {
			value, there := got[name]
			switch {
			case name == "lastUsedAt":
			case !there:
				diffs = append(diffs, fmt.Sprintf("%s.%s is gone, it was %v", at, name, want[name]))
			default:
				diffs = append(diffs, missing(at+"."+name, want[name], value)...)
			}
		}
		return diffs
	case []any:
		got, ok := got.([]any)
		if !ok || len(got) != len(want) {
			return []string{fmt.Sprintf("%s has %d items, it had %d", at, len(got), len(want))}
		}
		for i := range want {
			diffs = append(diffs, missing(fmt.Sprintf("%s[%d]", at, i), want[i], got[i])...)
		}
		return diffs
	}
	if !reflect.DeepEqual(want, got) {
		return []string{fmt.Sprintf("%s is %v, it was %v", at, got, want)}
	}
	return nil
}

// sortItems brings items into an order that says nothing of when they were stored. A wallet's own
// account is as old as the wallet, which is made again.
func sortItems(list any, wallet string) {
	items, _ := list.(members)["items"].([]any)
	name := func(item any) string {
		m := item.(members)
		return fmt.Sprint(m["account"], m["id"], m["name"], m["app"])
	}
	slices.SortFunc(items, func(a, b any) int { return cmp.Compare(name(a), name(b)) })
	for _, a := range items {
		if a := a.(members); a["account"] == wallet {
			delete(a, "createdAt")
		}
	}
}
