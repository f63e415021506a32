package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// hostileReads are reads, each of a table, and the columns it looks at.
var hostileReads = map[string]struct {
	columns string
	key     string // of the table
	read    func(context.Context, *Store) error
}{
	"keystore": {"id generation dev mac", "one", func(ctx context.Context, s *Store) error { _, err := s.Keystore(ctx); return err }},
	"slots":    {"kind generation sealed", "id", func(ctx context.Context, s *Store) error { _, err := s.Slots(ctx); return err }},
	"wallets": {"generation sealed_key sealed version", "id", func(ctx context.Context, s *Store) error {
		_, err := s.CallerWallet(ctx, "w")
		return err
	}},
	"accounts": {"app sealed", "wallet, address", func(ctx context.Context, s *Store) error {
		_, _, err := s.Accounts(ctx, "w", Page{})
		return err
	}},
	"policies": {"version sealed", "wallet", func(ctx context.Context, s *Store) error { _, err := s.Policy(ctx, "w"); return err }},
	"tokens":   {"role name hash created mac", "id", func(ctx context.Context, s *Store) error { _, err := s.Caller(ctx, "t", ""); return err }},
	"approvals": {"state code digest expires answer", "id", func(ctx context.Context, s *Store) error {
		_, err := s.Approval(ctx, "q")
		return err
	}},
	"grants":  {"agent uses sealed mac", "id", func(ctx context.Context, s *Store) error { _, err := s.Grants(ctx, "w", "app", 1); return err }},
	"records": {"kind time sealed hash", "chain, seq", func(ctx context.Context, s *Store) error { _, err := s.Records(ctx, "w", 0, 10); return err }},
	"chains":  {"seq hash time", "chain", func(ctx context.Context, s *Store) error { _, err := s.Commit(ctx, change("w")); return err }},
	"requests": {"digest made secret created", "token, route, key", func(ctx context.Context, s *Store) error {
		c := change("w")
		c.Request = &Request{Token: "t", Route: "r", Key: "k"}
		_, err := s.Commit(ctx, c)
		return err
	}},
}

// Who can write to the database puts something else into every column, one
// after the other. Every read answers, with ErrDamaged or with what is there.
func TestHostileColumnsAreAnError(t *testing.T) {
	eachURL(t, func(t *testing.T, url string) {
		s := mustOpen(t, url, Options{Create: true})
		furnish(t, s)
		must(t, s, "w", InsertGrant(Grant{ID: "h", Wallet: "w", App: "app", Uses: -1}))
		s.Close()
		loose := []string{"'text'", "x'ff'", "9e99", "-1", "zeroblob(12000000)"} // SQLite's columns take any type
		n := 0
		for _, table := range slices.Sorted(maps.Keys(hostileReads)) {
			tt := hostileReads[table]
			for column := range strings.FieldsSeq(tt.columns) {
				values := []string{"null"}
				if strings.HasPrefix(url, "sqlite:") {
					values = append(values, loose[n%len(loose)])
					n++
				}
				rawScript(t, url, fmt.Sprintf("alter table %[1]s rename to kept; create table %[1]s as select * from kept; "+
					"create unique index kept_key on %[1]s (%[2]s)", table, tt.key))
				for _, value := range values {
					rawScript(t, url, fmt.Sprintf("update %s set %s = %s", table, column, value))
					err := openAnd(url, tt.read)
					if err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNotFound) &&
						!errors.Is(err, ErrRepeated) && !errors.Is(err, ErrDevStore) {
						t.Errorf("%s.%s = %s: %v", table, column, value, err)
					}
				}
				rawScript(t, url, fmt.Sprintf("drop table %[1]s; alter table kept rename to %[1]s", table))
			}
		}
		if err := openAnd(url, hostileReads["tokens"].read); err != nil {
			t.Errorf("with all in place again: %v", err)
		}
	})
}

func openAnd(url string, read func(context.Context, *Store) error) error {
	ctx := context.Background()
	s, err := Open(ctx, url, Options{})
	if err != nil {
		return err
	}
	defer s.Close()
	return read(ctx, s)
}

// rawScript writes to a database behind the store's back.
func rawScript(t *testing.T, url, text string) {
	t.Helper()
	ctx := t.Context()
	var err error
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		db, e := openPool(ctx, dataSource(path, ""), 1)
		if e != nil {
			t.Fatal(e)
		}
		defer db.Close()
		_, err = db.ExecContext(ctx, text)
	} else {
		conn, e := pgx.Connect(ctx, url)
		if e != nil {
			t.Fatal(e)
		}
		defer conn.Close(ctx)
		_, err = conn.PgConn().Exec(ctx, text).ReadAll()
	}
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

func TestAForgedChainEndStopsOnlyItsOwnChain(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := made(t, open())
		for range 3 {
			must(t, s, "w")
		}
		script(t, s, "update chains set seq = 1 where chain = 'w'")
		var g group
		forged, good := change("w"), change("v")
		jobs := []*job{{change: &forged, done: make(chan struct{})}, {change: &good, done: make(chan struct{})}}
		for _, j := range jobs {
			g.add(j)
		}
		s.committer.do(t.Context(), func(context.Context, conn) error { s.committer.write(&g); return nil })
		if !errors.Is(jobs[0].err, ErrDamaged) || jobs[1].err != nil {
			t.Errorf("the forged chain: %v; the other: %v", jobs[0].err, jobs[1].err)
		}
		fits(t, s, "v")
	})
}
