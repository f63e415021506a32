package keystore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"filippo.io/age/plugin"
	"golang.org/x/sys/unix"

	"walletd/internal/store"
)

func TestUnlock(t *testing.T) {
	t.Run("opens with the passphrase and is locked again by Lock", func(t *testing.T) {
		h := newHouse(t)
		if h.Unlocked(h.epoch()) {
			t.Fatal("unlocked before Unlock")
		}
		h.mustUnlock(firstPass)
		if !h.Unlocked(h.epoch()) {
			t.Fatal("locked after Unlock")
		}
		row, _ := h.addWallet(1)
		before := h.epoch()
		if err := h.Lock(t.Context(), "token"); err != nil {
			t.Fatalf("Lock: %v", err)
		}
		for _, epoch := range []int64{before, h.epoch()} {
			if _, err := h.OpenWallet(row, epoch); !errors.Is(err, ErrLocked) {
				t.Errorf("OpenWallet after Lock: %v, want ErrLocked", err)
			}
		}
		if !h.recorded("unlock") || !h.recorded("lock") {
			t.Errorf("not on record: %+v", h.events())
		}
		for _, e := range h.events() {
			if want := map[string]string{"unlock": "walletd", "lock": "token"}[e.Event]; e.By != want {
				t.Errorf("%s is on record as of %q, want %q", e.Event, e.By, want)
			}
		}
	})
	t.Run("opens with a recovery identity", func(t *testing.T) {
		identity, recipient, err := GenerateRecovery()
		if err != nil {
			t.Fatal(err)
		}
		h := newHouse(t, NewSlot{Name: "paper", Recipient: recipient})
		printed, err := ParseIdentity([]byte("# kept in the safe\n" + string(identity.Reveal()) + "\n"))
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Unlock(t.Context(), "walletd", printed); err != nil {
			t.Fatalf("Unlock: %v", err)
		}
	})
	t.Run("refuses another identity", func(t *testing.T) {
		_, recipient, _ := GenerateRecovery()
		other, _, _ := GenerateRecovery()
		h := newHouse(t, NewSlot{Name: "paper", Recipient: recipient})
		if err := h.Unlock(t.Context(), "walletd", other); !errors.Is(err, ErrWrongSecret) {
			t.Fatalf("Unlock: %v, want ErrWrongSecret", err)
		}
	})
	t.Run("refuses to be initialised twice", func(t *testing.T) {
		h := newHouse(t)
		err := h.Init(t.Context(), []NewSlot{{Name: "x", Passphrase: Passphrase([]byte("y"))}}, store.Token{})
		if !errors.Is(err, ErrInitialised) {
			t.Fatalf("Init: %v, want ErrInitialised", err)
		}
	})
	t.Run("says that there is no keystore yet", func(t *testing.T) {
		h := &house{t: t, url: "sqlite:" + t.TempDir() + "/data/walletd.db"}
		h.start(store.Options{Create: true})
		if err := h.Unlock(t.Context(), "walletd", Passphrase([]byte("x"))); !errors.Is(err, ErrNotInitialised) {
			t.Errorf("Unlock: %v, want ErrNotInitialised", err)
		}
		if _, err := h.Status(t.Context()); !errors.Is(err, ErrNotInitialised) {
			t.Errorf("Status: %v, want ErrNotInitialised", err)
		}
	})
	t.Run("answers busy while another secret is tried", func(t *testing.T) {
		h := newHouse(t)
		h.gate.Lock()
		defer h.gate.Unlock()
		if err := h.Unlock(t.Context(), "walletd", Passphrase([]byte(firstPass))); !errors.Is(err, ErrBusy) {
			t.Fatalf("Unlock: %v, want ErrBusy", err)
		}
	})
	t.Run("locks when another replica has", func(t *testing.T) {
		h := newHouse(t)
		h.mustUnlock(firstPass)
		other := New(h.store, Options{Argon2: &cheap})
		if err := other.Lock(t.Context(), "token"); err != nil {
			t.Fatal(err)
		}
		if h.Unlocked(h.epoch()) || h.open != nil {
			t.Fatal("still unlocked")
		}
	})
}

