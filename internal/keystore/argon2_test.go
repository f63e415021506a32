package keystore

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestPassesFor(t *testing.T) {
	for name, c := range map[string]struct {
		measured []time.Duration
		want     uint32
	}{
		"half a second's worth":                        {[]time.Duration{50 * time.Millisecond, 50 * time.Millisecond, 50 * time.Millisecond}, 10},
		"by the shortest, whatever the machine did":    {[]time.Duration{3 * time.Second, 50 * time.Millisecond, 260 * time.Millisecond}, 10},
		"three on a machine too slow for them":         {[]time.Duration{time.Second, 700 * time.Millisecond, 800 * time.Millisecond}, 3},
		"no more than a slot may cost":                 {[]time.Duration{time.Millisecond, time.Millisecond, time.Millisecond}, maxPasses},
		"no more where the clock is too coarse to say": {[]time.Duration{0, 0, 0}, maxPasses},
	} {
		if got := passesFor(c.measured...); got != c.want {
			t.Errorf("%s: %d passes, want %d", name, got, c.want)
		}
	}
}

// However fast or busy this machine is.
func TestCalibrate(t *testing.T) {
	p := calibrate()
	if !p.within() || p.weak() || p.MemoryKiB < 64<<10 || p.Time < 3 {
		t.Errorf("new slots cost %+v", p)
	}
}

func TestWeakSlot(t *testing.T) {
	// What keystores made that measured page faults: one pass.
	weak := func(t *testing.T) *house {
		return newHouse(t,
			NewSlot{Name: "first", Passphrase: Passphrase([]byte(firstPass))},
			NewSlot{Name: "second", Passphrase: Passphrase([]byte(secondPass))})
	}
	least := Argon2Params{MemoryKiB: newMemoryKiB, Time: fewestPasses, Threads: 4}
	t.Run("is said to be, and is made anew when its passphrase unlocks", func(t *testing.T) {
		h := weak(t)
		for _, s := range h.status().Slots {
			if !s.Weak {
				t.Errorf("%s: one pass is not called weak", s.Name)
			}
		}
		before := h.slot("first")
		h.Keystore = New(h.store, Options{Argon2: &least})
		h.mustUnlock(firstPass)
		for _, s := range h.status().Slots {
			if want := s.Name == "second"; s.Weak != want {
				t.Errorf("%s: weak %v, want %v", s.Name, s.Weak, want)
			}
		}
		after := h.slot("first")
		if p, ok := parseSlot(after); !ok || p.argon2() != least {
			t.Errorf("made anew, it costs %+v", p.argon2())
		}
		if after.ID != before.ID || after.Created != before.Created || string(after.Sealed) == string(before.Sealed) {
			t.Error("it is another slot, or the same bytes")
		}
		if !h.recorded("slot made anew") {
			t.Error("not on record")
		}
		for _, pass := range []string{firstPass, secondPass} {
			h.restart()
			h.mustUnlock(pass)
		}
		if h.recorded("slots changed") || h.recorded("forged") {
			t.Errorf("our own change looks forged: %+v", h.events())
		}
	})
	t.Run("stays as it is where new slots are as weak", func(t *testing.T) {
		h := weak(t)
		before := h.slot("first")
		h.mustUnlock(firstPass)
		if string(h.slot("first").Sealed) != string(before.Sealed) || h.recorded("slot made anew") {
			t.Error("made anew, and no better")
		}
	})
	t.Run("stays, and opens, when the keystore changes meanwhile", func(t *testing.T) {
		h := weak(t)
		h.Keystore = New(h.store, Options{Argon2: &least})
		made := h.argon2
		h.argon2 = func() Argon2Params { // asked for while the slot is made
			if err := New(h.store, Options{Argon2: &cheap}).Lock(t.Context(), "token"); err != nil {
				t.Error(err)
			}
			return made()
		}
		h.mustUnlock(firstPass)
		if h.recorded("slot made anew") || !h.recorded("unlock") {
			t.Errorf("on record: %+v", h.events())
		}
		h.restart()
		h.mustUnlock(firstPass)
	})
	t.Run("is made anew by a rotation", func(t *testing.T) {
		h := weak(t)
		h.Keystore = New(h.store, Options{Argon2: &least})
		h.mustUnlock(firstPass)
		if err := h.Rotate(t.Context(), "token", []Secret{Passphrase([]byte(firstPass)), Passphrase([]byte(secondPass))}, false); err != nil {
			t.Fatal(err)
		}
		for _, s := range h.status().Slots {
			if s.Weak {
				t.Errorf("%s is still weak", s.Name)
			}
		}
	})
	t.Run("is made anew by the unlock that goes on with a rotation", func(t *testing.T) {
		h := weak(t)
		h.mustUnlock(firstPass)
		row, _ := h.addWallet(1)
		ctx, cancel := context.WithCancel(t.Context())
		h.now = stopsRotation(h, cancel)
		var unfinished *UnfinishedError
		if err := h.Rotate(ctx, "token", []Secret{Passphrase([]byte(firstPass)), Passphrase([]byte(secondPass))}, false); !errors.As(err, &unfinished) {
			t.Fatalf("Rotate: %v, want an UnfinishedError", err)
		}
		h.Keystore = New(h.store, Options{Argon2: &least})
		h.mustUnlock(firstPass)
		if s := h.status(); s.Rotating || s.Generation != 2 || !h.recorded("slot made anew") {
			t.Errorf("status %+v", s)
		}
		h.opens(row.ID)
		h.restart()
		h.mustUnlock(firstPass)
		h.opens(row.ID)
	})
}
