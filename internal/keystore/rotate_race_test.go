package keystore

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"walletd/internal/store"
	"walletd/internal/wallettest/postgres"
)

// Whoever asks while the root key is replaced gets the same key, and nobody hears that the keystore is
// locked, from this process.
func TestRotationLocksNobodyOut(t *testing.T) {
	h := newHouse(t)
	h.mustUnlock(firstPass)
	row, account := h.addWallet(1)
	receipt := releases(t, row.ID)
	want, err := h.opens(row.ID).EncryptionKey(receipt, account, []byte("salt"))
	if err != nil {
		t.Fatal(err)
	}
	ask := func() error {
		caller, err := h.store.CallerWallet(context.Background(), row.ID)
		if err != nil {
			return err
		}
		w, err := h.OpenWallet(caller.Wallet, caller.Epoch)
		if err != nil {
			return err
		}
		defer w.Close()
		got, err := w.EncryptionKey(receipt, account, []byte("salt"))
		if err == nil && !got.Equal(want.Bytes) {
			return errors.New("another key")
		}
		return err
	}
	t.Run("in a race", func(t *testing.T) {
		var askers sync.WaitGroup
		done := make(chan struct{})
		for range 8 {
			askers.Go(func() {
				for {
					select {
					case <-done:
						return
					default:
					}
					if err := ask(); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		for range 10 {
			if err := h.Rotate(t.Context(), "token", []Secret{Passphrase([]byte(firstPass))}, false); err != nil {
				t.Error(err)
			}
		}
		close(done)
		askers.Wait()
		if s := h.status(); !s.Unlocked || s.Generation != 11 || s.Rotating {
			t.Errorf("status %+v", s)
		}
	})
	// The moment that the race is about, held still: the new row is in the store, and Rotate has not
	// heard so.
	t.Run("between the commit and its answer", func(t *testing.T) {
		old := h.row()
		next, begun := h.begin(t)
		if err := ask(); err != nil {
			t.Errorf("before the commit: %v", err)
		}
		h.write(store.UpdateKeystore(old, begun))
		if err := ask(); err != nil {
			t.Errorf("after it: %v", err)
		}
		h.take(next)
		if h.open != next || h.next != nil {
			t.Error("the new root key is not in force")
		}
		if err := ask(); err != nil {
			t.Errorf("after the answer: %v", err)
		}
	})
}

// begin holds the root key of a rotation, and gives it and the row that the rotation is about to write.
func (h *house) begin(t *testing.T) (*opened, store.Keystore) {
	t.Helper()
	if h.open == nil {
		t.Fatal("locked")
	}
	root := newKeyring(rootKeys, randomKey())
	row := h.row()
	row.Generation++
	row.Epoch = drawEpoch(row.Epoch)
	next := &opened{generation: row.Generation, epoch: row.Epoch, root: root, old: h.open.root.clone(), service: h.open.service.clone()}
	row.SealedOldRoot = seal(root.seal, oldRootLabel(row), h.open.root.base[:])
	row.SealedService = sealService(root, row, h.open.service)
	row.Check = checkOf(root, row, nil)
	if !h.hold(next) {
		t.Fatal("locked")
	}
	return next, row
}

func TestALockIsStrongerThanARotation(t *testing.T) {
	gone := func(t *testing.T, h *house, next *opened) {
		t.Helper()
		if h.open != nil || h.next != nil || *next.root.base != [keySize]byte{} || *next.old.base != [keySize]byte{} {
			t.Error("a root key is still held")
		}
	}
	t.Run("of this process", func(t *testing.T) {
		h := newHouse(t)
		h.mustUnlock(firstPass)
		next, _ := h.begin(t)
		if err := h.Lock(t.Context(), "token"); err != nil {
			t.Fatal(err)
		}
		gone(t, h, next)
		if h.take(next); h.Unlocked(h.epoch()) {
			t.Error("unlocked by the answer to the rotation's commit")
		}
	})
	t.Run("of another, before the commit", func(t *testing.T) {
		h := newHouse(t)
		h.mustUnlock(firstPass)
		next, _ := h.begin(t)
		if err := New(h.store, Options{}).Lock(t.Context(), "token"); err != nil {
			t.Fatal(err)
		}
		if h.Unlocked(h.epoch()) {
			t.Error("its epoch passes for that of the rotation")
		}
		gone(t, h, next)
	})
	t.Run("of another, after the commit", func(t *testing.T) {
		h := newHouse(t)
		h.mustUnlock(firstPass)
		old := h.row()
		next, begun := h.begin(t)
		h.write(store.UpdateKeystore(old, begun))
		if err := New(h.store, Options{}).Lock(t.Context(), "token"); err != nil {
			t.Fatal(err)
		}
		if h.Unlocked(h.epoch()) {
			t.Error("unlocked")
		}
		gone(t, h, next)
	})
	t.Run("and so is the rotation of another", func(t *testing.T) {
		h := newHouse(t)
		h.mustUnlock(firstPass)
		next, _ := h.begin(t)
		other := &house{t: t, Keystore: New(h.store, Options{Argon2: &cheap})}
		other.mustUnlock(firstPass)
		if err := other.Rotate(t.Context(), "token", []Secret{Passphrase([]byte(firstPass))}, false); err != nil {
			t.Fatal(err)
		}
		if h.Unlocked(h.epoch()) {
			t.Error("the root key of a rotation that did not begin is in force")
		}
		gone(t, h, next)
	})
	t.Run("an epoch that somebody guessed locks when the rotation does not begin", func(t *testing.T) {
		h := newHouse(t)
		h.mustUnlock(firstPass)
		next, _ := h.begin(t)
		h.Unlocked(next.epoch)
		h.letGo(next)
		gone(t, h, next)
	})
}

func TestDrawnEpoch(t *testing.T) {
	epoch := int64(0)
	for range 1000 {
		drawn := drawEpoch(epoch)
		if drawn <= epoch || locks(drawn) != locks(epoch) || locks(drawn+1) == locks(epoch) {
			t.Fatalf("after %d comes %d", epoch, drawn)
		}
		epoch = drawn + 3
	}
	drawn := map[int64]bool{}
	for range 16 {
		drawn[drawEpoch(7)] = true
	}
	if len(drawn) < 12 { // a pair alike has a chance of one in 10^4; five are no chance
		t.Errorf("replicas that draw at once give %d epochs in 16", len(drawn))
	}
}

func TestLoss(t *testing.T) {
	house2 := func(t *testing.T) (h, other *house) {
		h = newHouse(t)
		h.mustUnlock(firstPass)
		other = &house{t: t, Keystore: New(h.store, Options{Argon2: &cheap})}
		other.mustUnlock(firstPass)
		return h, other
	}
	is := func(t *testing.T, h *house, want Loss) {
		t.Helper()
		if got, err := h.Loss(t.Context()); err != nil || got != want {
			t.Errorf("Loss = %+v, %v, want %+v", got, err, want)
		}
	}
	rotate := func(t *testing.T, h *house) {
		t.Helper()
		if err := h.Rotate(t.Context(), "token", []Secret{Passphrase([]byte(firstPass))}, false); err != nil {
			t.Fatal(err)
		}
	}
	lock := func(t *testing.T, h *house) {
		t.Helper()
		if err := h.Lock(t.Context(), "token"); err != nil {
			t.Fatal(err)
		}
	}
	accept := func(t *testing.T, h *house) {
		t.Helper()
		if err := h.AcceptClock(t.Context(), "token", Passphrase([]byte(firstPass))); err != nil {
			t.Fatal(err)
		}
	}
	again := func(t *testing.T, h *house) error {
		return h.UnlockAgain(t.Context(), "walletd", Passphrase([]byte(firstPass)))
	}
	t.Run("is none while unlocked, nor before the first unlock", func(t *testing.T) {
		h, _ := house2(t)
		is(t, h, Loss{})
		h.restart()
		is(t, h, Loss{})
	})
	t.Run("is a rotation of another replica, until it is unlocked again", func(t *testing.T) {
		h, other := house2(t)
		rotate(t, other)
		is(t, h, Loss{Lost: true, Rotated: true, Generation: 2})
		is(t, other, Loss{})
		h.mustUnlock(firstPass)
		is(t, h, Loss{})
		rotate(t, h)
		is(t, h, Loss{})
		is(t, other, Loss{Lost: true, Rotated: true, Generation: 3})
	})
	t.Run("says that the rotation is not finished", func(t *testing.T) {
		h, other := house2(t)
		h.addWallet(1)
		ctx, cancel := context.WithCancel(t.Context())
		other.now = stopsRotation(other, cancel)
		var unfinished *UnfinishedError
		if err := other.Rotate(ctx, "token", []Secret{Passphrase([]byte(firstPass))}, false); !errors.As(err, &unfinished) {
			t.Fatalf("Rotate: %v", err)
		}
		is(t, h, Loss{Lost: true, Rotated: true, Rotating: true, Generation: 2})
	})
	t.Run("is a lock of another replica", func(t *testing.T) {
		h, other := house2(t)
		lock(t, other)
		is(t, h, Loss{Lost: true, Generation: 1})
		is(t, other, Loss{}) // its own
	})
	t.Run("is a lock if one came after a rotation", func(t *testing.T) {
		h, other := house2(t)
		rotate(t, other)
		lock(t, other)
		is(t, h, Loss{Lost: true, Generation: 2})
	})
	t.Run("is a lock if one came before a rotation", func(t *testing.T) {
		h, other := house2(t)
		lock(t, other)
		other.mustUnlock(firstPass)
		rotate(t, other)
		is(t, h, Loss{Lost: true, Generation: 2})
	})
	t.Run("is an accepted clock of another replica, until it is unlocked again", func(t *testing.T) {
		h, other := house2(t)
		for range 2 {
			accept(t, other)
			is(t, h, Loss{Lost: true, ClockAccepted: true, Generation: 1})
			is(t, other, Loss{})
			if err := again(t, h); err != nil {
				t.Fatalf("UnlockAgain: %v", err)
			}
			is(t, h, Loss{})
		}
		rotate(t, other)
		accept(t, other)
		is(t, h, Loss{Lost: true, Rotated: true, Generation: 2})
	})
	t.Run("is a lock if one came after an accepted clock", func(t *testing.T) {
		h, other := house2(t)
		accept(t, other)
		is(t, h, Loss{Lost: true, ClockAccepted: true, Generation: 1})
		lock(t, other)
		if err := again(t, h); !errors.Is(err, ErrLocked) || h.Unlocked(h.epoch()) {
			t.Errorf("UnlockAgain: %v", err)
		}
		is(t, h, Loss{Lost: true, Generation: 1})
	})
	t.Run("is a lock if one came before an accepted clock", func(t *testing.T) {
		h, other := house2(t)
		lock(t, other)
		accept(t, other)
		is(t, h, Loss{Lost: true, Generation: 1})
		other.mustUnlock(firstPass)
		accept(t, other)
		is(t, h, Loss{Lost: true, Generation: 1})
		if err := again(t, h); !errors.Is(err, ErrLocked) || h.Unlocked(h.epoch()) {
			t.Errorf("UnlockAgain: %v", err)
		}
		h.mustUnlock(firstPass) // by somebody
	})
	t.Run("is a lock that came after a rotation of its own", func(t *testing.T) {
		h, other := house2(t)
		rotate(t, h)
		lock(t, other)
		is(t, h, Loss{Lost: true, Generation: 2})
	})
}

// A rotation whose first commit has no answer finds out what became of it. Whatever that is, this
// process goes on serving.
func TestRotationOfUnknownOutcome(t *testing.T) {
	for name, reaches := range map[string]bool{"that was made": true, "that was not": false} {
		t.Run(name, func(t *testing.T) {
			direct := postgres.Start(t)
			between := newProxy(t, direct)
			h := newHouseAt(t, between.url)
			h.mustUnlock(firstPass)
			row, _ := h.addWallet(1)
			between.cut([]byte(`"rotation started"`), reaches)
			err := h.Rotate(t.Context(), "token", []Secret{Passphrase([]byte(firstPass))}, false)
			if between.left() {
				t.Fatal("nothing was cut")
			}
			s := h.status()
			if reaches && (err != nil || s.Generation != 2) || !reaches && (!errors.Is(err, store.ErrUnavailable) || s.Generation != 1) {
				t.Errorf("Rotate: %v, status %+v", err, s)
			}
			if s.Rotating || !s.Unlocked {
				t.Errorf("status %+v", s)
			}
			if h.next != nil {
				t.Error("the root key of the rotation is still held beside the one in force")
			}
			if h.recorded("rotation did not start") == reaches {
				t.Errorf("on record: %+v", h.events())
			}
			h.opens(row.ID)
			h.restart()
			h.mustUnlock(firstPass)
			h.opens(row.ID)
			if err := h.Rotate(t.Context(), "token", []Secret{Passphrase([]byte(firstPass))}, false); err != nil {
				t.Errorf("the next rotation: %v", err)
			}
		})
		t.Run(name+", while the store is away", func(t *testing.T) {
			direct := postgres.Start(t)
			between := newProxy(t, direct)
			h := newHouseAt(t, between.url)
			h.mustUnlock(firstPass)
			row, _ := h.addWallet(1)
			ctx, cancel := context.WithCancel(t.Context())
			between.onCut = func() { between.refuse(true); cancel() }
			between.cut([]byte(`"rotation started"`), reaches)
			if err := h.Rotate(ctx, "token", []Secret{Passphrase([]byte(firstPass))}, false); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("Rotate: %v, want ErrUnavailable", err)
			}
			between.refuse(false)
			if s := h.status(); !s.Unlocked || s.Rotating != reaches {
				t.Errorf("status %+v", s)
			}
			h.opens(row.ID)
			h.mustUnlock(firstPass)
			if s := h.status(); s.Rotating || (s.Generation == 2) != reaches {
				t.Errorf("status %+v", s)
			}
			h.opens(row.ID)
		})
	}
}

// proxy stands between a store and PostgreSQL.
type proxy struct {
	t     *testing.T
	url   string // of the database, by the proxy
	to    string // the server's socket
	onCut func()

	mu      sync.Mutex
	at      []byte // what a client says when its connection is cut; nil: it is not
	reaches bool   // the server hears it, and does what it says, and its answer is lost
	refuses bool
}

func newProxy(t *testing.T, direct string) *proxy {
	t.Helper()
	u, err := url.Parse(direct)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "walletd-px") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	const socket = ".s.PGSQL.5432"
	p := &proxy{t: t, to: filepath.Join(u.Query().Get("host"), socket), onCut: func() {}}
	q := u.Query()
	q.Set("host", dir)
	u.RawQuery = q.Encode()
	p.url = u.String()
	l, err := net.Listen("unix", filepath.Join(dir, socket))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go p.pass(client)
		}
	}()
	return p
}

