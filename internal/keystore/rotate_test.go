package keystore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"walletd/internal/store"
	"walletd/internal/wallettest/postgres"
)

func TestRotate(t *testing.T) {
	first, second := Passphrase([]byte(firstPass)), Passphrase([]byte(secondPass))
	t.Run("re-seals every wallet and keeps every slot", func(t *testing.T) {
		identity, recipient, _ := GenerateRecovery()
		h := newHouse(t,
			NewSlot{Name: "first", Passphrase: first}, NewSlot{Name: "again", Passphrase: first},
			NewSlot{Name: "second", Passphrase: second}, NewSlot{Name: "paper", Recipient: recipient})
		h.mustUnlock(firstPass)
		row, account := h.addWallet(1)
		key, err := h.opens(row.ID).EncryptionKey(releases(t, row.ID), account, []byte("salt"))
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Rotate(t.Context(), "token", []Secret{first, second}, false); err != nil {
			t.Fatalf("Rotate: %v", err)
		}
		// At once, and after a restart with each secret.
		for _, secret := range []Secret{{}, first, second, identity} {
			if !secret.IsZero() {
				h.restart()
				if err := h.Unlock(t.Context(), "walletd", secret); err != nil {
					t.Fatal(err)
				}
			}
			again, err := h.opens(row.ID).EncryptionKey(releases(t, row.ID), account, []byte("salt"))
			if err != nil || again.Base58() != key.Base58() {
				t.Fatalf("the key changed: %v", err)
			}
		}
		s := h.status()
		if s.Generation != 2 || s.Rotating || len(s.Slots) != 4 {
			t.Errorf("status %+v", s)
		}
		if h.wallet(row.ID).Generation != 2 || string(h.wallet(row.ID).SealedKey) == string(row.SealedKey) {
			t.Error("the wallet is still under the old root key")
		}
		if h.recorded("forged") || h.recorded("slots changed") || h.recorded("damaged") {
			t.Errorf("the rotation looks forged: %+v", h.events())
		}
		if err := h.Rotate(t.Context(), "token", []Secret{first, second, first}, false); err != nil {
			t.Fatalf("rotating again: %v", err)
		}
	})
	t.Run("names the slots whose secret is missing, and drops them when told to", func(t *testing.T) {
		h := newHouse(t, NewSlot{Name: "first", Passphrase: first}, NewSlot{Name: "second", Passphrase: second})
		h.mustUnlock(firstPass)
		err := h.Rotate(t.Context(), "token", []Secret{first}, false)
		var missing *MissingSlotsError
		if !errors.As(err, &missing) {
			t.Fatalf("Rotate: %v, want a MissingSlotsError", err)
		}
		if diff := cmp.Diff([]string{"second"}, missing.Names); diff != "" {
			t.Error(diff)
		}
		if h.status().Generation != 1 {
			t.Error("rotated all the same")
		}
		if err := h.Rotate(t.Context(), "token", []Secret{first}, true); err != nil {
			t.Fatal(err)
		}
		if s := h.status(); len(s.Slots) != 1 || s.Generation != 2 {
			t.Errorf("status %+v", s)
		}
		if err := h.Unlock(t.Context(), "walletd", second); !errors.Is(err, ErrWrongSecret) {
			t.Errorf("the dropped slot: %v", err)
		}
	})
	t.Run("refuses a secret that opens nothing, a locked keystore, and to leave no slot", func(t *testing.T) {
		h := newHouse(t)
		if err := h.Rotate(t.Context(), "token", []Secret{first}, false); !errors.Is(err, ErrLocked) {
			t.Errorf("locked: %v", err)
		}
		h.mustUnlock(firstPass)
		if err := h.Rotate(t.Context(), "token", []Secret{first, second}, true); !errors.Is(err, ErrWrongSecret) {
			t.Errorf("one wrong: %v", err)
		}
		if err := h.Rotate(t.Context(), "token", nil, true); !errors.Is(err, ErrWrongSecret) {
			t.Errorf("none: %v", err)
		}
		if h.status().Generation != 1 {
			t.Error("rotated all the same")
		}
	})
	t.Run("leaves a damaged wallet behind, on record", func(t *testing.T) {
		h := newHouse(t)
		h.mustUnlock(firstPass)
		good, _ := h.addWallet(1)
		bad, _ := h.addWallet(2)
		h.write(store.RotateWallet(bad.ID, 1, 1, good.SealedKey)) // another wallet's
		if err := h.Rotate(t.Context(), "token", []Secret{first}, false); err != nil {
			t.Fatal(err)
		}
		h.opens(good.ID)
		_, err := h.OpenWallet(h.wallet(bad.ID), h.epoch())
		wantDamaged(t, err, "wallets", bad.ID)
		if !h.recorded("damaged") {
			t.Error("not on record")
		}
	})
	t.Run("locks the other replicas when it starts", func(t *testing.T) {
		h := newHouse(t)
		h.mustUnlock(firstPass)
		other := &house{t: t, Keystore: New(h.store, Options{Argon2: &cheap})}
		other.mustUnlock(firstPass)
		if err := h.Rotate(t.Context(), "token", []Secret{first}, false); err != nil {
			t.Fatal(err)
		}
		if other.Unlocked(other.epoch()) {
			t.Error("the other replica is unlocked")
		}
		if !h.Unlocked(h.epoch()) {
			t.Error("this replica is locked")
		}
		old := h.open.old
		if h.forgetOld(2); h.open.old != nil || *old.base != [keySize]byte{} {
			t.Error("the old root key is still in memory")
		}
		other.mustUnlock(firstPass)
	})
}

