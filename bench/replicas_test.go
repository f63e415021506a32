package bench

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"walletd/internal/wallettest/postgres"
)

// What BenchmarkReplicas measures.
var (
	replicasOf      = flag.Int("replicas", 3, "of BenchmarkReplicas: how many services on one database are measured beside one")
	replicasCallers = flag.Int("callers", 48, "of BenchmarkReplicas: how many ask at once, of all replicas together")
	replicasWallets = flag.String("wallets", "1,200", "of BenchmarkReplicas: how many wallets are asked, in turn")
)

// BenchmarkReplicas is the service as it is shipped, once and as several replicas on one PostgreSQL, which take turns
// round by round: the same callers, divided among the replicas, and the same wallets. What is printed are medians.
//
//	go test -run '^$' -bench Replicas -benchtime 1x -timeout 1h ./bench
func BenchmarkReplicas(b *testing.B) {
	b.ReportMetric(0, "ns/op")
	if b.N > 1 {
		b.Fatal("it counts its own rounds: -benchtime 1x")
	}
	binaries, far := measuredBinaries(b), newFarSide(b)
	fmt.Printf("%-16s %-12s %7s %9s %9s %6s %8s %8s %6s %15s %19s\n", "binary", "claim", "wallets", "claims/s", fmt.Sprint("of ", *replicasOf), "ratio",
		"cpu-µs", fmt.Sprint("of ", *replicasOf), "ratio", "of PostgreSQL", "claims/transaction")
	for wallets := range strings.SplitSeq(*replicasWallets, ",") {
		n, err := strconv.Atoi(wallets)
		if err != nil {
			b.Fatal(err)
		}
		var pairs [][2]*fleet
		for _, binary := range binaries {
			pairs = append(pairs, [2]*fleet{startFleet(b, far, binary, 1, n), startFleet(b, far, binary, *replicasOf, n)})
		}
		for kind := range strings.SplitSeq(*boundKinds, ",") {
			if !strings.HasPrefix(kind, "own/") {
				continue // that is for one wallet
			}
			results := map[*fleet][]fleetRound{}
			for range *boundRounds {
				for _, pair := range pairs {
					for _, f := range pair {
						results[f] = append(results[f], f.measure(b, far, kind))
					}
				}
			}
			for i, pair := range pairs {
				one, all := medianRound(results[pair[0]]), medianRound(results[pair[1]])
				fmt.Printf("%-16s %-12s %7d %9.0f %9.0f %6.2f %8.0f %8.0f %6.2f %7.0f %7.0f %9.1f %9.1f\n", filepath.Base(binaries[i]), kind, n, one.rate, all.rate, all.rate/one.rate,
					one.cpu, all.cpu, all.cpu/one.cpu, one.database, all.database, one.group, all.group)
			}
		}
		for _, pair := range pairs {
			pair[0].stop()
			pair[1].stop()
		}
	}
}

// fleetRound is what a fleet did in a round.
type fleetRound struct {
	rate          float64 // claims in a second
	cpu, database float64 // µs of a claim: of all processes, and PostgreSQL's part of them
	group         float64 // claims in a transaction
}

func medianRound(rounds []fleetRound) fleetRound {
	of := func(what func(fleetRound) float64) float64 {
		all := make([]float64, len(rounds))
		for i, r := range rounds {
			all[i] = what(r)
		}
		return middle(all)
	}
	return fleetRound{
		of(func(r fleetRound) float64 { return r.rate }), of(func(r fleetRound) float64 { return r.cpu }),
		of(func(r fleetRound) float64 { return r.database }), of(func(r fleetRound) float64 { return r.group }),
	}
}

// fleet is replicas of the service on one database, with wallets that a rule opens to an app.
type fleet struct {
	replicas []*contestant
	server   int // the database's first process
	wallets  []string
	tokens   []string // of the app, one in each wallet
	paces    map[string]int
}

func (f *fleet) stop() {
	for _, r := range f.replicas {
		r.stop()
	}
}

func startFleet(b *testing.B, far *farSide, binary string, replicas, wallets int) *fleet {
	b.Helper()
	where := postgres.Start(b)
	f := &fleet{server: firstProcess(b, where), paces: map[string]int{}}
	first := initialised(b, binary, where)
	first.run = pinned()
	for i := range replicas {
		s := first
		if i > 0 {
			another := *first
			s = &another
		}
		_, stop := s.start(b, http.StatusOK, "ready", "--passphrase-file", s.passphrase)
		f.replicas = append(f.replicas, &contestant{address: s.address, process: s.process, stop: stop})
	}
	var work sync.WaitGroup
	f.wallets, f.tokens = make([]string, wallets), make([]string, wallets)
	for from := range 4 {
		work.Go(func() {
			for i := from; i < wallets; i += 4 {
				f.wallets[i], f.tokens[i] = newAskedWallet(b, first, far)
			}
		})
	}
	work.Wait()
	if b.Failed() {
		b.FailNow()
	}
	for _, r := range f.replicas {
		s := service{process: r.process}
		s.rest(b)
	}
	return f
}

