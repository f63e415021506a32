package bench

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"walletd/internal/auth"
	"walletd/internal/backup"
	"walletd/internal/secrets"
	"walletd/internal/wallettest"
)

// kept is how many secrets the wallet has that is backed up: as many as an app may have.
const kept = 10_000

// BenchmarkBackup is a wallet with 10,000 secrets of 64 bytes and the record of their keeping:
// made (opened and compared), and restored into a store in one transaction.
func BenchmarkBackup(b *testing.B) {
	for _, on := range []struct {
		name    string
		options []wallettest.Option
	}{
		{"SQLite", nil},
		{"PostgreSQL", []wallettest.Option{wallettest.PostgreSQL()}},
	} {
		b.Run(on.name, func(b *testing.B) {
			w := wallettest.New(b, on.options...)
			keep(b, w)
			var made backup.Backup
			b.Run("create", func(b *testing.B) {
				for b.Loop() {
					if made.File != nil {
						made.Close()
					}
					made = backUp(b, w)
				}
				b.ReportMetric(float64(made.File.Size())/1e6, "MB")
			})
			if made.Secrets != kept {
				made = backUp(b, w)
			}
			defer made.Close()
			b.Run("restore", func(b *testing.B) {
				for b.Loop() {
					b.StopTimer()
					empty := wallettest.New(b, on.options...)
					operator := caller(b, empty, empty.Operator)
					b.StartTimer()
					got, err := empty.Backups.Restore(b.Context(), operator, backup.Restoration{Words: []byte(w.Words), File: made.File})
					if err != nil || got.Secrets != kept {
						b.Fatal(got.Secrets, err)
					}
				}
			})
		})
	}
}

func caller(b *testing.B, w *wallettest.Wallet, token string) *auth.Caller {
	b.Helper()
	c, err := w.Auth.Authenticate(b.Context(), token)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(c.Close)
	return c
}

func backUp(b *testing.B, w *wallettest.Wallet) backup.Backup {
	b.Helper()
	made, err := w.Backups.Create(b.Context(), caller(b, w, w.Owner), false)
	if err != nil || made.Secrets != kept {
		b.Fatal(made.Secrets, err)
	}
	return made
}

// keep fills the wallet, many at once so that they share commits.
func keep(b *testing.B, w *wallettest.Wallet) {
	b.Helper()
	app := w.App("Notes")
	names := make(chan int)
	var work sync.WaitGroup
	for range 64 {
		work.Go(func() {
			for n := range names {
				c, err := w.Auth.Authenticate(b.Context(), w.Owner)
				if err == nil {
					_, err = w.Secrets.Write(b.Context(), c, app.DID, secrets.NewSecret{Name: fmt.Sprint("secret ", n), Value: []byte(strings.Repeat("x", 64))})
					c.Close()
				}
				if err != nil {
					b.Error(err)
				}
			}
		})
	}
	for n := range kept {
		names <- n
	}
	close(names)
	work.Wait()
}
