package bench

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// BenchmarkService is the binary as it is shipped: its size, the time from its start until it
// answers, locked, and the memory it holds when nobody asks.
func BenchmarkService(b *testing.B) {
	s := newService(b)
	b.Run("size", func(b *testing.B) {
		info, err := os.Stat(s.binary)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(info.Size())/1e6, "MB")
		b.ReportMetric(0, "ns/op")
	})
	b.Run("ready", func(b *testing.B) {
		var total time.Duration
		for range b.N {
			took, stop := s.start(b, http.StatusServiceUnavailable, "locked")
			stop()
			total += took
		}
		b.ReportMetric(float64(total.Microseconds())/1000/float64(b.N), "ms")
		b.ReportMetric(0, "ns/op")
	})
	for _, idle := range []struct {
		name, says string
		status     int
		args       []string
	}{
		{"idle/locked", "locked", http.StatusServiceUnavailable, nil},
		{"idle/unlocked", "ready", http.StatusOK, []string{"--passphrase-file", s.passphrase}},
	} {
		b.Run(idle.name, func(b *testing.B) {
			_, stop := s.start(b, idle.status, idle.says, idle.args...)
			defer stop()
			time.Sleep(2 * time.Second)
			b.ReportMetric(s.memory(b, "VmRSS"), "MB")
			b.ReportMetric(s.memory(b, "RssAnon"), "private-MB") // without the pages of the binary
			b.ReportMetric(0, "ns/op")
		})
	}
}

// service is a walletd that was made ready to serve.
type service struct {
	binary, data, passphrase string
	where                    []string // flags that say where its store is
	run                      []string // what it is started by: taskset, say
	operator                 string   // a token
	address                  string   // where it was started last
	process                  int
}

// newService builds the binary as the image has it, and initialises its store in SQLite.
func newService(b *testing.B) *service {
	b.Helper()
	return initialised(b, build(b, "walletd/cmd/walletd"), "")
}

// build builds a command as the image has it.
func build(b *testing.B, command string) (binary string) {
	b.Helper()
	binary = filepath.Join(b.TempDir(), filepath.Base(command))
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, command)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("building %s: %v\n%s", command, err, out)
	}
	return binary
}

// initialised is a walletd with a store in PostgreSQL, or in SQLite if url is "".
func initialised(b *testing.B, binary, url string) *service {
	b.Helper()
	dir := b.TempDir()
	s := &service{binary: binary, data: filepath.Join(dir, "data"), passphrase: filepath.Join(dir, "passphrase")}
	s.where = []string{"--data", s.data}
	if url != "" {
		s.where = []string{"--store", url}
	}
	if err := os.WriteFile(s.passphrase, []byte("correct horse battery staple"), 0o600); err != nil {
		b.Fatal(err)
	}
	out, err := exec.Command(s.binary, append([]string{"init", "--passphrase-file", s.passphrase, "--json"}, s.where...)...).Output()
	var made struct{ OperatorToken string }
	if err == nil {
		err = json.Unmarshal(out, &made)
	}
	if err != nil {
		b.Fatalf("walletd init: %v\n%s", err, out)
	}
	s.operator = made.OperatorToken
	return s
}

// do makes a request of whoever has the token, and returns the text members of the answer.
func (s *service) do(b *testing.B, method, path, token, body string) map[string]string {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), method, "http://"+s.address+path, strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		b.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	var members map[string]any
	if err == nil {
		err = json.Unmarshal(text, &members)
	}
	if err != nil || answer.StatusCode >= 300 {
		b.Fatalf("%s %s: %s %s %v", method, path, answer.Status, text, err)
	}
	texts := map[string]string{}
	for name, value := range members {
		texts[name], _ = value.(string)
	}
	return texts
}

// start starts the service and waits until it answers as it should, at most 20 seconds.
func (s *service) start(b *testing.B, status int, says string, args ...string) (took time.Duration, stop func()) {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	address := l.Addr().String() // free a moment ago
	l.Close()
	s.address = address
	command := slices.Concat(s.run, []string{s.binary, "serve", "--listen", address}, s.where, args)
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "WALLETD_TOKEN_RATE=0", "WALLETD_ADDRESS_RATE=0", "WALLETD_DRAIN=0s") // the service is measured, not its bounds
	var log bytes.Buffer
	cmd.Stderr = &log
	began := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	s.process = cmd.Process.Pid
	stop = func() {
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			b.Errorf("stopping: %v\n%s", err, log.String())
		}
	}
	for time.Since(began) < 20*time.Second {
		answer, err := http.Get("http://" + address + "/readyz")
		if err != nil {
			time.Sleep(time.Millisecond)
			continue
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err == nil && answer.StatusCode == status && bytes.Contains(body, []byte(says)) {
			return time.Since(began), stop
		}
		time.Sleep(10 * time.Millisecond)
	}
	stop()
	b.Fatalf("the service does not answer %d %s:\n%s", status, says, log.String())
	return 0, nil
}

// memory is a line of the process's status, in MB.
func (s *service) memory(b *testing.B, name string) float64 { return memory(b, s.process, name) }

func memory(b *testing.B, process int, name string) float64 {
	b.Helper()
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(process), "status"))
	if err != nil {
		b.Skipf("the memory of a process is read from /proc: %v", err)
	}
	found := regexp.MustCompile(name + `:\s+(\d+) kB`).FindSubmatch(status)
	if found == nil {
		b.Fatalf("no %s in the status", name)
	}
	kib, err := strconv.ParseFloat(string(found[1]), 64)
	if err != nil {
		b.Fatal(err)
	}
	return kib * 1024 / 1e6
}
