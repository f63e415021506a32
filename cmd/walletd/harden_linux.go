package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// harden keeps this process's memory out of core files and away from other processes of the same
// user. What it cannot do it says; the process is no worse off than before.
func harden() (undone hardening) {
	var core unix.Rlimit
	// A sandbox may forbid to set what it has set to zero itself.
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &core); err != nil || core.Cur != 0 || core.Max != 0 {
		if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
			undone = append(undone, fmt.Errorf("turning core files off: %w", err))
		}
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		undone = append(undone, fmt.Errorf("making the process not dumpable: %w", err))
	}
	return undone
}
