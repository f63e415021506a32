package store

import (
	"slices"
	"testing"
	"time"

	"walletd/internal/wallettest/postgres"
)

// heard collects what OnGrowth tells.
func heard(s *Store) <-chan []string {
	told := make(chan []string, 100)
	s.OnGrowth(func(chains []string) { told <- chains })
	return told
}

// await waits until a chain is told of, or, for "", until it is told that any may have grown.
func await(t *testing.T, told <-chan []string, chain string) {
	t.Helper()
	late := time.After(20 * time.Second)
	for {
		select {
		case chains := <-told:
			if chain == "" && chains == nil || slices.Contains(chains, chain) {
				return
			}
		case <-late:
			t.Fatalf("nothing was told of %q", chain)
		}
	}
}

func TestGrowthOfAChainIsToldAtOnce(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := made(t, open())
		told := heard(s)
		must(t, s, "w", InsertAccount(Account{Wallet: "w", Address: "first"}))
		await(t, told, "w")
	})
}

// Another replica hears of it without asking, also after its connection broke.
func TestGrowthIsToldToOtherReplicas(t *testing.T) {
	url := postgres.Start(t)
	s := made(t, mustOpen(t, url, Options{Create: true}))
	other := mustOpen(t, url, Options{})
	told := heard(other)
	await(t, told, "")
	must(t, s, "w", InsertAccount(Account{Wallet: "w", Address: "first"}))
	await(t, told, "w")
	script(t, s, "select pg_terminate_backend(pid) from pg_stat_activity where query ilike 'listen %' and pid <> pg_backend_pid()")
	await(t, told, "")
	must(t, s, "w", InsertAccount(Account{Wallet: "w", Address: "a"}))
	await(t, told, "w")
}

// A replica tells the others of all that it wrote, also of what it wrote just before it was closed.
func TestGrowthIsToldToTheLast(t *testing.T) {
	url := postgres.Start(t)
	s := made(t, mustOpen(t, url, Options{Create: true}))
	told := heard(mustOpen(t, url, Options{}))
	await(t, told, "")
	untold := make(map[string]bool)
	for range 50 {
		chain := NewID()
		must(t, s, chain)
		untold[chain] = true
	}
	s.Close()
	for late := time.After(20 * time.Second); len(untold) > 0; {
		select {
		case chains := <-told:
			for _, chain := range chains {
				delete(untold, chain)
			}
		case <-late:
			t.Fatalf("nothing was told of %d chains", len(untold))
		}
	}
}

// However many chains grow in one transaction, each is told of.
func TestNotificationsFit(t *testing.T) {
	var chains []string
	for range 1000 {
		chains = append(chains, NewID())
	}
	var told []string
	for _, st := range notifications(words{notify: "select pg_notify('x', $1)"}, chains) {
		payload := st.args[0].(string)
		if len(payload) >= 8000 {
			t.Errorf("%d bytes", len(payload))
		}
		for len(payload) > 0 {
			told, payload = append(told, payload[:26]), payload[min(27, len(payload)):]
		}
	}
	if !slices.Equal(told, chains) {
		t.Errorf("told of %d of %d chains", len(told), len(chains))
	}
}
