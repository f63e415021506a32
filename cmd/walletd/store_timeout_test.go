package main

import (
	"database/sql"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"walletd/internal/wallettest/port"

	_ "modernc.org/sqlite"
)

// A request waits for a store that does not answer as long as --store-timeout says, and is then told when to come again.
// The log says why, and when it is over, though no probe asks.
func TestAStoreThatDoesNotAnswer(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	passphrase := filepath.Join(t.TempDir(), "passphrase")
	if err := os.WriteFile(passphrase, []byte("correct horse battery\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	operator := initStore(t, "--data", data, "--passphrase-file", passphrase)
	r := &replica{t: t, address: port.Free(t)}
	r.cmd = command(t, "serve", "--listen", r.address, "--data", data, "--passphrase-file", passphrase, "--store-timeout", "1s", "--drain", "0s")
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	r.cmd.Stderr = log
	logged := func(text string) bool {
		all, err := os.ReadFile(log.Name())
		return err == nil && strings.Contains(string(all), text)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.stop)
	r.await(r.look)

	db, err := sql.Open("sqlite", "file:"+filepath.Join(data, storeFile)+"?_pragma=busy_timeout(30000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.Exec("begin immediate"); err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest("POST", "http://"+r.address+"/v1/tokens", strings.NewReader(`{"role":"operator","name":"second"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+operator)
	req.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" {
		t.Errorf("a request that the store does not answer: %s, Retry-After %q", answer.Status, answer.Header.Get("Retry-After"))
	}
	if _, err := db.Exec("rollback"); err != nil {
		t.Error(err)
	}
	r.await(func() bool { return logged("the store takes writes again") })
	if !logged("did not answer within 1s") {
		t.Error("the log does not say what was waited for")
	}
}
