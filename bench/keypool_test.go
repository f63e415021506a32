package bench

import (
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// newApps is how many apps come at a time that were not here before: as many as the service makes
// keys of the channel for ahead of need.
const newApps = 8

// BenchmarkKeyPool is what the RSA keys that are made ahead of need spare a session, from the
// opening of its link to the last word of its app. The service is the binary as it is shipped: eight
// apps come at once for which keys were made ahead, eight at once for which none are left, and the
// first eight again, whose keys serve them for ten minutes.
func BenchmarkKeyPool(b *testing.B) {
	s := newService(b)
	_, stop := s.start(b, http.StatusOK, "ready", "--passphrase-file", s.passphrase, "--allow-network", "127.0.0.0/8", "--allow-http")
	defer stop()
	_, app, err := benchApp()
	if err != nil {
		b.Fatal(err)
	}
	wallet := s.do(b, "POST", "/v1/wallets", s.operator, `{"name":"alice"}`)["wallet"]
	owner := s.do(b, "POST", "/v1/tokens", s.operator, fmt.Sprintf(`{"role":"owner","wallet":%q,"name":"alice"}`, wallet))["token"]
	s.do(b, "POST", "/v1/tokens", owner, fmt.Sprintf(`{"role":"app","wallet":%q,"app":%q,"name":"Notes"}`, wallet, app))
	s.do(b, "PUT", "/v1/wallets/"+wallet+"/policy", owner, fmt.Sprintf(`{"rules":[{"app":%q,"claim":"authPrincipal","decision":"allow"}]}`, app))

	job := sessions{Address: s.address, Token: owner, Callers: newApps, Apart: true}
	s.rest(b)
	generator(b, "sessions", job, func() {}, func() {}) // makes the account
	var rounds [3]time.Duration
	var key time.Duration
	for range b.N {
		s.rest(b) // until the keys are made
		for i, took := range generator(b, "sessions", job, func() {}, func() {}).Rounds {
			rounds[i] += took
		}
		began := time.Now()
		for range 4 {
			if _, err := rsa.GenerateKey(rand.Reader, 1536); err != nil {
				b.Fatal(err)
			}
		}
		key += time.Since(began) / 4
	}
	milliseconds := func(d time.Duration) float64 { return microseconds(d) / 1000 / float64(b.N) }
	b.ReportMetric(milliseconds(rounds[0]), "ahead-ms/session")
	b.ReportMetric(milliseconds(rounds[1]), "none-ms/session")
	b.ReportMetric(milliseconds(rounds[2]), "again-ms/session")
	b.ReportMetric(milliseconds(key), "bare-ms/key")
	b.ReportMetric(0, "ns/op")
}

// rest waits until the service has done nothing for a while.
func (s *service) rest(b *testing.B) {
	b.Helper()
	for quiet, last := 0, time.Duration(-1); quiet < 3; time.Sleep(100 * time.Millisecond) {
		used := s.cpu(b)
		if quiet++; used-last > 10*time.Millisecond {
			quiet = 0
		}
		last = used
	}
}

// cpu is what the service's process has used of the processors, in hundredths of a second.
func (s *service) cpu(b *testing.B) time.Duration {
	b.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(s.process), "stat"))
	if err != nil {
		b.Skipf("what a process has used is read from /proc: %v", err)
	}
	own, _, _ := processorTime(text)
	return own
}

// processorTime reads the stat of a process: what it has used of the processors, in hundredths of a second,
// what its children have that ended, and which process is its parent.
func processorTime(stat []byte) (own, children time.Duration, parent int) {
	_, after, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(after) // the first two of the line went before
	number := func(i int) int {
		n, _ := strconv.Atoi(fields[i-3]) // as proc(5) counts
		return n
	}
	const tick = 10 * time.Millisecond
	return time.Duration(number(14)+number(15)) * tick, time.Duration(number(16)+number(17)) * tick, number(4)
}