// cut ends the next connection on which a client says something.
func (p *proxy) cut(at []byte, reaches bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at, p.reaches = at, reaches
}

// left tells whether nothing was cut.
func (p *proxy) left() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at != nil
}

// refuse takes no more connections, or does so again.
func (p *proxy) refuse(refuses bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuses = refuses
}

func (p *proxy) pass(client net.Conn) {
	defer client.Close()
	p.mu.Lock()
	refuses := p.refuses
	p.mu.Unlock()
	if refuses {
		return
	}
	server, err := net.Dial("unix", p.to)
	if err != nil {
		return
	}
	defer server.Close()
	answers := make(chan struct{})
	lost := make(chan struct{}) // closed: what the server says is read and not passed on
	go func() {
		defer close(answers)
		var seen []byte
		for b := make([]byte, 64<<10); ; {
			n, err := server.Read(b)
			select {
			case <-lost:
				if seen = append(seen, b[:n]...); bytes.Contains(seen, []byte("COMMIT\x00")) {
					return
				}
			default:
				if _, e := client.Write(b[:n]); e != nil {
					return
				}
			}
			if err != nil {
				client.Close()
				return
			}
		}
	}()
	for b := make([]byte, 64<<10); ; {
		n, err := client.Read(b)
		if n > 0 {
			p.mu.Lock()
			cut := p.at != nil && bytes.Contains(b[:n], p.at)
			reaches := p.reaches
			if cut {
				p.at = nil
			}
			p.mu.Unlock()
			if cut {
				if reaches {
					close(lost)
					if _, err := server.Write(b[:n]); err == nil {
						<-answers // it is committed
					}
				}
				p.onCut()
				return
			}
			if _, err := server.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// stopsRotation gives a clock that stops a rotation before its second commit.
func stopsRotation(h *house, stop func()) func() time.Time {
	return func() time.Time {
		if h.status().Rotating {
			stop()
		}
		return time.Now()
	}
}