// A rotation that stops in between leaves a keystore that serves.
func TestRotateStopped(t *testing.T) {
	first := Passphrase([]byte(firstPass))
	// begin rotates and calls stop before the second commit. It gives what the
	// key of the service's heads was before.
	begin := func(t *testing.T, stop func(h *house, cancel func())) (*house, store.Wallet, []byte) {
		h := newHouse(t)
		h.mustUnlock(firstPass)
		row, _ := h.addWallet(1)
		head := h.headKey()
		ctx, cancel := context.WithCancel(t.Context())
		t.Cleanup(cancel)
		stopped := false
		h.now = func() time.Time {
			if !stopped && h.status().Rotating {
				stopped = true
				stop(h, cancel)
			}
			return time.Now()
		}
		err := h.Rotate(ctx, "token", []Secret{first}, false)
		var unfinished *UnfinishedError
		if !errors.As(err, &unfinished) {
			t.Fatalf("Rotate: %v, want an UnfinishedError", err)
		}
		if s := h.status(); !s.Rotating || s.Generation != 2 {
			t.Fatalf("status %+v", s)
		}
		return h, row, head
	}
	t.Run("serves, and the next rotation finishes it first", func(t *testing.T) {
		h, row, head := begin(t, func(_ *house, cancel func()) { cancel() })
		h.opens(row.ID)
		if err := h.Rotate(t.Context(), "token", []Secret{first}, false); err != nil {
			t.Fatal(err)
		}
		h.opens(row.ID)
		if s := h.status(); s.Rotating || s.Generation != 3 {
			t.Errorf("status %+v", s)
		}
		if !bytes.Equal(h.headKey(), head) {
			t.Error("the service's heads have another key")
		}
	})
	t.Run("has the service's key, at once, opened again, and finished", func(t *testing.T) {
		h, _, head := begin(t, func(_ *house, cancel func()) { cancel() })
		if !bytes.Equal(h.headKey(), head) {
			t.Error("another key at once")
		}
		h.restart()
		a, err := openSlots(t.Context(), h.row(), h.slots(), false, []Secret{first})
		if err != nil || a.old == nil {
			t.Fatalf("want both root keys: %v", err)
		}
		defer a.wipe()
		if !bytes.Equal(a.service.headKey(), head) {
			t.Error("another key opened again")
		}
		if h.mustUnlock(firstPass); !bytes.Equal(h.headKey(), head) {
			t.Error("another key when it is finished")
		}
	})
	t.Run("stays locked when it was locked meanwhile, and the next unlock finishes it", func(t *testing.T) {
		h, row, _ := begin(t, func(h *house, _ func()) {
			if err := h.Lock(context.Background(), "token"); err != nil {
				t.Error(err)
			}
		})
		if _, err := h.OpenWallet(h.wallet(row.ID), h.epoch()); !errors.Is(err, ErrLocked) {
			t.Errorf("OpenWallet: %v, want ErrLocked", err)
		}
		h.mustUnlock(firstPass)
		h.opens(row.ID)
		if s := h.status(); s.Rotating || s.Generation != 2 {
			t.Errorf("status %+v", s)
		}
	})
}

// Requests in flight get the right key or ErrLocked, whatever happens beside
// them.
func TestRequestsInFlight(t *testing.T) {
	h := newHouse(t)
	h.mustUnlock(firstPass)
	row, account := h.addWallet(1)
	receipt := releases(t, row.ID)
	key, err := h.opens(row.ID).EncryptionKey(releases(t, row.ID), account, []byte("salt"))
	if err != nil {
		t.Fatal(err)
	}
	var askers sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		askers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				caller, err := h.store.CallerWallet(context.Background(), row.ID)
				if err != nil {
					t.Error(err)
					return
				}
				w, err := h.OpenWallet(caller.Wallet, caller.Epoch)
				if errors.Is(err, ErrLocked) {
					continue
				} else if err != nil {
					t.Error(err)
					return
				}
				got, err := w.EncryptionKey(receipt, account, []byte("salt"))
				if err != nil || got.Base58() != key.Base58() {
					t.Errorf("another key: %v", err)
				}
				w.Close()
			}
		})
	}
	if err := h.Rotate(t.Context(), "token", []Secret{Passphrase([]byte(firstPass))}, false); err != nil {
		t.Error(err)
	}
	if err := h.Lock(t.Context(), "token"); err != nil {
		t.Error(err)
	}
	h.mustUnlock(firstPass)
	close(done)
	askers.Wait()
}

