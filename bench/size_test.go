package bench

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"walletd/internal/wallettest/postgres"
)

// What BenchmarkSize measures.
var (
	sizes     = flag.String("sizes", "100,100000", "of BenchmarkSize: how many wallets the stores have")
	sizesMade = flag.String("made", "", "of BenchmarkSize: where the stores in SQLite are kept, and found again; nowhere if not given")
	sizeAsked = flag.Int("asked", 10_000, "of BenchmarkSize: how many wallets are asked")
)

// sizeCallers ask at once, and are measured so often.
const (
	sizeCallers = 16
	sizeStarts  = 5
)

// BenchmarkSize is the service as it is shipped over stores of many wallets: how long it takes to start, to answer
// claims of wallets all over the store, and what memory it holds.
//
//	go test -run '^$' -bench Size -benchtime 1x -timeout 3h ./bench
func BenchmarkSize(b *testing.B) {
	b.ReportMetric(0, "ns/op")
	if b.N > 1 {
		b.Fatal("it counts its own rounds: -benchtime 1x")
	}
	walletd, populate := build(b, "walletd/cmd/walletd"), build(b, "walletd/bench/populate")
	fmt.Printf("%-12s %9s %9s %9s %9s %8s %8s %6s %7s\n", "store", "wallets", "made", "ready-ms", "claims/s", "p50-ms", "p99-ms", "MB", "p99 ×")
	for store := range strings.SplitSeq(*boundStores, ",") {
		first := 0.0
		for size := range strings.SplitSeq(*sizes, ",") {
			s, tokens, made := populated(b, walletd, populate, store, size)
			ready, claims := s.measureSize(b, tokens)
			milliseconds := func(d func(measured) time.Duration) float64 {
				return median(claims, func(m measured) float64 { return microseconds(d(m)) / 1000 })
			}
			p99 := milliseconds(func(m measured) time.Duration { return m.p99 })
			if first == 0 {
				first = p99
			}
			fmt.Printf("%-12s %9s %9s %9.0f %9.0f %8.1f %8.1f %6.0f %7.2f\n", store, size, made, ready, median(claims, func(m measured) float64 { return m.rate }),
				milliseconds(func(m measured) time.Duration { return m.p50 }), p99, claims[len(claims)-1].megabytes, p99/first)
		}
	}
}

// populated is a service over a store of so many wallets, and the tokens of their apps.
func populated(b *testing.B, walletd, populate, store, size string) (s *service, tokens []string, made string) {
	b.Helper()
	dir := b.TempDir()
	if *sizesMade != "" && store == "SQLite" {
		dir = filepath.Join(*sizesMade, size)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			b.Fatal(err)
		}
	}
	s = &service{binary: walletd, data: filepath.Join(dir, "data"), passphrase: filepath.Join(dir, "identity")}
	url := "sqlite:" + filepath.Join(s.data, "walletd.db")
	s.where = []string{"--data", s.data}
	if store == "PostgreSQL" {
		url = postgres.Start(b)
		s.where = []string{"--store", url}
	}
	list, made := filepath.Join(dir, "tokens"), "before"
	if _, err := os.Stat(list); err != nil {
		began := time.Now()
		cmd := exec.Command(populate, "-wallets", size, "-asked", strconv.Itoa(*sizeAsked), "-store", url, "-tokens", list, "-identity", s.passphrase)
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("populate: %v\n%s", err, out)
		}
		made = time.Since(began).Round(time.Second).String()
	}
	text, err := os.ReadFile(list)
	if err != nil {
		b.Fatal(err)
	}
	return s, strings.Fields(string(text)), made
}

// measureSize returns the median of the starts, in milliseconds, and the rounds of claims.
func (s *service) measureSize(b *testing.B, tokens []string) (ready float64, claims []measured) {
	b.Helper()
	var starts []float64
	var stop func()
	for i := range sizeStarts {
		var took time.Duration
		if took, stop = s.start(b, http.StatusOK, "ready", "--identity-file", s.passphrase); i < sizeStarts-1 {
			stop()
		}
		starts = append(starts, microseconds(took)/1000)
	}
	defer stop()
	body, err := json.Marshal(map[string]any{"requestedClaims": []any{map[string]any{"type": "encryptionKey", "salt": salt}}})
	if err != nil {
		b.Fatal(err)
	}
	l := load{Address: s.address, Callers: sizeCallers}
	for _, token := range tokens {
		l.Requests = append(l.Requests, fmt.Appendf(nil, "POST /v1/claims HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s",
			s.address, token, len(body), body))
	}
	total := 500
	for range *boundRounds + 1 {
		l.Total = total
		result := l.run(b, func() {}, func() {})
		rate := float64(total) / result.Took.Seconds()
		claims = append(claims, measured{rate: rate, p50: result.Half, p99: result.Most, megabytes: memory(b, s.process, "VmRSS")})
		total = max(500, int(rate*boundTime.Seconds()))
		l.Requests = slices.Concat(l.Requests[min(total, len(l.Requests)/2):], l.Requests[:min(total, len(l.Requests)/2)]) // others each time
	}
	return middle(starts), claims[1:]
}
