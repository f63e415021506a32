//go:build !linux

package store

import "time"

// countsSuspend says that sinceBoot goes on while the machine is suspended.
const countsSuspend = false

var started = time.Now()

// sinceBoot is a time that nobody sets.
func sinceBoot() time.Duration { return time.Since(started) }
