package store

import (
	"fmt"
	"runtime"
	"strconv"
	"testing"

	"walletd/internal/wallettest/postgres"
)

// benchEach is each for benchmarks.
func benchEach(b *testing.B, f func(b *testing.B, s *Store)) {
	for name, url := range map[string]func() string{
		"SQLite":     func() string { return sqliteURL(b) },
		"PostgreSQL": func() string { return postgres.Start(b) },
	} {
		b.Run(name, func(b *testing.B) {
			s := mustOpen(b, url(), Options{Create: true})
			if err := s.InitKeystore(b.Context(), Keystore{ID: "k"}, nil, Token{ID: "operator"}, entry("init")[0]); err != nil {
				b.Fatal(err)
			}
			f(b, s)
		})
	}
}

// BenchmarkCommit is changes of one entry and one nonce on one busy wallet, as
// a claim makes them, by 1 and by 64 callers.
func BenchmarkCommit(b *testing.B) {
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			benchEach(b, func(b *testing.B, s *Store) {
				w := Wallet{ID: "z1wallet", SealedKey: []byte{}, Version: 1}
				if _, err := s.Commit(b.Context(), change(ServiceChain, InsertWallet(w))); err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				b.SetParallelism(max(1, callers/runtime.GOMAXPROCS(0)))
				if callers == 1 {
					defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
				}
				b.ResetTimer()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						c := change("z1wallet")
						c.Epoch, c.Seen = 0, &w
						c.Nonce = &Nonce{Wallet: "z1wallet", Issuer: "app", JTI: NewID(), Until: 2_000_000_000}
						if _, err := s.Commit(b.Context(), c); err != nil {
							b.Error(err)
						}
					}
				})
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
			})
		})
	}
}

// BenchmarkCaller is the read that every request makes.
func BenchmarkCaller(b *testing.B) {
	benchEach(b, func(b *testing.B, s *Store) {
		w := Wallet{ID: "z1wallet", Sealed: make([]byte, 500), SealedKey: make([]byte, 72)}
		writes := []Write{InsertWallet(w)}
		for i := range 100 {
			writes = append(writes, InsertToken(Token{ID: strconv.Itoa(i), Wallet: w.ID, Role: RoleApp, Hash: make([]byte, 32)}))
		}
		if _, err := s.Commit(b.Context(), change(ServiceChain, writes...)); err != nil {
			b.Fatal(err)
		}
		b.SetParallelism(16)
		b.ReportAllocs()
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := s.Caller(b.Context(), "42", ""); err != nil {
					b.Error(err)
				}
			}
		})
	})
}
