package store

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"walletd/internal/wallettest/postgres"
)

// allOurSettings is what a PgBouncer is told to ignore when it is to take a client's settings and lose them.
const allOurSettings = "ignore_startup_parameters = synchronous_commit, default_transaction_isolation, " +
	"default_transaction_read_only, statement_timeout, lock_timeout, idle_in_transaction_session_timeout"

// Two replicas behind PgBouncer in transaction pooling, which has fewer connections to the server than
// they have to it: so a transaction runs on another one each time.
func TestBehindPgBouncer(t *testing.T) {
	for name, settings := range map[string][]string{
		"with its defaults":         {"default_pool_size = 3"},
		"told to lose our settings": {"default_pool_size = 3", allOurSettings},
	} {
		t.Run(name, func(t *testing.T) {
			url := postgres.Pool(t, postgres.Start(t), settings...)
			replicas := []*Store{made(t, mustOpen(t, url, Options{Create: true})), mustOpen(t, url, Options{})}
			var wg sync.WaitGroup
			const callers, each = 8, 10
			for r, s := range replicas {
				for i := range callers {
					wg.Go(func() {
						for n := range each {
							id := fmt.Sprint(r, i, n)
							c := change("w", InsertToken(Token{ID: id, Wallet: "w", Hash: []byte(id)}))
							c.Nonce = &Nonce{Wallet: "w", Issuer: "i", JTI: id}
							if _, err := s.Commit(t.Context(), c); err != nil {
								t.Error(err)
							}
							if tok, err := s.Token(t.Context(), id); err != nil || string(tok.Hash) != id {
								t.Errorf("Token = %v, %v", tok, err)
							}
							c.Entries = entry("replayed")
							c.Writes = nil
							if _, err := s.Commit(t.Context(), c); !errors.Is(err, ErrReplayed) {
								t.Errorf("a nonce twice: %v", err)
							}
						}
					})
				}
			}
			wg.Wait()
			if n := fits(t, replicas[0], "w"); n != 2*callers*each {
				t.Errorf("%d records, want %d", n, 2*callers*each)
			}
			if _, err := replicas[1].RaiseEpoch(t.Context()); err != nil {
				t.Error(err)
			}
			if epoch, err := replicas[0].Epoch(t.Context()); err != nil || epoch != 1 {
				t.Errorf("Epoch = %d, %v", epoch, err)
			}
		})
	}
}

// A database whose own setting is not durable, behind a pooler that loses ours: what is written is durable all the same.
func TestEveryTransactionBehindPgBouncerIsDurable(t *testing.T) {
	direct := postgres.Start(t)
	rawScript(t, direct, `
		create function must_be_durable() returns trigger language plpgsql as $$ begin
			if current_setting('synchronous_commit') <> 'on' or current_setting('transaction_isolation') <> 'read committed' then
				raise exception 'synchronous_commit is %', current_setting('synchronous_commit');
			end if;
			return new;
		end $$;
		do $$ begin
			execute format('alter database %I set synchronous_commit = off', current_database());
			execute format('alter database %I set default_transaction_isolation = serializable', current_database());
		end $$`)
	mustOpen(t, direct, Options{Create: true}).Close()
	rawScript(t, direct, `
		create trigger durable before insert or update on records for each row execute function must_be_durable();
		create trigger durable before insert or update on keystore for each row execute function must_be_durable()`)
	for name, url := range map[string]string{
		"direct":           direct,
		"with defaults":    postgres.Pool(t, direct),
		"settings ignored": postgres.Pool(t, direct, allOurSettings),
	} {
		t.Run(name, func(t *testing.T) {
			s := mustOpen(t, url, Options{})
			if _, err := s.Keystore(t.Context()); errors.Is(err, ErrNotFound) {
				made(t, s)
			}
			must(t, s, "w")
			if _, err := s.RaiseEpoch(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// What a pooler refuses is said in its own words.
func TestAPoolerThatTakesNoTransactionsIsNamed(t *testing.T) {
	direct := postgres.Start(t)
	mustOpen(t, direct, Options{Create: true}).Close()
	_, err := Open(t.Context(), postgres.Pool(t, direct, "pool_mode = statement"), Options{})
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "statement pooling") {
		t.Errorf("Open = %v", err)
	}
}

// The server behind a connection that stays is demoted: nothing is written, that is said, and when a
// server takes writes again the store does, too.
func TestAServerThatTakesNoWritesIsLeft(t *testing.T) {
	server := postgres.StartServer(t)
	for name, url := range map[string]string{"direct": server.URL(), "behind PgBouncer": postgres.Pool(t, server.URL())} {
		t.Run(name, func(t *testing.T) {
			s := mustOpen(t, url, Options{Create: true})
			if _, err := s.Keystore(t.Context()); errors.Is(err, ErrNotFound) {
				made(t, s)
			}
			must(t, s, "w")
			server.Restart(true)
			for range 3 {
				if _, err := s.Commit(t.Context(), change("w")); !errors.Is(err, ErrUnavailable) {
					t.Errorf("Commit on a standby = %v", err)
				}
				if err := s.Ping(t.Context()); !errors.Is(err, ErrUnavailable) {
					t.Errorf("Ping of a standby = %v", err)
				}
			}
			server.Promote()
			heals(t, s)
		})
	}
}

// A pool of one connection is enough: who finds it taken waits.
func TestAPoolOfOneConnectionWaits(t *testing.T) {
	s := made(t, mustOpen(t, postgres.Start(t)+"&pool_max_conns=1", Options{Create: true}))
	if n := s.db.(*postgresDB).pool.Config().MaxConns; n != 1 {
		t.Errorf("%d connections", n)
	}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 5 {
				if _, err := s.Wallet(t.Context(), "w"); err != nil {
					t.Error(err)
				}
				if _, err := s.Commit(t.Context(), change("w")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
