package secret

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// sweeping lets one Sweep run at a time: two would only take each other's free places.
var sweeping sync.Mutex

// What of the runtime's measures Sweep reads.
const (
	unusedBytes = "/memory/classes/heap/unused:bytes" // of free places among objects in use
	bySize      = "/gc/heap/allocs-by-size:bytes"     // its buckets end at the sizes of places
)

// mostCovered bounds what Sweep allocates at a time, in bytes.
const mostCovered = 64 << 20

// Sweep removes from this process's memory what the program does not refer to any more: it collects,
// gives back to the system what is free as a whole, and overwrites the places that are free among
// objects in use. It takes some tenths of a second of one processor. What is still referred to, as the
// buffers of open connections, stays.
//
// For the overwriting Go has no call. An allocation is zeroed when it is made and takes a free place
// before new memory, so Sweep makes as many of each size as there can be free places. A test of
// cmd/walletd looks into a process from outside, and so holds Go to that.
func Sweep() {
	sweeping.Lock()
	defer sweeping.Unlock()
	defer onOneProcessor()()
	debug.FreeOSMemory()
	debug.FreeOSMemory() // what pools held at the first is free now
	measures := []metrics.Sample{{Name: unusedBytes}, {Name: bySize}}
	metrics.Read(measures)
	unused := min(measures[0].Value.Uint64(), mostCovered)
	for _, after := range measures[1].Value.Float64Histogram().Buckets {
		// Larger objects have pages of their own, which were given back.
		if size := int(after) - 1; size > 0 && size <= 32<<10 {
			cover(size, int(unused)/size+1)
		}
	}
	debug.FreeOSMemory()
}

// onOneProcessor lets Go run on one processor until the function it returns is called. Each has free
// places of its own, which what runs on another does not get.
func onOneProcessor() (undo func()) {
	before := runtime.GOMAXPROCS(1)
	return func() { runtime.GOMAXPROCS(before) }
}

// cover makes n objects of a size, of those that hold pointers and of those that hold none, which have
// places of their own each.
func cover(size, n int) {
	bytes := make([][]byte, n)
	for i := range bytes {
		bytes[i] = make([]byte, size)
	}
	runtime.KeepAlive(bytes)
	words := size / 8
	if size > 512 {
		words-- // a place of this size begins with a word about the pointers
	}
	pointers := make([][]*byte, n)
	for i := range pointers {
		pointers[i] = make([]*byte, words)
	}
	runtime.KeepAlive(pointers)
}