// newAskedWallet makes a wallet that a rule opens to the app, and a token of the app.
func newAskedWallet(b *testing.B, s *service, far *farSide) (wallet, token string) {
	app := far.app.id.String()
	wallet = s.do(b, "POST", "/v1/wallets", s.operator, `{"name":"alice"}`)["wallet"]
	owner := s.do(b, "POST", "/v1/tokens", s.operator, fmt.Sprintf(`{"role":"owner","wallet":%q,"name":"alice"}`, wallet))["token"]
	token = s.do(b, "POST", "/v1/tokens", owner, fmt.Sprintf(`{"role":"app","wallet":%q,"app":%q,"name":"Notes"}`, wallet, app))["token"]
	s.do(b, "PUT", "/v1/wallets/"+wallet+"/policy", owner, fmt.Sprintf(`{"rules":[{"app":%q,"claim":"encryptionKey","decision":"allow"}]}`, app))
	return wallet, token
}

// firstProcess is that of the server of a database that postgres.Start gave.
func firstProcess(b *testing.B, where string) int {
	b.Helper()
	u, err := url.Parse(where)
	if err != nil {
		b.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(u.Query().Get("host"), "data", "postmaster.pid"))
	if err != nil {
		b.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	process, err := strconv.Atoi(first)
	if err != nil {
		b.Fatal(err)
	}
	return process
}

func (f *fleet) measure(b *testing.B, far *farSide, kind string) fleetRound {
	b.Helper()
	if f.paces[kind] == 0 {
		some := 40 * *replicasCallers
		took, _ := f.load(b, far, kind, some)
		f.paces[kind] = max(some, int(float64(some)*boundTime.Seconds()/took.Seconds()))
	}
	n := f.paces[kind]
	took, r := f.load(b, far, kind, n)
	f.paces[kind] = max(40**replicasCallers, int(float64(n)*boundTime.Seconds()/took.Seconds()))
	return r
}

// load has n claims answered, by all replicas at the same time.
func (f *fleet) load(b *testing.B, far *farSide, kind string, n int) (time.Duration, fleetRound) {
	b.Helper()
	each := n / len(f.replicas)
	loads := make([]load, len(f.replicas))
	for i, r := range f.replicas {
		loads[i] = f.prepare(b, far, kind, r, each)
	}
	var ready, ended sync.WaitGroup
	ready.Add(len(loads))
	ended.Add(len(loads))
	var took time.Duration
	var before, after [2]time.Duration
	transactions, changes := f.written(b)
	begin := make(chan struct{})
	var began time.Time
	for _, l := range loads {
		go l.run(b, func() { ready.Done(); <-begin }, func() { ended.Done() })
	}
	ready.Wait()
	before[0], before[1] = f.spent(b)
	began = time.Now()
	close(begin)
	ended.Wait()
	took = time.Since(began)
	after[0], after[1] = f.spent(b)
	nowTransactions, nowChanges := f.written(b)
	all := float64(each * len(loads))
	return took, fleetRound{
		rate: all / took.Seconds(), cpu: microseconds(after[0]-before[0]) / all, database: microseconds(after[1]-before[1]) / all,
		group: (nowChanges - changes) / (nowTransactions - transactions),
	}
}

// prepare writes what one replica is asked: all wallets, in turn.
func (f *fleet) prepare(b *testing.B, far *farSide, kind string, r *contestant, n int) load {
	b.Helper()
	l := load{Address: r.address, Total: n, Callers: *replicasCallers / len(f.replicas)}
	for i, wallet := range f.wallets {
		c := contestant{address: r.address, token: f.tokens[i], wallet: wallet}
		of := c.prepare(b, far, kind, 1, (n+len(f.wallets)-1)/len(f.wallets))
		l.Requests = append(l.Requests, of.Requests...)
	}
	if per := len(l.Requests) / len(f.wallets); per > 1 { // wallet by wallet: one of each, and then the next of each
		turned := make([][]byte, 0, len(l.Requests))
		for i := range per {
			for w := range f.wallets {
				turned = append(turned, l.Requests[w*per+i])
			}
		}
		l.Requests = turned
	}
	return l
}

// spent is what all processes have used of the processors, and the database's part.
func (f *fleet) spent(b *testing.B) (all, database time.Duration) {
	b.Helper()
	for i, r := range f.replicas {
		own := contestant{process: r.process}
		all += own.cpu(b)
		if i == 0 {
			with := contestant{process: r.process, server: f.server}
			database = with.cpu(b) - own.cpu(b)
		}
	}
	return all + database, database
}

// written is how many transactions the replicas have written, and how many changes were in them.
func (f *fleet) written(b *testing.B) (transactions, changes float64) {
	b.Helper()
	for _, r := range f.replicas {
		answer, err := http.Get("http://" + r.address + "/metrics")
		if err != nil {
			b.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil {
			b.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			n, err := strconv.ParseFloat(value, 64)
			switch {
			case !slices.Contains([]string{"walletd_store_transactions", "walletd_store_changes"}, name):
			case err != nil:
				b.Fatal(line)
			case name == "walletd_store_changes":
				changes += n
			default:
				transactions += n
			}
		}
	}
	return transactions, changes
}
