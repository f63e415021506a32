package store

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"walletd/internal/wallettest/postgres"
)

// machine is the clocks of a machine that the test moves.
type machine struct{ wall, boot atomic.Int64 }

func newMachine(now time.Time) *machine {
	m := new(machine)
	m.wall.Store(now.UnixMilli())
	return m
}

// pass lets time pass.
func (m *machine) pass(d time.Duration) {
	m.wall.Add(d.Milliseconds())
	m.boot.Add(d.Milliseconds())
}

// set moves the time of day alone.
func (m *machine) set(d time.Duration) { m.wall.Add(d.Milliseconds()) }

func (m *machine) now() time.Time { return time.UnixMilli(m.wall.Load()) }

func (m *machine) options() Options {
	return Options{Create: true, Clock: m.now, Boot: func() time.Duration { return time.Duration(m.boot.Load()) * time.Millisecond }}
}

// commitNow commits one entry of the time that the store says it is.
func commitNow(t *testing.T, s *Store, chain string) error {
	t.Helper()
	c := change(chain)
	c.Entries[0].Time = s.Now().UnixMilli()
	_, err := s.Commit(t.Context(), c)
	return err
}

// accept accepts the clock, as the keystore does.
func accept(t *testing.T, s *Store) error {
	t.Helper()
	k, err := s.Keystore(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	raised := k
	raised.Epoch++
	c := change(ServiceChain, UpdateKeystore(k, raised))
	c.Epoch = k.Epoch
	return s.AcceptClock(t.Context(), c)
}

// A clock that is ahead stops its own machine alone, whichever database there is.
func TestAClockThatIsAheadWritesNothing(t *testing.T) {
	eachURL(t, func(t *testing.T, url string) {
		m := newMachine(time.Now())
		s := made(t, mustOpen(t, url, m.options()))
		m.set(25 * time.Second)
		if err := commitNow(t, s, "w"); err != nil || s.CheckClock(t.Context()) != nil {
			t.Fatalf("25 seconds ahead: %v, %v", err, s.CheckClock(t.Context()))
		}
		m.set(13 * time.Hour)
		if ahead := s.ClockAhead(); ahead < 13*time.Hour || ahead > 13*time.Hour+time.Minute {
			t.Errorf("ahead by %v", ahead)
		}
		ctx := t.Context()
		for name, err := range map[string]error{
			"an entry":                commitNow(t, s, "w"),
			"a head":                  s.PutHeads(ctx, Head{Chain: "w", Seq: 1}),
			"a lease":                 s.RenewSession(ctx, "s", "h", 1),
			"another's lease":         func() error { _, err := s.HoldSession(ctx, "s", "h", 1, 2); return err }(),
			"what it says has ended":  s.Sweep(ctx, 1),
			"and asked about its own": s.CheckClock(ctx),
		} {
			if !errors.Is(err, ErrClockAhead) || !errors.Is(err, ErrUnavailable) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if n := fits(t, s, "w"); n != 1 {
			t.Errorf("%d entries, want the first alone", n)
		}
		m.set(-13 * time.Hour)
		if err := commitNow(t, s, "w"); err != nil || s.CheckClock(ctx) != nil || s.ClockBehind() != 0 {
			t.Errorf("corrected: %v, %v, behind %v", err, s.CheckClock(ctx), s.ClockBehind())
		}
	})
}

// The right replica goes on while another is ahead.
func TestTheRightReplicaGoesOn(t *testing.T) {
	url := postgres.Start(t)
	right, wrong := newMachine(time.Now()), newMachine(time.Now().Add(time.Hour))
	a := made(t, mustOpen(t, url, right.options()))
	b := mustOpen(t, url, wrong.options())
	if err := commitNow(t, b, "w"); !errors.Is(err, ErrClockAhead) {
		t.Errorf("the wrong one: %v", err)
	}
	if err := commitNow(t, a, "w"); err != nil || a.ClockBehind() != 0 || a.ClockAhead() > MaxAhead {
		t.Errorf("the right one: %v, behind %v, ahead %v", err, a.ClockBehind(), a.ClockAhead())
	}
}

// Time that passes, also in suspension, and the small steps by which a clock is kept right are no jump.
func TestAClockThatIsKeptRightIsNotAhead(t *testing.T) {
	m := newMachine(time.Now())
	s := made(t, mustOpen(t, sqliteURL(t), m.options()))
	for range 100 {
		m.pass(90 * time.Minute)
		m.set(5 * time.Second)
		if err := commitNow(t, s, "w"); err != nil || s.CheckClock(t.Context()) != nil {
			t.Fatalf("%v, ahead %v", err, s.ClockAhead())
		}
	}
	m.set(31 * time.Second)
	if err := commitNow(t, s, "w"); !errors.Is(err, ErrClockAhead) {
		t.Errorf("a jump: %v", err)
	}
	// It was wrong before, and is right now.
	if err := accept(t, s); err != nil {
		t.Fatal(err)
	}
	if err := commitNow(t, s, "w"); err != nil || s.ClockAhead() != 0 {
		t.Errorf("accepted: %v, ahead %v", err, s.ClockAhead())
	}
}

// Where a time from the future is in the store, all go on from the true time once an operator accepts it:
// this process, others, and those that are started later.
func TestATimeFromTheFutureIsAccepted(t *testing.T) {
	eachURL(t, func(t *testing.T, url string) {
		ctx := t.Context()
		m := newMachine(time.Now())
		o := m.options()
		o.Boot = nil // as it was before there was a check
		s := made(t, mustOpen(t, url, o))
		if err := commitNow(t, s, "w"); err != nil {
			t.Fatal(err)
		}
		m.set(13 * time.Hour)
		for _, chain := range []string{"w", ServiceChain} {
			if err := commitNow(t, s, chain); err != nil {
				t.Fatal(err)
			}
		}
		m.set(-13 * time.Hour)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = mustOpen(t, url, m.options())
		if behind := s.ClockBehind(); behind != 13*time.Hour {
			t.Errorf("behind %v", behind)
		}
		if end, err := s.NewestEnd(ctx); err != nil || end.Time != m.now().Add(13*time.Hour).UnixMilli() {
			t.Errorf("the newest is %+v, %v", end, err)
		}
		others := []*Store{s}
		if url[:8] == "postgres" {
			others = append(others, mustOpen(t, url, m.options()))
		}
		m.pass(time.Second)
		if err := accept(t, s); err != nil {
			t.Fatal(err)
		}
		for _, s := range others {
			if _, err := s.CallerWallet(ctx, "w"); err != nil { // as for any request
				t.Fatal(err)
			}
			if !s.Now().Equal(m.now()) || s.ClockBehind() != 0 {
				t.Errorf("Now = %v, behind %v", s.Now(), s.ClockBehind())
			}
			if err := commitNow(t, s, "w"); err != nil {
				t.Error(err)
			}
		}
		end, err := s.ChainEnd(ctx, ServiceChain)
		if err != nil || end.Time != m.now().UnixMilli() {
			t.Errorf("the service's chain ends %+v, %v", end, err)
		}
		for _, chain := range []string{"w", ServiceChain} {
			fits(t, s, chain)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = mustOpen(t, url, m.options())
		if s.ClockBehind() != 0 {
			t.Errorf("opened again it is %v behind", s.ClockBehind())
		}
		m.set(2 * time.Hour)
		want := error(nil)
		if url[:8] == "postgres" {
			want = ErrClockAhead // it is not the true time
		}
		if err := accept(t, s); !errors.Is(err, want) {
			t.Errorf("accepting a clock that is ahead: %v", err)
		}
	})
}
