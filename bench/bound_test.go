package bench

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/gob"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"walletd/internal/did"
	"walletd/internal/wallettest/postgres"
)

// What BenchmarkBound measures.
var (
	boundStores      = flag.String("stores", "SQLite,PostgreSQL", "of BenchmarkBound: where the service keeps its store")
	boundKinds       = flag.String("kinds", "own/token,own/signed,delegated/token", "of BenchmarkBound: the claims")
	boundConnections = flag.String("connections", "1,16,128", "of BenchmarkBound: how many ask at once")
	boundRounds      = flag.Int("rounds", 5, "of BenchmarkBound: how often each is measured")
	boundTime        = flag.Duration("each", time.Second, "of BenchmarkBound: how long each is measured in a round")
	boundProcessors  = flag.String("processors", "", "of BenchmarkBound: the processors of service and bound, as taskset names them; all if not given")
	boundBinaries    = flag.String("binaries", "", "of BenchmarkBound: walletd binaries to measure in turn, instead of the one that is built")
)

// measuredBinaries are those of -binaries, or the one that is built.
func measuredBinaries(b *testing.B) []string {
	b.Helper()
	if *boundBinaries == "" {
		return []string{build(b, "walletd/cmd/walletd")}
	}
	return strings.Split(*boundBinaries, ",")
}

// BenchmarkBound is the service as it is shipped beside the program bound, which does for each claim what
// nobody can do without and nothing else. Service and bound take turns, round by round; what is printed are
// medians, with the least and the most of the ratios.
//
//	go test -run '^$' -bench Bound -benchtime 1x -timeout 1h ./bench
func BenchmarkBound(b *testing.B) {
	b.ReportMetric(0, "ns/op")
	if b.N > 1 {
		b.Fatal("it counts its own rounds: -benchtime 1x")
	}
	binaries, far := measuredBinaries(b), newFarSide(b)
	base := startBound(b, far)
	fmt.Printf("%-18s %-16s %5s %9s %9s %6s %11s %7s %7s %6s %15s %15s %11s\n", "store", "claim", "conns", "claims/s", "bound/s", "ratio", "from to", "cpu-µs", "bound", "ratio",
		"p50-ms bound", "p99-ms bound", "MB bound")
	for store := range strings.SplitSeq(*boundStores, ",") {
		var servers []*contestant
		for _, binary := range binaries {
			servers = append(servers, startService(b, far, store, binary))
		}
		for kind := range strings.SplitSeq(*boundKinds, ",") {
			for connections := range strings.SplitSeq(*boundConnections, ",") {
				n, err := strconv.Atoi(connections)
				if err != nil {
					b.Fatal(err)
				}
				results := map[*contestant][]measured{}
				for range *boundRounds {
					for _, c := range append(slices.Clone(servers), base) {
						results[c] = append(results[c], c.measure(b, far, kind, n))
					}
				}
				for _, c := range servers {
					printBeside(c.name, kind, n, results[c], results[base])
				}
			}
		}
		for _, c := range servers {
			c.stop()
		}
	}
}

// measured is one round of one contestant.
type measured struct {
	rate      float64
	cpu       time.Duration // of a claim, the database's own included
	p50, p99  time.Duration
	megabytes float64
}

// contestant is the service or the bound.
type contestant struct {
	name    string
	address string
	token   string // of the app
	wallet  string
	process int
	server  int // the database's first process; 0 if there is none
	stop    func()
	paces   map[string]int // how many claims of a kind, by so many callers, take about as long as a round
}

func (c *contestant) measure(b *testing.B, far *farSide, kind string, callers int) measured {
	b.Helper()
	key := fmt.Sprint(kind, callers)
	if c.paces[key] == 0 {
		some := max(200, 20*callers)
		began := c.load(b, far, kind, callers, some)
		c.paces[key] = max(callers, int(float64(some)*boundTime.Seconds()/began.Took.Seconds()))
	}
	n := c.paces[key]
	l := c.prepare(b, far, kind, callers, n)
	var before time.Duration
	var spent time.Duration
	result := l.run(b, func() { before = c.cpu(b) }, func() { spent = c.cpu(b) - before })
	c.paces[key] = max(callers, int(float64(n)*boundTime.Seconds()/result.Took.Seconds()))
	return measured{float64(n) / result.Took.Seconds(), spent / time.Duration(n), result.Half, result.Most, memory(b, c.process, "VmRSS")}
}

func (c *contestant) load(b *testing.B, far *farSide, kind string, callers, n int) loadResult {
	return c.prepare(b, far, kind, callers, n).run(b, func() {}, func() {})
}

