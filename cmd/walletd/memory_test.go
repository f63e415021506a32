package main

import (
	"bytes"
	"math"
	"os"
	"runtime/debug"
	"strings"
	"testing"

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
