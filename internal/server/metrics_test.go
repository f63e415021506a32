package server_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"

	"walletd/internal/server"
	"walletd/internal/wallettest"
)

// serving serves on a listener of its own until the test ends, and returns its address.
func serving(t *testing.T, on func(context.Context, net.Listener) error) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- on(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

func TestMetricsAreForOperatorsAndForThisMachine(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	notes := w.App("Notes")
	elsewhere := serving(t, func(ctx context.Context, l net.Listener) error {
		return w.Server.Serve(ctx, behind{l, "192.0.2.9:5000"}, w.Server.Handler(), nil)
	})
	here := serving(t, func(ctx context.Context, l net.Listener) error {
		return w.Server.Serve(ctx, l, w.Server.Handler(), nil)
	})
	own := serving(t, func(ctx context.Context, l net.Listener) error {
		return w.Server.ServeMetrics(ctx, behind{l, "192.0.2.9:5000"})
	})
	for _, c := range []struct {
		name, address, path string
		header              http.Header
		host                string
		status              int
	}{
		{"gives them to this machine", here, "/metrics", nil, "", 200},
		{"asks a proxy on this machine for a token", here, "/metrics", http.Header{"X-Forwarded-For": {"192.0.2.9"}}, "", 401},
		{"gives this machine none under another name", here, "/metrics", nil, "rebound.example", 421},
		{"gives a token none under another name", elsewhere, "/metrics", http.Header{"Authorization": {"Bearer " + w.Operator}}, "rebound.example", 421},
		{"refuses an app's token on this machine", here, "/metrics", http.Header{"Authorization": {"Bearer " + notes.Token}}, "", 403},
		{"asks another machine for a token", elsewhere, "/metrics", nil, "", 401},
		{"gives them for an operator's token", elsewhere, "/metrics", http.Header{"Authorization": {"Bearer " + w.Operator}}, "", 200},
		{"gives them by the address of a pod", elsewhere, "/metrics", http.Header{"Authorization": {"Bearer " + w.Operator}}, "10.2.3.4:8080", 200},
		{"refuses an owner's token", elsewhere, "/metrics", http.Header{"Authorization": {"Bearer " + w.Owner}}, "", 403},
		{"refuses what is no token", elsewhere, "/metrics", http.Header{"Authorization": {"Bearer wd_operator_none_none"}}, "10.2.3.4:8080", 401},
		{"gives them to everybody on their own listener", own, "/metrics", nil, "10.2.3.4:9090", 200},
		{"answers a probe on that listener", own, "/healthz", nil, "10.2.3.4:9090", 200},
		{"answers nothing else on that listener", own, "/v1/wallets", http.Header{"Authorization": {"Bearer " + w.Operator}}, "", 404},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+c.address+c.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			for name, values := range c.header {
				r.Header[name] = values
			}
			r.Host = c.host
			answer, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			if answer.StatusCode != c.status {
				t.Errorf("got %d, want %d", answer.StatusCode, c.status)
			}
		})
	}
}

func TestMetricsAreNotOnTheListenerOfApps(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t, wallettest.Config(func(c *server.Config) { c.Apps = true }))
	address := serving(t, func(ctx context.Context, l net.Listener) error {
		return w.Server.Serve(ctx, l, w.Server.AppsHandler(), nil)
	})
	answer, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != 404 {
		t.Errorf("got %d", answer.StatusCode)
	}
}

func TestMetricsSayWhatTheyAre(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	notes := w.App("Notes")
	notes.Ask(notesKey...).Must(202)
	w.Do("GET", "/v1/wallets", "", nil).Refused(401, "unauthorized")
	text := string(w.Do("GET", "/metrics", "", nil).Must(200).Body)
	typed, helped := map[string]bool{}, map[string]bool{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		fields := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "# TYPE "):
			if len(fields) != 4 || typed[fields[2]] {
				t.Errorf("%q is there twice, or is no type", line)
			}
			typed[fields[2]] = true
			continue
		case strings.HasPrefix(line, "# HELP "):
			if helped[fields[2]] = true; strings.HasPrefix(fields[2], "walletd_") && len(fields) < 5 {
				t.Errorf("%q does not say what it is", line)
			}
			continue
		}
		name, _, _ := strings.Cut(fields[0], "{")
		family := name
		for _, part := range []string{"_bucket", "_sum", "_count"} {
			if of := strings.TrimSuffix(name, part); typed[of] {
				family = of
			}
		}
		if !typed[family] || !helped[family] {
			t.Errorf("%s has no type or no help before it", name)
		}
	}
	for _, line := range []string{
		"walletd_approvals_waiting 1", "walletd_sessions_open 0", "walletd_commits_queued 0", "walletd_store_up 1", "walletd_draining 0",
		`walletd_problems_total{code="unauthorized"} 1`, "walletd_heads_age_seconds ", "walletd_facts_wallets 1", `walletd_facts_requests{facts="read"} `, "# TYPE walletd_request_seconds histogram", "# TYPE walletd_unlocked gauge",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("the metrics lack %s", line)
		}
	}
}