// prepare signs what is to be sent.
func (c *contestant) prepare(b *testing.B, far *farSide, kind string, callers, n int) load {
	b.Helper()
	what, form, _ := strings.Cut(kind, "/")
	claim := map[string]any{"type": "encryptionKey", "salt": salt}
	if what == "delegated" {
		claim["salt"], claim["delegation"] = far.delegator.id.Address(), far.delegation
	}
	claims := []any{claim}
	l := load{Address: c.address, Total: n, Callers: callers}
	if form == "token" {
		l.Requests = [][]byte{c.post(b, map[string]any{"requestedClaims": claims}, c.token)}
		return l
	}
	l.Requests = make([][]byte, n)
	var work sync.WaitGroup
	for first := range runtime.GOMAXPROCS(0) {
		work.Go(func() {
			for i := first; i < n; i += runtime.GOMAXPROCS(0) {
				info := far.app.sign(b, map[string]any{
					"action": "responseAuth", "aud": c.wallet, "jti": rand.Text(), "requestedClaims": claims, "appInfo": map[string]any{"name": "Notes"},
				})
				l.Requests[i] = c.post(b, map[string]any{"appPk": did.EncodeBase58(far.app.key.Public()), "authInfo": info}, "")
			}
		})
	}
	work.Wait()
	return l
}

func (c *contestant) post(b *testing.B, members map[string]any, token string) []byte {
	body, err := json.Marshal(members)
	if err != nil {
		b.Error(err)
	}
	if token != "" {
		token = "Authorization: Bearer " + token + "\r\n"
	}
	return fmt.Appendf(nil, "POST /v1/claims HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%s", c.address, token, len(body), body)
}

// cpu is what the contestant has used of the processors, its database included.
func (c *contestant) cpu(b *testing.B) time.Duration {
	b.Helper()
	read := func(process string) (own, children time.Duration, parent int) {
		text, err := os.ReadFile(filepath.Join("/proc", process, "stat"))
		if err != nil {
			return 0, 0, 0 // it has just ended
		}
		return processorTime(text)
	}
	sum, _, _ := read(strconv.Itoa(c.process))
	if c.server == 0 {
		return sum
	}
	own, children, _ := read(strconv.Itoa(c.server))
	sum += own + children
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		b.Fatal(err)
	}
	for _, p := range processes {
		if own, _, parent := read(filepath.Base(p)); parent == c.server {
			sum += own
		}
	}
	return sum
}

// printBeside prints the medians of a service's rounds beside those of the bound.
func printBeside(name, kind string, callers int, service, bound []measured) {
	ratios := make([]float64, len(service))
	for i := range service {
		ratios[i] = service[i].rate / bound[i].rate
	}
	cpu := func(m measured) float64 { return microseconds(m.cpu) }
	milliseconds := func(d func(measured) time.Duration) func(measured) float64 {
		return func(m measured) float64 { return microseconds(d(m)) / 1000 }
	}
	p50, p99 := milliseconds(func(m measured) time.Duration { return m.p50 }), milliseconds(func(m measured) time.Duration { return m.p99 })
	rate, memory := func(m measured) float64 { return m.rate }, func(m measured) float64 { return m.megabytes }
	fmt.Printf("%-18s %-16s %5d %9.0f %9.0f %6.2f %6.2f %4.2f %7.0f %7.0f %6.2f %7.1f %7.1f %7.1f %7.1f %5.0f %5.0f\n", name, kind, callers,
		median(service, rate), median(bound, rate), middle(ratios), slices.Min(ratios), slices.Max(ratios), median(service, cpu), median(bound, cpu),
		median(service, cpu)/median(bound, cpu), median(service, p50), median(bound, p50), median(service, p99), median(bound, p99),
		median(service, memory), median(bound, memory))
}

func median(of []measured, what func(measured) float64) float64 {
	all := make([]float64, len(of))
	for i, m := range of {
		all[i] = what(m)
	}
	return middle(all)
}

func middle(all []float64) float64 {
	slices.Sort(all)
	return (all[len(all)/2] + all[(len(all)-1)/2]) / 2
}

// signer is an application with a key.
type signer struct {
	key did.SecretKey
	id  did.DID
}

func newSigner(b *testing.B, name string) signer {
	b.Helper()
	key, err := did.SecretKeyFromSeed(did.Ed25519, did.SHA3.Sum([]byte(name)))
	var id did.DID
	if err == nil {
		id, err = did.FromPublicKey(key.Public(), did.Type{Role: did.RoleApplication, Key: did.Ed25519, Hash: did.SHA3})
	}
	if err != nil {
		b.Fatal(err)
	}
	return signer{key, id}
}

