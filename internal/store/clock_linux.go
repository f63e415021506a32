package store

import (
	"time"

	"golang.org/x/sys/unix"
)

// countsSuspend says that sinceBoot goes on while the machine is suspended.
const countsSuspend = true

// sinceBoot is the time since the machine was started. Nobody sets it.
func sinceBoot() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) != nil {
		return 0 // every kernel that Go runs on has it
	}
	return time.Duration(t.Nano())
}
