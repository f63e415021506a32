//go:build unix

package main

import (
	"math"

	"golang.org/x/sys/unix"
)

// otherFiles is how many files walletd opens beside its connections: the store's, outgoing
// connections of sessions, and what Go itself needs.
const otherFiles = 128

// mostConnections is how many connections the files that this process may open are enough for.
func mostConnections() int {
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil || uint64(files.Cur) > math.MaxInt32 {
		return math.MaxInt32
	}
	return max(int(files.Cur)-otherFiles, 32)
}