// databases gives a fresh store's URL of each kind.
func databases(t *testing.T, f func(t *testing.T, url string)) {
	t.Run("sqlite", func(t *testing.T) { f(t, "sqlite:"+filepath.Join(t.TempDir(), "data", "walletd.db")) })
	t.Run("postgres", func(t *testing.T) { f(t, postgres.Start(t)) })
}

// The child of TestRotateKilled: it rotates, and kills itself after so many
// commits.
const (
	envChildURL   = "WALLETD_TEST_ROTATE_URL"
	envChildAfter = "WALLETD_TEST_ROTATE_AFTER"
)

func TestRotateChild(t *testing.T) {
	url := os.Getenv(envChildURL)
	if url == "" {
		t.Skip("the child of TestRotateKilled")
	}
	after, err := strconv.Atoi(os.Getenv(envChildAfter))
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, url: url}
	h.start(store.Options{})
	h.mustUnlock(firstPass)
	commits, last := -1, int64(-1)
	h.now = func() time.Time { // called for every entry, so before every commit
		end, err := h.store.ChainEnd(context.Background(), store.ServiceChain)
		if err != nil {
			t.Error(err)
		}
		if end.Seq != last {
			last = end.Seq
			if commits++; commits == after {
				die(t)
			}
		}
		return time.Now()
	}
	if err := h.Rotate(t.Context(), "token", []Secret{Passphrase([]byte(firstPass))}, false); err != nil {
		t.Fatal(err)
	}
	fmt.Println("rotated")
}

func die(t *testing.T) {
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Kill()
	}
	if err != nil {
		t.Error(err)
	}
	select {}
}

func TestRotateKilled(t *testing.T) {
	databases(t, func(t *testing.T, url string) {
		h := newHouseAt(t, url)
		h.mustUnlock(firstPass)
		wallets := map[string]store.Account{}
		keys := map[string]string{}
		for i := range resealed + 2 { // two commits' worth
			row, account := h.addWallet(byte(i + 1))
			wallets[row.ID] = account
			key, err := h.opens(row.ID).EncryptionKey(releases(t, row.ID), account, []byte("salt"))
			if err != nil {
				t.Fatal(err)
			}
			keys[row.ID] = key.Base58()
		}
		head := h.headKey()
		generation, unfinished := int64(1), 0
		for after := 0; ; after++ {
			h.store.Close()
			child := exec.Command(os.Args[0], "-test.run=^TestRotateChild$", "-test.v")
			child.Env = append(os.Environ(), envChildURL+"="+url, envChildAfter+"="+strconv.Itoa(after))
			out, err := child.CombinedOutput()
			var exit *exec.ExitError
			if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != -1) {
				t.Fatalf("the child failed by itself: %v\n%s", err, out)
			}
			h.start(store.Options{})
			if h.status().Rotating {
				unfinished++
			}
			h.mustUnlock(firstPass)
			s := h.status()
			if s.Rotating || s.Generation < generation || s.Generation > generation+1 {
				t.Fatalf("after %d commits: %+v", after, s)
			}
			generation = s.Generation
			if !bytes.Equal(h.headKey(), head) {
				t.Fatalf("after %d commits: the service's heads have another key", after)
			}
			for id, account := range wallets {
				row := h.wallet(id)
				w, err := h.OpenWallet(row, h.epoch())
				if err != nil {
					t.Fatalf("after %d commits: %v", after, err)
				}
				key, err := w.EncryptionKey(releases(t, row.ID), account, []byte("salt"))
				w.Close()
				if err != nil || key.Base58() != keys[id] || row.Generation != s.Generation {
					t.Fatalf("after %d commits: wallet of generation %d, %v", after, row.Generation, err)
				}
			}
			if err == nil {
				if after < 4 || unfinished < 2 {
					t.Fatalf("done after %d commits, %d unfinished: the child was not killed where it should", after, unfinished)
				}
				return
			}
		}
	})
}

func TestCountersOnBothDatabases(t *testing.T) {
	databases(t, func(t *testing.T, url string) {
		h := newHouseAt(t, url)
		if err := h.Unlock(t.Context(), "walletd", Passphrase([]byte("wrong"))); !errors.Is(err, ErrWrongSecret) {
			t.Fatal(err)
		}
		h.restart()
		if got := h.status().Failures; got != 1 {
			t.Errorf("%d failures, want 1", got)
		}
		h.mustUnlock(firstPass)
		if got := h.status().Failures; got != 0 {
			t.Errorf("%d failures, want 0", got)
		}
	})
}
