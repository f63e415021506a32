package server

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"walletd/api"
)

// Metrics counts what happens, without names of wallets or apps. One serves a whole process;
// its methods may be called concurrently.
type Metrics struct {
	set *metrics.Set

	mu       sync.RWMutex
	outcomes map[string]*metrics.Counter
	requests map[answered]requestMetrics
}

// answered is what requests are counted by.
type answered struct {
	method, route string
	class         int // of the status: 2 for 200
}

type requestMetrics struct {
	count   *metrics.Counter
	seconds *metrics.PrometheusHistogram
}

// maxOutcomes bounds the outcomes counted apart; what comes after is "other".
const maxOutcomes = 200

// NewMetrics returns Metrics that have counted nothing.
func NewMetrics() *Metrics {
	metrics.ExposeMetadata(true) // of all sets of the process
	return &Metrics{set: metrics.NewSet(), outcomes: map[string]*metrics.Counter{}, requests: map[answered]requestMetrics{}}
}

// Count counts an outcome, for the options of the pipeline and the ledger.
func (m *Metrics) Count(outcome string) {
	m.mu.RLock()
	counter := m.outcomes[outcome]
	m.mu.RUnlock()
	if counter == nil {
		counter = m.outcome(outcome)
	}
	counter.Inc()
}

// outcome returns the counter of an outcome that was not counted before.
func (m *Metrics) outcome(outcome string) *metrics.Counter {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.outcomes) >= maxOutcomes || !plainLabel(outcome) {
		return m.set.GetOrCreateCounter(`walletd_claims_total{outcome="other"}`)
	}
	counter := m.set.GetOrCreateCounter(fmt.Sprintf("walletd_claims_total{outcome=%q}", outcome))
	m.outcomes[outcome] = counter
	return counter
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
	of := answered{method, route, status / 100}
	m.mu.RLock()
	known, ok := m.requests[of]
	m.mu.RUnlock()
	if !ok { // there are so many as there are routes, methods and classes
		known = requestMetrics{
			m.set.GetOrCreateCounter(fmt.Sprintf("walletd_requests_total{method=%q,route=%q,class=\"%dxx\"}", method, route, of.class)),
			m.set.GetOrCreatePrometheusHistogram(fmt.Sprintf("walletd_request_seconds{method=%q,route=%q}", method, route)),
		}
		m.mu.Lock()
		m.requests[of] = known
		m.mu.Unlock()
	}
	known.count.Inc()
	known.seconds.Update(took.Seconds())
}

func (m *Metrics) connectionError() {
	m.set.GetOrCreateCounter("walletd_connection_errors_total").Inc()
}

func (m *Metrics) limited(limit string) {
	m.set.GetOrCreateCounter(fmt.Sprintf("walletd_limited_total{limit=%q}", limit)).Inc()
}

// problem counts a refusal by its code, which is one of the contract.
func (m *Metrics) problem(code api.Code) {
	m.set.GetOrCreateCounter(fmt.Sprintf("walletd_problems_total{code=%q}", code)).Inc()
}

// Build says which build of walletd this is.
func (m *Metrics) Build(version, revision string) {
	m.gauge(fmt.Sprintf("walletd_build_info{version=%q,revision=%q}", version, revision), func() float64 { return 1 })
}

// gauge adds a value that is read when the metrics are.
func (m *Metrics) gauge(name string, read func() float64) {
	m.set.GetOrCreateGauge(name, read)
}

// helps say what each metric of walletd's own is.
var helps = map[string]string{
	"walletd_approvals_waiting":                    "Approvals that wait for an owner, of all replicas.",
	"walletd_build_info":                           "The build that runs; always 1.",
	"walletd_certificate_expiry_timestamp_seconds": "When the TLS certificate in use expires, in unix seconds.",
	"walletd_claims_total":                         "What came of claims and of other work on wallets, by outcome.",
	"walletd_clock_ahead_seconds":                  "How far the clock is ahead of the database's, or, in SQLite, of the time since the machine was started.",
	"walletd_clock_behind_seconds":                 "How far the clock is behind the newest time in the store.",
	"walletd_commits_queued":                       "Changes that wait to be written to the store.",
	"walletd_connection_errors_total":              "Connections that failed, in their handshake or later.",
	"walletd_connections":                          "Connections, open, and of these those on which a request is being answered.",
	"walletd_draining":                             "1 while the service drains before a stop.",
	"walletd_facts_bytes":                          "About how much memory takes what is remembered of wallets for the next claims.",
	"walletd_store_transactions":                   "Transactions that this process has written to the store since it was started.",
	"walletd_store_changes":                        "Changes that were written in these transactions, each with its entries in the audit log.",
	"walletd_facts_requests":                       "Claims whose caller was remembered, or read, and those that were decided again, from rows that were read.",
	"walletd_facts_wallets":                        "Wallets of which something is remembered for the next claims.",
	"walletd_heads_age_seconds":                    "How long ago each audit log that had grown was last found to have a signed head.",
	"walletd_limited_total":                        "How often a limit was reached, by limit.",
	"walletd_problems_total":                       "Refusals, by the code of the problem.",
	"walletd_request_seconds":                      "How long requests took.",
	"walletd_requests_total":                       "Requests, by route and class of status.",
	"walletd_sessions_open":                        "DID Connect sessions that have not ended, of all replicas.",
	"walletd_store_up":                             "1 while the store takes writes, as was last found out.",
	"walletd_unlocked":                             "1 while the keystore is unlocked in this process.",
	"walletd_waiting":                              "Requests that wait for an owner, or for events.",
}

// write writes the metrics as Prometheus reads them.
func (m *Metrics) write(w io.Writer) error {
	var own bytes.Buffer
	m.set.WritePrometheus(&own)
	for line := range bytes.Lines(own.Bytes()) {
		if name, ok := bytes.CutPrefix(line, []byte("# HELP ")); ok {
			name = bytes.TrimSpace(name)
			line = fmt.Appendf(nil, "# HELP %s %s\n", name, helps[string(name)])
		}
		if _, err := w.Write(line); err != nil {
			return fmt.Errorf("writing the metrics: %w", err)
		}
	}
	metrics.WriteProcessMetrics(w)
	return nil
}