func (s signer) sign(b *testing.B, body map[string]any) string {
	token, err := did.SignToken(s.key, s.id, body, time.Now())
	if err != nil {
		b.Error(err)
	}
	return token
}

// farSide is who asks: an app, and another one that delegates to it.
type farSide struct {
	app, delegator signer
	delegation     string
}

func newFarSide(b *testing.B) *farSide {
	f := &farSide{app: newSigner(b, "who asks"), delegator: newSigner(b, "who delegates")}
	f.delegation = f.delegator.sign(b, map[string]any{
		"from": f.delegator.id.Address(), "to": f.app.id.String(), "userPk": did.EncodeBase58(f.delegator.key.Public()),
		"permissions": []any{map[string]any{"role": "DIDConnectAgent", "claims": []string{"encryptionKey"}}},
		"exp":         time.Now().Add(12 * time.Hour).Unix(),
	})
	return f
}

// startBound starts the bound.
func startBound(b *testing.B, far *farSide) *contestant {
	b.Helper()
	c := &contestant{name: "bound", token: "wd_app_aaaaaaaaaaaaaaaaaaaaaaaaaa_" + strings.ToLower(rand.Text()+rand.Text()), wallet: "z1", paces: map[string]int{}}
	command := append(pinned(), build(b, "walletd/bench/bound"))
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stderr = os.Stderr
	var facts bytes.Buffer
	// As the type Facts of the program.
	err := gob.NewEncoder(&facts).Encode(struct {
		Token          string
		App, Delegator []byte
		File           string
	}{c.token, far.app.key.Public(), far.delegator.key.Public(), filepath.Join(b.TempDir(), "record")})
	if err != nil {
		b.Fatal(err)
	}
	cmd.Stdin = &facts
	says, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	line, err := bufio.NewReader(says).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	c.address, c.process = strings.TrimSpace(line), cmd.Process.Pid
	return c
}

// pinned is what a contestant is started by.
func pinned() []string {
	if *boundProcessors == "" {
		return nil
	}
	return []string{"taskset", "-c", *boundProcessors}
}

// startService starts a walletd with a wallet that a rule opens to the app for its own account, and a grant
// for the delegation.
func startService(b *testing.B, far *farSide, store, binary string) *contestant {
	b.Helper()
	c := &contestant{name: store, paces: map[string]int{}}
	if *boundBinaries != "" {
		c.name += " " + filepath.Base(binary)
	}
	where := ""
	if store == "PostgreSQL" {
		where = postgres.Start(b)
		u, err := url.Parse(where)
		if err != nil {
			b.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(u.Query().Get("host"), "data", "postmaster.pid"))
		if err == nil {
			first, _, _ := strings.Cut(string(text), "\n")
			c.server, err = strconv.Atoi(first)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	s := initialised(b, binary, where)
	s.run = pinned()
	_, stop := s.start(b, http.StatusOK, "ready", "--passphrase-file", s.passphrase)
	c.address, c.process, c.stop = s.address, s.process, stop
	do := func(method, path, token string, body map[string]any) map[string]string {
		text, err := json.Marshal(body)
		if err != nil {
			b.Fatal(err)
		}
		return s.do(b, method, path, token, string(text))
	}
	app := far.app.id.String()
	c.wallet = do("POST", "/v1/wallets", s.operator, map[string]any{"name": "alice"})["wallet"]
	owner := do("POST", "/v1/tokens", s.operator, map[string]any{"role": "owner", "wallet": c.wallet, "name": "alice"})["token"]
	c.token = do("POST", "/v1/tokens", owner, map[string]any{"role": "app", "wallet": c.wallet, "app": app, "name": "Notes"})["token"]
	do("PUT", "/v1/wallets/"+c.wallet+"/policy", owner, map[string]any{"rules": []any{map[string]any{"app": app, "claim": "encryptionKey", "decision": "allow"}}})
	do("POST", "/v1/wallets/"+c.wallet+"/accounts", owner, map[string]any{
		"secret": did.EncodeBase58(far.delegator.key.Reveal()), "targetType": map[string]any{"role": "application", "key": "ed25519"},
	})
	claim := map[string]any{"type": "encryptionKey", "salt": far.delegator.id.Address(), "delegation": far.delegation}
	asked := do("POST", "/v1/claims", c.token, map[string]any{"requestedClaims": []any{claim}})
	do("POST", "/v1/approvals/"+asked["id"]+"/approve", owner, map[string]any{"remember": map[string]any{"until": "withdrawn"}})
	return c
}
