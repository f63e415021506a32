package main

import (
	"bytes"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/rs/zerolog"
)

func TestMemoryIsLimitedByTheControlGroup(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	t.Setenv("GOMEMLIMIT", "") // put back after the test
	os.Unsetenv("GOMEMLIMIT")
	none := func() (uint64, error) { return 0, memlimit.ErrNoLimit }
	for _, c := range []struct {
		name  string
		group memlimit.Provider
		set   string
		want  int64
		logs  bool
	}{
		{"uses a share of what the group has", memlimit.Limit(1 << 30), "", 858993459, true},
		{"has no limit in a group without one", none, "", math.MaxInt64, false},
		{"leaves alone what GOMEMLIMIT says", memlimit.Limit(1 << 30), "2GiB", 3 << 30, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.set != "" {
				t.Setenv("GOMEMLIMIT", c.set)
				debug.SetMemoryLimit(3 << 30) // as the runtime would at the start
			}
			var log bytes.Buffer
			limitMemory(zerolog.New(&log), c.group)
			if got := debug.SetMemoryLimit(-1); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
			if said := strings.Contains(log.String(), "memory is limited"); said != c.logs {
				t.Errorf("the log says %q", log.String())
			}
		})
	}
}

func TestTheHeapGrowsToItsFloorBeforeItIsCollected(t *testing.T) {
	before := debug.SetGCPercent(100)
	t.Cleanup(func() { debug.SetGCPercent(before) })
	const floor = 128 << 20
	keepHeapFloor(floor, 100)
	goal := []metrics.Sample{{Name: "/gc/heap/goal:bytes"}, {Name: "/gc/heap/live:bytes"}}
	for range 3 { // it is set after a collection, by what that found in use
		collected := time.Now()
		runtime.GC()
		for {
			metrics.Read(goal)
			if got := goal[0].Value.Uint64(); got >= floor*8/10 && got <= floor*12/10 {
				break
			}
			if time.Since(collected) > 20*time.Second {
				t.Fatalf("with %d bytes in use it is collected at %d, not at %d", goal[1].Value.Uint64(), goal[0].Value.Uint64(), floor)
			}
			time.Sleep(time.Millisecond)
		}
	}
}

func TestMemoryIsReturnedWhenNothingIsAsked(t *testing.T) {
	before := debug.SetGCPercent(-1) // nothing is collected by itself
	t.Cleanup(func() { debug.SetGCPercent(before) })
	var idle idleMemory
	idle.look()
	for range 64 {
		_ = bytes.Clone(make([]byte, 1<<20))
	}
	if idle.look() {
		t.Error("memory was returned while it was in use")
	}
	if !idle.look() {
		t.Error("nothing was returned")
	}
	held := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/free:bytes"}}
	if metrics.Read(held); held[0].Value.Uint64()+held[1].Value.Uint64() > 64<<20 {
		t.Errorf("%d bytes of objects and %d of none are still held", held[0].Value.Uint64(), held[1].Value.Uint64())
	}
	if idle.look() {
		t.Error("there was nothing to return")
	}
}
