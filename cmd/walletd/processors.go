package main

import (
	"os"
	"runtime"
	"time"
)

// followEvery is how often the processors are counted again: a control group's quota may change.
const followEvery = time.Minute

// useProcessors has Go run as many goroutines at once as there are processors for this process, by the quota of its
// control group too, and one more. Whoever waits for the disk within fsync holds a place for a while, though it uses
// no processor; with one processor nothing else would run meanwhile. What GOMAXPROCS says is left alone.
func useProcessors() {
	if os.Getenv("GOMAXPROCS") != "" {
		return
	}
	runtime.SetDefaultGOMAXPROCS()
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
}
