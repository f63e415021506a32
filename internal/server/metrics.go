package server

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// Metrics counts what happens, without names of wallets or apps. One serves a whole process;
// its methods may be called concurrently.
type Metrics struct {
	set *metrics.Set

	mu       sync.Mutex
	outcomes map[string]bool
}

// maxOutcomes bounds the outcomes counted apart; what comes after is "other".
const maxOutcomes = 200

// NewMetrics returns Metrics that have counted nothing.
func NewMetrics() *Metrics {
	return &Metrics{set: metrics.NewSet(), outcomes: map[string]bool{}}
}

// Count counts an outcome of the door: for claims.Options.
func (m *Metrics) Count(outcome string) {
	m.mu.Lock()
	if !m.outcomes[outcome] {
		if len(m.outcomes) >= maxOutcomes || !plainLabel(outcome) {
			outcome = "other"
		}
		m.outcomes[outcome] = true
	}
	m.mu.Unlock()
	m.set.GetOrCreateCounter(fmt.Sprintf("walletd_claims_total{outcome=%q}", outcome)).Inc()
}

func plainLabel(text string) bool {
	for _, r := range text {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' && r != '.' {
			return false
		}
	}
	return len(text) > 0 && len(text) <= 64
}

func (m *Metrics) request(method, route string, status int, took time.Duration) {
	switch method {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE":
	default:
		method = "other" // a method is any text of a client's
	}
	m.set.GetOrCreateCounter(fmt.Sprintf("walletd_requests_total{method=%q,route=%q,class=\"%dxx\"}", method, route, status/100)).Inc()
	m.set.GetOrCreatePrometheusHistogram(fmt.Sprintf("walletd_request_seconds{method=%q,route=%q}", method, route)).Update(took.Seconds())
}

func (m *Metrics) connectionError() {
	m.set.GetOrCreateCounter("walletd_connection_errors_total").Inc()
}

func (m *Metrics) limited(limit string) {
	m.set.GetOrCreateCounter(fmt.Sprintf("walletd_limited_total{limit=%q}", limit)).Inc()
}

// gauge adds a value that is read when the metrics are.
func (m *Metrics) gauge(name string, read func() float64) {
	m.set.GetOrCreateGauge(name, read)
}

func (m *Metrics) write(w io.Writer) error {
	m.set.WritePrometheus(w)
	metrics.WriteProcessMetrics(w)
	return nil
}
