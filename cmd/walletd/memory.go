package main

import (
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/rs/zerolog"
)

// memoryShare is the share of the control group's memory that Go may use before it collects
// harder. SQLite and the runtime itself use the rest.
const memoryShare = 0.8

// limitMemory holds Go to the memory that a control group or a container has, where GOMEMLIMIT
// does not say what to hold it to.
func limitMemory(log zerolog.Logger, group memlimit.Provider) {
	limit, err := memlimit.Set(memlimit.WithRatio(memoryShare), memlimit.WithProvider(group))
	switch {
	case err != nil:
		log.Debug().Err(err).Msg("no limit of memory was found")
	case limit != math.MaxInt64:
		log.Info().Int64("bytes", limit).Msg("memory is limited")
	}
}

// The heap is not collected before it has grown to heapFloor, nor before it is gcPercent larger than what was in use.
// A claim leaves tens of kilobytes behind, most of them garbage at once, and little is in use: by a percentage alone there
// would be a collection every few hundred claims. Where much is in use, because thousands of wallets are remembered, the
// percentage holds: some 900 claims.
const (
	gcPercent = 60
	heapFloor = 40 << 20
)

// keepHeapFloor holds Go to the floor from now on. After each collection it sets the percentage by what is in use then.
func keepHeapFloor(floor uint64, least int) {
	marker := new([16]byte)
	runtime.AddCleanup(marker, func(struct{}) { keepHeapFloor(floor, least) }, struct{}{})
	used := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"}, {Name: "/gc/gogc:percent"}}
	metrics.Read(used)
	live := used[0].Value.Uint64()
	percent := least
	if base := live + used[1].Value.Uint64() + used[2].Value.Uint64(); live < floor && base > 0 {
		// Go's own least heap is 4 MiB, times the percentage.
		percent = max(least, int(min((floor-live)*100/base, floor*100/(4<<20))))
	}
	// Setting it stops all goroutines for a moment.
	if now := int(used[3].Value.Uint64()); percent > now+now/10 || percent < now-now/10 {
		debug.SetGCPercent(percent)
	}
}

// While less than idleBytes are allocated between two looks, nobody asks for anything. If more than worthReturning is held
// then that nothing uses, it is returned to the system.
const (
	idleBytes      = 1 << 20
	worthReturning = 4 << 20
)

// idleMemory returns what is left of busier times: up to the floor, Go collects nothing by itself, and keeps all; and the
// binary's pages that were used then.
type idleMemory struct {
	allocated uint64
	idle      bool
}

// look reports whether it returned memory. It takes a collection, a few milliseconds, and only then.
func (m *idleMemory) look() bool {
	now := []metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(now)
	allocated, live, objects, free := now[0].Value.Uint64(), now[1].Value.Uint64(), now[2].Value.Uint64(), now[3].Value.Uint64()
	grown, was := allocated-m.allocated, m.idle
	m.allocated, m.idle = allocated, grown <= idleBytes
	if !m.idle {
		return false
	}
	unused := objects+free >= live+worthReturning
	if unused {
		debug.FreeOSMemory()
	}
	if !was {
		returnBinary()
	}
	return unused
}
