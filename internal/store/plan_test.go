package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// plan is how the database finds the rows of a statement: one line for each step.
func plan(t *testing.T, s *Store, st stmt) (lines []string) {
	t.Helper()
	explain, column := "explain ", 0
	before := stmt{text: "set local enable_seqscan = off"} // a table of few rows is read whole, whatever index there is
	if _, ok := s.db.(*sqliteDB); ok {
		explain, column = "explain query plan ", 3
		before = stmt{text: "select 1", rows: true}
	}
	err := s.committer.do(t.Context(), func(ctx context.Context, c conn) error {
		results, err := c.run(ctx, []stmt{{text: s.db.words().begin}, before, {text: explain + st.text, args: st.args, rows: true}, {text: "rollback"}})
		if err != nil {
			return err
		}
		for _, row := range results[2].rows {
			lines = append(lines, fmt.Sprint(row[column]))
		}
		return nil
	})
	if err != nil {
		t.Fatalf("%s: %v", st.text, err)
	}
	return lines
}

// What runs every second, every minute, and at each start finds its rows through an index, however many there are.
func TestNothingThatRunsByTheClockReadsAllRows(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := made(t, open())
		err := s.committer.do(t.Context(), func(ctx context.Context, c conn) error {
			_, err := c.run(ctx, []stmt{{text: s.db.words().begin}, {text: `insert into chains (chain, seq, hash, time, grown, due)
				with recursive n(i) as (select 1 union all select i + 1 from n where i < 3000)
				select 'chain ' || cast(i as text), 1, (select hash from chains where chain = '` + ServiceChain + `'), 1000 * i, 1000 * i / 4096, case when i > 2990 then 1 else 0 end from n`},
				{text: "commit"}, {text: "analyze chains"}})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			query *query
			index string // that it must use, or another one; "" for any
			args  []any
		}{
			{grownChains.query, "chains_by_growth", []any{int64(2_990_000 / growthStep), int64(2_990_000)}},
			{newestTime, "chains_by_growth", nil},
			{newestChain.query, "chains_by_growth", nil},
			{lowerTimes, "chains_by_growth", []any{int64(2_990_000), int64(2_990_000 / growthStep)}},
			{unsignedChains.query, "chains_due", []any{int64(0), "", 100}},
			{unsignedChains.query, "chains_due", []any{int64(1), "chain 2995", 100}},
			{walletFrom.query, "", []any{"z1"}},
			{listArchives.query, "", []any{"z1", int64(9), 1}},
			{headUpTo.query, "", []any{"z1", int64(9)}},
			{headsOfTime.query, "heads_by_time", []any{int64(9)}},
			{nextHead, "heads_by_time", []any{int64(9)}},
			{nextTree, "", []any{int64(9)}},
			{treesOfTime.query, "", []any{int64(9)}},
			{deleteArchived[0], "", []any{"z1", int64(9), 100}},
			{deleteArchived[1], "", []any{"z1", int64(9), 100}},
			{deleteArchived[2], "", []any{"z1", int64(9), 100}},
			{dueSessions.query, "sessions_open|sessions_of_app|sessions_by_end (ended=?)", []any{int64(9), 100}},
			{duePushes.query, "approvals_by_end|approvals_waiting", []any{int64(9), int64(9), int64(9), 100}},
			{sweepNonces, "nonces_by_time", []any{int64(9), 100}},
			{sweepRequests, "requests_by_time", []any{int64(9), 100}},
			{sweepPairings, "pairings_by_time", []any{int64(9), 100}},
			{sweepPushes, "pushes_by_time", []any{int64(9), 100}},
			{sweepSessions, "sessions_by_end", []any{int64(9), 100}},
			{sweepDecidedApprovals, "approvals_decided", []any{int64(9), 100}},
			{sweepExpiredApprovals, "approvals_by_end", []any{int64(9), 100}},
			{sweepUsedGrants, "grants_over", []any{int64(9), 100}},
			{sweepEndedGrants, "grants_by_end", []any{int64(9), 100}},
			{sweepRevokedTokens, "tokens_revoked", []any{int64(9), 100}},
			{sweepExpiredTokens, "tokens_by_end", []any{int64(9), 100}},
			{sweepDelegations, "delegations_by_end", []any{int64(9), 100}},
			{sweepInvitations, "invitations_by_end", []any{int64(9), 100}},
		} {
			lines := slices.DeleteFunc(plan(t, s, c.query.stmt(c.args...)), func(line string) bool { // what the statement itself has gathered
				return line == "SCAN due" || strings.HasPrefix(line, "SCAN (subquery") || c.query == duePushes.query && line == "SCAN a"
			})
			text := strings.Join(lines, "\n")
			if strings.Contains(text, "Seq Scan on") || strings.Contains("\n"+text, "\nSCAN ") || !slices.ContainsFunc(strings.Split(c.index, "|"), func(index string) bool { return strings.Contains(text, index) }) {
				t.Errorf("%s, which is to use the index %q:\n%s", c.query.name, c.index, text)
			}
		}
	})
}

