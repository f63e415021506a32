package keystore

import (
	"errors"
	"testing"
	"time"

	"walletd/internal/store"
)

// oneAhead makes a store with an entry that was made while the clock was 13 hours ahead, and opens it again
// with the clock right.
func oneAhead(t *testing.T) (*house, *time.Time) {
	t.Helper()
	h := newHouse(t)
	now := time.Now().Truncate(time.Second)
	wrong := now.Add(13 * time.Hour)
	if err := h.store.Close(); err != nil {
		t.Fatal(err)
	}
	h.start(store.Options{Clock: func() time.Time { return wrong }})
	h.write()
	if err := h.store.Close(); err != nil {
		t.Fatal(err)
	}
	h.start(store.Options{Clock: func() time.Time { return now }})
	return h, &now
}

func TestAcceptClock(t *testing.T) {
	accept := func(h *house, passphrase string) error {
		return h.AcceptClock(t.Context(), "token", Passphrase([]byte(passphrase)))
	}
	t.Run("goes on from the clock, unlocked, and locks other replicas", func(t *testing.T) {
		h, now := oneAhead(t)
		h.mustUnlock(firstPass)
		row, _ := h.addWallet(1)
		other := New(h.store, Options{Argon2: &cheap})
		if err := other.Unlock(t.Context(), "walletd", Passphrase([]byte(firstPass))); err != nil {
			t.Fatal(err)
		}
		if h.store.ClockBehind() != 13*time.Hour {
			t.Fatalf("behind %v", h.store.ClockBehind())
		}
		if err := accept(h, firstPass); err != nil {
			t.Fatal(err)
		}
		if behind := h.store.ClockBehind(); behind != 0 || !h.store.Now().Equal(*now) {
			t.Errorf("behind %v, now %v", behind, h.store.Now())
		}
		if !h.Unlocked(h.epoch()) || other.Unlocked(h.epoch()) {
			t.Errorf("unlocked: %t, the other: %t", h.Unlocked(h.epoch()), other.Unlocked(h.epoch()))
		}
		if w, err := h.OpenWallet(row, h.epoch()); err != nil {
			t.Errorf("OpenWallet: %v", err)
		} else {
			w.Close()
		}
		events := h.events()
		if e := events[len(events)-1]; e.Event != "clock accepted" || e.By != "token" || e.Table != "chains" || e.Row != store.ServiceChain || e.Epoch != h.epoch() {
			t.Errorf("on record: %+v", e)
		}
		h.restart()
		if behind := h.store.ClockBehind(); behind != 0 {
			t.Errorf("opened again it is %v behind", behind)
		}
	})
	t.Run("takes the secret of a slot", func(t *testing.T) {
		h, _ := oneAhead(t)
		h.mustUnlock(firstPass)
		if err := accept(h, secondPass); !errors.Is(err, ErrWrongSecret) {
			t.Errorf("with another passphrase: %v", err)
		}
		if h.store.ClockBehind() != 13*time.Hour || h.recorded("clock accepted") || !h.Unlocked(h.epoch()) {
			t.Errorf("something was done: behind %v, %+v", h.store.ClockBehind(), h.events())
		}
	})
	t.Run("leaves what is locked locked", func(t *testing.T) {
		h, _ := oneAhead(t)
		if err := accept(h, firstPass); err != nil {
			t.Fatal(err)
		}
		if h.store.ClockBehind() != 0 || h.Unlocked(h.epoch()) {
			t.Errorf("behind %v, unlocked %t", h.store.ClockBehind(), h.Unlocked(h.epoch()))
		}
		h.mustUnlock(firstPass)
	})
	t.Run("leaves locked what another replica has locked", func(t *testing.T) {
		h, _ := oneAhead(t)
		h.mustUnlock(firstPass)
		if err := New(h.store, Options{}).Lock(t.Context(), "token"); err != nil {
			t.Fatal(err)
		}
		if err := accept(h, firstPass); err != nil {
			t.Fatal(err)
		}
		if h.store.ClockBehind() != 0 || h.Unlocked(h.epoch()) {
			t.Errorf("behind %v, unlocked %t", h.store.ClockBehind(), h.Unlocked(h.epoch()))
		}
	})
}
