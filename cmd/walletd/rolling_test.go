package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"walletd/api"
	"walletd/api/client"
	"walletd/internal/wallettest/port"
	"walletd/internal/wallettest/postgres"
)

// replica is one walletd of several on the same store.
type replica struct {
	t       *testing.T
	address string
	args    []string
	cmd     *exec.Cmd
	ready   atomic.Bool // as the proxy sees it
}

// command runs the program itself.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := &exec.Cmd{Path: self, Args: append([]string{"walletd"}, args...)}
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "WALLETD_") {
			cmd.Env = append(cmd.Env, e)
		}
	}
	return cmd
}

// initStore makes a store with walletd init, and returns the operator's token.
func initStore(t *testing.T, args ...string) string {
	t.Helper()
	out, err := command(t, append([]string{"init", "--json"}, args...)...).Output()
	var made struct{ OperatorToken string }
	if err == nil {
		err = json.Unmarshal(out, &made)
	}
	if err != nil {
		t.Fatalf("init: %v: %s", err, out)
	}
	return made.OperatorToken
}

// start starts the replica and waits until it is ready.
func (r *replica) start() {
	r.t.Helper()
	r.cmd = command(r.t, append([]string{"serve", "--listen", r.address}, r.args...)...)
	r.cmd.Stderr = r.t.Output()
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.await(r.look)
}

// await waits until is.
func (r *replica) await(is func() bool) {
	r.t.Helper()
	for end := time.Now().Add(scriptPatience); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatalf("%s is not ready", r.address)
		}
	}
}

// look asks the replica whether it is ready, as the proxy does from time to time.
func (r *replica) look() bool {
	answer, err := http.Get("http://" + r.address + "/readyz")
	if err == nil {
		answer.Body.Close()
	}
	r.ready.Store(err == nil && answer.StatusCode == http.StatusOK)
	return r.ready.Load()
}

// stop tells the replica to stop, and waits until it has.
func (r *replica) stop() {
	if r.cmd == nil {
		return
	}
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		r.t.Error(err)
	}
	if err := r.cmd.Wait(); err != nil {
		r.t.Errorf("%s ended with %v", r.address, err)
	}
	r.cmd = nil
}

// proxy stands in front of replicas and sends each request to one that is ready.
type proxy struct {
	url     string
	slowest atomic.Int64 // the longest time that passed from one look at a replica to the end of the next, in nanoseconds
}

func balance(t *testing.T, replicas []*replica) *proxy {
	t.Helper()
	p := &proxy{}
	ctx, stop := context.WithCancel(t.Context())
	var looking sync.WaitGroup
	for _, r := range replicas {
		looking.Go(func() {
			tick := time.NewTicker(100 * time.Millisecond)
			defer tick.Stop()
			for last := time.Now(); ; {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
				r.look()
				took := time.Since(last)
				last = last.Add(took)
				for was := p.slowest.Load(); int64(took) > was && !p.slowest.CompareAndSwap(was, int64(took)); was = p.slowest.Load() {
				}
			}
		})
	}
	t.Cleanup(func() { stop(); looking.Wait() })
	var next atomic.Int64
	server := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		for range replicas {
			one := replicas[int(next.Add(1))%len(replicas)]
			if one.ready.Load() {
				r.SetURL(&url.URL{Scheme: "http", Host: one.address})
				break
			}
		}
	}})
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

// A rolling restart loses no request: each replica says that it is not ready before it stops.
func TestARollingRestartLosesNoRequest(t *testing.T) {
	storeURL := postgres.Start(t)
	passphrase := filepath.Join(t.TempDir(), "passphrase")
	if err := os.WriteFile(passphrase, []byte("correct horse battery\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	operator := initStore(t, "--store", storeURL, "--passphrase-file", passphrase)
	drain := 2 * time.Second
	var replicas []*replica
	start := func(r *replica) {
		t.Helper()
		r.args = []string{"--store", storeURL, "--passphrase-file", passphrase, "--drain", drain.String()}
		r.start()
	}
	for range 3 {
		r := &replica{t: t, address: port.Free(t)}
		start(r)
		t.Cleanup(r.stop)
		replicas = append(replicas, r)
	}
	token := appToken(t, "http://"+replicas[0].address, operator)
	proxy := balance(t, replicas)

	// restart restarts the replicas one after the other, while they are asked, and returns what went wrong.
	restart := func(t *testing.T, keepAlive bool) []error {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var asking sync.WaitGroup
		var mu sync.Mutex
		var failed []error
		answered := 0
		for range 4 {
			asking.Go(func() {
				dapp := &http.Client{Transport: &http.Transport{DisableKeepAlives: !keepAlive}}
				for ctx.Err() == nil {
					err := ask(dapp, proxy.url, token)
					mu.Lock()
					if answered++; err != nil {
						failed = append(failed, err)
					}
					mu.Unlock()
				}
			})
		}
		for _, r := range slices.Backward(replicas) {
			r.stop()
			start(r)
		}
		stop()
		asking.Wait()
		if answered < 100 {
			t.Errorf("%d requests were made", answered)
		}
		t.Logf("%d of %d requests failed", len(failed), answered)
		return failed
	}
	for _, keepAlive := range []bool{true, false} {
		t.Run(fmt.Sprintf("with keep-alive %t", keepAlive), func(t *testing.T) {
			for {
				proxy.slowest.Store(0)
				failed := restart(t, keepAlive)
				slowest := time.Duration(proxy.slowest.Load())
				if slowest < drain/2 {
					for _, err := range failed {
						t.Error(err)
					}
					return
				}
				// On a machine that is that busy a proxy does not notice in time what it is told.
				drain *= 2
				t.Logf("the proxy looked only every %v; once more, with --drain %v", slowest, drain)
				for _, r := range replicas {
					r.stop()
					start(r)
				}
			}
		})
	}
}

// ask asks for a key, which a rule allows.
func ask(dapp *http.Client, address, token string) error {
	r, err := http.NewRequest("POST", address+"/v1/claims", strings.NewReader(`{"requestedClaims":[{"type":"encryptionKey","salt":"notes"}]}`))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	answer, err := dapp.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", answer.Status, body)
	}
	return err
}

// appToken makes a wallet that answers its app, and the app's token.
func appToken(t *testing.T, address, operator string) string {
	t.Helper()
	as := func(token api.SecretText) *client.Client {
		c, err := client.New(client.Config{URL: address, Token: token})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	op := as(api.NewSecretText([]byte(operator)))
	wallet, err := op.CreateWallet(t.Context(), api.NewWallet{Name: "alice"})
	if err != nil {
		t.Fatal(err)
	}
	owner, err := op.CreateToken(t.Context(), api.NewToken{Role: api.RoleOwner, Wallet: wallet.Wallet, Name: "alice"})
	if err != nil {
		t.Fatal(err)
	}
	alice := as(owner.Token)
	app, err := alice.CreateToken(t.Context(), api.NewToken{Role: api.RoleApp, Wallet: wallet.Wallet, Name: "Notes"})
	if err != nil {
		t.Fatal(err)
	}
	rules := api.Policy{Rules: []api.Rule{{App: "*", Claim: api.ClaimEncryptionKey, Decision: api.DecisionAllow}}}
	if _, err := alice.Wallet(wallet.Wallet).SetPolicy(t.Context(), rules); err != nil {
		t.Fatal(err)
	}
	return string(app.Token.Reveal())
}