// What is committed for many at once finds each row through an index.
func TestStatementsOverArraysReadTheirRowsAlone(t *testing.T) {
	onPostgres(t, func(t *testing.T, s *Store, w Wallet, epoch int64, _ func() *Store) {
		wallets := arraysOf([][]any{{"w", w.Version, w.SealedKey}})
		for _, st := range []stmt{
			{text: postgresArrays.lockChains, args: []any{[]string{"w", "x"}}},
			{text: postgresArrays.wallets, args: wallets},
			{text: postgresGuards.wallets, args: append(wallets, 1)},
		} {
			text := strings.Join(plan(t, s, st), "\n")
			if strings.Contains(text, "Seq Scan on") || !strings.Contains(text, "Index") {
				t.Errorf("%s:\n%s", st.text, text)
			}
		}
	})
}

// Which chains have grown, and until when, is found as if all were read; a chain is unsigned until the head of its
// end is stored, and is not asked for again by who goes on after it.
func TestChainsAreFoundByTheirTimes(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := made(t, open())
		at := func(chain string, time int64) {
			t.Helper()
			c := change(chain)
			c.Entries[0].Time = time
			if _, err := s.Commit(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
		const second = 1_700_000_000_000
		for i, chain := range []string{"a", "b", "c", "d"} {
			at(chain, second+int64(i)*3000)
		}
		at("a", second+3000) // a's first entry is as old as it was
		at("d", second)      // and d's newest stays
		grown := func(since int64) string {
			t.Helper()
			ends, err := s.Grown(t.Context(), since)
			if err != nil {
				t.Fatal(err)
			}
			return strings.Join(chainsOf(ends), " ")
		}
		for since, want := range map[int64]string{second + 1: "a b c d", second + 3001: "c d", second + 9000: "d", second + 9001: ""} {
			if got := grown(since); got != want {
				t.Errorf("since %d have grown %q, want %q", since-second, got, want)
			}
		}
		if end, err := s.NewestEnd(t.Context()); err != nil || end.Chain != "d" || end.Time != second+9000 {
			t.Errorf("the newest end is %+v, %v", end, err)
		}

		unsigned := func(after End, limit int) []End {
			t.Helper()
			ends, err := s.Unsigned(t.Context(), after, limit)
			if err != nil {
				t.Fatal(err)
			}
			return ends
		}
		all := unsigned(End{}, 100)
		var paged []End
		for page := unsigned(End{}, 2); len(page) > 0; page = unsigned(page[len(page)-1], 2) {
			paged = append(paged, page...)
		}
		if a, b := fmt.Sprint(chainsOf(all)), fmt.Sprint(chainsOf(paged)); a != b || len(all) != 5 { // the service's too
			t.Errorf("unsigned are %s, page by page %s", a, b)
		}
		var heads []Head
		for _, end := range all {
			heads = append(heads, Head{Chain: end.Chain, Seq: end.Seq, Hash: end.Hash, Time: 1, PublicKey: []byte("p"), Signature: []byte("s")})
		}
		at("b", second+9000) // it goes on while its head is signed
		for range 2 {        // two replicas may sign the same
			if err := s.PutHeads(t.Context(), heads...); err != nil {
				t.Fatal(err)
			}
		}
		if left := unsigned(End{}, 100); len(left) != 1 || left[0].Chain != "b" {
			t.Errorf("left are %v", chainsOf(left))
		}
		at("c", second+9000)
		if left := unsigned(End{}, 100); len(left) != 2 {
			t.Errorf("of one that has grown again: %v", chainsOf(left))
		}
	})
}

// What has expired is deleted some rows at a time, and others commit in between.
func TestWhatHasExpiredIsSweptInParts(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := made(t, open())
		const expired = 3 * sweepLeast
		err := s.committer.do(t.Context(), func(ctx context.Context, c conn) error {
			_, err := c.run(ctx, []stmt{{text: s.db.words().begin}, {text: fmt.Sprintf(`insert into nonces (wallet, issuer, jti, expires)
				with recursive n(i) as (select 1 union all select i + 1 from n where i < %d) select 'w', 'i', cast(i as text), 7 from n`, expired)},
				{text: "commit"}})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		left := func() (n int64) {
			t.Helper()
			err := s.db.read(t.Context(), "select count(*) from nonces", nil, func(scan func(...any) error) error { return scan(&n) })
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		// All of one second, of which a part goes at a time.
		if _, err := s.runWithin(t.Context(), s.patience, sweepNonces, []any{int64(8), sweepLeast}); err != nil {
			t.Fatal(err)
		}
		if n := left(); n != expired-sweepLeast {
			t.Errorf("%d are left of %d", n, expired)
		}
		if err := s.Sweep(t.Context(), 8); err != nil {
			t.Fatal(err)
		}
		if n := left(); n != 0 {
			t.Errorf("%d are left in the end", n)
		}
		for rows, want := range map[int]int{sweepLeast: sweepLeast, 1000: 500, sweepMost: sweepMost / 2} {
			if got := nextSweep(rows, 2*sweepFor); got != want {
				t.Errorf("after %d rows that took long come %d, want %d", rows, got, want)
			}
		}
		for rows, want := range map[int]int{sweepLeast: 2 * sweepLeast, sweepMost: sweepMost} {
			if got := nextSweep(rows, 0); got != want {
				t.Errorf("after %d rows that took no time come %d, want %d", rows, got, want)
			}
		}
	})
}
