package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Who waits for less time than the service takes to answer hears what waits, and not that nobody answered.
func TestAClaimStillWaitsWhenTheServiceIsSlow(t *testing.T) {
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			<-r.Context().Done()
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprint(w, `{"id":"abc","status":"pending","code":"K7MPQ2","expiresAt":"2026-01-01T00:05:00Z"}`)
	}))
	defer slow.Close()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("wd_app_one_two\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := command(t, "claim", "--url", slow.URL, "--token-file", token, "--salt", "notes", "--wait", "100ms").Output()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || exit.ExitCode() != exitPending || string(out) != "pending abc code K7MPQ2\n" {
		t.Errorf("%s, %v", out, err)
	}
}
