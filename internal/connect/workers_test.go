package connect

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"walletd/internal/approvals"
	"walletd/internal/did"
	"walletd/internal/wallets"
)

const silent = "https://silent.example/auth?_t_="

// mute is a far side that says nothing at silent.example until it is told to speak, and then that
// nothing is there; elsewhere it is an app.
type mute struct {
	app   http.Handler
	speak chan struct{}

	mu   sync.Mutex
	gets int
}

func (m *mute) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Host != "silent.example" {
		m.app.ServeHTTP(w, r)
		return
	}
	m.mu.Lock()
	m.gets++
	m.mu.Unlock()
	select {
	case <-m.speak:
	case <-r.Context().Done():
	}
	http.NotFound(w, r)
}

func (m *mute) asked() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.gets
}

// running runs the sessions until the test ends.
func (f *fixture) running() {
	f.t.Helper()
	ctx, stop := context.WithCancel(f.t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := f.sessions.Run(ctx); err != nil {
			f.t.Error(err)
		}
	})
	f.t.Cleanup(func() { stop(); running.Wait() })
}

// of does something as another wallet's owner.
func (f *fixture) of(owner string, do func()) {
	before := f.owner
	f.owner = owner
	defer func() { f.owner = before }()
	do()
}

// A wallet whose links all lead to a server that says nothing keeps no other wallet waiting, nor its
// own sessions elsewhere, whether the links came before Run, as after a restart, or since.
func TestASlowServerBlocksNobodyElse(t *testing.T) {
	for _, before := range []bool{false, true} {
		t.Run(fmt.Sprintf("links that came before Run: %v", before), func(t *testing.T) {
			app := newFar(t, 1, did.Ed25519)
			s := &script{t: t, replies: []says{app.asks(), app.asks(), app.ends(nil), app.asks()}}
			far := &mute{app: s, speak: make(chan struct{})}
			f := newFixture(t, far)
			f.client.wait = time.Hour // or until the server speaks
			_, bob := f.newWallet(wallets.NewWallet{Name: "bob"})
			if !before {
				f.running()
			}
			var links []string
			for i := range defaultLimit - 1 {
				links = append(links, f.begin(silent+fmt.Sprint(i)).ID)
			}
			own := f.begin(appURL).ID
			if before {
				f.running()
			}
			f.await(own, Waiting)
			f.of(bob, func() {
				v := f.begin(appURL)
				f.await(v.ID, Waiting)
				f.approve(f.get(v.ID).Approval, approvals.Choice{})
				f.await(v.ID, Done)
				f.await(f.begin(silent).ID, Asked)
				f.await(f.begin(appURL).ID, Waiting)
			})
			if n := far.asked(); n > perWalletOrigin+1 {
				t.Errorf("%d sessions of two wallets wait for one server", n)
			}
			close(far.speak)
			for _, id := range links {
				f.await(id, Refused)
			}
		})
	}
}

// A bound is no wall: what finds no worker is begun when one is free, and the origin's bound leaves
// the first session of each wallet out.
func TestWorkers(t *testing.T) {
	w := newWorkers()
	if _, ok := w.acquire("early", "w", "o"); ok {
		t.Fatal("a session began before Run")
	}
	w.start(t.Context())
	enter := func(id, wallet, origin string) bool { _, ok := w.acquire(id, wallet, origin); return ok }
	n := 0
	fill := func(wallet, origin string) (began int) {
		for range perProcess + 1 {
			if n++; enter(fmt.Sprint(n), wallet, origin) {
				began++
			}
		}
		return began
	}
	if !enter("first", "a", "o") || enter("first", "a", "o") {
		t.Error("one session has two workers, or none")
	}
	if got := fill("a", "o"); got != perWalletOrigin-1 {
		t.Errorf("%d more of a wallet at one origin", got)
	}
	if got := fill("a", ""); got != perWallet-perWalletOrigin {
		t.Errorf("%d more of a wallet", got)
	}
	if !enter("moves", "b", "") || !w.setOrigin("moves", "o") {
		t.Error("the first of another wallet finds no worker")
	}
	if !enter("turned away", "b", "") {
		t.Error("the second of another wallet finds no worker")
	}
	for i := range perProcess {
		fill(fmt.Sprint("wallet", i), "o")
	}
	if w.setOrigin("turned away", "o") {
		t.Error("an origin has more than its bound")
	}
	if w.release("turned away", true); len(w.free) != 1 {
		t.Error("nobody is told that a worker is free")
	}
	<-w.free
	if enter("turned away", "b", "") {
		t.Error("where a session goes was forgotten")
	}
	if !enter("last", "c", "o") || enter("one too many", "c", "p") {
		t.Error("the bound of all does not leave the first of a wallet out, or leaves more out")
	}
	for id := range w.sessions {
		w.release(id, false)
	}
	if len(w.active) != 0 || len(w.free) != 0 {
		t.Errorf("%v is left", w.active)
	}
	w.stop()
	if enter("late", "w", "o") {
		t.Error("a session began after Run")
	}
}
