package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"walletd/internal/wallettest/postgres"
)

func TestSnapshotIsAStoreWhileOthersWrite(t *testing.T) {
	url := sqliteURL(t)
	s := made(t, mustOpen(t, url, Options{Create: true}))
	stop := make(chan struct{})
	var writers sync.WaitGroup
	writers.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				must(t, s, "w", InsertAccount(Account{Wallet: "w", Address: fmt.Sprint("a", i)}))
			}
		}
	})
	must(t, s, "w", InsertAccount(Account{Wallet: "w", Address: "before"}))
	file, err := s.Snapshot(t.Context())
	close(stop)
	writers.Wait()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	dir := filepath.Join(t.TempDir(), "copy")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "walletd.db")
	into, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(into, file); err != nil {
		t.Fatal(err)
	}
	into.Close()
	taken := mustOpen(t, "sqlite:"+path, Options{})
	fits(t, taken, "w")
	if _, err := taken.Account(t.Context(), "w", "before"); err != nil {
		t.Error(err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(strings.TrimPrefix(url, "sqlite:")), "*.tmp"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestSnapshotOfPostgreSQLIsItsOwnTools(t *testing.T) {
	s := made(t, mustOpen(t, postgres.Start(t), Options{Create: true}))
	_, err := s.Snapshot(t.Context())
	if !errors.Is(err, ErrSnapshot) || !strings.Contains(err.Error(), "pg_dump") {
		t.Errorf("Snapshot = %v", err)
	}
}