func TestLocked(t *testing.T) {
	told := func(h *house) bool {
		select {
		case <-h.Locked():
			return true
		default:
			return false
		}
	}
	h := newHouse(t)
	if err := h.Lock(t.Context(), "token"); err != nil || told(h) {
		t.Errorf("what was locked is said to be locked now, %v", err)
	}
	h.mustUnlock(firstPass)
	row, _ := h.addWallet(1)
	w := h.opens(row.ID)
	if told(h) || h.OpenWallets() != 1 {
		t.Errorf("unlocked, with %d wallets open; want 1", h.OpenWallets())
	}
	if err := h.Lock(t.Context(), "token"); err != nil || !told(h) || told(h) {
		t.Errorf("a lock is not told, or twice, %v", err)
	}
	if h.OpenWallets() != 1 {
		t.Error("a lock closes a wallet that is in use")
	}
	if w.Close(); h.OpenWallets() != 0 {
		t.Error("a wallet that was closed counts as open")
	}
	w.Close()
	if _, err := h.OpenWallet(row, h.epoch()); err == nil || h.OpenWallets() != 0 {
		t.Errorf("%d wallets open, and none was opened, %v", h.OpenWallets(), err)
	}
	h.mustUnlock(firstPass)
	row.Sealed = row.SealedKey // not its content
	if _, err := h.OpenWallet(row, h.epoch()); err == nil || h.OpenWallets() != 0 {
		t.Errorf("%d wallets open, and one does not open, %v", h.OpenWallets(), err)
	}
	if err := New(h.store, Options{}).Lock(t.Context(), "token"); err != nil {
		t.Fatal(err)
	}
	if h.Unlocked(h.epoch()) || !told(h) {
		t.Error("a lock of another replica is not told")
	}
	h.mustUnlock(firstPass)
	if err := h.Rotate(t.Context(), "token", []Secret{Passphrase([]byte(firstPass))}, false); err != nil || told(h) {
		t.Errorf("a rotation is told as a lock, %v", err)
	}
}

func TestWrongSecret(t *testing.T) {
	t.Run("is counted, also over a restart, until a good one", func(t *testing.T) {
		h := newHouse(t)
		for want := int64(1); want <= 2; want++ {
			if err := h.Unlock(t.Context(), "walletd", Passphrase([]byte("wrong"))); !errors.Is(err, ErrWrongSecret) {
				t.Fatalf("Unlock: %v, want ErrWrongSecret", err)
			}
			h.restart()
			if got := h.status().Failures; got != want {
				t.Fatalf("%d failures, want %d", got, want)
			}
		}
		h.mustUnlock(firstPass)
		if got := h.status().Failures; got != 0 {
			t.Fatalf("%d failures after a good unlock", got)
		}
	})
	t.Run("is counted before it is tried", func(t *testing.T) {
		// A plugin of age is a program that is started to try, so it can be met there: it says that
		// it runs, and waits.
		dir := t.TempDir()
		running, goOn := filepath.Join(dir, "running"), filepath.Join(dir, "go on")
		for _, pipe := range []string{running, goOn} {
			if err := unix.Mkfifo(pipe, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		program := fmt.Sprintf("#!/bin/sh\n: > '%s'\ncat '%s'\n", running, goOn)
		if err := os.WriteFile(filepath.Join(dir, "age-plugin-waits"), []byte(program), 0o700); err != nil {
			t.Fatal(err)
		}
		t.Setenv("PATH", dir+string(filepath.ListSeparator)+os.Getenv("PATH"))
		identity, err := ParseIdentity([]byte(plugin.EncodeIdentity("waits", []byte("any"))))
		if err != nil {
			t.Fatal(err)
		}
		_, recipient, err := GenerateRecovery()
		if err != nil {
			t.Fatal(err)
		}
		h := newHouse(t, NewSlot{Name: "paper", Recipient: recipient})

		tried, started := make(chan error, 1), make(chan error, 1)
		go func() { tried <- h.Unlock(context.Background(), "walletd", identity) }()
		go func() {
			_, err := os.ReadFile(running) // returns when the program has opened and closed it
			started <- err
		}()
		select {
		case err := <-started:
			if err != nil {
				t.Error(err)
			}
		case err := <-tried:
			t.Fatalf("Unlock: %v, and the program did not run", err)
		}
		if got := h.status().Failures; got != 1 {
			t.Errorf("%d failures while the secret is tried, want 1", got)
		}
		if err := os.WriteFile(goOn, nil, 0); err != nil {
			t.Error(err)
		}
		if err := <-tried; !errors.Is(err, ErrWrongSecret) {
			t.Errorf("Unlock: %v, want ErrWrongSecret", err)
		}
		if got := h.status().Failures; got != 1 {
			t.Errorf("%d failures, want 1", got)
		}
	})
	t.Run("is counted for changes of slots too", func(t *testing.T) {
		h := newHouse(t)
		h.mustUnlock(firstPass)
		wrong := Passphrase([]byte("wrong"))
		if _, err := h.AddSlot(t.Context(), "token", wrong, NewSlot{Name: "n", Passphrase: wrong}); !errors.Is(err, ErrWrongSecret) {
			t.Errorf("AddSlot: %v", err)
		}
		if err := h.RemoveSlot(t.Context(), "token", wrong, "any"); !errors.Is(err, ErrWrongSecret) {
			t.Errorf("RemoveSlot: %v", err)
		}
		if got := h.status().Failures; got != 2 {
			t.Errorf("%d failures, want 2", got)
		}
	})
	t.Run("makes the next try wait, as long as its context lets it", func(t *testing.T) {
		h := newHouse(t)
		now := time.Now()
		if err := h.store.Close(); err != nil {
			t.Fatal(err)
		}
		h.start(store.Options{Clock: func() time.Time { return now }})
		for range 8 {
			if _, err := h.store.CountUnlockFailure(t.Context(), h.now().Unix()); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if err := h.Unlock(ctx, "walletd", Passphrase([]byte(firstPass))); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Unlock: %v, want it to wait", err)
		}
		if got := h.status().Failures; got != 8 {
			t.Errorf("%d failures: the wait was counted", got)
		}
		now = now.Add(time.Minute)
		h.mustUnlock(firstPass)
	})
	t.Run("slows down and never locks out", func(t *testing.T) {
		for failures, want := range map[int64]time.Duration{
			-1: 0, 0: 0, 2: 0, 3: time.Second, 4: 2 * time.Second, 7: 16 * time.Second, 8: 30 * time.Second, 1 << 62: 30 * time.Second,
		} {
			if got := delay(failures); got != want {
				t.Errorf("delay(%d) = %v, want %v", failures, got, want)
			}
		}
		// A time from the far future, of a clock that was wrong or of a thief.
		row := store.Keystore{Failures: 3, LastFailure: 1 << 60}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := wait(ctx, row, time.Now()); err != nil {
			t.Error(err)
		}
	})
}

func TestSlots(t *testing.T) {
	first, second := Passphrase([]byte(firstPass)), Passphrase([]byte(secondPass))
	t.Run("can be added and removed, but not the last", func(t *testing.T) {
		h := newHouse(t)
		h.mustUnlock(firstPass)
		id, err := h.AddSlot(t.Context(), "token", first, NewSlot{Name: "second", Passphrase: second})
		if err != nil {
			t.Fatalf("AddSlot: %v", err)
		}
		h.restart()
		h.mustUnlock(secondPass)
		if err := h.RemoveSlot(t.Context(), "token", second, h.slot("first").ID); err != nil {
			t.Fatalf("RemoveSlot: %v", err)
		}
		if err := h.RemoveSlot(t.Context(), "token", second, id); !errors.Is(err, store.ErrLastSlot) {
			t.Errorf("removing the last: %v", err)
		}
		if err := h.RemoveSlot(t.Context(), "token", second, "nobody"); !errors.Is(err, ErrNoSlot) {
			t.Errorf("removing none: %v", err)
		}
		h.restart()
		if err := h.Unlock(t.Context(), "walletd", first); !errors.Is(err, ErrWrongSecret) {
			t.Errorf("the removed slot: %v, want ErrWrongSecret", err)
		}
		h.mustUnlock(secondPass)
		if h.recorded("slots changed") || h.recorded("forged") {
			t.Errorf("our own changes look forged: %+v", h.events())
		}
	})
	t.Run("are not changed while locked", func(t *testing.T) {
		h := newHouse(t)
		if _, err := h.AddSlot(t.Context(), "token", first, NewSlot{Name: "second", Passphrase: second}); !errors.Is(err, ErrLocked) {
			t.Errorf("AddSlot: %v, want ErrLocked", err)
		}
	})
	t.Run("are refused when they make no sense", func(t *testing.T) {
		h := newHouse(t)
		h.mustUnlock(firstPass)
		identity, recipient, _ := GenerateRecovery()
		for name, c := range map[string]struct {
			slot NewSlot
			want error
		}{
			"no name":             {NewSlot{Passphrase: second}, ErrSlot},
			"neither":             {NewSlot{Name: "n"}, ErrSlot},
			"both":                {NewSlot{Name: "n", Passphrase: second, Recipient: recipient}, ErrSlot},
			"empty passphrase":    {NewSlot{Name: "n", Passphrase: Passphrase(nil)}, ErrSlot},
			"too short":           {NewSlot{Name: "n", Passphrase: Passphrase([]byte("1234567")), AcceptShort: true}, ErrPassphraseTooShort},
			"short":               {NewSlot{Name: "n", Passphrase: Passphrase([]byte("12345678"))}, ErrPassphraseShort},
			"an identity":         {NewSlot{Name: "n", Passphrase: identity}, ErrSlot},
			"not a recipient":     {NewSlot{Name: "n", Recipient: "age1nonsense"}, ErrRecipient},
			"a secret, recipient": {NewSlot{Name: "n", Recipient: string(identity.Reveal())}, ErrRecipient},
		} {
			if _, err := h.AddSlot(t.Context(), "token", first, c.slot); !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", name, err, c.want)
			}
		}
	})
	t.Run("are at most sixteen", func(t *testing.T) {
		identity, recipient, _ := GenerateRecovery()
		var slots []NewSlot
		for range maxSlots {
			slots = append(slots, NewSlot{Name: "n", Recipient: recipient})
		}
		h := newHouse(t, slots...)
		if err := h.Unlock(t.Context(), "walletd", identity); err != nil {
			t.Fatal(err)
		}
		if _, err := h.AddSlot(t.Context(), "token", identity, slots[0]); !errors.Is(err, ErrSlots) {
			t.Errorf("AddSlot: %v, want ErrSlots", err)
		}
	})
}
